from functools import cache

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tasks.band_index as band_index
from schemas.tables import tables
from tasks.band_index import repeating, sharing
from tasks.bands import N_BANDS, band_keys
from warehouse import connect
from warehouse.manifest import commit as publish
from warehouse.manifest import read_current
from warehouse.parts import polars_schema, write_part
from warehouse.run import begin
from warehouse.withdrawal import withdraw

MINE, OTHER = "the contract", "another contract"
BLANK = {"String": "", "Int64": 0, "Boolean": True, "Float64": 0.0}


def put(run, table, rows):
    """A part of a run; what is not given is blank."""
    schema = polars_schema(table)
    arrow = tables()[table].arrow()
    blank = {n: None if arrow.field(n).nullable else BLANK.get(str(kind)) for n, kind in schema.items()}
    filled = [{**blank, **row, "run_id": run.run_id} for row in rows]
    return [write_part(run.root, run.run_id, table, pl.DataFrame(filled, schema=schema))] if rows else []


def commit(root, name, n, seed, values=3):
    """A run of n final samples with hot bands; some are dropped, grown from a dropped one, wordless, alien."""
    draw = np.random.default_rng(seed)
    run = begin(root, "curate", "test", name, {})
    samples = [{"sample_id": f"{name}-root-{i}", "final": False, "model": "m"} for i in range(3)]
    signed = []
    for i in range(n):
        sample_id = f"{draw.integers(10**6):06d}-{name}-{i}"  # order by id is no order by number
        above = f"{name}-root-{draw.integers(3)}" if draw.random() < 0.5 else None
        model = "m" if draw.random() < 0.8 else "alien"
        samples.append({"sample_id": sample_id, "parent_id": above, "model": model, "final": True})
        signed.append(
            {
                "sample_id": sample_id,
                "contract": MINE if draw.random() < 0.8 else OTHER,
                "n_shingles": 0 if draw.random() < 0.1 else 50,
                "minhash": draw.integers(0, values, 128, dtype=np.uint32).tolist(),
                "digest": None if draw.random() < 0.1 else bytes(7) + draw.bytes(1)[:1] + bytes(8),
            }
        )
    dropped = [s["sample_id"] for s in samples[3:] if draw.random() < 0.3] + [f"{name}-root-0"]
    half = n // 2
    parts = (
        put(run, "sample", samples)
        + put(run, "signature", signed[:half])
        + put(run, "signature", signed[half:])
    )
    parts += put(run, "verdict", [{"sample_id": i, "filter": "quality", "keep": False} for i in dropped])
    publish(root, run.run_id, parts)
    return run.run_id


@cache
def everything(root, version, among):
    """Clean final samples of the lineage with all their signatures, in order."""
    clean = f"SELECT run_id, sample_id FROM clean_sample AS sample WHERE final AND ({among})"
    signed = "SELECT * EXCLUDE (run_id) FROM signature"
    with connect(root, version) as connection:
        joined = f"SELECT * FROM ({clean}) JOIN ({signed}) USING (sample_id) ORDER BY run_id, sample_id"
        return connection.sql(joined).pl()


def brute(run, among, contract, keys, most):
    """One clean sample after the other is admitted, as long as there is room under one of its keys."""
    line = everything(run.root, run.base_version, among)
    line = line.filter((pl.col("contract") == contract) & (pl.col("n_shingles") > 0))
    minhash = line["minhash"].cast(pl.Array(pl.UInt32, 128)).to_numpy().reshape(-1, 128)
    wanted = np.zeros(line.height, bool)
    for band in range(N_BANDS):
        admitted = dict.fromkeys(keys[band].tolist(), 0)
        for row, key in enumerate(band_keys(minhash, band).tolist()):
            if key in admitted and admitted[key] < most:
                wanted[row] = True
                admitted[key] += 1
    return line.filter(pl.Series(wanted)).select("run_id", "sample_id", "n_shingles", "minhash")


def brute_repeating(run, among, digests):
    line = everything(run.root, run.base_version, among).select("run_id", "sample_id", "digest")
    return line.filter(pl.col("digest").is_in(digests.drop_nulls().implode()))


def asked(seed, n=6, values=3):
    """Keys of new samples, and digests of which some are known."""
    draw = np.random.default_rng(seed)
    minhash = draw.integers(0, values, (n, 128), dtype=np.uint32)
    keys = [np.unique(band_keys(minhash, band)) for band in range(N_BANDS)]
    digests = [bytes(7) + bytes([i]) + bytes(8) for i in range(0, 250, 3)]
    return keys, pl.Series([None, *digests, bytes(16)], dtype=pl.Binary)


