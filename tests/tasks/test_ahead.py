import threading

import polars as pl
import pytest

from tasks.ahead import ahead

CORES = pl.thread_pool_size()


def test_results_come_in_the_order_of_the_pages_though_the_first_takes_longest():
    second_done = threading.Event()

    def work(page):
        if page == 0:
            assert CORES == 1 or second_done.wait(20)
        if page == 1:
            second_done.set()
        return -page

    assert list(ahead(work, range(10))) == [-page for page in range(10)]


def test_no_more_pages_are_asked_for_than_there_are_cores_and_one_more():
    asked = []

    def pages():
        for page in range(20):
            asked.append(page)
            yield page

    for done, _ in enumerate(ahead(lambda page: page, pages())):
        assert len(asked) <= done + CORES + 1


def test_an_error_comes_in_its_turn():
    found = ahead(lambda page: 6 // page, [3, 2, 0, 1])
    assert [next(found), next(found)] == [2, 3]
    with pytest.raises(ZeroDivisionError):
        next(found)


def test_nothing_comes_of_no_pages():
    assert list(ahead(str, [])) == []
