import asyncio
import json
import time

import pytest

from schemas.spent import Spent
from tasks.calls.batch_books import Books, Work, bill_of
from tasks.calls.prices import load_prices, price_of
from warehouse.journal import Entry, Journal

PRICES = (
    '[[price]]\nmodel = "m"\nusd_per_mtok_in = 1.0\nusd_per_mtok_out = 2.0\nbatch_discount = 0.5\n'
    'date = 2026-11-01\nsource = "https://prices.test/"\n'
)
HERE = "http://here.test/v1"


def body(text):
    usage = {"prompt_tokens": 1000, "completion_tokens": 500}
    return json.dumps({"choices": [{"message": {"content": text}}], "usage": usage}).encode()


def work(*keys, intent="a" * 32):
    return Work(intent, {"keys": list(keys), "at": time.time(), "structured": True})


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path) as opened:
        yield opened


@pytest.fixture
def books(journal, tmp_path):
    (tmp_path / "prices.toml").write_text(PRICES)
    price = price_of(load_prices(tmp_path / "prices.toml"), "m", HERE)
    return Books(journal, "run-1", HERE, "m", price)


def test_a_batch_is_live_until_it_is_over_and_then_needs_no_keys(books, journal):
    batch = work("k1", "k2")
    for state in ("intended", "open"):
        asyncio.run(books.note(batch, state))
        (note,) = books.live()
        assert (note.state, note.facts["keys"]) == (state, ["k1", "k2"])
    for state in ("collected", "failed", "abandoned"):
        asyncio.run(books.note(batch, state))
        assert books.live() == []
    (note,) = journal.batches("run-1", HERE)
    assert note.facts["keys"] == [] and note.facts["n"] == 2


def test_batches_of_other_runs_and_endpoints_are_not_ours(books, journal):
    for run, name in (("run-2", HERE), ("run-1", "http://there.test/v1")):
        asyncio.run(Books(journal, run, name, "m", None).note(work(intent="b" * 32), "open"))
    assert books.live() == []


def test_an_answer_that_nobody_waits_for_is_kept_with_its_cost_at_the_discount(books, journal):
    books.keep(work("k"), "k", body("kept"))
    asyncio.run(books.up_to_date())
    entry = journal.find(["k"])["k"]
    assert (entry.raw, entry.run_id) == (body("kept"), "run-1")
    assert entry.facts["cost_usd"] == pytest.approx((1000 * 1 + 500 * 2) / 1e6 / 2)
    assert {"provider", "model", "latency_s", "attempts"} <= entry.facts.keys()
    today = time.strftime("%Y-%m-%d", time.gmtime())
    for scope in ("run-run-1", f"day-{today}"):
        assert journal.spent(scope) == Spent(1, 1500, 1_000_000)


def test_whoever_gets_a_kept_answer_is_charged_instead(books, journal):
    books.keep(work("k"), "k", body("kept"))
    asyncio.run(books.up_to_date())
    assert books.take_back(["k", "unknown"]) == {"k": body("kept")}
    asyncio.run(books.up_to_date())
    assert journal.spent("run-run-1") == Spent()


def test_an_answer_that_another_run_paid_for_is_given_without_a_change_of_accounts(books, journal):
    journal.put(Entry("k", "run-2", body("theirs"), {"cost_usd": 1.0})).result()
    assert books.take_back(["k"]) == {"k": body("theirs")}
    asyncio.run(books.up_to_date())
    assert journal.spent("run-run-1") == Spent()


def test_missing_are_the_keys_without_an_answer_however_many(books, journal):
    for i in range(0, 600, 2):
        last = journal.put(Entry(f"{i}", "run-1", b"x", {}))
    last.result()
    assert books.missing(map(str, range(600))) == [str(i) for i in range(1, 600, 2)]


def test_durable_waits_for_answers_on_their_way_to_the_journal(books, journal):
    batch = work("k")
    batch.fresh_answers = ["k"]

    async def main():
        waiting = asyncio.create_task(books.durable(batch))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        journal.put(Entry("k", "run-1", b"x", {}))
        await asyncio.wait_for(waiting, 10)

    asyncio.run(main())
    assert batch.fresh_answers == []


def test_tokens_or_a_price_that_nobody_knows_are_not_billed():
    raw = b'{"choices": [{"message": {"content": "x"}}]}'
    assert bill_of(raw, None) == Spent(1, 0, 0)
