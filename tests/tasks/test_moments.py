import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.moments import difference, summed, to_row
from tasks.spread import estimates, moments, squared_cosine, vendi
from warehouse.parts import conform

PIECES = st.lists(st.integers(1, 30), min_size=2, max_size=5)


def rows_of(n, d=7, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)) + 0.5


def stored(pieces):
    """Rows of `moment`, one run each, and the rows of vectors they are of."""
    vectors = [rows_of(n, seed=i) for i, n in enumerate(pieces)]
    frames = [to_row(f"run{i}", "r", "e", moments(x)) for i, x in enumerate(vectors)]
    return frames, vectors


def test_a_row_is_of_its_table_and_holds_the_upper_triangle():
    row = conform("moment", to_row("run", "recipe", "enc", moments(rows_of(5, d=4))))
    assert row.select("run_id", "recipe", "encoder", "n").rows() == [("run", "recipe", "enc", 5)]
    assert (len(row["total"][0]), len(row["outer"][0])) == (4, 10)


@given(PIECES)
def test_what_runs_stored_gives_the_statistics_of_all_their_rows_together(pieces):
    frames, vectors = stored(pieces)
    found, whole = summed(pl.concat(frames)), moments(np.vstack(vectors))
    assert found.n == whole.n
    assert difference(found, whole) < 1e-12
    assert squared_cosine(found) == pytest.approx(squared_cosine(whole), rel=1e-12)
    assert vendi(found) == pytest.approx(vendi(whole), rel=1e-9)


@given(PIECES)
def test_adding_a_run_and_taking_it_off_again_is_the_identity(pieces):
    frames, _ = stored(pieces)
    before, last = summed(pl.concat(frames[:-1])), summed(frames[-1])
    assert difference((before + last) - last, before) < 1e-12
    assert ((before + last) - last).n == before.n
    again = summed(pl.concat(frames).filter(pl.col("run_id") != f"run{len(pieces) - 1}"))
    assert np.array_equal(again.second, before.second)  # its row vanished with its part: not a bit differs


def test_the_order_of_rows_changes_not_a_bit():
    frames, _ = stored([5, 9, 3])
    one, other = summed(pl.concat(frames)), summed(pl.concat(frames[::-1]))
    assert np.array_equal(one.second, other.second) and np.array_equal(one.first, other.first)


def test_no_rows_are_no_sums():
    assert summed(to_row("r", "r", "e", moments(rows_of(1))).clear()) is None


def test_sums_of_other_sets_are_infinitely_different():
    assert difference(moments(rows_of(4)), moments(rows_of(5))) == math.inf
    assert difference(moments(rows_of(4)), moments(rows_of(4, seed=1))) > 1e-3


def test_intervals_from_a_sample_are_those_of_all_rows_and_values_exact():
    vectors = rows_of(4000)
    exact, sampled = estimates(vectors), estimates(vectors[:1500], moments(vectors))
    for name, one in exact.items():
        other = sampled[name]
        assert other.value == pytest.approx(one.value, rel=1e-12) and other.n == one.n
        assert other.high - other.low == pytest.approx(one.high - one.low, rel=0.1)
