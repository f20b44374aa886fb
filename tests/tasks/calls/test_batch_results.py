import asyncio
import json
import logging
from types import SimpleNamespace

from tasks.calls.batch_books import Work
from tasks.calls.batch_results import each_result


class Files:
    """Gives the lines of files; the first time it breaks off after `cut` of them and begins again."""

    def __init__(self, cut=None, **files):
        self.files, self.cut = files, cut

    async def each_line(self, name, take):
        for line in self.files[name][: self.cut or 0]:
            await take(line)
        for line in self.files[name]:
            await take(line)


def line(key, status=200):
    return json.dumps({"custom_id": key, "response": {"status_code": status, "body": {}}}).encode()


def results(files, keys, output="good", errors=None, status="completed"):
    work = Work("0" * 32, {"keys": keys})
    batch = SimpleNamespace(id="b", status=status, output_file_id=output, error_file_id=errors)
    given = []

    async def give_out(result):
        work.left.discard(result.key)
        given.append((result.key, result.status or result.why))

    asyncio.run(each_result(files, work, batch, give_out))
    return given


def test_every_request_gets_one_result_whatever_the_order():
    assert results(Files(good=[line("b"), line("a"), b""]), ["a", "b"]) == [("b", 200), ("a", 200)]


def test_failures_come_between_answers():
    files = Files(good=[line("a"), line("b"), line("c")], bad=[line("x", 500), line("y", 400)])
    given = results(files, list("abcxy"), errors="bad")
    assert given == [("a", 200), ("x", 500), ("b", 200), ("y", 400), ("c", 200)]


def test_failures_without_answers_come_too():
    files = Files(bad=[line("x", 500), line("y", 500)])
    assert results(files, ["x", "y"], output=None, errors="bad") == [("x", 500), ("y", 500)]


def test_a_request_that_no_file_names_has_a_result_too():
    given = results(Files(good=[line("a")]), ["a", "b"], status="expired")
    assert given == [("a", 200), ("b", "the batch is expired, without a result")]


def test_nothing_is_given_out_twice_when_a_download_is_begun_again():
    files = Files(cut=1, good=[line("a"), line("a"), line("b")], bad=[line("x", 500)])
    assert sorted(results(files, ["a", "b", "x"], errors="bad")) == [("a", 200), ("b", 200), ("x", 500)]


def test_odd_lines_are_counted_and_told_in_one_line(caplog):
    files = Files(cut=3, good=[b"{broken", line("nobody's"), line("a")])
    with caplog.at_level(logging.WARNING, "seedloom.llm"):
        assert results(files, ["a"]) == [("a", 200)]
    assert [record.getMessage() for record in caplog.records] == [
        "batch b: 2 lines are no results of its requests"
    ]
