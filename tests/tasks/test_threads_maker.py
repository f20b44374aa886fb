import pytest

from schemas.errors import BadInput
from tasks.makers import Given
from tasks.message_trees import pruned
from tasks.threads_maker import make_pairs, make_prefixes, make_threads


def message(name, *replies, role="prompter", **facts):
    return {"message_id": name, "text": f"text {name}", "role": role, "replies": list(replies), **facts}


def reply(name, *replies, **facts):
    return message(name, *replies, role="assistant", **facts)


TREE = message("q", reply("a", message("u", reply("x")), rank=1), reply("b", rank=0), reply("c", rank=2))


def made(maker, slots, **options):
    return maker(Given({"text": "text q", "slots": slots}, {}, {}, options, 0))


def of(tree, maker=make_threads, **options):
    return made(maker, {"tree": pruned(tree)}, **options)


def pairs_of(tree, **options):
    prefixes = of(tree, make_prefixes, **options)
    return [pair for prefix in prefixes for pair in made(make_pairs, prefix.slots)]


def test_a_thread_is_a_conversation_that_ends_with_the_assistant():
    first, second, third = of(TREE)
    assert [turn["content"] for turn in first.messages] == ["text q", "text a", "text u", "text x"]
    assert (first.output, first.instruction, first.slots) == ("text x", None, {"ids": ["q", "a", "u", "x"]})
    assert (second.instruction, second.output) == ("text q", "text b")
    assert first.text == "text q\n\ntext a\n\ntext u\n\ntext x"


def test_options_reach_the_rules():
    assert [piece.output for piece in of(TREE, top_k=1)] == ["text b"]
    with pytest.raises(BadInput, match="no option 'top'; known"):
        of(TREE, top=1)


def test_every_prefix_is_kept_with_what_was_said_before_it():
    first, second = of(TREE, make_prefixes)
    assert first.text == "text q" and first.slots["messages"] == [{"role": "user", "content": "text q"}]
    assert [turn["role"] for turn in second.messages] == ["user", "assistant", "user"]
    assert second.slots["replies"] == []


def test_of_three_ranked_replies_there_are_three_pairs_and_the_better_is_chosen():
    told = [(pair.output, pair.rejected) for pair in pairs_of(TREE)]
    assert told == [("text b", "text a"), ("text b", "text c"), ("text a", "text c")]


def test_a_pair_holds_the_prefix_and_the_chosen_reply_as_its_conversation():
    pair = pairs_of(TREE)[0]
    assert pair.messages == [
        {"role": "user", "content": "text q"},
        {"role": "assistant", "content": "text b"},
    ]
    assert pair.slots == {"ids": ["b", "a"], "ranks": [0, 1]} and pair.text == "text b\n\ntext a"


def test_no_two_pairs_of_a_prefix_have_the_same_text():
    texts = [pair.text for pair in pairs_of(TREE)]
    assert len(set(texts)) == len(texts) == 3


def test_equal_ranks_are_a_tie_and_make_no_pair():
    tree = message("q", reply("a", rank=0), reply("b", rank=0), reply("c", rank=1))
    assert [pair.slots["ids"] for pair in pairs_of(tree)] == [["a", "c"], ["b", "c"]]


def test_two_replies_of_the_same_words_are_kept_with_a_reason():
    tree = message("q", reply("a", rank=0, text="Yes."), reply("b", rank=1, text="Yes. "))
    (pair,) = pairs_of(tree)
    assert pair.reason == "both replies are the same"


def test_a_thread_whose_roles_do_not_take_turns_is_kept_with_a_reason():
    (piece,) = of(message("q", message("u", reply("x"))))
    assert piece.reason == "prompter and assistant do not take turns"


def test_an_empty_message_spoils_its_thread_only():
    pieces = of(message("q", reply("a", text=" "), reply("b")))
    assert [piece.reason for piece in pieces] == ["an empty message", None]