def same(run, seed=0, most=3, among="model = 'm'", values=3):
    """The index and reading everything agree; how many were found."""
    keys, digests = asked(seed, values=values)
    found, truth = sharing(run, among, MINE, keys, most), brute(run, among, MINE, keys, most)
    assert found["minhash"].dtype == pl.Array(pl.UInt32, 128)
    assert found.equals(truth.cast(found.schema))
    assert repeating(run, among, digests).equals(brute_repeating(run, among, digests))
    return found.height


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    root = tmp_path_factory.mktemp("warehouse") / "w"
    for number in range(3):
        commit(root, f"run{number}", 60, number)
    return begin(root, "curate", "new", "now", {})


@given(st.integers(0, 10**6), st.sampled_from([1, 2, 5, 1000]), st.sampled_from(["true", "model = 'm'"]))
@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_index_finds_what_reading_every_clean_sample_finds(warehouse, seed, most, among):
    assert same(warehouse, seed, most, among) > 0


@pytest.mark.parametrize("among", ["", "false"])
def test_a_run_that_stands_alone_asks_nothing(tmp_path, among):
    commit(tmp_path, "one", 10, 0)
    run = begin(tmp_path, "curate", "new", "now", {})
    keys, digests = asked(0)
    assert sharing(run, among, MINE, keys, 3).height == repeating(run, among, digests).height == 0
    assert sharing(run, among, MINE, keys, 3).columns == ["run_id", "sample_id", "n_shingles", "minhash"]
    assert not (tmp_path / "index").exists()


def test_nothing_is_found_in_an_empty_warehouse_nor_for_no_keys(run, warehouse):
    keys, digests = asked(0)
    assert sharing(run, "true", MINE, keys, 3).height == repeating(run, "true", digests).height == 0
    none = [np.zeros(0, np.uint64)] * N_BANDS
    assert sharing(warehouse, "true", MINE, none, 3).height == 0
    assert repeating(warehouse, "true", pl.Series([None], dtype=pl.Binary)).height == 0
    assert sharing(warehouse, "true", "a third contract", keys, 3).height == 0


@pytest.mark.parametrize("fanout", [2, 4])  # with 2, later samples get into one segment with earlier ones
def test_a_resumed_run_sees_the_version_that_it_was_begun_on(tmp_path, monkeypatch, fanout):
    monkeypatch.setattr("warehouse.index.FANOUT", fanout)
    commit(tmp_path, "one", 40, 1)
    old = begin(tmp_path, "curate", "new", "old", {})
    before = same(old)
    two = commit(tmp_path, "two", 40, 2)
    new = begin(tmp_path, "curate", "new", "new", {})
    assert same(new, most=100) > same(old, most=100)  # the index now holds what the old run must not see
    withdraw(tmp_path, two)
    assert same(new, most=100) > same(old, most=100) and same(old) == before
    assert same(begin(tmp_path, "curate", "new", "newest", {}), most=100) == same(old, most=100)


def test_keys_that_agree_by_chance_are_dropped_and_make_room_for_the_next(tmp_path, monkeypatch):
    """With 4 bits left of a key most of what is looked up is there by chance."""
    import warehouse.segments as segments

    commit(tmp_path, "one", 60, 1, values=2**32 - 1)
    commit(tmp_path, "two", 60, 1, values=3)
    run = begin(tmp_path, "curate", "new", "now", {})
    monkeypatch.setattr(segments, "width_of", lambda n_rows: 60)
    for most in (1, 2, 7):
        assert same(run, most=most) > 0
    keys = asked(0)[0]
    monkeypatch.setattr(
        "tasks.band_matches.band_keys", lambda minhash, band: band_keys(minhash, band) ^ np.uint64(1)
    )
    assert sharing(run, "true", MINE, keys, 3).height == 0  # the comparison is what decides


def test_another_hash_of_the_bands_is_another_index(warehouse, monkeypatch):
    same(warehouse)
    before = {path.name for path in (warehouse.root / "index").iterdir()}
    monkeypatch.setattr(band_index, "VERSION", 99)
    same(warehouse)
    assert len({path.name for path in (warehouse.root / "index").iterdir()} - before) == 2


def test_every_signature_is_read_once_and_only_the_matching_row_groups_after_that(warehouse, monkeypatch):
    same(warehouse)
    read = []
    real = band_index.read_part
    monkeypatch.setattr(band_index, "read_part", lambda *args: read.append(args[1]) or real(*args))
    same(warehouse)
    assert read == []
    parts = read_current(warehouse.root).parts["signature"]
    assert len(parts) == 6
    monkeypatch.setattr("tasks.band_matches.read_part", lambda *args: pytest.fail("nothing matches"))
    alien = [np.array([2**63], np.uint64)] * N_BANDS
    assert sharing(warehouse, "true", MINE, alien, 3).height == 0
