import itertools
import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import settings as budgeted
from hypothesis import strategies as st
from scipy.stats import chisquare

from tasks.sampling import Grid, modulus, random_cell


def draws(sizes, n, seed=1):
    grid = Grid(sizes, seed)
    return [grid.cell(i) for i in range(n)]


@pytest.mark.parametrize("k", [3, 5, 21, 51])
def test_three_equal_odd_axes_use_every_item_once_a_block_and_every_pair_once_in_all(k):
    cells = draws((k, k, k), k * k)
    for start in range(0, k * k, k):
        for axis in range(3):
            assert sorted(cell[axis] for cell in cells[start : start + k]) == list(range(k))
    for a, b in itertools.combinations(range(3), 2):
        assert Counter((cell[a], cell[b]) for cell in cells) == Counter(itertools.product(range(k), repeat=2))


@pytest.mark.parametrize("sizes", [(4, 4, 4), (7, 5, 3), (13, 12, 2), (5, 5, 5, 5), (11, 4, 7, 6, 2)])
def test_unequal_axes_see_every_pair_within_the_square_of_the_modulus(sizes):
    k = modulus(sizes)
    cells = draws(sizes, k * k)
    for a, b in itertools.combinations(range(len(sizes)), 2):
        assert len({(cell[a], cell[b]) for cell in cells}) == sizes[a] * sizes[b]


@pytest.mark.parametrize("sizes", [(2, 200), (7, 7), (6, 4), (1, 9), (5, 1)])
def test_two_axes_see_every_pair_exactly_once(sizes):
    n = math.prod(sizes)
    for start in (0, n):
        cells = draws(sizes, 2 * n)[start : start + n]
        assert Counter(cells) == Counter(itertools.product(*map(range, sizes)))


@pytest.mark.parametrize("sizes", [(2, 769), (308, 27), (27, 308), (12, 12)])
def test_two_axes_are_even_long_before_all_pairs_have_come(sizes):
    counts = [Counter(), Counter()]
    for number, cell in enumerate(draws(sizes, 3000), 1):
        for axis, place in enumerate(cell):
            counts[axis][place] += 1
        if number % 97 == 0:
            for axis, size in enumerate(sizes):
                gap = max(counts[axis].values()) - min(counts[axis].get(i, 0) for i in range(size))
                assert gap <= (2 if size == max(sizes) else 10)


def test_one_axis_sees_every_item_once_before_any_comes_twice_in_an_order_of_its_own():
    cells = [cell for (cell,) in draws((30,), 60)]
    assert sorted(cells[:30]) == sorted(cells[30:]) == list(range(30)) and cells[:30] != cells[30:]


def test_no_axis_has_one_cell():
    assert Grid((), 1).cell(5) == ()


@given(st.lists(st.integers(1, 23), min_size=1, max_size=5), st.integers(0, 99), st.integers(1, 1500))
@budgeted(max_examples=80)
def test_after_any_number_of_draws_no_item_is_far_behind_another(sizes, seed, n):
    """Within a run of a block an item may come early; beyond it counts differ by 2 at most."""
    sizes = tuple(sizes)
    block = math.prod(sizes) if len(sizes) <= 2 else modulus(sizes)
    cells = draws(sizes, max(1, n // block) * block, seed)
    for axis, size in enumerate(sizes):
        counts = Counter(cell[axis] for cell in cells)
        assert max(counts.values()) - min(counts.get(i, 0) for i in range(size)) <= 2


@pytest.mark.parametrize("sizes", [(2, 517, 311), (12, 228, 516), (516, 272, 228), (3, 3, 400)])
def test_a_short_axis_is_tied_to_no_item_of_a_long_one(sizes):
    cells = draws(sizes, 20_000)
    for a, b in itertools.combinations(range(3), 2):
        pairs = Counter((cell[a], cell[b]) for cell in cells)
        expected = len(cells) / (sizes[a] * sizes[b])
        if expected > 5:
            worst = max(
                abs(pairs[pair] - expected) for pair in itertools.product(range(sizes[a]), range(sizes[b]))
            )
            assert worst <= 6 * expected**0.5


def test_another_seed_is_another_design_and_the_same_one_the_same():
    assert draws((21, 21, 21), 50, 1) == draws((21, 21, 21), 50, 1) != draws((21, 21, 21), 50, 2)
    assert Grid((21, 21, 21), 1).cell(10**9) == Grid((21, 21, 21), 1).cell(10**9)


def test_neighbouring_draws_share_no_pattern():
    cells = draws((101, 101, 101), 101)
    steps = Counter((b[0] - a[0]) % 101 for a, b in itertools.pairwise(cells))
    assert max(steps.values()) < 8


@pytest.mark.parametrize("sizes", [(6,), (4, 5), (3, 4, 5)])
def test_random_cells_are_even_and_independent(sizes):
    n = 200 * math.prod(sizes)
    counts = Counter(random_cell(sizes, 7, i) for i in range(n))
    observed = [counts[cell] for cell in itertools.product(*map(range, sizes))]
    assert chisquare(observed).pvalue > 1e-4


def test_the_balanced_sampler_covers_more_pairs_than_independent_draws():
    k = 51
    n = k * k // 2
    balanced = {cell[:2] for cell in draws((k, k, k), n)}
    independent = {random_cell((k, k, k), 1, i)[:2] for i in range(n)}
    assert len(balanced) == n and len(independent) < 0.82 * n


@pytest.mark.parametrize(
    ("sizes", "k"), [((3, 3, 3), 3), ((4, 2, 1), 5), ((5, 5, 5, 5), 5), ((4, 4, 4, 4), 5), ((9,) * 4, 11)]
)
def test_the_modulus_is_odd_for_three_axes_and_prime_for_more(sizes, k):
    assert modulus(sizes) == k
