import math
from threading import Event

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from schemas.errors import BadInput
from tasks.calls.completion import Asked
from tasks.calls.draw import Draw, Until, nucleus, number_at

SCORES = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05]))


def drawn(rows, scores, said=None):
    """The token that each row draws after having said `said` (b, n)."""
    ids = torch.zeros(len(rows), 3, dtype=torch.long)
    draw = Draw(rows, 3)
    for column in (said if said is not None else torch.zeros(len(rows), 0, dtype=torch.long)).T:
        draw(ids, scores)
        ids = torch.cat([ids, column[:, None]], dim=1)
    left = draw(ids, scores)
    assert ((left == 0).sum(1) == 1).all() and ((left == 0) | (left == -math.inf)).all()
    return left.argmax(1).tolist()


def test_the_numbers_are_uniform_and_follow_from_seed_and_position_alone():
    numbers = [number_at(seed, position) for seed in range(100) for position in range(20)]
    assert min(numbers) >= 0 and max(numbers) < 1 and len(set(numbers)) == 2000
    assert chisquare(np.histogram(numbers, 20, (0, 1))[0]).pvalue > 1e-4
    assert number_at(3, 4) == number_at(3, 4)


def frequencies(n=4000, **how):
    rows = [Asked(seed=seed, **how) for seed in range(n)]
    return np.bincount(drawn(rows, SCORES.expand(n, 4)), minlength=4)


def test_tokens_come_as_often_as_the_model_says():
    assert chisquare(frequencies(), np.array([0.5, 0.3, 0.15, 0.05]) * 4000).pvalue > 1e-4


def test_temperature_sharpens_and_flattens():
    for temperature in (0.5, 2.0):
        expected = np.array([0.5, 0.3, 0.15, 0.05]) ** (1 / temperature)
        assert chisquare(frequencies(temperature=temperature), expected / expected.sum() * 4000).pvalue > 1e-4


def test_temperature_zero_and_an_empty_nucleus_take_the_likeliest():
    assert frequencies(200, temperature=0.0).tolist() == [200, 0, 0, 0]
    assert frequencies(200, top_p=0.0).tolist() == [200, 0, 0, 0]


def test_a_nucleus_holds_the_fewest_tokens_that_suffice():
    observed = frequencies(top_p=0.7)
    assert observed[2:].sum() == 0
    assert chisquare(observed[:2], np.array([5 / 8, 3 / 8]) * 4000).pvalue > 1e-4


@given(st.lists(st.floats(0.01, 1), min_size=2, max_size=12), st.floats(0, 1))
def test_a_nucleus_is_no_larger_and_no_smaller_than_needed(weights, top_p):
    whole = torch.tensor([weights], dtype=torch.float64) / sum(weights)
    kept = nucleus(whole, torch.tensor([[top_p]], dtype=torch.float64))[0]
    inside = kept[kept > 0]
    assert len(inside) == 1 or inside.sum() - inside.min() < top_p + 1e-9
    assert inside.sum() >= top_p - 1e-9
    assert kept.max() == whole.max()


def test_penalties_count_what_was_said_by_this_row_only():
    said = torch.tensor([[0, 0], [1, 1]])
    greedy = {"temperature": 0.0}
    free, punished = Asked(**greedy), Asked(**greedy, frequency_penalty=0.4)  # log(0.5 / 0.3) is 0.51
    assert drawn([free, free], SCORES.expand(2, 4), said) == [0, 0]
    assert drawn([punished, punished], SCORES.expand(2, 4), said) == [1, 0]
    assert drawn([punished], SCORES.expand(1, 4), said[:1, :1]) == [0]  # said once: 0.4 is not enough
    assert drawn([Asked(**greedy, presence_penalty=0.6)], SCORES.expand(1, 4), said[:1, :1]) == [1]
    assert drawn([Asked(**greedy, presence_penalty=-2.0)], SCORES.expand(1, 4), said[1:]) == [1]


def test_a_row_draws_the_same_alone_and_among_others():
    rows = [Asked(seed=seed, temperature=0.5 + seed / 40, top_p=1 - seed / 50) for seed in range(20)]
    scores = torch.randn(20, 50, generator=torch.Generator().manual_seed(0))
    together = drawn(rows, scores)
    assert together == [drawn([row], scores[place : place + 1])[0] for place, row in enumerate(rows)]
    assert len(set(together)) > 5


def test_a_model_that_computes_no_numbers_is_told():
    with pytest.raises(BadInput, match="NaN"):
        drawn([Asked()], torch.full((1, 4), math.nan))


class Letters:
    """A tokeniser whose tokens are letters; token 0 is special."""

    def decode(self, tokens, skip_special_tokens, clean_up_tokenization_spaces):
        return "".join(chr(96 + token) for token in tokens if token)


def spoken(texts, most=99, stop=(), halt=None, ends=(0,)):
    """An Until that has heard these texts, one letter of each at a time; whether all rows were done."""
    until = Until(
        Letters(), [Asked(stop=tuple(stop))] * len(texts), [most] * len(texts), set(ends), halt or Event()
    )
    ids, done = torch.zeros(len(texts), 2, dtype=torch.long), []
    for letters in zip(*texts, strict=True):
        column = torch.tensor([[0 if letter == "." else ord(letter) - 96] for letter in letters])
        ids = torch.cat([ids, column], dim=1)
        done = until(ids, None).tolist()
    return until, done


def test_a_row_ends_at_its_end_and_the_others_go_on():
    until, done = spoken(["ab.xx", "abcde"])
    assert done == [True, False]
    assert (until.text(0), until.reasons, len(until.tokens[0])) == ("ab", ["stop", None], 3)


def test_a_row_ends_when_it_has_all_its_tokens():
    until, done = spoken(["abcde"], most=3)
    assert (until.text(0), until.reasons, done) == ("abc", ["length"], [True])


def test_a_row_ends_at_the_first_stop_text_which_is_not_part_of_it():
    until, _ = spoken(["abxyzcd" + "q" * 40], stop=["yz", "x"])
    assert (until.text(0), until.reasons, len(until.tokens[0])) == ("ab", ["stop"], 3)
    until, _ = spoken(["q" * 60 + "yz" + "aa"], stop=["yz"])
    assert (until.text(0), until.reasons, len(until.tokens[0])) == ("q" * 60, ["stop"], 62)


def test_a_halt_ends_all_rows_without_a_reason():
    halt = Event()
    halt.set()
    until, done = spoken(["a", "b"], halt=halt)
    assert done == [True, True] and until.reasons == [None, None]
