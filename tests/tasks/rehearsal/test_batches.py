"""Files and batches through the `openai` client unchanged."""

import json
import time

import openai
import pytest

CHAT = "/v1/chat/completions"
MODEL = "offline/storyteller"


@pytest.fixture
def ai(rehearsal):
    """A function that starts a server and gives a client of it."""
    clients = []

    def start(**fields):
        server = rehearsal(**fields)
        clients.append(openai.OpenAI(base_url=server.base_url, api_key="x", max_retries=0, timeout=20))
        clients[-1].server = server
        return clients[-1]

    yield start
    for client in clients:
        client.close()


def body(i, **fields):
    return {"model": MODEL, "messages": [{"role": "user", "content": f"Write a story about {i}."}], **fields}


def created(ai, n=5, **fields):
    rows = [
        {"custom_id": f"r{i}", "method": "POST", "url": CHAT, "body": body(i, **fields)} for i in range(n)
    ]
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    file = ai.files.create(file=("in.jsonl", content), purpose="batch")
    assert (file.bytes, file.filename, file.purpose) == (len(content), "in.jsonl", "batch")
    assert ai.files.content(file.id).read() == content
    assert ai.files.retrieve(file.id) == file
    return ai.batches.create(
        input_file_id=file.id, endpoint=CHAT, completion_window="24h", metadata={"run": "one"}
    )


def ended(ai, batch):
    end = time.monotonic() + 20
    while (batch := ai.batches.retrieve(batch.id)).status not in (
        "completed",
        "failed",
        "expired",
        "cancelled",
    ):
        assert time.monotonic() < end, batch
        time.sleep(0.02)
    return batch


def rows(ai, file_id):
    return [json.loads(line) for line in ai.files.content(file_id).text.splitlines()] if file_id else []


def test_a_batch_answers_as_single_requests_do(ai):
    client = ai()
    batch = created(client)
    assert (batch.status, batch.metadata) == ("validating", {"run": "one"})
    batch = ended(client, batch)
    assert (batch.status, batch.metadata, batch.error_file_id) == ("completed", {"run": "one"}, None)
    assert (batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed) == (
        5,
        5,
        0,
    )
    got = {row["custom_id"]: row["response"]["body"] for row in rows(client, batch.output_file_id)}
    for i in range(5):
        alone = client.chat.completions.create(**body(i))
        assert got[f"r{i}"]["choices"][0]["message"]["content"] == alone.choices[0].message.content
        assert got[f"r{i}"]["usage"]["total_tokens"] == alone.usage.total_tokens
    lines = [row for row in client.server.log if row["batch"] == batch.id]
    assert [row["completion"] for row in lines] == [1, 2, 3, 4, 5]
    assert all(row["answered"] and row["number"] is None for row in lines)


def test_lines_that_meet_a_fault_are_in_the_error_file_and_a_second_batch_mends_them(ai):
    faults = [{"kind": "server_error", "at": [2]}, {"kind": "reset", "at": [4]}, {"kind": "empty", "at": [5]}]
    client = ai(faults=faults)
    batch = ended(client, created(client))
    failed = rows(client, batch.error_file_id)
    assert {row["custom_id"]: row["response"]["status_code"] for row in failed} == {"r1": 500, "r3": 500}
    assert all(row["response"]["body"]["error"]["message"] for row in failed)
    texts = {
        r["custom_id"]: r["response"]["body"]["choices"][0]["message"]["content"]
        for r in rows(client, batch.output_file_id)
    }
    assert set(texts) == {"r0", "r2", "r4"} and texts["r4"] == "" != texts["r0"]
    assert (batch.request_counts.completed, batch.request_counts.failed) == (3, 2)
    assert ended(client, created(client)).error_file_id is None


def test_a_line_with_an_unknown_model_fails_alone_and_credit_ends_in_the_middle(ai):
    client = ai(credit=3)
    batch = ended(client, created(client, 4))
    (failed,) = rows(client, batch.error_file_id)
    assert failed["response"]["body"]["error"]["code"] == "insufficient_quota"
    assert failed["response"]["status_code"] == 429
    batch = ended(client, created(client, 1, model="other"))
    assert rows(client, batch.error_file_id)[0]["response"]["body"]["error"]["code"] == "model_not_found"


