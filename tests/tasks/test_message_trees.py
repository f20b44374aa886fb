import json
from itertools import combinations

import pytest

from tasks.message_trees import Rules, prefixes, pruned, ranked, spoken, threads

ALL = Rules()


def said(name, *replies, role="prompter", **facts):
    return {"message_id": name, "text": f"text of {name}", "role": role, "replies": list(replies), **facts}


def answer(name, *replies, **facts):
    return said(name, *replies, role="assistant", **facts)


def names(paths):
    return ["".join(node["id"] for node in path) for path in paths]


TREE = said(
    "q",
    answer("a", said("u", answer("x")), said("v"), rank=1),
    answer("b", said("w"), said("y"), rank=0),
    answer("c", rank=2),
)


def test_threads_go_from_the_root_to_each_leaf_and_a_last_question_is_popped():
    # v is no first reply, and of w and y only the first counts.
    assert names(threads(pruned(TREE), ALL)) == ["qaux", "qb", "qc"]


def test_prefixes_end_with_a_prompter():
    assert names(prefixes(pruned(TREE), ALL)) == ["q", "qau", "qav", "qbw", "qby"]


def test_ranked_replies_are_in_order_of_their_rank_and_one_alone_is_none():
    first, second, *_ = prefixes(pruned(TREE), ALL)
    assert [node["id"] for node in ranked(first, ALL)] == ["b", "a", "c"]
    assert ranked(second, ALL) == []


def test_one_ranked_reply_among_others_is_no_choice():
    assert ranked([pruned(said("q", answer("a", rank=0), answer("b")))], ALL) == []


def test_a_prompt_that_nobody_answered_has_no_thread():
    assert list(threads(pruned(said("q")), ALL)) == []
    assert names(prefixes(pruned(said("q")), ALL)) == ["q"]


def test_what_was_deleted_is_gone_with_all_below_it():
    tree = pruned(said("q", answer("a", said("u", answer("x"), deleted=True)), answer("b", deleted=True)))
    assert names(threads(tree, ALL)) == ["qa"]
    assert pruned(said("q", deleted=True)) is None


def test_synthetic_messages_are_left_out_when_the_rules_say_so():
    tree = pruned(said("q", answer("a", rank=0, synthetic=True), answer("b", rank=1), answer("c", rank=2)))
    human = Rules(synthetic=False)
    assert names(threads(tree, human)) == ["qb", "qc"]
    assert [node["id"] for node in ranked([tree], human)] == ["b", "c"]
    assert names(threads(tree, ALL)) == ["qa", "qb", "qc"]


def test_top_k_keeps_high_ranks_and_answers_without_siblings():
    tree = pruned(
        said(
            "q",
            answer("a", said("u", answer("x")), rank=0),
            answer("b", rank=1),
            answer("c"),
            answer("d", rank=2),
        )
    )
    assert names(threads(tree, Rules(top_k=1))) == ["qaux"]
    assert names(threads(tree, Rules(top_k=2))) == ["qaux", "qb"]


def test_rankings_are_merged_where_replies_have_no_rank_of_their_own():
    ballots = [["b", "a", "c"], ["b", "c", "a"], ["a", "b", "c"]]
    tree = pruned(said("q", answer("a"), answer("b"), answer("c"), rankings=ballots))
    assert [node["id"] for node in ranked([tree], ALL)] == ["b", "a", "c"]
    events = {"ranking": [{"type": "ranking", "ranked_message_ids": order} for order in ballots]}
    assert pruned(said("q", answer("a"), answer("b"), answer("c"), events=events)) == tree


def test_a_rank_that_is_told_counts_more_than_rankings():
    tree = pruned(said("q", answer("a", rank=0), answer("b", rank=1), rankings=[["b", "a"]]))
    assert [node["id"] for node in ranked([tree], ALL)] == ["a", "b"]


def test_rankings_of_deleted_replies_leave_no_trace_and_ids_may_be_numbers():
    tree = pruned(said(0, answer(1), answer(2), answer(3, deleted=True), rankings=[[3, 2, 1]]))
    assert [node["id"] for node in ranked([tree], ALL)] == ["2", "1"]


def test_spoken_roles_are_those_of_training_rows():
    (thread,) = threads(pruned(said("q", answer("a"))), ALL)
    assert spoken(thread) == [
        {"role": "user", "content": "text of q"},
        {"role": "assistant", "content": "text of a"},
    ]


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (said("q", role="system"), "role 'system'"),
        ({**said("q"), "text": None}, "NoneType"),
        ({**said("q"), "replies": ["a"]}, "no list of messages"),
        (said("q", answer("a", text=3)), "message 'a'"),
    ],
)
def test_what_is_no_tree_is_refused_with_the_message(message, why):
    with pytest.raises(ValueError, match=why):
        pruned(message)


def plain_counts(root):
    """Threads, prefixes and pairs told once more, from the words of the page alone."""
    n_threads = n_prefixes = n_pairs = 0
    line = [(root, None)]
    while line:
        message, parent = line.pop()
        replies = message.get("replies") or []
        line += [(reply, message) for reply in replies]
        if message["role"] == "prompter":
            n_prefixes += 1
            n_ranked = sum(reply.get("rank") is not None for reply in replies)
            n_pairs += len(list(combinations(range(n_ranked), 2)))
        if not replies and parent is not None:
            n_threads += message["role"] == "assistant" or parent["replies"][0] is message
    return n_threads, n_prefixes, n_pairs


def test_the_hundred_public_trees_give_the_counted_threads_prefixes_and_pairs(public_data):
    lines = public_data("oasst/en_100_tree.jsonl").read_bytes().splitlines()
    roots = [json.loads(line)["prompt"] for line in lines]
    trees = [pruned(root) for root in roots]
    assert len(trees) == 100
    for root, tree in zip(roots, trees, strict=True):
        paths = list(prefixes(tree, ALL))
        pairs = sum(len(list(combinations(ranked(path, ALL), 2))) for path in paths)
        assert (len(list(threads(tree, ALL))), len(paths), pairs) == plain_counts(root)
    counted = {
        "threads": sum(len(list(threads(tree, ALL))) for tree in trees),
        "prefixes": sum(len(list(prefixes(tree, ALL))) for tree in trees),
        "ranked": sum(len(ranked(path, ALL)) > 1 for tree in trees for path in prefixes(tree, ALL)),
        "human threads": sum(len(list(threads(tree, Rules(synthetic=False)))) for tree in trees),
        "best threads": sum(len(list(threads(tree, Rules(top_k=1)))) for tree in trees),
    }
    assert counted == {
        "threads": 555, "prefixes": 480, "ranked": 212, "human threads": 538, "best threads": 103,
    }  # fmt: skip
    assert sum(pairs for root in roots for pairs in plain_counts(root)[2:]) == 754
