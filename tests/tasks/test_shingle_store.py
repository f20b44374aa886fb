from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.shingle_store import ShingleStore

SIZES = st.lists(st.integers(0, 5), min_size=1, max_size=20)


def set_of(row, sizes):
    return row * 10 + np.arange(sizes[row], dtype=np.uint64)


@given(SIZES, st.randoms(use_true_random=False), st.sampled_from([0, 10_000]))
def test_what_was_put_in_any_order_is_loaded_in_any_choice(tmp_path_factory, sizes, random, budget):
    sizes = np.array(sizes)
    order = random.sample(range(len(sizes)), len(sizes))
    cut = random.randint(0, len(order))
    wanted = np.array(random.sample(order, random.randint(0, len(order))), np.int64)
    folder = tmp_path_factory.getbasetemp()
    before = sorted(folder.iterdir())
    with ShingleStore(sizes, budget, folder) as store:
        assert sorted(folder.iterdir()) == before  # the scratch file has no name
        for rows in (order[:cut], order[cut:]):
            assert store.missing >= len(rows)
            hashes = [np.zeros(0, np.uint64), *(set_of(row, sizes) for row in rows)]
            store.put(np.array(rows, np.int64), np.concatenate(hashes))
        assert store.missing == 0
        starts, hashes = store.load(wanted)
        for row in wanted:
            assert hashes[starts[row] : starts[row] + sizes[row]].tolist() == set_of(row, sizes).tolist()
        if not budget:
            assert len(hashes) == sizes[wanted].sum()


def test_threads_may_put_at_once(tmp_path):
    sizes = np.full(400, 50)
    with ShingleStore(sizes, 0, tmp_path) as store, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda row: store.put(np.array([row]), set_of(row, sizes)), range(400)))
        starts, hashes = store.load(np.arange(400))
        assert all((hashes[starts[row] : starts[row] + 50] == set_of(row, sizes)).all() for row in range(400))


def test_a_scratch_file_that_is_cut_short_is_an_error(tmp_path):
    with ShingleStore(np.array([3, 3]), 0, tmp_path) as store:
        store.put(np.array([0, 1]), np.arange(6, dtype=np.uint64))
        store._file.truncate(40)
        with pytest.raises(OSError, match="scratch file ends at byte 40, 8 bytes early"):
            store.load(np.array([0, 1]))
