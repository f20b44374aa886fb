"""Texts in any script rewritten as their words with spaces between, compiled: `tasks.tokens.words` by table.

NFKC, lower-casing and the division into words act on most characters one by one: a table made from Python's
own Unicode data says what each becomes. A text with a character whose effect depends on its neighbours
(combining accents, jamo, the Greek capital sigma), that becomes several, or that lies beyond the table is
left to Python.
"""

import unicodedata
from functools import cache

import numpy as np
import regex
from numba import njit

from tasks import lanes
from tasks.text_memory import SLACK, Texts

# First digits of the SHA-256 of files that are compiled into this one, the only one numba's cache sees.
COMPILED_IN = {"lanes": "42dabcafd0d1b643", "text_memory": "3b1fff617238c190"}
NONE, LETTER, ALONE, MARK, RARE = range(5)  # of no word; of a word; a word by itself; joins what is before it
_CODES = 0x20000
_KINDS = regex.compile(r"([\p{L}\p{N}])|(\p{M})|")
_ALONE = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}]")
_U64 = np.uint64


@cache
def table() -> np.ndarray:
    """(131072,) uint32 by code point: what it becomes, and its kind in the highest 8 bits."""
    joins = {*range(0x1160, 0x1200)}  # that may merge with the character before it
    for code in range(_CODES):
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and parts[0][0] != "<":
            joins.add(int(parts[1], 16))
    return np.array([_entry(code, joins) for code in range(_CODES)], np.uint32)


def _entry(code: int, joins: set[int]) -> int:
    letter = chr(code)
    composed = unicodedata.normalize("NFKC", letter)
    changing = any(unicodedata.combining(c) or ord(c) in joins for c in composed)
    if changing or letter in "Σ" or 0xD800 <= code < 0xE000 or "Σ" in composed:
        return RARE << 24
    lower = composed.lower()
    kinds = [
        ALONE if _ALONE.match(c) else (NONE, LETTER, MARK)[_KINDS.match(c).lastindex or 0] for c in lower
    ]
    if not any(kinds):
        return 0
    return kinds[0] << 24 | ord(lower) if len(kinds) == 1 else RARE << 24


@njit(cache=True, nogil=True)
def rewrite(texts: Texts, table: np.ndarray, bounds: np.ndarray, rare: np.ndarray) -> np.ndarray:
    """Words of many texts with spaces between, end to end, as UTF-8.

    Args:
        texts: m texts.
        table: what `table` returns.
        bounds: (m + 1,) int64, is filled: text i is at bounds[i]:bounds[i + 1].
        rare: (m,) bool, is filled: the texts that the table does not suffice for, which are left empty.
    """
    out = np.empty(2 * texts.lengths.sum() + 2 * SLACK, np.uint8)
    bounds[0] = at = 0
    for i in range(len(texts.lengths)):
        place = texts.places[i]
        stop = place + _U64(texts.lengths[i])
        before = NONE
        rare[i] = False
        while place < stop:
            code, width = _decode(lanes.load(place))
            place += _U64(width)
            entry = table[code] if code < len(table) else np.uint32(RARE << 24)
            kind = entry >> 24
            if kind == RARE:
                rare[i] = True
                break
            if before != NONE and (kind in (NONE, ALONE) or (kind == LETTER and before == ALONE)):
                out[at] = 32
                at += 1
            if kind != NONE:
                at = _encode(np.int64(entry & 0xFFFFFF), out, at)
            before = before if kind == MARK and before != NONE else (LETTER if kind == MARK else kind)
        if rare[i]:
            at = bounds[i]
        bounds[i + 1] = at
    return out


@njit(forceinline=True)
def _decode(block: int) -> tuple[int, int]:
    """The character that 8 bytes of UTF-8 begin with, and its width."""
    a, b = np.int64(block & _U64(0xFF)), np.int64((block >> _U64(8)) & _U64(0xFF))
    c, d = np.int64((block >> _U64(16)) & _U64(0xFF)), np.int64((block >> _U64(24)) & _U64(0xFF))
    if a < 0x80:
        return a, 1
    if a < 0xE0:
        return (a & 31) << 6 | (b & 63), 2
    if a < 0xF0:
        return (a & 15) << 12 | (b & 63) << 6 | (c & 63), 3
    return (a & 7) << 18 | (b & 63) << 12 | (c & 63) << 6 | (d & 63), 4


@njit(forceinline=True)
def _encode(code: int, out: np.ndarray, at: int) -> int:
    """Write one character as UTF-8; the place behind it."""
    if code < 0x80:
        out[at] = code
        return at + 1
    if code < 0x800:
        out[at], out[at + 1] = 0xC0 | code >> 6, 0x80 | code & 63
        return at + 2
    if code < 0x10000:
        out[at], out[at + 1], out[at + 2] = 0xE0 | code >> 12, 0x80 | code >> 6 & 63, 0x80 | code & 63
        return at + 3
    out[at], out[at + 1] = 0xF0 | code >> 18, 0x80 | code >> 12 & 63
    out[at + 2], out[at + 3] = 0x80 | code >> 6 & 63, 0x80 | code & 63
    return at + 4
