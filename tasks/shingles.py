"""Texts as sets of word n-grams, and their MinHash signatures (Broder 1997).

Words are those of `tasks.tokens.words`: Unicode words after NFKC and lower-casing, a Han or kana character by
itself. The loops that hash know ASCII only, so a text with other characters is first rewritten as its words
joined by spaces: by a table (`tasks.letters`), or by Python where the table does not suffice.
"""

from collections.abc import Iterator
from functools import cache

import numpy as np
import polars as pl
import pyarrow as pa

from schemas.errors import BadInput
from tasks.tokens import words

BATCH_BYTES = 1 << 23  # of text in one call of a compiled loop, which allocates some times as much
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
    minima, counts = _sign(texts, n, False)
    for rows, plain in _rewritten(texts, counts < 0):
        minima[rows], counts[rows] = _sign(plain, n, True)
    return minima, counts


def fingerprints(texts: pl.Series, n: int) -> tuple[np.ndarray, np.ndarray, pl.Series]:
    """What `sign` returns, and blake2b-128 of each text as `normalised` gives it: null without words."""
    minima, counts = _sign(texts, n, False)
    unread = counts < 0
    digests = np.empty((len(texts), 2), np.uint64)
    for rows, plain in _rewritten(texts, unread):
        minima[rows], counts[rows] = _sign(plain, n, True)
        digests[rows] = _digest(plain)
    ascii_ = np.flatnonzero(~unread) if unread.any() else slice(None)
    digests[ascii_] = _digest(texts.gather(ascii_) if unread.any() else texts)
    return minima, counts, _binary(digests, counts > 0)


def shingle_sets(texts: pl.Series, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Distinct 64-bit shingle hashes of each text, ascending.

    Returns:
        Bounds, (m + 1,) int64, and hashes, uint64: the set of text i is hashes[bounds[i]:bounds[i + 1]].
    """
    from tasks import signature_kernel as kernel
    from tasks.text_memory import located

    made = []
    for batch in _split(texts):
        found, kept = located(_readable(batch))
        made.append(kernel.shingle_sets(found, n))
        del kept
    sizes = [np.diff(bounds) for bounds, _ in made]
    bounds = np.concatenate([np.zeros(1, np.int64), *sizes]).cumsum()
    hashes = [hashes for _, hashes in made] or [np.zeros(0, np.uint64)]
    return bounds, hashes[0] if len(hashes) == 1 else np.concatenate(hashes)


def normalised(texts: pl.Series) -> Iterator[bytes]:
    """Each text as UTF-8 of its words, each with a space behind it; empty for a text without words."""
    for batch in _split(texts):
        whole, bounds = _words(_readable(batch))
        plain = whole.tobytes()
        yield from (plain[a:b] for a, b in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True))


def _sign(texts: pl.Series, n: int, rewritten: bool) -> tuple[np.ndarray, np.ndarray]:
    """What `sign` returns; the count is -1 where a text must be rewritten first."""
    from tasks import signature_kernel as kernel
    from tasks.text_memory import located

    minima, counts = np.empty((len(texts), 128), np.uint32), np.empty(len(texts), np.int64)
    if len(texts):
        found, kept = located(texts)
        kernel.sign(found, n, rewritten, _permutations(), minima.reshape(-1), counts)
        del kept  # the texts were read there
    return minima, counts


def _digest(texts: pl.Series) -> np.ndarray:
    """blake2b-128 of texts that need no rewriting: (m, 2) uint64, the 16 bytes as they lie in memory."""
    from tasks.digest_kernel import digest

    found, at = np.empty((len(texts), 2), np.uint64), 0
    for batch in _split(texts):
        digest(*_words(batch), found[at : at + len(batch)])
        at += len(batch)
    return found


def _binary(digests: np.ndarray, valid: np.ndarray) -> pl.Series:
    fixed = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(digests), [None, pa.py_buffer(digests)])
    made = pl.DataFrame({"digest": pl.from_arrow(fixed).cast(pl.Binary), "valid": valid})
    return made.select(pl.when("valid").then("digest").alias("digest"))["digest"]


def _words(texts: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """Words of texts that need no rewriting, end to end; and bounds: text i is at bounds[i]:bounds[i + 1]."""
    from tasks.digest_kernel import normalise
    from tasks.text_memory import located

    bounds = np.empty(len(texts) + 1, np.int64)
    found, kept = located(texts)
    plain = normalise(found, bounds)
    del kept  # the texts were read there
    return plain, bounds


def _split(texts: pl.Series) -> Iterator[pl.Series]:
    """Consecutive slices of about `BATCH_BYTES`; a longer text is a slice of its own."""
    if texts.is_empty():
        return
    number = texts.str.len_bytes().cum_sum().to_numpy() // BATCH_BYTES
    starts = np.flatnonzero(np.diff(number, prepend=-1))
    for start, stop in zip(starts, [*starts[1:], len(texts)], strict=True):
        yield texts.slice(start, stop - start)


def _rewritten(texts: pl.Series, which: np.ndarray) -> Iterator[tuple[np.ndarray, pl.Series]]:
    """Some of the texts rewritten, a batch at a time, and where they were."""
    rows, at = np.flatnonzero(which), 0
    for batch in _split(texts.gather(rows)):
        yield rows[at : at + len(batch)], _readable(batch)
        at += len(batch)


def _readable(texts: pl.Series) -> pl.Series:
    """The same texts, such that splitting at ASCII non-alphanumerics gives their words."""
    from tasks.letters import rewrite, table
    from tasks.text_memory import located

    foreign = _foreign(texts).arg_true()
    if foreign.is_empty():
        return texts
    original = texts.gather(foreign)
    bounds, rare = np.empty(len(original) + 1, np.int64), np.empty(len(original), bool)
    found, kept = located(original)
    plain = rewrite(found, table(), bounds, rare)
    del kept  # the texts were read there
    buffers = [None, pa.py_buffer(bounds), pa.py_buffer(plain)]
    mended = pl.Series(pl.from_arrow(pa.Array.from_buffers(pa.large_string(), len(original), buffers)))
    unknown = np.flatnonzero(rare)
    if len(unknown):
        mended = mended.scatter(unknown, [" ".join(words(text)) for text in original.gather(unknown)])
    return mended if len(foreign) == len(texts) else texts.clone().scatter(foreign, mended)


def _foreign(texts: pl.Series) -> pl.Series:
    return texts.str.len_bytes() != texts.str.len_chars()


@cache
def _permutations() -> np.ndarray:
    """(256,) uint32: multipliers, then offsets, drawn by datasketch itself."""
    from datasketch import MinHash

    return np.ravel(MinHash(num_perm=128, seed=1, scheme="affine32").permutations)
