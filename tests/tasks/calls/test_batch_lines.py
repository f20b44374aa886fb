import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.calls.batch_lines import Result, failure_of, read_result, request_line


def test_a_request_is_one_line_as_the_api_wants_it():
    line = request_line("k", json.dumps({"model": "m", "text": "two\nlines"}).encode())
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert json.loads(line) == {
        "custom_id": "k",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "m", "text": "two\nlines"},
    }


def test_an_answer_is_read_with_its_status_and_body():
    line = b'{"custom_id": "k", "response": {"status_code": 200, "body": {"choices": []}}, "error": null}'
    assert read_result(line) == Result("k", 200, b'{"choices": []}', "")


def test_a_request_that_was_not_executed_has_no_status_and_a_reason():
    line = b'{"custom_id": "k", "response": null, "error": {"code": "batch_expired", "message": "late"}}'
    assert read_result(line) == Result("k", None, b"", "batch_expired: late")
    assert read_result(b'{"custom_id": "k"}') == Result("k", None, b"", "no answer and no error")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b'{"response": {}}',
        b'{"custom_id": 3, "response": null}',
        b'{"custom_id": "k", "response": {"status_code": 200}}',
        b'{"custom_id": "k", "response": {"status_code": null, "body": {}}}',
        b'{"custom_id": "k", "response": 3}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_result_is_none(line):
    assert read_result(line) is None


@given(st.binary(max_size=200))
def test_no_bytes_whatever_raise_anything(line):
    assert read_result(line) is None or line


def test_a_failed_batch_names_the_first_errors_in_one_line():
    errors = [SimpleNamespace(line=i, message=f"bad\n{i}") for i in (1, 2, 3, 4)]
    batch = SimpleNamespace(errors=SimpleNamespace(data=errors))
    assert failure_of(batch) == "line 1: bad 1; line 2: bad 2; line 3: bad 3"
    whole = SimpleNamespace(errors=SimpleNamespace(data=[SimpleNamespace(line=None, message="too many")]))
    assert failure_of(whole) == "too many"
    assert failure_of(SimpleNamespace(errors=None)) == "no reason given"
