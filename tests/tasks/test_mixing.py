import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import BadInput
from tasks.mixing import drawn, fitted, largest_remainder, rates

SIZES = {"small": 100, "middle": 3_000, "large": 30_000, "huge": 400_000}
sizes = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 10**7), min_size=1).filter(
    lambda found: any(found.values())
)


def test_without_cap_and_at_temperature_one_rates_are_proportional_to_size():
    total = sum(SIZES.values())
    assert rates(SIZES) == pytest.approx({name: size / total for name, size in SIZES.items()})


def test_past_the_cap_a_set_has_no_extra_weight():
    found = rates(SIZES, cap=3_000)
    assert found["middle"] == found["large"] == found["huge"] == pytest.approx(3_000 / 9_100)
    assert found["small"] == pytest.approx(100 / 9_100)
    assert rates({**SIZES, "huge": 10**9}, cap=3_000) == found


def test_mixing_is_not_equal_sampling_of_all_sets():
    assert rates(SIZES, cap=3_000)["small"] < 0.25 / 10


def test_temperature_is_the_root_of_the_capped_size():
    found = rates({"a": 100, "b": 10_000, "c": 90_000}, cap=40_000, temperature=2)
    assert found == pytest.approx({"a": 10 / 310, "b": 100 / 310, "c": 200 / 310})


def test_an_infinite_temperature_makes_all_rates_equal_but_for_empty_sets():
    assert rates({**SIZES, "empty": 0}, temperature=math.inf) == pytest.approx(
        {"small": 0.25, "middle": 0.25, "large": 0.25, "huge": 0.25, "empty": 0.0}
    )


def test_the_scale_comes_before_the_cap_as_in_seqio():
    assert rates({"a": 10, "b": 1_000}, cap=100, scale=5) == pytest.approx({"a": 50 / 150, "b": 100 / 150})


def test_weights_multiply_and_a_weight_of_nought_leaves_a_set_out():
    found = rates({"flan": 10, "t0": 10, "cot": 10}, weights={"flan": 4, "t0": 3})
    assert found == pytest.approx({"flan": 4 / 8, "t0": 3 / 8, "cot": 1 / 8})
    assert rates({"a": 5, "b": 5}, weights={"a": 0}) == {"a": 0.0, "b": 1.0}


def test_a_tiny_temperature_does_not_leave_the_floats():
    assert rates({"a": 10_000, "b": 9_000}, temperature=0.001)["a"] == pytest.approx(1.0)


def test_a_weight_for_no_set_and_a_mixture_of_nothing_are_refused():
    with pytest.raises(BadInput, match=r"'flam', which is no set; known: \['flan'\]"):
        rates({"flan": 3}, weights={"flam": 1})
    with pytest.raises(BadInput, match="no set has rows"):
        rates({"a": 0, "b": 0})


@given(sizes, st.floats(1, 10**6), st.floats(0.05, 50))
def test_rates_are_shares_and_do_not_fall_with_size(found, cap, temperature):
    shares = rates(found, cap, temperature)
    assert math.fsum(shares.values()) == pytest.approx(1)
    line = sorted(found, key=found.get)
    assert all(shares[a] <= shares[b] * (1 + 1e-9) for a, b in zip(line, line[1:], strict=False))


@given(sizes, st.integers(0, 5_000))
def test_quotas_sum_up_and_stay_within_one_row_of_their_share(found, count):
    shares = rates(found, temperature=3)
    parts = largest_remainder(shares, count)
    assert sum(parts.values()) == count
    assert all(abs(parts[name] - shares[name] * count) < 1 + 1e-6 for name in found)


def test_the_rest_goes_to_the_largest_remainders_and_ties_to_the_first_name():
    assert largest_remainder({"a": 0.2, "b": 0.55, "c": 0.25}, 7) == {"a": 1, "b": 4, "c": 2}
    assert largest_remainder({"b": 0.5, "a": 0.5}, 3) == {"b": 1, "a": 2}


@given(sizes, st.integers(0, 100))
def test_no_set_gives_more_than_it_has_and_nothing_is_lost_while_rows_are_left(found, count):
    small = {name: size % 40 for name, size in found.items()}
    if not any(small.values()):
        return
    shares = rates(small, temperature=2)
    given_rows = fitted(largest_remainder(shares, count), shares, small)
    assert all(given_rows[name] <= small[name] for name in small)
    assert sum(given_rows.values()) == min(count, sum(small.values()))


def test_what_a_set_lacks_goes_to_the_others_by_their_rates():
    shares = {"a": 0.5, "b": 0.375, "c": 0.125}
    assert fitted({"a": 40, "b": 30, "c": 10}, shares, {"a": 20, "b": 99, "c": 99}) == {
        "a": 20,
        "b": 45,
        "c": 15,
    }


def test_a_set_without_a_share_is_no_stopgap():
    assert fitted({"a": 5, "b": 0}, {"a": 1.0, "b": 0.0}, {"a": 3, "b": 9}) == {"a": 3, "b": 0}


def test_random_draws_follow_the_rates():
    shares = rates(SIZES, cap=3_000)
    counts = drawn(shares, 20_000, seed=5)
    chi2 = sum((counts[name] - 20_000 * share) ** 2 / (20_000 * share) for name, share in shares.items())
    assert sum(counts.values()) == 20_000 and chi2 < 16.3  # 3 degrees of freedom, p = .001
    assert drawn(shares, 20_000, seed=6) != counts


def test_draws_do_not_depend_on_the_order_of_the_sets():
    shares = rates(SIZES)
    assert drawn(shares, 500, seed=1) == drawn(dict(reversed(shares.items())), 500, seed=1)
