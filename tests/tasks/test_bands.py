import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.bands import N_BANDS, Index, band_keys, buckets, expected_recall
from tasks.shingles import sign

SIGNATURES = st.lists(st.lists(st.integers(0, 1), min_size=2, max_size=2), max_size=12)


def few_values(rows):
    """Signatures of which bands 0 and 1 are one of two values each and the others are unique to the row."""
    minhash = np.arange(len(rows) * 128, dtype=np.uint32).reshape(-1, 128) + np.uint32(10)
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


@given(SIGNATURES)
def test_a_bucket_holds_all_rows_that_agree_in_a_band_and_no_others(rows):
    made = buckets(few_values(rows))
    assert (made.of[:, 2:] == -1).all()
    for band in (0, 1):
        for i, row in enumerate(rows):
            mates = [j for j, other in enumerate(rows) if other[band] == row[band]]
            bucket = made.of[i, band]
            if len(mates) == 1:
                assert bucket == -1
            else:
                assert made.members[made.bounds[bucket] : made.bounds[bucket + 1]].tolist() == mates
    assert made.bounds[-1] == len(made.members) == (made.of >= 0).sum()


@given(SIGNATURES, SIGNATURES, st.integers(1, 5), st.integers(1, 12))
def test_the_earlier_rows_admitted_are_the_first_of_each_key_whatever_the_pages(new, earlier, most, page):
    expected = np.zeros(len(earlier), bool)
    for band in (0, 1):
        for value in {row[band] for row in new}:
            expected[[i for i, row in enumerate(earlier) if row[band] == value][:most]] = True
    new, earlier = few_values(new), few_values(earlier)
    earlier[:, 8:] += np.uint32(1_000_000)
    index = Index(new, most)
    pages = [index.admit(earlier[start : start + page]) for start in range(0, len(earlier), page)]
    np.testing.assert_array_equal(np.concatenate([np.zeros(0, bool), *pages]), expected)
