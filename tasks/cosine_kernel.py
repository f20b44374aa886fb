"""Which entries of a matrix product are worth an exact look: one pass while it is in cache."""

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def reached_by_row(product: np.ndarray, least: np.ndarray, row: np.ndarray, column: np.ndarray) -> int:
    """Write down the places whose entry is at least what its row asks for.

    Args:
        product: (n, m) float32.
        least: (n,) float32, infinity for rows that nobody asks about.
        row: int32, room for the rows of the places, in ascending order.
        column: int32, room for their columns.

    Returns:
        How many places there are; those beyond the room are counted, not written.
    """
    found = 0
    for i in range(product.shape[0]):
        bound = least[i]
        if bound == np.inf:
            continue
        hits = 0
        for j in range(product.shape[1]):
            hits += product[i, j] >= bound
        if hits and found + hits <= len(row):
            at = found
            for j in range(product.shape[1]):
                if product[i, j] >= bound:
                    row[at], column[at] = i, j
                    at += 1
        found += hits
    return found


@numba.njit(cache=True, nogil=True)
def reached_by_column(product: np.ndarray, least: np.ndarray, row: np.ndarray, column: np.ndarray) -> int:
    """The same where (m,) `least` is what each column asks for."""
    found = 0
    for i in range(product.shape[0]):
        hits = 0
        for j in range(product.shape[1]):
            hits += product[i, j] >= least[j]
        if hits and found + hits <= len(row):
            at = found
            for j in range(product.shape[1]):
                if product[i, j] >= least[j]:
                    row[at], column[at] = i, j
                    at += 1
        found += hits
    return found
