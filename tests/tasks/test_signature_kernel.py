import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from datasketch import MinHash
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.shingles import shingle_sets, sign
from tasks.signature_kernel import _ordered
from tasks.tokens import words

ALL = 2**64 - 1
STORY = "Once upon a time there was a little girl, and the girl had an unbelievably tiny dog. The dog ran."
FIRST_MINIMA = [550199208, 2623814, 31431572, 38194965]  # of STORY; stored signatures rely on them
TEXTS = st.lists(st.text(alphabet="abC1 ,é", max_size=80), min_size=1, max_size=5)


def mixed(x, multiplier):
    y = x * multiplier & ALL
    return y ^ (y >> 32)


def word_hash(word):
    h = 0x9E3779B97F4A7C15
    for start in range(0, len(word), 8):
        h = mixed(h ^ int.from_bytes(word[start : start + 8], "little"), 0xD6E8FEB86659FD93)
    return h


def reference(text, n):
    """The shingles of the contract in plain Python, in the order of the text."""
    hashes = [word_hash(word.encode()) for word in words(text)]
    found = []
    for start in range(max(1, len(hashes) - n + 1) if hashes else 0):
        h = 0
        for w in hashes[start : start + n]:
            h = (h * 0xC2B2AE3D27D4EB4F + w) & ALL
        found.append(mixed(h, 0xFF51AFD7ED558CCD))
    return found


def datasketch_signature(hashes):
    theirs = MinHash(num_perm=128, seed=1, scheme="affine32", hashfunc=lambda h: h)
    theirs.update_batch(hashes)
    return theirs.hashvalues


@settings(deadline=None, max_examples=50)
@given(TEXTS, st.sampled_from([3, 5]))
def test_shingles_are_those_of_the_contract(texts, n):
    bounds, hashes = shingle_sets(pl.Series(texts), n)
    for i, text in enumerate(texts):
        assert hashes[bounds[i] : bounds[i + 1]].tolist() == sorted(set(reference(text, n)))


@settings(deadline=None, max_examples=50)
@given(TEXTS, st.sampled_from([3, 5]))
def test_signatures_are_bit_identical_to_datasketch_on_the_same_hashes(texts, n):
    minima, counts = sign(pl.Series(texts), n)
    assert minima.dtype == np.uint32
    for text, row, count in zip(texts, minima, counts, strict=True):
        shingles = reference(text, n)
        np.testing.assert_array_equal(row, datasketch_signature([h & 0xFFFFFFFF for h in shingles]))
        assert count == len(set(shingles))


def test_signatures_of_public_stories_are_bit_identical_to_datasketch(public_data):
    stories = public_data("tinystories/valid_first_10k_lines.txt").read_text().split("<|endoftext|>")[:40]
    minima, _ = sign(pl.Series(stories), 5)
    for story, row in zip(stories, minima, strict=True):
        hashes = [h & 0xFFFFFFFF for h in reference(story, 5)]
        np.testing.assert_array_equal(row, datasketch_signature(hashes))


def test_a_stored_signature_never_changes():
    minima, counts = sign(pl.Series([STORY, ""]), 5)
    assert minima[0, :4].tolist() == FIRST_MINIMA
    assert counts.tolist() == [16, 0]
    assert (minima[1] == 2**32 - 1).all()


def test_repeated_shingles_count_once_in_a_text_longer_than_any_buffer():
    text = "the cat sat on the mat and " * 3000
    minima, counts = sign(pl.Series(["short", text, "short"]), 5)
    assert counts.tolist() == [1, 7, 1]
    np.testing.assert_array_equal(minima[0], minima[2])
    np.testing.assert_array_equal(minima[1], sign(pl.Series([text[: 9 * 27]]), 5)[0][0])


def test_equal_minima_estimate_the_jaccard_similarity_without_bias():
    # 300 pairs, each with 300 shingles in common and 100 on either side: J = 0.6
    left, right = [], []
    for i in range(300):
        shared = " ".join(f"w{i}x{j}" for j in range(304))
        left.append(shared + "".join(f" l{i}x{j}" for j in range(100)))
        right.append(shared + "".join(f" r{i}x{j}" for j in range(100)))
    (a, _), (b, _) = sign(pl.Series(left), 5), sign(pl.Series(right), 5)
    assert (a == b).mean() == pytest.approx(0.6, abs=0.01)


def test_another_process_finds_the_compiled_code_and_stages_do_not_wait_for_the_compiler():
    sign(pl.Series(["compile"]), 5)
    code = (
        "import sys, polars as pl, tasks.exact, tasks.minhash, tasks.signature;"
        "assert 'numba' not in sys.modules;"
        "from tasks.shingles import sign; from tasks import signature_kernel as kernel;"
        "sign(pl.Series(['compile']), 5);"
        "assert sum(kernel.sign.stats.cache_hits.values()) == 1, kernel.sign.stats"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@settings(max_examples=60)
@given(st.lists(st.integers(0, 3), max_size=90), st.integers(0, 63), st.integers(0, ALL))
def test_hashes_are_put_in_order_also_where_many_share_their_highest_bits(small, shift, noise):
    spread = [(value << shift ^ noise * i) & ALL for i, value in enumerate(small)]
    for values in (np.array([v << shift & ALL for v in small], np.uint64), np.array(spread, np.uint64)):
        found = _ordered(values, np.empty(len(values), np.uint64))
        np.testing.assert_array_equal(found, np.sort(values))
