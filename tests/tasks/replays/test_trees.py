import json

import pytest
from replaying import replay

from schemas.errors import BadInput
from tasks.replay import replayed, tally


def message(name, role="assistant", rank=None, replies=(), **more):
    return {
        "message_id": name,
        "role": role,
        "text": f"Text of {name}.",
        "rank": rank,
        "replies": list(replies),
        **more,
    }


TREE = message(
    "q",
    "prompter",
    replies=[
        message("b", rank=1, replies=[message("why", "prompter")]),
        message("a", rank=0, replies=[message("how", "prompter", replies=[message("so", rank=0)])]),
        message("gone", rank=2, deleted=True),
    ],
)


UNRANKED = message("q", "prompter", replies=[message("a"), message("b")])


def test_a_tree_gives_its_threads_prefixes_and_pairs(tmp_path):
    """Two threads, one of which loses an unanswered question; three questions; one pair, since one was deleted."""
    row = {"prompt": TREE, "tree_state": "ready_for_export", "threads": 2, "prefixes": 3, "pairs": 1}
    found = replay(tmp_path, "trees", [row]).only()
    assert found.value == {
        "threads": [["q", "b"], ["q", "a", "how", "so"]],
        "prefixes": [["q"], ["q", "b", "why"], ["q", "a", "how"]],
        "pairs": [["a", "b"]],
    }
    assert found.counted == {"threads": 2, "prefixes": 3, "pairs": 1, "turns of threads": 6}
    assert found.keep and not found.differing() and len(found.compared) == 3


def test_a_published_count_that_is_wrong_is_reported(tmp_path):
    found = replay(tmp_path, "trees", [{"prompt": TREE, "pairs": 3}]).only()
    assert found.differing() == {"pairs": (3, 1)}


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"prompt": TREE, "tree_state": "growing"}, "tree_state is 'growing'"),
        ({"prompt": {**TREE, "deleted": True}}, "deleted"),
        ({"prompt": {**TREE, "role": "owl"}}, "role 'owl'"),
        ({"prompt": {**UNRANKED, "rankings": [3]}}, "unknown shape"),
        ({"prompt": message("alone", "prompter")}, "no thread"),
    ],
)
def test_a_tree_that_gives_nothing_says_why_and_counts_as_none(tmp_path, row, why):
    found = replay(tmp_path, "trees", [{**row, "threads": 1}]).only()
    assert not found.keep and why in found.reason and found.differing() == {"threads": (1, 0)}


def test_options_of_reader_and_maker_are_options_of_the_replay(tmp_path):
    rows = [{"prompt": {**TREE, "lang": "de"}}]
    assert not replay(tmp_path, "trees", rows, languages=["en"]).only().keep
    assert replay(tmp_path, "trees", rows, top_k=1).only().counted["threads"] == 1
    with pytest.raises(BadInput, match="no option 'lang'"):
        replay(tmp_path, "trees", rows, lang="de")


def walked(node, path=()):
    """All paths of an export, deleted messages left out, by the shortest code that could be right."""
    if not node.get("deleted"):
        path = (*path, node)
        yield path
        for reply in node["replies"]:
            yield from walked(reply, path)


def test_100_trees_of_openassistant_give_what_a_walk_by_hand_gives(public_data):
    path = public_data("oasst/en_100_tree.jsonl")
    begun = replayed("trees", [str(path)], {})
    counts = tally(begun.decisions)
    paths = [
        each for line in path.read_text("utf-8").splitlines() for each in walked(json.loads(line)["prompt"])
    ]
    asked = [each[-1] for each in paths if each[-1]["role"] == "prompter"]
    leaves = [each for each in paths if not each[-1]["replies"] and len(each) > 1]
    # Of questions that one answer led to, only the first stands for the thread that ends with that answer.
    threads = [
        each for each in leaves if each[-1]["role"] == "assistant" or each[-2]["replies"][0] is each[-1]
    ]
    ranks = [
        [reply["rank"] for reply in node["replies"] if not reply["deleted"] and reply.get("rank") is not None]
        for node in asked
    ]
    pairs = sum(
        len(each) * (len(each) - 1) // 2 - sum(each.count(r) - 1 for r in set(each)) for each in ranks
    )
    assert (counts["rows kept"], begun.bad) == (100, [])
    assert counts["prefixes"] == len(asked) == 480
    assert counts["threads"] == len(threads) == 555
    assert counts["pairs"] == pairs == 754
