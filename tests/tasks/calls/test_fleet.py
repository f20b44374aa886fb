import asyncio
import heapq
import random
import socket
import types

import pytest

from schemas.errors import BadInput, SeedloomError
from schemas.llm import LLM, OFFLINE
from schemas.settings import Budget, Settings
from tasks.calls import fleet
from tasks.calls.endpoint import Endpoint
from tasks.calls.fleet import HOPELESS, LONGEST_PAUSE_S, Fleet, Site, check_endpoints, fleet_of, name_of
from tasks.calls.limits import OwnGate, SharedGate
from tasks.calls.provider import Fatal, Offline

PRICES = """
[[price]]
model = "small"
usd_per_mtok_in = 1.0
usd_per_mtok_out = 2.0
date = 2026-01-01
source = "here"
"""


class Gate(OwnGate):
    def __init__(self):
        self.pauses, self.closed = [], False

    def pause(self, seconds):
        self.pauses.append(seconds)

    def close(self):
        self.closed = True


class Silent:
    """A provider that is never asked."""

    concurrency = 40

    def __init__(self, name):
        self.name, self.model, self.closed = name, "m", False

    async def close(self):
        self.closed = True


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes when it is told to."""
    now = [1000.0]
    monkeypatch.setattr(fleet, "time", types.SimpleNamespace(monotonic=lambda: now[0]))
    return now


def fleet_with(*weights, patience_s=300.0):
    sites = [Site(Silent(f"http://{n}/v1"), Gate(), None, weight) for n, weight in enumerate(weights)]
    return Fleet(sites, patience_s)


def shares(one, n, in_flight, seconds=lambda site: 1.0):
    """Of n requests, the share of each site when so many are always under way."""
    draw = random.Random(3)
    chosen, ends, now = dict.fromkeys(one.sites, 0), [], 0.0
    for number in range(n):
        if len(ends) == in_flight:
            now, _, over = heapq.heappop(ends)
            over.in_flight -= 1
        site = one.choose()
        site.in_flight += 1
        chosen[site] += 1
        heapq.heappush(ends, (now + seconds(site) * draw.uniform(0.5, 1.5), number, site))
    return [chosen[site] / n for site in one.sites]


# ---- shares


@pytest.mark.parametrize("weights", [(1, 1), (1, 3), (3, 1), (1, 2, 5)])
def test_in_the_long_run_sites_of_one_speed_get_the_shares_of_their_weights(weights):
    found = shares(fleet_with(*weights), 20_000, in_flight=8 * sum(weights))
    for share, weight in zip(found, weights, strict=True):
        assert share == pytest.approx(weight / sum(weights), abs=0.02)


def test_a_slow_site_gets_fewer():
    one = fleet_with(1, 1)
    slow = one.sites[0]
    found = shares(one, 5000, in_flight=40, seconds=lambda site: 4.0 if site is slow else 1.0)
    assert found[0] == pytest.approx(0.2, abs=0.04)


def test_all_sites_together_say_how_many_may_be_in_flight():
    assert fleet_with(1, 1, 1).concurrency == 120


# ---- failover


def test_while_one_site_is_down_the_other_gets_everything_and_then_its_share_again(clock):
    one = fleet_with(1, 1)
    bad, good = one.sites
    bad.fell()
    assert one.choose() is good
    good.in_flight = 1000
    assert one.choose() is good
    assert 0.125 <= bad.down_until - clock[0] <= 0.25
    clock[0] = bad.down_until
    assert one.choose() is bad


def test_each_fall_pauses_twice_as_long_up_to_half_a_minute_and_an_answer_forgets_them(clock):
    one = fleet_with(1)
    (site,) = one.sites
    for fall in range(3000):
        site.fell()
        pause = site.down_until - clock[0]
        most = min(LONGEST_PAUSE_S, 0.25 * 2 ** min(fall, 20))
        assert most / 2 - 1e-6 <= pause <= most + 1e-6
        clock[0] = site.down_until
    assert site.gate.pauses[-1] == pytest.approx(pause)
    one.answered(site)
    site.fell()
    assert site.down_until - clock[0] <= 0.25


def test_one_fall_that_many_saw_is_one(clock):
    (site,) = fleet_with(1).sites
    for _ in range(30):
        site.fell()
    assert len(site.gate.pauses) == 1 and site.down_until - clock[0] <= 0.25


def test_an_answer_brings_a_site_up_at_once(clock):
    one = fleet_with(1, 1)
    one.sites[0].fell()
    one.answered(one.sites[0])
    assert one.choose() is one.sites[0]


def test_when_all_are_down_one_is_chosen_all_the_same(clock):
    one = fleet_with(1, 3)
    for site in one.sites:
        site.fell()
    assert one.choose() is one.sites[1]


def test_a_site_that_was_retired_is_never_asked_again_and_the_last_one_says_why(clock):
    one = fleet_with(1, 1)
    first, second = one.sites
    one.retire(first, SeedloomError("first: wrong key"))
    assert one.choose() is second
    second.fell()
    assert one.choose() is second, "down, but there is no other"
    with pytest.raises(Fatal, match="first: wrong key; second: no credit"):
        one.retire(second, SeedloomError("second: no credit"))
    with pytest.raises(Fatal, match="first: wrong key; second: no credit"):
        one.choose()


# ---- when there is no sense in going on


def test_many_failures_in_a_row_end_the_run_and_an_answer_between_them_does_not():
    one = fleet_with(1, 1)
    for _ in range(3):
        for n in range(HOPELESS - 1):
            one.failed(f"bad {n}")
        one.answered(one.sites[0])
    for n in range(HOPELESS - 1):
        one.failed(f"bad {n}")
    with pytest.raises(Fatal, match=f"{HOPELESS} requests in a row failed, the last one: too long"):
        one.failed("too long")


def test_silence_is_borne_for_as_long_as_the_settings_say(clock):
    one = fleet_with(1, 1, patience_s=100)
    first, second = one.sites
    clock[0] += 100
    one.wait_for(first, OSError("refused"))
    clock[0] += 1
    with pytest.raises(
        Fatal, match="http://0/v1 gave no answer for 101 s, above SEEDLOOM_LLM__PATIENCE_S: refused"
    ):
        one.wait_for(first, OSError("refused"))
    one.answered(second)
    one.wait_for(first, OSError("refused"))
    clock[0] += 101
    one.answered(second)
    one.retire(second, SeedloomError("wrong key"))
    with pytest.raises(Fatal, match="gave no answer for 202 s"):
        one.wait_for(first, OSError("refused"))


def test_the_only_site_is_not_waited_for_longer_than_the_patience_but_one_of_several_is(clock):
    alone, several = fleet_with(1, patience_s=100), fleet_with(1, 1, patience_s=100)
    alone.wait_for(alone.sites[0], OSError("429"), 100)
    with pytest.raises(Fatal, match="asks to wait 101 s, above SEEDLOOM_LLM__PATIENCE_S: 429"):
        alone.wait_for(alone.sites[0], OSError("429"), 101)
    several.wait_for(several.sites[0], OSError("429"), 101)


def test_who_hears_of_a_fall_after_the_last_site_was_retired_is_not_in_the_way(clock):
    one = fleet_with(1)
    with pytest.raises(Fatal):
        one.retire(one.sites[0], SeedloomError("wrong key"))
    one.wait_for(one.sites[0], OSError("refused"))
    with pytest.raises(Fatal, match="wrong key"):
        one.choose()


def test_closing_lets_go_of_all_sites():
    one = fleet_with(1, 1)
    asyncio.run(one.close())
    assert all(site.provider.closed and site.gate.closed for site in one.sites)


# ---- the fleet of the settings


@pytest.fixture
def settings_with(tmp_path):
    """A function from settings of the model to settings, with limits in a folder of this test."""
    (tmp_path / "prices.toml").write_text(PRICES)

    def settings(budget=None, **llm):
        of_model = LLM(limits_folder=tmp_path / "limits", prices=tmp_path / "prices.toml", **llm)
        return Settings(llm=of_model, budget=budget or Budget())

    return settings


def unused_url():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{one.getsockname()[1]}/v1"


def made(settings):
    one = fleet_of(settings)
    asyncio.run(one.close())
    return one


def test_without_an_address_the_storyteller_writes(settings_with):
    one = made(settings_with())
    (site,) = one.sites
    assert isinstance(site.provider, Offline) and isinstance(site.gate, OwnGate)
    assert site.provider.model == OFFLINE and one.concurrency == site.provider.concurrency
    check_endpoints(settings_with())


def test_each_endpoint_has_its_own_limits_weight_and_price(settings_with):
    endpoints = [
        {"base_url": "http://a/v1", "weight": 3, "limits": {"concurrency": 5}},
        {"base_url": "http://b/v1", "model": "other"},
    ]
    one = made(settings_with(model="small", concurrency=2, endpoints=endpoints))
    a, b = one.sites
    assert all(
        isinstance(site.provider, Endpoint) and isinstance(site.gate, SharedGate) for site in one.sites
    )
    assert (a.provider.name, a.provider.model, a.provider.concurrency, a.weight) == (
        "http://a/v1",
        "small",
        5,
        3,
    )
    assert (b.provider.name, b.provider.model, b.provider.concurrency, b.weight) == (
        "http://b/v1",
        "other",
        2,
        1,
    )
    assert a.price.usd_per_mtok_out == 2.0 and b.price is None
    assert one.concurrency == 7


@pytest.mark.parametrize("llm", [{"model": "gpt-x"}, {"provider": "batch"}])
def test_a_model_without_an_address_is_refused(settings_with, llm):
    with pytest.raises(BadInput, match="neither SEEDLOOM_LLM__BASE_URL nor SEEDLOOM_LLM__ENDPOINTS is set"):
        check_endpoints(settings_with(**llm))


@pytest.mark.parametrize("url", ["localhost:8000/v1", "http://anna:hush@host:99999/v1"])
def test_an_address_that_is_none_is_one_clear_line(settings_with, url):
    with pytest.raises(BadInput, match="no http.s. address") as found:
        check_endpoints(settings_with(model="small", base_url=url))
    assert "hush" not in str(found.value)


def test_nobody_at_the_address_is_one_clear_line(settings_with):
    url = unused_url()
    with pytest.raises(BadInput, match=f"no server answers at {url}") as found:
        check_endpoints(settings_with(base_url=url, model="small"))
    assert "\n" not in str(found.value)


def test_an_unknown_model_names_the_known_ones(endpoint, settings_with):
    endpoint.models = ["small", "large"]
    with pytest.raises(
        BadInput, match=rf"no model 'huge' at {endpoint.base_url}; known: \['large', 'small'\]"
    ):
        check_endpoints(settings_with(base_url=endpoint.base_url, model="huge"))
    check_endpoints(settings_with(base_url=endpoint.base_url, model="large"))


def test_an_endpoint_that_lists_no_models_is_believed(endpoint, settings_with):
    endpoint.models = []
    check_endpoints(settings_with(base_url=endpoint.base_url, model="huge"))


def test_a_server_that_answers_html_is_no_api(settings_with):
    import http.server
    import threading

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<!doctype html><h1>It works!</h1>")

        def log_message(self, *args):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        with pytest.raises(
            BadInput, match=f"{url} answers HTML, no API: does SEEDLOOM_LLM__BASE_URL end in /v1"
        ):
            check_endpoints(settings_with(base_url=url, model="small"))
        server.shutdown()
        thread.join()


def test_one_of_two_that_is_not_there_is_a_warning(endpoint, settings_with, caplog):
    endpoints = [{"base_url": unused_url()}, {"base_url": endpoint.base_url}]
    check_endpoints(settings_with(model="small", endpoints=endpoints))
    (record,) = [each for each in caplog.records if each.name == "seedloom.llm"]
    assert record.levelname == "WARNING"
    assert f"no server answers at {endpoints[0]['base_url']}" in record.getMessage()
    assert "the other endpoints go on without it" in record.getMessage()


def test_two_of_two_that_are_not_there_are_named_both(settings_with):
    endpoints = [{"base_url": unused_url()}, {"base_url": unused_url()}]
    with pytest.raises(BadInput) as found:
        check_endpoints(settings_with(model="small", endpoints=endpoints))
    assert all(each["base_url"] in str(found.value) for each in endpoints)


def test_a_budget_in_usd_needs_a_price(endpoint, settings_with):
    endpoint.models = ["small", "other"]
    for caps in ({"budget": Budget(budget_usd=1)}, {"usd_per_day": 1}):
        check_endpoints(settings_with(base_url=endpoint.base_url, model="small", **caps))
        with pytest.raises(
            BadInput, match="no price of 'other' to count a budget in USD.*SEEDLOOM_LLM__PRICES"
        ):
            check_endpoints(settings_with(base_url=endpoint.base_url, model="other", **caps))
    check_endpoints(settings_with(Budget(budget_tokens=1), base_url=endpoint.base_url, model="other"))


def test_a_key_may_lie_in_a_block_that_must_exist(endpoint, settings_with, prefect_server):
    from prefect.blocks.system import Secret

    Secret(value="sk-block").save("llm-key", overwrite=True)
    where = {"base_url": endpoint.base_url, "model": "small"}
    check_endpoints(settings_with(**where, api_key_block="llm-key"))
    assert endpoint.keys == ["Bearer sk-block"]
    with pytest.raises(BadInput, match="no Prefect Secret block 'nope'"):
        check_endpoints(settings_with(**where, api_key_block="nope"))


@pytest.mark.parametrize(
    ("llm", "name"),
    [
        ({}, "offline"),
        ({"base_url": "http://a/v1", "model": "m"}, "http://a/v1"),
        (
            {"endpoints": [{"base_url": "http://a/v1"}, {"base_url": "http://b/v1"}]},
            "http://a/v1+http://b/v1",
        ),
        ({"base_url": "http://anna:hush@a/v1", "model": "m"}, "http://a/v1"),
        ({"provider": "transformers", "model": "m"}, "transformers"),
        ({"provider": "vllm", "model": "m"}, "vllm"),
    ],
)
def test_who_would_have_answered_has_a_name_without_a_password(settings_with, llm, name):
    assert name_of(settings_with(**llm)) == name
