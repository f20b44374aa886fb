import asyncio
import datetime
import json

import pytest

from schemas.llm import LLM
from schemas.prices import Price
from schemas.reply import Request
from schemas.settings import Budget
from schemas.spent import Spent
from schemas.tables import Message
from tasks.calls import asking
from tasks.calls.asking import Asker, GivenUp
from tasks.calls.budget import Purse
from tasks.calls.fleet import Fleet, Site
from tasks.calls.limits import OwnGate
from tasks.calls.provider import Fatal, Limited, Refused, Unreachable, Unusable
from warehouse.journal import Journal

BODY = json.dumps(
    {
        "choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5},
    }
).encode()
ASKED = Request(messages=[Message(role="user", content="hello")], sampling={"max_tokens": 20})
PRICE = {"model": "m", "usd_per_mtok_in": 1.0, "usd_per_mtok_out": 2.0, "date": datetime.date(2026, 11, 1)}
MOST = Spent(1, 5 + 2 * 64 + 20, 5 + 2 * 64 + 2 * 20)  # prompt bytes, template, max_tokens; micro-dollars


class Scripted:
    """A provider that answers, or raises, as it was told."""

    name, model, concurrency = "there", "m", 4

    def __init__(self, *script, batch=False):
        self.script, self.batch, self.sent = list(script), batch, 0

    async def send(self, request):
        self.sent += 1
        step = self.script.pop(0) if self.script else BODY
        if isinstance(step, float):
            await asyncio.sleep(step)
            return BODY
        if isinstance(step, Exception):
            raise step
        return step

    async def close(self):
        pass


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(asking, "FIRST_PAUSE_S", 0.001)


@pytest.fixture
def ask(tmp_path):
    """A function that asks one question of these providers: what came, and what was spent of it."""

    def asked(*providers, budget=Budget(), patience_s=5.0, cancel_after=None, **llm):  # noqa: B008
        async def go(journal):
            purse = Purse(tmp_path, journal, "run", budget, LLM())
            price = Price(source="https://prices.test/", batch_discount=0.5, **PRICE)
            fleet = Fleet([Site(each, OwnGate(4), price) for each in providers], patience_s)
            asker = Asker(fleet, journal, purse, LLM(attempts=3, **llm), "run")
            try:
                async with asyncio.timeout(cancel_after):
                    return await asker.ask("key", ASKED), asker
            except Exception as error:
                return error, asker

        with Journal(tmp_path) as journal:
            result, asker = asyncio.run(go(journal))
        with Journal(tmp_path) as journal:
            return result, asker, journal.spent("run-run")

    return asked


def test_an_answer_has_its_bill_and_says_who_gave_it(ask):
    answer, asker, _ = ask(Scripted())
    assert answer.bill == Spent(1, 15, 20_000) and answer.said.text == "hi"
    assert answer.entry.facts | {"latency_s": 0} == {
        "provider": "there",
        "model": "m",
        "latency_s": 0,
        "attempts": 1,
        "cost_usd": 20e-6,
    }
    assert json.loads(answer.entry.asked)["messages"] == [{"role": "user", "content": "hello"}]
    assert (asker.counts.sent, asker.counts.answered, asker.counts.tokens) == (1, 1, 15)


def test_a_batch_has_its_discount(ask):
    answer, _, _ = ask(Scripted(batch=True))
    assert answer.entry.facts["cost_usd"] == 10e-6


@pytest.mark.parametrize(
    ("error", "spent"),
    [
        (Unusable("late"), MOST),
        (Unusable("500", billed=False), Spent(1)),
        (Limited("slow down", 0.001), Spent(1)),
        (Unreachable("nobody"), Spent()),
    ],
    ids=["late", "server error", "limited", "unreachable"],
)
def test_a_passing_failure_is_asked_again_and_charged_with_what_it_may_have_cost(ask, error, spent):
    answer, asker, charged = ask(Scripted(error))
    assert answer.entry.facts["attempts"] == 2 and asker.counts.retried == 1
    assert charged == Spent(spent.requests, spent.tokens, spent.nano_usd * (1000 if spent.nano_usd else 1))


def test_a_broken_answer_may_be_billed(ask):
    _, _, charged = ask(Scripted(b"<html>"))
    assert charged.tokens == MOST.tokens


def test_what_fails_to_the_end_is_given_up(ask):
    error, asker, _ = ask(provider := Scripted(*[Unusable("broken")] * 9))
    assert isinstance(error, GivenUp) and str(error) == "broken" and error.attempts == 3 == provider.sent
    assert asker.counts.failed == 1


def test_a_refused_request_is_sent_once(ask):
    error, _, charged = ask(provider := Scripted(Refused("too long")))
    assert isinstance(error, GivenUp) and provider.sent == 1 and charged == Spent(1)


def test_too_many_requests_do_not_use_up_the_attempts(ask):
    answer, _, _ = ask(Scripted(*[Limited("slow down", 0.001)] * 9))
    assert answer.entry.facts["attempts"] == 10


def test_another_site_takes_over_from_one_that_refuses_the_key(ask):
    answer, _, _ = ask(one := Scripted(*[Fatal("wrong key")] * 9), Scripted())
    assert answer.said.text == "hi" and one.sent == 1


def test_the_last_site_that_refuses_the_key_ends_it(ask):
    error, _, _ = ask(Scripted(*[Fatal("wrong key")] * 9))
    assert isinstance(error, Fatal) and "wrong key" in str(error)


def test_an_endpoint_that_asks_for_more_than_our_patience_ends_it_at_once(ask):
    error, _, _ = ask(provider := Scripted(*[Limited("come back tomorrow", 3600.0)] * 2))
    assert isinstance(error, Fatal) and "asks to wait 3600 s" in str(error) and provider.sent == 1


def test_who_is_cancelled_is_charged_with_the_most(ask):
    _, _, charged = ask(Scripted(9.0), cancel_after=0.05)
    assert charged.tokens == MOST.tokens


def test_a_cancelled_batch_goes_on_and_is_charged_when_it_is_collected(ask):
    _, asker, charged = ask(Scripted(9.0, batch=True), cancel_after=0.05)
    assert charged == Spent() and not {task for task in asker.sending if task}


def test_a_budget_in_usd_needs_the_price(tmp_path):
    async def go(journal):
        purse = Purse(tmp_path, journal, "run", Budget(budget_usd=1.0), LLM())
        fleet = Fleet([Site(Scripted(), OwnGate(1), None)], 5.0)
        await Asker(fleet, journal, purse, LLM(), "run").ask("key", ASKED)

    with Journal(tmp_path) as journal, pytest.raises(Fatal, match="needs the price of 'm' at there"):
        asyncio.run(go(journal))


def test_without_a_count_of_tokens_the_most_is_charged(ask):
    body = json.dumps({"choices": [{"message": {"content": "hi"}}]}).encode()
    answer, asker, _ = ask(Scripted(body))
    assert answer.bill.tokens == MOST.tokens and answer.entry.facts["cost_usd"] is None
    assert not asker.counts.cost_known
