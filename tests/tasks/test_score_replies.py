import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import BadInput
from tasks.replies import Told
from tasks.score_replies import score, score_in, scored


def read(text, finish="stop", **options):
    (piece,) = score(Told(text, finish, {}, options=options))
    return piece


@pytest.mark.parametrize(
    ("text", "loose", "strict"),
    [
        ("Clear and complete.\nScore: 4", 4, 4),
        ("Score: 5", 5, 5),
        ("Clear.\nScore: 4\n\n", 4, 4),
        ("Clear. Score: 4", 4, None),
        ("Clear.\nscore: 4", 4, None),
        ("Clear.\nSCORE:4", 4, None),
        ("I first thought of Score: 2, but no.\nScore: 4", 4, None),
        ("Score: 3\nScore: 3", 3, None),
        ("The final score: 4", 4, None),
        ("Score: 4/5", None, None),
        ("Score: 4.", None, None),
        ("Score: 4.5", None, None),
        ("**Score:** 4", None, None),
        ("Score: four", None, None),
        ("Score: n", None, None),
        ("Score: 4\nI hope this helps!", None, None),
        ("Điểm số rất tốt.\nScore: 5", 5, 5),
        ("得分：5", None, None),
        ("Score: ４", None, None),
        ("", None, None),
    ],
)
def test_both_forms_read_what_they_say(text, loose, strict):
    assert score_in(text) == loose
    assert score_in(text, "strict") == strict


def test_the_whole_reply_is_kept_beside_its_score():
    piece = read("It answers in full.\nScore: 4")
    assert piece == ("It answers in full.\nScore: 4", None, None, None, None, None, None, {}, 4.0)


@pytest.mark.parametrize("said", ["0", "6", "45", "999999999"])
def test_a_number_outside_the_scale_is_no_score(said):
    piece = read(f"Fine.\nScore: {said}")
    assert piece.score is None and piece.reason == f"score {said}; the scale goes from 1 to 5"


def test_a_score_that_the_length_may_have_cut_is_none():
    assert read("Fine.\nScore: 1", "length", high=10)._replace(text="") == (
        "",
        "cut by length",
        *[None] * 5,
        {},
        None,
    )


def test_the_reason_names_the_form():
    assert read("Fine. Score: 4", form="strict").reason == "no score at its end (strict form)"
    assert read("It depends").reason == "no score at its end (loose form)"


def test_another_scale_is_an_option():
    assert read("Score: 0", low=0, high=10).score == 0 and read("Score: 10", low=0, high=10).score == 10


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"shape": "loose"}, "no option 'shape'"),
        ({"form": "lax"}, "no form 'lax'; known: .*'loose', 'strict'"),
        ({"low": 5, "high": 5}, "no scale"),
        ({"high": "5"}, "no scale"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, why):
    with pytest.raises(BadInput, match=why):
        read("Score: 4", **options)


@given(st.text().filter(lambda text: "core" not in text.lower()), st.integers(1, 5))
def test_what_is_written_is_read_back_in_both_forms(reasoning, number):
    text = scored(reasoning, number)
    assert [score_in(text, form) for form in ("loose", "strict")] == [number, number]
    assert read(text).score == number


@given(
    st.lists(st.sampled_from(["Score: ", "score:", "4", "5", "\n", " ", ".", "fine"]), max_size=12).map(
        "".join
    )
)
def test_what_the_strict_form_accepts_the_loose_form_reads_alike(text):
    strict = score_in(text, "strict")
    assert strict is None or strict == score_in(text)
