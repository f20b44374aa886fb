import datetime

import pytest
from pydantic import ValidationError

from schemas.prices import Price, same_address

WHOLE = {
    "model": "m",
    "usd_per_mtok_in": 1,
    "usd_per_mtok_out": 2.5,
    "date": datetime.date(2026, 1, 31),
    "source": "a page",
}


def test_an_address_has_one_spelling():
    assert same_address("HTTPS://API.Example.com/v1/") == same_address("https://api.example.com/v1")
    assert same_address("http://127.0.0.1:8000/V1") == "http://127.0.0.1:8000/V1"


@pytest.mark.parametrize("wrong", ["api.example.com/v1", "ftp://x/v1", "https://", ""])
def test_what_is_no_address_is_refused(wrong):
    with pytest.raises(ValueError, match="no http"):
        same_address(wrong)


def test_optional_keys_are_unknown_and_not_zero():
    price = Price(**WHOLE)
    assert (price.endpoint, price.usd_per_mtok_cached, price.batch_discount) == (None, None, None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"usd_per_mtok_in": "1.0"},
        {"usd_per_mtok_in": True},
        {"usd_per_mtok_out": float("nan")},
        {"usd_per_mtok_out": float("inf")},
        {"usd_per_mtok_cached": -0.1},
        {"batch_discount": 50},
        {"date": "2026-01-31"},
        {"source": ""},
        {"model": ""},
    ],
)
def test_a_value_that_cannot_be_meant_is_refused(wrong):
    with pytest.raises(ValidationError):
        Price(**{**WHOLE, **wrong})
