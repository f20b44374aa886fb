"""Work on many pages in turn, the next ones done ahead by threads: reading and compiled loops run at once.

What is gained is wall time only: results come in the order of the pages, whoever made them first.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import polars as pl

Page, Result = TypeVar("Page"), TypeVar("Result")


def ahead(work: Callable[[Page], Result], pages: Iterable[Page]) -> Iterator[Result]:
    """`work` on each page, in their order; held are at most as many pages as there are cores, and one more.

    Pages are asked for one by one, in the calling thread. An error of `work` is raised in its turn.
    """
    cores = pl.thread_pool_size()
    waiting: deque = deque()
    with ThreadPoolExecutor(cores) as pool:
        for page in pages:
            waiting.append(pool.submit(work, page))
            del page  # so that it is gone when its work is done
            if len(waiting) > cores:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
