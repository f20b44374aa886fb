"""Texts of a polars column for compiled loops, read where they are.

Arrow's "string view" gives each text 16 bytes: its length, then either the text itself, up to 12 bytes, or
the number of a buffer and a place in it. Compiled loops read up to `SLACK` bytes behind the end of a text, so
short texts and the last one of each buffer are copied; all others stay where they are.
"""

from typing import NamedTuple

import numpy as np
import polars as pl
from numba import njit

from tasks import lanes

COMPILED_IN = {"lanes": "42dabcafd0d1b643"}  # first digits of its SHA-256: numba's cache sees this file only
SLACK = 64
_INLINE = 12  # bytes that fit a view
_U64 = np.uint64


class Texts(NamedTuple):
    """Many texts in memory, each with at least `SLACK` readable bytes behind it."""

    places: np.ndarray  # (m,) uint64, addresses
    lengths: np.ndarray  # (m,) int64, bytes
    spare: np.ndarray  # uint8, holds texts that had to be copied; others belong to the caller


def located(texts: pl.Series) -> tuple[Texts, object]:
    """Where the texts are, and what must be kept for as long as they are read."""
    array = texts.fill_null("").to_arrow(compat_level=pl.CompatLevel.newest())
    _, views, *buffers = array.buffers()
    starts = np.array([buffer.address for buffer in buffers], np.uint64)
    stops = starts + np.array([buffer.size for buffer in buffers], np.uint64)
    rows = np.frombuffer(views, np.uint32).reshape(-1, 4)[array.offset : array.offset + len(array)]
    return _locate(rows, starts, stops), (array, views)


@njit(cache=True, nogil=True)
def _locate(views: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> Texts:
    """Texts as Arrow's "string view" lays them out; copied are short ones and the last one of a buffer.

    Args:
        views: (m, 4) uint32: length; then 12 bytes of text, or 4 of them, number of a buffer, place in it.
        starts: uint64, addresses of the buffers.
        stops: uint64, addresses behind the buffers.
    """
    m = len(views)
    places, lengths = np.empty(m, np.uint64), np.empty(m, np.int64)
    copied = 0
    for i in range(m):
        lengths[i] = views[i, 0]
        if lengths[i] <= _INLINE:
            places[i] = views[i:].ctypes.data + 4
            stop = places[i]
        else:
            places[i] = starts[views[i, 2]] + _U64(views[i, 3])
            stop = stops[views[i, 2]]
        if places[i] + _U64(lengths[i] + SLACK) > stop:
            copied += lengths[i]
    spare = np.empty(copied + SLACK, np.uint8)
    at = 0
    for i in range(m):
        stop = places[i] if lengths[i] <= _INLINE else stops[views[i, 2]]
        if places[i] + _U64(lengths[i] + SLACK) > stop:
            lanes.copy(places[i], _U64(lengths[i]), spare, _U64(at))
            places[i] = spare.ctypes.data + at
            at += lengths[i]
    return Texts(places, lengths, spare)
