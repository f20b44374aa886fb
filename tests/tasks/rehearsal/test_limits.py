import pytest

from schemas.rehearsal import Plan
from tasks.rehearsal.limits import Limits
from tasks.rehearsal.questions import Refused


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def refused(act, *arguments):
    """Status and code of the refusal, or None."""
    try:
        act(*arguments)
    except Refused as error:
        return error.status, error.error["code"]
    return None


def test_a_window_is_a_second_of_the_clock_and_says_when_the_next_begins():
    clock = Clock()
    limits = Limits(Plan(requests_per_second=2), clock)
    clock.now = 100.25
    assert [refused(limits.admit) for _ in range(2)] == [None, None]
    assert limits.headers() == {
        "x-ratelimit-limit-requests": "2",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "750ms",
    }
    with pytest.raises(Refused) as error:
        limits.admit()
    assert (error.value.status, error.value.headers["Retry-After"]) == (429, "0.75")
    assert error.value.headers["retry-after-ms"] == "750"
    clock.now = 101.0
    assert limits.headers()["x-ratelimit-remaining-requests"] == "2"
    assert [refused(limits.admit) for _ in range(3)] == [None, None, (429, "rate_limit_exceeded")]


def test_without_a_limit_there_are_no_headers_and_nothing_is_refused():
    limits = Limits(Plan())
    assert limits.headers() == {}
    for _ in range(1000):
        limits.admit()
        limits.charge()
        limits.check_key(None)


def test_only_the_key_is_accepted_if_there_is_one():
    limits = Limits(Plan(key="sk-right"))
    assert refused(limits.check_key, "Bearer sk-right") is None
    for header in (None, "", "Bearer sk-wrong", "Bearer sk-right2", "Bearer \udcff"):
        assert refused(limits.check_key, header) == (401, "invalid_api_key")
    assert refused(Limits(Plan()).check_key, None) is None


def test_a_key_expires_after_so_many_completions():
    limits = Limits(Plan(expires_after=2))
    for _ in range(2):
        limits.check_key("Bearer any")
        limits.admit()
    assert refused(limits.check_key, "Bearer any") == (401, "invalid_api_key")


def test_credit_is_used_up_by_answers():
    limits = Limits(Plan(credit=2))
    limits.admit()
    assert [refused(limits.charge) for _ in range(3)] == [None, None, (429, "insufficient_quota")]
    assert refused(Limits(Plan(credit=0)).charge) == (429, "insufficient_quota")


def test_limits_are_told_through_the_client_as_the_api_tells_them(rehearsal):
    import openai

    server = rehearsal(key="sk-right", requests_per_second=1, credit=100)
    ask = {"model": "offline/storyteller", "messages": [{"role": "user", "content": "Hi"}]}
    with (
        openai.OpenAI(base_url=server.base_url, api_key="sk-wrong", max_retries=0) as ai,
        pytest.raises(openai.AuthenticationError) as error,
    ):
        ai.chat.completions.create(**ask)
    assert "sk-wrong" not in error.value.response.text
    with openai.OpenAI(base_url=server.base_url, api_key="sk-right", max_retries=0) as ai:
        assert (
            ai.chat.completions.with_raw_response.create(**ask).headers["x-ratelimit-limit-requests"] == "1"
        )
        with pytest.raises(openai.RateLimitError) as error:
            [ai.chat.completions.create(**ask) for _ in range(20)]
    assert 0 < float(error.value.response.headers["retry-after"]) <= 1
    assert server.log[0]["fault"] == "wrong_key"
    assert server.log[-1]["fault"] == "rate_limit"


def test_no_more_answers_than_credit_are_given_also_at_once(rehearsal):
    import concurrent.futures

    import openai

    server = rehearsal(credit=3, latency=0.2)
    ask = {"model": "offline/storyteller", "messages": [{"role": "user", "content": "Hi"}]}
    with (
        openai.OpenAI(base_url=server.base_url, api_key="x", max_retries=0) as ai,
        concurrent.futures.ThreadPoolExecutor(8) as pool,
    ):
        asked = [pool.submit(ai.chat.completions.create, **ask) for _ in range(8)]
        codes = [getattr(each.exception(), "code", None) for each in asked]
    assert sorted(codes, key=str) == [None] * 3 + ["insufficient_quota"] * 5
    assert sum(row["answered"] for row in server.log) == 3