def test_a_batch_takes_its_time_and_counts_as_it_goes(ai):
    client = ai(batch_delay_s=0.6)
    began, batch = time.monotonic(), created(client, 20)
    seen = set()
    while (batch := client.batches.retrieve(batch.id)).status != "completed":
        assert time.monotonic() - began < 20
        seen.add((batch.status, batch.request_counts.completed))
        time.sleep(0.02)
    assert time.monotonic() - began >= 0.6
    assert len({count for status, count in seen if status == "in_progress"}) > 3
    assert all(count < 20 or status == "finalizing" for status, count in seen if status != "in_progress")


def test_a_batch_can_be_cancelled_and_only_once(ai):
    client = ai(batch_delay_s=3)
    batch = client.batches.cancel(created(client, 20).id)
    assert batch.status == "cancelling"
    batch = ended(client, batch)
    assert batch.status == "cancelled"
    done, undone = rows(client, batch.output_file_id), rows(client, batch.error_file_id)
    assert len(done) + len(undone) == 20 and undone
    with pytest.raises(openai.ConflictError, match="cancelled"):
        client.batches.cancel(batch.id)


def test_batches_are_listed_newest_first_in_pages(ai):
    client = ai()
    ids = [created(client, 1).id for _ in range(5)]
    page = client.batches.list(limit=2)
    assert [batch.id for batch in page.data] == ids[:2:-1] and page.has_more
    assert [batch.id for batch in client.batches.list(limit=2)] == ids[::-1]  # the client asks for all pages
    assert [batch.id for batch in client.batches.list(after=ids[1])] == ids[:1]
    with pytest.raises(openai.NotFoundError):
        client.batches.list(after="batch_9")
    with pytest.raises(openai.BadRequestError):
        client.batches.list(limit="many")


@pytest.mark.parametrize("how", ["in the middle", "after the end"])
def test_a_server_that_is_started_again_on_the_same_folder_goes_on(ai, tmp_path, how):
    first = ai(state=tmp_path / "state", batch_delay_s=0.6 if how == "in the middle" else 0)
    batch = created(first)
    if how == "after the end":
        ended(first, batch)
    first.server.stop()
    second = ai(state=tmp_path / "state")
    batch = ended(second, batch)
    assert (batch.status, batch.metadata) == ("completed", {"run": "one"})
    assert {row["custom_id"] for row in rows(second, batch.output_file_id)} == {f"r{i}" for i in range(5)}
    assert created(second).id != batch.id


def test_without_a_folder_all_is_gone_with_the_server(ai):
    first = ai()
    batch = created(first)
    with pytest.raises(openai.NotFoundError, match="No such batch"):
        ai().batches.retrieve(batch.id)


def test_wrong_requests_are_refused(ai):
    client = ai()
    with pytest.raises(openai.BadRequestError, match="purpose"):
        client.files.create(file=b"x", purpose="fine-tune")
    with pytest.raises(openai.NotFoundError, match="No such file"):
        client.batches.create(input_file_id="file-9", endpoint=CHAT, completion_window="24h")
    with pytest.raises(openai.NotFoundError, match="No such file"):
        client.files.content("gone")
    file = client.files.create(file=b"no json", purpose="batch")
    with pytest.raises(openai.BadRequestError, match="endpoint"):
        client.batches.create(input_file_id=file.id, endpoint="/v1/embeddings", completion_window="24h")
    with pytest.raises(openai.BadRequestError, match="completion_window"):
        client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="1h")
    batch = ended(
        client, client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
    )
    assert (batch.status, batch.errors.data[0].line) == ("failed", 1)


def test_the_key_is_asked_for_here_too(ai):
    client = ai(key="sk-right")
    with pytest.raises(openai.AuthenticationError):
        client.batches.list()


def test_a_folder_that_cannot_be_written_any_more_is_an_error_of_the_api(ai, tmp_path):
    client = ai(state=tmp_path / "state")
    (tmp_path / "state").rmdir()
    with pytest.raises(openai.InternalServerError, match="No such file"):
        client.files.create(file=b"x", purpose="batch")
    assert client.server.log[-1]["status"] == 500
