import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.bands import N_BANDS, band_keys, buckets, expected_recall, partnered, sketches
from tasks.shingles import sign

SIGNATURES = st.lists(st.lists(st.integers(0, 1), min_size=2, max_size=2), max_size=12)


def few_values(rows):
    """Signatures of which bands 0 and 1 are one of two values each and the others are unique to the row."""
    minhash = np.arange(len(rows), dtype=np.uint32)[:, None] + np.arange(10, 129 * 256, 256, np.uint32)[:128]
    for row, (a, b) in zip(minhash, rows, strict=True):
        row[:4], row[4:8] = a, [b, 1, 2, 3]
    return minhash


def alike(similarity, n_pairs, seed):
    """Signatures of pairs of texts: 200 shingles of which `shared` are common to both, J as asked."""
    shared = round(similarity * 400 / (1 + similarity))
    words = [f"{seed}a{i}" for i in range(n_pairs)]
    both = [" ".join(f"{w}s{j}" for j in range(shared + 2 if shared else 0)) for w in words]
    own = 200 - shared if shared else 202
    sides = [
        [text + "".join(f" {w}{side}{j}" for j in range(own)) for w, text in zip(words, both, strict=True)]
        for side in "lr"
    ]
    return [sign(pl.Series(side), 3)[0] for side in sides], shared / (400 - shared)


@pytest.mark.parametrize(
    ("similarity", "recall"), [(0, 0), (0.2, 0.0499), (0.5, 0.8732), (0.7, 0.99985), (1, 1)]
)
def test_the_s_curve_has_its_published_values(similarity, recall):
    assert expected_recall(similarity) == pytest.approx(recall, abs=1e-4)


@pytest.mark.parametrize("similarity", [0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.95])
def test_pairs_share_a_band_as_often_as_the_s_curve_says(similarity):
    n_pairs = 600
    (left, right), exact = alike(similarity, n_pairs, "p")
    shared = np.stack([band_keys(left, band) == band_keys(right, band) for band in range(N_BANDS)])
    expected = expected_recall(exact)
    margin = 4 * np.sqrt(expected * (1 - expected) / n_pairs) + 0.005
    assert shared.any(axis=0).mean() == pytest.approx(expected, abs=margin)
    assert shared.mean() == pytest.approx(exact**4, abs=4 * np.sqrt(exact**4 / n_pairs / N_BANDS) + 0.003)


def test_keys_are_equal_where_the_four_minima_of_the_band_are():
    minhash = np.random.default_rng(0).integers(0, 3, (2000, 128), dtype=np.uint32)
    for band in (0, 1, 31):
        rows = minhash[:, 4 * band : 4 * band + 4]
        assert len(np.unique(band_keys(minhash, band))) == len(np.unique(rows, axis=0)) == 81


@settings(max_examples=50)
@given(SIGNATURES)
def test_two_rows_share_a_bucket_where_they_agree_in_a_band(rows):
    sketch = sketches(few_values(rows))
    made = buckets(sketch, cap=3)
    assert (made.of[:, 2:] == -1).all()
    room = dict.fromkeys(range(len(made.bounds) - 1), 0)
    for band in (0, 1):
        for i, row in enumerate(rows):
            mates = [j for j, other in enumerate(rows) if other[band] == row[band]]
            if len(mates) == 1:
                assert made.of[i, band] == -1
            else:
                assert np.flatnonzero(made.of[:, band] == made.of[i, band]).tolist() == mates
                room[made.of[i, band]] = min(len(mates), 3)
    assert np.diff(made.bounds).tolist() == list(room.values())


@pytest.mark.parametrize("n_earlier", [0, 1, 3, 5, 60])
@pytest.mark.parametrize("n_rows", [60, 40])
def test_every_row_that_is_compared_was_said_to_have_a_partner(n_earlier, n_rows):
    rng = np.random.default_rng(n_earlier)
    sketch = rng.integers(0, 2, (60, 128), dtype=np.uint8)
    agreement = (sketch[:, None] == sketch[None]).sum(axis=2)
    shared = (sketch.reshape(60, 1, 32, 4) == sketch.reshape(1, 60, 32, 4)).all(axis=3).any(axis=2)
    compared = (agreement >= 70) & shared & ~np.eye(60, dtype=bool)
    compared[:n_earlier, :n_earlier] = False
    rows = np.sort(rng.permutation(60)[:n_rows]).astype(np.uint32)
    left_out = np.setdiff1d(np.arange(60), rows)
    compared[left_out] = compared[:, left_out] = False
    assert partnered(sketch, rows, n_earlier, 70, 100).tolist() == compared.any(axis=1).tolist()
    assert (partnered(sketch, rows, n_earlier, 70, 1) >= compared.any(axis=1)).all()


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_minima_that_agree_agree_in_the_sketch(left, right):
    both = np.full((2, 128), left, np.uint32)
    both[1] = right
    same = (sketches(both)[0] == sketches(both)[1]).all()
    assert same == (left % 256 == right % 256)
