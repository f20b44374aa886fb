import pytest
from replaying import replay

from schemas.errors import BadInput
from tasks.replay import replayed, tally


def test_what_passed_in_public_and_not_here_is_a_difference(tmp_path):
    rows = [
        {"instruction": "Name three kinds of bread."},
        {"instruction": "Describe the map of France."},
        {"instruction": "Too short"},
    ]
    found = replay(tmp_path, "filters", rows)
    assert [bool(decision.differing()) for decision in found.decisions] == [False, True, True]
    assert found.decisions[1].differing() == {"keep": (True, False)}
    assert found.decisions[1].reason == "holds 'map', which a text model cannot do"


def test_words_of_alpaca_are_more(tmp_path):
    rows = [{"instruction": "Describe the music of the day."}]
    assert replay(tmp_path, "filters", rows).only().keep
    assert not replay(tmp_path, "filters", rows, words="alpaca").only().keep


def test_a_row_that_says_it_was_dropped_agrees_when_it_is(tmp_path):
    rows = [
        {"instruction": "Too short", "keep": False},
        {"instruction": "Name three kinds of bread.", "keep": False},
    ]
    found = replay(tmp_path, "filters", rows)
    assert [decision.differing() for decision in found.decisions] == [{}, {"keep": (False, True)}]


def test_rows_that_say_nothing_are_no_decision_when_asked(tmp_path):
    found = replay(tmp_path, "filters", [{"instruction": "Too short"}], accepted=False)
    assert not found.only().keep and not found.only().compared


def test_keep_must_be_true_or_false(tmp_path):
    with pytest.raises(BadInput, match="keep is 'no', neither true nor false"):
        replay(tmp_path, "filters", [{"instruction": "Name three kinds of bread.", "keep": "no"}])


def test_all_52002_instructions_of_alpaca_pass_its_filters(public_data):
    begun = replayed("filters", [str(public_data("alpaca/alpaca_data.json"))], {"words": "alpaca"})
    counts = tally(begun.decisions)
    assert (counts["rows kept"], counts["differs: keep"], begun.bad) == (52_002, 0, [])
