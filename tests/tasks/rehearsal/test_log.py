import json

import pytest

from tasks.rehearsal.log import COLUMNS, AccessLog, Visit


def test_a_line_is_in_the_file_when_the_request_ends(tmp_path):
    path = tmp_path / "access.jsonl"
    path.write_text('{"number": 0}\n')
    log = AccessLog(path)
    visit = log.begin("/v1/models", "me")
    assert len(path.read_text().splitlines()) == 1
    visit.status, visit.answered = 200, True
    log.end(visit)
    earlier, line = path.read_text().splitlines()
    assert json.loads(earlier) == {"number": 0}  # appended, not replaced
    row = json.loads(line)
    assert tuple(row) == COLUMNS
    assert (row["number"], row["path"], row["status"], row["client"]) == (1, "/v1/models", 200, "me")
    log.close()
    log.close()


def test_two_servers_may_append_to_one_file(tmp_path):
    path = tmp_path / "access.jsonl"
    logs = [AccessLog(path), AccessLog(path)]
    for _ in range(50):
        for log in logs:
            log.end(log.begin("/", None))
    assert len([json.loads(line) for line in path.read_text().splitlines()]) == 100
    for log in logs:
        log.close()


def test_counts_are_of_everything_and_rows_only_of_the_newest():
    log = AccessLog(keep=2)
    visits = [log.begin("/", None) for _ in range(3)]
    assert [visit.in_flight for visit in visits] == [1, 2, 3]
    visits[0].status, visits[0].answered = 200, True
    visits[1].status, visits[1].fault = 429, "rate_limit"
    for visit in visits:
        log.end(visit)
    assert log.counts() == {
        "requests": 3,
        "answered": 1,
        "in_flight": 0,
        "max_in_flight": 3,
        "status": {"200": 1, "429": 1, "none": 1},
        "fault": {"none": 2, "rate_limit": 1},
    }
    assert [row["number"] for row in log.rows] == [2, 3]


def test_a_line_of_a_batch_is_none_that_is_served():
    log = AccessLog(keep=1)
    log.end(Visit(None, "/", 0, batch="batch_1"))
    assert (log.counts()["in_flight"], log.rows[0]["batch"]) == (0, "batch_1")


def test_a_file_that_cannot_be_opened_is_said_at_the_start(tmp_path):
    with pytest.raises(OSError):
        AccessLog(tmp_path / "gone" / "access.jsonl")


def test_what_a_client_calls_itself_cannot_break_a_line(tmp_path):
    path = tmp_path / "access.jsonl"
    log = AccessLog(path)
    log.end(log.begin("/a\n{}", 'x"\n\ud83d'))
    assert json.loads(path.read_bytes())["path"] == "/a\n{}"
    log.close()
