import asyncio
import json

import pytest

from schemas.rehearsal import Plan
from tasks.rehearsal.batch_work import CHAT, BatchWork, read_lines
from tasks.rehearsal.files import Shelf


def line(custom_id, **fields):
    return json.dumps({"custom_id": custom_id, "method": "POST", "url": CHAT, "body": {}, **fields})


def test_lines_are_read_and_empty_ones_left_out():
    lines, errors = read_lines(f"{line('a')}\n\n{line('b')}".encode())
    assert ([each.custom_id for each in lines], errors) == (["a", "b"], [])


@pytest.mark.parametrize(
    ("text", "number", "said"),
    [
        ("{", 1, "Expecting"),
        ("5", 1, "no custom_id"),
        (line(5), 1, "no custom_id"),
        (f"{line('a')}\n{line('a')}", 2, "'a' is there twice"),
        (line("a", url="/v1/embeddings"), 1, "POST /v1/embeddings is not POST"),
        (line("a", method="GET"), 1, "GET"),
        ("[" * 200_000, 1, "recursion"),
        ("", None, "empty"),
    ],
)
def test_a_wrong_line_is_named_with_its_number(text, number, said):
    _, (error,) = read_lines(text.encode())
    assert error["line"] == number
    assert said in error["message"]


def test_not_every_line_of_a_wrong_file_is_complained_about():
    assert len(read_lines(b"x\n" * 1000)[1]) == 20


def begun(shelf, n=4, **batch):
    """A batch of n lines on the shelf, as an endpoint leaves it."""
    file = shelf.put_file("\n".join(line(str(i)) for i in range(n)).encode(), "in", "batch", 0)
    shelf.put_record(
        {"id": "batch_1", "object": "batch", "input_file_id": file["id"], "status": "validating", **batch}
    )
    shelf.put("batch_1.began", b"0.0")


def worked(shelf, answer=lambda body, id: (200, {"ok": True}), plan=None):
    async def work():
        batches = BatchWork(plan or Plan(), shelf, answer)
        batches.begin("batch_1")
        await asyncio.gather(*batches._working.values())

    asyncio.run(work())
    return shelf.record("batch_1")


def results(shelf, id):
    return [json.loads(each) for each in shelf.content(id).splitlines()]


def test_answers_and_errors_go_to_their_files_in_another_order():
    shelf = Shelf()
    begun(shelf, 30)
    answers = iter([(200, {}), (429, {"error": {}})] * 15)
    batch = worked(shelf, lambda body, id: next(answers))
    assert batch["status"] == "completed"
    assert batch["request_counts"] == {"total": 30, "completed": 15, "failed": 15}
    good, bad = results(shelf, batch["output_file_id"]), results(shelf, batch["error_file_id"])
    order = [int(each["custom_id"]) for each in good]
    assert sorted(order) == list(range(0, 30, 2)) != order
    assert {each["response"]["status_code"] for each in bad} == {429}
    assert {each["custom_id"] for each in bad} == {str(i) for i in range(1, 30, 2)}


def test_a_batch_that_an_earlier_server_left_is_done_whole():
    shelf = Shelf()
    begun(shelf, status="in_progress", in_progress_at=5)
    batch = worked(shelf)
    assert (batch["status"], batch["in_progress_at"]) == ("completed", 5)
    assert len(results(shelf, batch["output_file_id"])) == 4
    assert batch["error_file_id"] is None


def test_a_batch_expires_with_what_was_done():
    shelf = Shelf()
    begun(shelf)
    batch = worked(shelf, plan=Plan(batch_delay_s=10, batch_expires_s=5))
    assert (batch["status"], batch["request_counts"]) == (
        "expired",
        {"total": 4, "completed": 2, "failed": 2},
    )
    assert {each["error"]["code"] for each in results(shelf, batch["error_file_id"])} == {"batch_expired"}


def test_a_batch_that_was_being_cancelled_is_cancelled():
    shelf = Shelf()
    begun(shelf, status="cancelling")
    batch = worked(shelf)
    assert (batch["status"], batch["output_file_id"]) == ("cancelled", None)
    assert {each["error"]["code"] for each in results(shelf, batch["error_file_id"])} == {"batch_cancelled"}


def test_a_wrong_file_fails_the_batch():
    shelf = Shelf()
    begun(shelf, 0)
    batch = worked(shelf)
    assert (batch["status"], batch["errors"]["data"][0]["code"]) == ("failed", "empty_file")
