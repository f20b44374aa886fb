import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import BadInput
from schemas.llm import OFFLINE
from schemas.prices import Price, PriceTable
from tasks.calls.prices import cost_usd, load_prices, most_usd, price_of

ENTRY = """
[[price]]
model = "good"
usd_per_mtok_in = 1.0
usd_per_mtok_out = 2
date = 2026-01-31
source = "https://example.com/prices"
"""
HERE, ELSEWHERE = "https://api.example.com/v1", "https://other.example.com/v1"


def price(**facts):
    known = {
        "model": "m",
        "usd_per_mtok_in": 1.0,
        "usd_per_mtok_out": 4.0,
        "date": datetime.date(2026, 1, 31),
        "source": "a page",
    }
    return Price(**{**known, **facts})


def written(folder, text) -> Path:
    path = folder / "prices.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_table_that_ships_knows_the_storyteller_as_free():
    free = price_of(load_prices(None), OFFLINE, None)
    assert cost_usd(free, 1000, 1000) == cost_usd(free, 1000, 1000, batch=True) == 0.0
    assert free.source == "built in"


def test_what_ships_of_others_names_endpoint_and_page_and_is_dated():
    others = [each for each in load_prices(None).price if each.model != OFFLINE]
    assert others
    for each in others:
        assert each.endpoint and each.source.startswith("https://") and each.date >= datetime.date(2026, 1, 1)


def test_a_model_that_is_not_in_the_table_has_no_price(tmp_path):
    table = load_prices(written(tmp_path, ENTRY))
    assert price_of(table, "good", HERE).usd_per_mtok_out == 2.0
    assert price_of(table, "Good", HERE) is None
    assert price_of(table, "good-2026", HERE) is None


def test_the_entry_that_names_the_endpoint_wins_in_either_order():
    anywhere, here = price(usd_per_mtok_in=1.0), price(usd_per_mtok_in=9.0, endpoint=HERE + "/")
    for entries in ((anywhere, here), (here, anywhere)):
        table = PriceTable(price=entries)
        assert price_of(table, "m", HERE) == price_of(table, "m", HERE.upper().replace("/V1", "/v1")) == here
        assert price_of(table, "m", ELSEWHERE) == price_of(table, "m", None) == anywhere


def test_the_price_of_one_endpoint_says_nothing_of_another():
    table = PriceTable(price=(price(endpoint=HERE),))
    assert price_of(table, "m", ELSEWHERE) is None
    assert price_of(table, "m", None) is None


def test_costs_have_known_answers():
    dear = price(usd_per_mtok_in=2.0, usd_per_mtok_out=8.0, usd_per_mtok_cached=0.5, batch_discount=0.5)
    assert cost_usd(dear, 1_000_000, 500_000) == pytest.approx(6.0)
    assert cost_usd(dear, 1_000_000, 500_000, batch=True) == pytest.approx(3.0)
    assert cost_usd(dear, 1_000_000, 0, n_cached=600_000) == pytest.approx(0.8 + 0.3)
    assert cost_usd(price(), 1_000_000, 0, n_cached=600_000) == pytest.approx(1.0)


def test_what_is_unknown_is_none_and_never_zero():
    assert cost_usd(None, 10, 10) is None
    assert cost_usd(price(), None, 10) is None
    assert cost_usd(price(), 10, None) is None
    assert cost_usd(price(), 10, 10, batch=True) is None
    assert cost_usd(price(), 0, 0) == 0.0


usd = st.none() | st.floats(0, 1000)


@given(st.floats(0, 1000), st.floats(0, 1000), usd, st.floats(0, 1), st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 10**7), st.booleans())  # fmt: skip
def test_no_call_costs_more_than_the_most(
    usd_in, usd_out, usd_cached, discount, n_in, n_out, n_cached, batch
):
    any_price = price(
        usd_per_mtok_in=usd_in,
        usd_per_mtok_out=usd_out,
        usd_per_mtok_cached=usd_cached,
        batch_discount=discount,
    )
    cost = cost_usd(any_price, n_in, n_out, batch, n_cached)
    assert 0 <= cost <= most_usd(any_price, n_in, n_out) * (1 + 1e-12)


MISTAKES = {
    "unknown key": (ENTRY + "usd_per_mtok_inn = 1\n", r"entry 1 \('good'\), usd_per_mtok_inn: .*known keys: model, endpoint"),
    "negative": (ENTRY.replace("1.0", "-1.0"), r"entry 1 \('good'\), usd_per_mtok_in: .*greater than or equal to 0"),
    "no date": (ENTRY.replace("date = 2026-01-31", ""), r"entry 1 \('good'\), date: Field required"),
    "no source": (ENTRY.replace("source", "# source"), r"entry 1 \('good'\), source: Field required"),
    "no model": (ENTRY.replace("model", "# model"), r"entry 1, model: Field required"),
    "twice": (ENTRY + ENTRY, r"entries 1 and 2: two prices of 'good' at any endpoint"),
    "second": (ENTRY + ENTRY.replace("good", "bad").replace("2\n", "'2'\n"), r"entry 2 \('bad'\), usd_per_mtok_out"),
    "no list": ("[price]\nmodel = 'x'\n", r"price.*known: entries that begin with \[\[price\]\]"),
    "other table": (ENTRY + "[[prices]]\nmodel = 'x'\n", r"prices: .*known: entries that begin with"),
    "no toml": ("model: good", "is no TOML: .*line 1"),
    "address": (ENTRY + "endpoint = 'api.example.com'\n", "endpoint: .*no http"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_with_file_entry_key_and_what_is_known(name, tmp_path):
    text, said = MISTAKES[name]
    path = written(tmp_path, text)
    with pytest.raises(BadInput, match=said) as caught:
        load_prices(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_table_that_cannot_be_read_is_named(tmp_path):
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(BadInput, match="cannot read price table") as caught:
            load_prices(path)
        assert str(path) in str(caught.value)
    (tmp_path / "latin.toml").write_bytes(b'[[price]]\nmodel = "\xe9"\n')
    with pytest.raises(BadInput, match="is no TOML"):
        load_prices(tmp_path / "latin.toml")
