import numpy as np
import pytest

from tasks import cosine_cells
from tasks.cosine_cells import Cells, Shelves, fitted, one_cell
from tasks.cosine_search import Best, cosines
from tasks.vectors import Rows, unit_rows


def clumps(n, k=10, seed=0, d=16):
    chance = np.random.default_rng(seed)
    centres = chance.standard_normal((k, d))
    return unit_rows(centres[chance.integers(k, size=n)] + 0.2 * chance.standard_normal((n, d)))


def fit(vectors, total=None):
    hashed = np.random.default_rng(1).permutation(len(vectors))
    return fitted(Rows(vectors, np.arange(len(vectors))), hashed, total or len(vectors))


def test_cells_are_whole_numbers_of_which_every_product_is_exact():
    vectors = clumps(2000, d=384)
    cells = fit(vectors)
    whole = np.rint(vectors * np.float32(4000))
    assert (cells.codebook == np.rint(cells.codebook)).all()
    true = whole.astype(np.int64) @ cells.codebook.astype(np.int64).T
    assert ((whole @ cells.codebook.T) == true).all()
    assert (np.concatenate(list(cells._scores(vectors))) == true).all()
    assert (cells.homes(vectors) == true.argmax(axis=1)).all()


def test_the_home_of_a_row_is_among_the_cells_it_looks_into():
    vectors = clumps(1000)
    cells = fit(vectors)._replace(looked=3)
    homes, visits = cells.homes(vectors), cells.visits(vectors)
    assert visits.shape == (1000, 3)
    assert (visits == homes[:, None]).any(axis=1).all()
    assert all(len(set(row)) == 3 for row in visits.tolist())


def test_there_are_about_root_n_cells_and_rows_of_one_clump_share_one():
    vectors = clumps(2500, k=8)
    cells = fit(vectors)
    assert len(cells.codebook) == 50
    assert len(fit(vectors, total=10**9).codebook) == 2500 // 8
    assert 1 <= cells.looked <= 12


def test_more_cells_are_looked_into_where_rows_form_no_clumps():
    even = unit_rows(np.random.default_rng(2).standard_normal((2500, 64)))
    assert fit(even).looked > fit(clumps(2500, k=50, d=64)).looked


def test_a_single_cell_compares_all_with_all():
    vectors = clumps(60)
    cells = one_cell(16)
    shelves = Shelves(cells, cells.homes(vectors), 16)
    rows = Rows(vectors, np.arange(60))
    shelves.put(rows, cells.homes(vectors))
    best = Best.of(60)
    shelves.met_by(rows, None, best)
    exact = cosines(vectors, vectors)
    np.fill_diagonal(exact, -np.inf)
    assert (best.cosine == exact.max(axis=0)).all()


def test_rows_meet_what_lies_in_the_cells_they_look_into_and_nothing_else():
    vectors, cells = clumps(400), fit(clumps(400))._replace(looked=2)
    homes, visits = cells.homes(vectors), cells.visits(vectors)
    rows = Rows(vectors, np.arange(400))
    shelves = Shelves(cells, homes, 16)
    for half in (slice(0, 150), slice(150, 300)):  # the last 100 are not there
        shelves.put(rows.at(half), homes[half])
    of_shelved, of_rows = Best.of(400), Best.of(400)
    shelves.met_by(rows, of_shelved, of_rows)
    seen = (visits[None, :, :] == homes[:, None, None]).any(axis=2)  # [shelved, row]
    seen[300:] = False
    exact = np.where(seen, cosines(vectors, vectors), -np.inf)
    np.fill_diagonal(exact, -np.inf)
    assert (of_rows.cosine == exact.max(axis=0)).all()
    assert (of_shelved.cosine == exact.max(axis=1)).all()
    shelves.clear()
    again = Best.of(400)
    shelves.met_by(rows, None, again)
    assert (again.rank == -1).all()


@pytest.mark.parametrize("n", [8, 9, 20])
def test_few_rows_make_few_cells(n):
    cells = fit(clumps(n))
    assert isinstance(cells, Cells)
    assert 1 <= cells.looked <= len(cells.codebook) <= max(1, n // 8)


def test_the_nearest_of_nearly_all_rows_is_met(monkeypatch):
    monkeypatch.setattr(cosine_cells, "PILOT", 400)
    vectors = clumps(3000, k=40, d=24)
    cells = fit(vectors)
    rows = Rows(vectors, np.arange(3000))
    shelves, best = Shelves(cells, cells.homes(vectors), 24), Best.of(3000)
    shelves.put(rows, cells.homes(vectors))
    shelves.met_by(rows, None, best)
    exact = cosines(vectors, vectors)
    np.fill_diagonal(exact, -np.inf)
    assert (best.cosine == exact.max(axis=0)).mean() > 0.98
