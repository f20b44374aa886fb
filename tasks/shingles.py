"""Texts as sets of word n-grams, and their MinHash signatures (Broder 1997).

Words are those of `tasks.tokens.words`: Unicode words after NFKC and lower-casing, a Han or kana character by
itself. The compiled loops know ASCII only, so a text with other characters is first rewritten as its words
joined by spaces; a text whose only other characters are typographic (quotes, dashes, ellipsis) just loses
those.
"""

from collections.abc import Iterator
from functools import cache

import numpy as np
import polars as pl

from schemas.errors import BadInput
from tasks.tokens import words

BATCH_BYTES = 1 << 23  # of text in one call of a compiled loop, which allocates some times as much
_TYPOGRAPHIC = list("‘’“”–—…•°\u00a0")  # none of them is part of a word, before or after NFKC
_SHINGLES = (3, 5)


def contract(n: int) -> str:
    """Name of what signatures on word n-grams are made of; only signatures of one contract are compared.

    - word: run of ASCII letters, digits or bytes >= 0x80, lower-cased, after the rewriting described above
    - hash of a word: h = SEED; then h = mix(h ^ block) for each block of 8 bytes, little-endian, the last one
      padded by zeros; mix(x) = y ^ (y >> 32), y = x * MIX mod 2^64
    - shingle: mix' of the sum over j < n of word[i + j] * ROLL^(n - 1 - j), mix' with the multiplier FINISH;
      a text of fewer than n words is one shingle of what it has, one without words has none
    - minimum k: datasketch's affine32 of the low 32 bits x of the shingles, min of a[k] * fmix32(x) + b[k]

    Raises:
        BadInput: when n is neither 3 (instructions) nor 5 (long texts).
    """
    if n not in _SHINGLES:
        raise BadInput(f"no contract for shingles of {n!r} words; known: {list(_SHINGLES)}")
    return f"v1-nfkc-word{n}-mix64-affine32-seed1-k128"


def sign(texts: pl.Series, n: int) -> tuple[np.ndarray, np.ndarray]:
    """MinHash signatures, bit-identical to datasketch 2 (128 permutations, seed 1, scheme affine32).

    Returns:
        Minima, (m, 128) uint32, and the number of distinct shingles, (m,) int64: 0 for a text without words.
    """
    from tasks import signature_kernel as kernel

    minima = np.empty((len(texts), kernel.K), np.uint32)
    counts = np.empty(len(texts), np.int64)
    at = 0
    for data, ends in _batches(texts):
        rows = slice(at, at + len(ends) - 1)
        kernel.sign(data, ends, n, _permutations(), minima[rows], counts[rows])
        at = rows.stop
    return minima, counts


def shingle_sets(texts: pl.Series, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Distinct 64-bit shingle hashes of each text, ascending.

    Returns:
        Bounds, (m + 1,) int64, and hashes, uint64: the set of text i is hashes[bounds[i]:bounds[i + 1]].
    """
    from tasks import signature_kernel as kernel

    made = [kernel.shingle_sets(data, ends, n) for data, ends in _batches(texts)]
    sizes = [np.diff(bounds) for bounds, _ in made]
    bounds = np.concatenate([np.zeros(1, np.int64), *sizes]).cumsum()
    return bounds, np.concatenate([np.zeros(0, np.uint64), *(hashes for _, hashes in made)])


def normalised(texts: pl.Series) -> Iterator[bytes]:
    """Each text as UTF-8 of its words, each with a space behind it; empty for a text without words."""
    from tasks import signature_kernel as kernel

    for data, ends in _batches(texts):
        bounds, plain = kernel.normalise(data, ends)
        whole = plain.tobytes()
        yield from (whole[a:b] for a, b in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True))


def _batches(texts: pl.Series) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Arrow's own buffers: the bytes of the texts, and bounds: text i is data[bounds[i]:bounds[i + 1]]."""
    for batch in _split(texts):
        strings = _ascii(batch).to_arrow(compat_level=pl.CompatLevel.oldest())
        _, ends, data = strings.buffers()
        bounds = np.frombuffer(ends, np.int64)[strings.offset : strings.offset + len(strings) + 1]
        yield np.frombuffer(data or b"", np.uint8), bounds


def _split(texts: pl.Series) -> Iterator[pl.Series]:
    """Consecutive slices of about `BATCH_BYTES`; a longer text is a slice of its own."""
    if texts.is_empty():
        return
    number = texts.str.len_bytes().cum_sum().to_numpy() // BATCH_BYTES
    starts = np.flatnonzero(np.diff(number, prepend=-1))
    for start, stop in zip(starts, [*starts[1:], len(texts)], strict=True):
        yield texts.slice(start, stop - start)


def _ascii(texts: pl.Series) -> pl.Series:
    """The same texts, such that splitting at ASCII non-alphanumerics gives their words."""
    foreign = _foreign(texts).arg_true()
    if foreign.is_empty():
        return texts
    original = texts.gather(foreign)
    mended = original.str.replace_many(_TYPOGRAPHIC, [" "] * len(_TYPOGRAPHIC))
    unknown = _foreign(mended).arg_true()
    mended = mended.scatter(unknown, [" ".join(words(text)) for text in original.gather(unknown)])
    return texts.clone().scatter(foreign, mended)


def _foreign(texts: pl.Series) -> pl.Series:
    return texts.str.len_bytes() != texts.str.len_chars()


@cache
def _permutations() -> np.ndarray:
    """(2, 128) uint32: multipliers and offsets, drawn by datasketch itself."""
    from datasketch import MinHash

    return MinHash(num_perm=128, seed=1, scheme="affine32").permutations
