import numpy as np
import polars as pl
from given import row

from tasks.band_matches import Meetings, candidates, clean, matrix, meetings
from warehouse.index import ask
from warehouse.manifest import commit
from warehouse.parts import write_part
from warehouse.run import begin

CONTRACT = "the contract"


def signed(root, name, ids):
    """A committed run of final samples that grew from one that is not; the part of their signatures."""
    run = begin(root, "curate", "test", name, {})
    sample = [
        row("sample", sample_id=i, run_id=run.run_id, recipe="r", level=name, ordinal=n, final=True, text="t",
            slots="{}", language="en", origin="o", parent_id=f"root of {name}", root_id="")
        for n, i in enumerate(ids)
    ]  # fmt: skip
    rows = [
        row("signature", sample_id=i, run_id=run.run_id, contract=CONTRACT, n_shingles=1, minhash=[n] * 128)
        for n, i in enumerate(ids)
    ]
    parts = [
        write_part(root, run.run_id, t, pl.concat(f)) for t, f in (("sample", sample), ("signature", rows))
    ]
    commit(root, run.run_id, parts)
    return run.run_id, parts[1]


def judge(root, *ids):
    """A run that drops some samples."""
    run = begin(root, "curate", "test", "judge" + ids[0], {})
    rows = [row("verdict", sample_id=i, run_id=run.run_id, filter="quality", keep=False) for i in ids]
    commit(root, run.run_id, [write_part(root, run.run_id, "verdict", pl.concat(rows))])


def asking(run, parts, look):
    """Ask an index in which row n of each part has the keys n and 100."""

    def keys_of(part):
        rows = np.arange(part.rows)
        return np.stack([np.append(rows, [100] * len(rows)).astype(np.uint64) << 32]), np.append(rows, rows)

    return ask(run.root, "test", parts, keys_of, look)


def looked_up(segments, *keys):
    return [[each.segment.find(0, np.array(sorted(keys), np.uint64) << 32)] for each in segments]


def test_candidates_are_read_from_the_rows_that_were_found(tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.band_matches.ROW_GROUP", 2)
    parts = [signed(tmp_path, name, [f"{name}{i}" for i in range(5)])[1] for name in "ab"]
    run = begin(tmp_path, "curate", "new", "now", {})
    ids = ["sample_id", "minhash"]
    found = asking(run, parts, lambda some: candidates(run, some, looked_up(some, 1, 4), ids))
    assert sorted(found["sample_id"]) == ["a1", "a4", "b1", "b4"]
    assert sorted(matrix(found["minhash"])[:, 0].tolist()) == [1, 1, 4, 4]
    every = asking(run, parts, lambda some: candidates(run, some, looked_up(some, 1, 100), ids))
    assert every.height == 10  # a row that is found by two keys is one candidate


def test_the_clean_are_neither_dropped_nor_grown_from_what_was_and_of_the_lineage(tmp_path):
    for name in "abc":
        signed(tmp_path, name, [f"{name}{i}" for i in range(3)])
    judge(tmp_path, "a1")
    judge(tmp_path, "root of b")
    run = begin(tmp_path, "curate", "new", "now", {})
    judge(tmp_path, "a0")  # too late for this run
    wanted = pl.DataFrame({"sample_id": ["c0", "a2", "a1", "a0", "b0", "b2", "nobody", "c0"]})
    asked = wanted.with_columns(number=pl.lit(0), row=pl.lit(0))
    found = clean(run, "true", asked)
    assert sorted(found["sample_id"]) == ["a0", "a2", "c0"]
    assert found.select("run_id", "sample_id").equals(found.select("run_id", "sample_id").sort(pl.all()))
    assert found["rank"].to_list() == [0, 1, 2]
    assert clean(run, "level = 'c'", asked)["sample_id"].to_list() == ["c0"]
    assert clean(run, "true", asked.clear()).height == 0


def test_those_who_meet_are_listed_by_key_and_rank(tmp_path):
    parts = [signed(tmp_path, name, [f"{name}{i}" for i in range(3)])[1] for name in "ab"]
    judge(tmp_path, "b1")
    run = begin(tmp_path, "curate", "new", "now", {})

    def look(segments):
        found = looked_up(segments, 1, 2, 100)
        known = clean(run, "true", candidates(run, segments, found, ["sample_id"]))
        met = meetings(segments, [of[0] for of in found], known)
        return met, known["sample_id"].to_list()

    met, ids = asking(run, parts, look)
    assert isinstance(met, Meetings)
    expected = sorted([(0, "a1"), (1, "a2"), (1, "b2"), *((2, i) for i in ids)])
    assert sorted((place, ids[rank]) for place, rank in zip(*met, strict=True)) == expected
    assert list(zip(*met, strict=True)) == sorted(zip(*met, strict=True)) and "b1" not in ids
