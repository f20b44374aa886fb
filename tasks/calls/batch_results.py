"""The results of a batch that has ended: from its files, and for the requests that no file names."""

import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from tasks.calls.batch_api import BatchApi
from tasks.calls.batch_books import Work
from tasks.calls.batch_lines import Result, read_result

logger = logging.getLogger("seedloom.llm")


async def each_result(
    api: BatchApi, work: Work, batch: Any, give_out: Callable[[Result], Awaitable[None]]
) -> None:
    """Call `give_out`, which takes the key from `work.left`, once for each request that is left.

    Raises:
        Fatal: when the endpoint refuses a file, or gives no answer for too long.
    """
    files = _Files(work, give_out)
    if batch.error_file_id:
        await api.each_line(batch.error_file_id, files.take_problem)
    if batch.output_file_id:
        await api.each_line(batch.output_file_id, files.take)
    while files.problems:
        await files.next_problem()
    for key in sorted(work.left):
        await give_out(Result(key, None, b"", f"the batch is {batch.status}, without a result"))
    if files.odd:
        logger.warning("batch %s: %d lines are no results of its requests", batch.id, len(files.odd))


class _Files:
    """Reads the files line by line; failures are given out between answers.

    Many failures in a row would look as if nothing was answered any more.
    """

    def __init__(self, work: Work, give_out: Callable[[Result], Awaitable[None]]) -> None:
        self._work, self._give_out = work, give_out
        self.problems: deque[Result] = deque()
        self.odd: set[int] = set()  # hashes: a download that is begun again counts nothing twice

    async def take_problem(self, line: bytes) -> None:
        self.problems.extend(self._results(line))

    async def take(self, line: bytes) -> None:
        for result in self._results(line):
            await self._give_out(result)
        await self.next_problem()

    async def next_problem(self) -> None:
        if self.problems and (result := self.problems.popleft()).key in self._work.left:
            await self._give_out(result)

    def _results(self, line: bytes) -> list[Result]:
        """The result of a line, unless it is none, or was given out before."""
        if not line.strip():
            return []
        result = read_result(line)
        if result is None or result.key not in self._work.keys:
            self.odd.add(hash(line))
            return []
        return [result] if result.key in self._work.left else []
