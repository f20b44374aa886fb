import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warehouse.segment_kernel import BLOCK, checksum, checksums, spans

LOW = np.uint64((1 << 8) - 1)


def column_of(values):
    column = np.sort(np.array(values, np.uint64))
    return column, column[::BLOCK].copy(), checksums(column)


def plain(keys, column):
    starts = np.searchsorted(column, keys & ~LOW, "left")
    return starts, np.searchsorted(column, keys | LOW, "right")


@given(
    st.integers(0, 10**6),
    st.sampled_from([0, 1, 5, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK]),
    st.integers(1, 14),
)
@settings(max_examples=60)
def test_spans_are_those_of_two_binary_searches(seed, n, bits):
    draw = np.random.default_rng(seed)
    top = np.uint64(64 - bits)
    column, fences, sums = column_of(draw.integers(0, 2**bits, n).astype(np.uint64) << top)
    column |= np.arange(n, dtype=np.uint64) & LOW
    column, fences, sums = column_of(column)
    keys = np.unique(draw.integers(0, 2**bits, 300).astype(np.uint64) << top)
    keys = np.unique(np.append(keys, np.array([0, 2**64 - 1], np.uint64)))
    starts, ends, sound = spans(keys, LOW, column, fences, sums)
    wanted = plain(keys, column)
    hit = wanted[1] > wanted[0]
    assert sound and np.array_equal(ends - starts, wanted[1] - wanted[0])
    assert np.array_equal(starts[hit], wanted[0][hit])


def test_every_changed_bit_and_every_swap_changes_the_checksum():
    block = np.random.default_rng(0).integers(0, 2**64, BLOCK, dtype=np.uint64)
    good = checksum(block)
    for place in (0, 1, 511, BLOCK - 1):
        for bit in range(64):
            block[place] ^= np.uint64(1 << bit)
            assert checksum(block) != good
            block[place] ^= np.uint64(1 << bit)
    for bit in (0, 31, 32, 63):  # the same bit in two places
        block[[3, 800]] ^= np.uint64(1 << bit)
        assert checksum(block) != good
        block[[3, 800]] ^= np.uint64(1 << bit)
    assert checksum(block[::-1].copy()) != good and checksum(np.zeros(BLOCK, np.uint64)) != good
    assert checksum(block) == good


@pytest.mark.parametrize("n", [1, BLOCK, BLOCK + 1, 3 * BLOCK - 1])
def test_a_column_has_a_checksum_for_each_block(n):
    column = np.arange(n, dtype=np.uint64)
    found = checksums(column)
    assert found.tolist() == [checksum(column[i : i + BLOCK]) for i in range(0, n, BLOCK)]


@pytest.mark.parametrize("place", [0, 700, 2500, 4095])
def test_a_damaged_block_is_seen_when_it_is_looked_into_and_no_sooner(place):
    column, fences, sums = column_of(np.arange(4 * BLOCK, dtype=np.uint64) << np.uint64(20))
    column[place] ^= np.uint64(1)
    inside = np.array([(place // BLOCK * BLOCK + 7) << 20], np.uint64)
    elsewhere = np.array([((place + 2 * BLOCK) % (4 * BLOCK) // BLOCK * BLOCK + 7) << 20], np.uint64)
    assert not spans(inside, LOW, column, fences, sums)[2]
    assert spans(elsewhere, LOW, column, fences, sums)[2]


def test_one_key_may_fill_many_blocks_and_damage_in_the_last_is_seen():
    column, fences, sums = column_of(np.full(3 * BLOCK + 5, 7 << 20, np.uint64))
    starts, ends, sound = spans(np.array([1 << 20, 7 << 20, 9 << 20], np.uint64), LOW, column, fences, sums)
    assert sound and (starts[1], ends[1]) == (0, len(column)) and starts[2] == ends[2]
    column[-1] ^= np.uint64(1)
    assert not spans(np.array([7 << 20], np.uint64), LOW, column, fences, sums)[2]
