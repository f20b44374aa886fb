from hypothesis import given
from hypothesis import strategies as st

from schemas.spent import NANO, Caps, Spent

whole = st.integers(-(10**15), 10**15)
spents = st.builds(Spent, whole, whole, whole)


@given(spents, spents, spents)
def test_sums_do_not_depend_on_their_order_and_differences_undo_them(a, b, c):
    assert a.plus(b).plus(c) == c.plus(b).plus(a)
    assert a.plus(b).minus(b) == a
    assert a.plus(b) == (a.requests + b.requests, a.tokens + b.tokens, a.nano_usd + b.nano_usd)


def test_nothing_was_spent_at_first_and_a_dollar_is_a_billion_nano_dollars():
    assert Spent() == (0, 0, 0) and Spent().usd == 0
    assert NANO == 10**9 and Spent(nano_usd=2_500_000_000).usd == 2.5


def test_a_cap_may_be_reached_and_not_exceeded():
    caps = Caps(requests=3, tokens=100, nano_usd=NANO)
    assert caps.broken_by(Spent(3, 100, NANO)) is None
    assert caps.broken_by(Spent(4, 100, NANO)) == "requests"
    assert caps.broken_by(Spent(3, 101, NANO)) == "tokens"
    assert caps.broken_by(Spent(3, 100, NANO + 1)) == "nano_usd"
    assert caps.broken_by(Spent(4, 101, NANO + 1)) == "requests"


def test_what_has_no_cap_is_never_exceeded_but_a_cap_of_zero_is_one():
    assert Caps().broken_by(Spent(10**15, 10**15, 10**15)) is None
    assert Caps(tokens=0).broken_by(Spent(10**15, 0, 10**15)) is None
    assert Caps(tokens=0).broken_by(Spent(0, 1, 0)) == "tokens"
