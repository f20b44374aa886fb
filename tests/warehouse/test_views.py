import itertools
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import polars as pl
import pytest

from schemas.errors import BadInput, SeedloomError
from schemas.tables import tables
from warehouse import connect, views
from warehouse.files import TEMPORARY
from warehouse.manifest import Manifest, commit, read_current
from warehouse.parts import polars_schema, write_part
from warehouse.views import KEPT, define_views, mart_files, write_views_file

FILL = {pl.String: "x", pl.Int64: 1, pl.Float64: 0.5, pl.Boolean: True, pl.List: [], pl.Array: [7] * 128}
MARTS = [path.stem for path in mart_files()]


def blank(field, info):
    """A value that fits a column: null where it may be."""
    if field.nullable:
        return None
    if "canonical JSON text" in info.metadata:
        return "{}"
    return FILL[pl.Schema([field])[field.name].base_type()]


def rows(table, *given):
    """Rows with a typed value in every column that was not given."""
    declared = tables()[table]
    empty = {field.name: blank(field, declared.model_fields[field.name]) for field in declared.arrow()}
    return pl.DataFrame([{**empty, **row} for row in given], schema=polars_schema(table))


def add(root, run_id, frames):
    return commit(root, run_id, [write_part(root, run_id, table, frame) for table, frame in frames.items()])


def add_one(root, number):
    """A run of one verdict and one reject."""
    name = f"run{number}"
    verdict = rows("verdict", {"sample_id": name, "run_id": name})
    return add(root, name, {"verdict": verdict, "reject": rows("reject", {"run_id": name})})


def fill(root):
    """One row in every table."""
    return add(root, "full", {table: rows(table, {}) for table in tables()})


def listed(kind):
    """A fixed-size list is a list to DuckDB."""
    return pl.List(kind.inner) if isinstance(kind, pl.Array) else kind


def counts(connection, *names):
    return [connection.execute(f'SELECT count(*) FROM "{name}"').fetchall()[0][0] for name in names]


@pytest.mark.parametrize("prepare", [lambda root: None, fill], ids=["empty", "filled"])
def test_every_table_is_a_view_with_its_declared_types(tmp_path, prepare):
    prepare(tmp_path)
    with connect(tmp_path) as connection:
        assert len(tables()) >= 11
        for table in tables():
            frame = connection.sql(f'SELECT * FROM "{table}"').pl()
            assert frame.schema == pl.Schema({n: listed(k) for n, k in polars_schema(table).items()}), table
            assert frame.height == (prepare is fill)


@pytest.mark.parametrize("prepare", [lambda root: None, fill], ids=["empty", "filled"])
def test_every_mart_answers(tmp_path, prepare):
    prepare(tmp_path)
    assert {"clean_sample", "funnel", "model_gain"} <= set(MARTS)
    assert sorted(path.stem for path in Path(views.__file__).parent.glob("marts/*.sql")) == MARTS
    with connect(tmp_path) as connection:
        known = {name for (name,) in connection.execute("SHOW TABLES").fetchall()}
        assert known == {*tables(), *MARTS}
        for mart in MARTS:
            connection.execute(f'SELECT * FROM "{mart}"').fetchall()


@pytest.mark.parametrize("mart", mart_files(), ids=lambda path: path.stem)
def test_a_mart_says_its_grain_and_its_question_first_and_reads_tables_only(mart):
    first, second = mart.read_text("utf-8").splitlines()[:2]
    assert first.startswith("-- Grain: one row per ") and second.startswith("-- Answers: ")
    words = re.sub("--.*", "", mart.read_text("utf-8")).split()
    read = {word for before, word in itertools.pairwise(words) if before in ("FROM", "JOIN")}
    assert read & set(tables()) and not read & set(MARTS)


def test_marts_that_are_missing_are_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(views, "MARTS", tmp_path)
    with pytest.raises(BadInput, match="no marts in .*: the installation is incomplete"):
        mart_files()


def test_an_old_version_is_what_it_was_and_a_connection_stays_on_its_own(tmp_path):
    add_one(tmp_path, 1)
    first = connect(tmp_path)
    add_one(tmp_path, 2)
    second = connect(tmp_path)
    add_one(tmp_path, 3)
    with (
        first,
        second,
        connect(tmp_path) as third,
        connect(tmp_path, 0) as empty,
        connect(tmp_path, 2) as again,
    ):
        found = [counts(c, "verdict", "reject") for c in (first, second, third, empty, again)]
    assert found == [[1, 1], [2, 2], [3, 3], [0, 0], [2, 2]]
    with pytest.raises(BadInput, match=r"no version 4 in .*; known: 0 \(empty\) to 3"):
        connect(tmp_path, 4)


def test_no_warehouse_is_one_line_that_says_how_to_make_one(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for root in (tmp_path / "nowhere", tmp_path / "file", str(tmp_path / "nowhere")):
        with pytest.raises(BadInput, match=f"no warehouse at {root}; make one with `seedloom corpus --root"):
            connect(root)


def test_paths_with_quotes_spaces_and_patterns_work(tmp_path):
    root = tmp_path / 'it\'s a "place" [of] *ours*; ü'
    write_views_file(root, fill(root))
    with connect(str(root)) as connection:
        assert counts(connection, *tables()) == [1] * len(tables())
    with duckdb.connect(str(root / "warehouse.duckdb"), read_only=True) as connection:
        assert counts(connection, *tables()) == [1] * len(tables())


def test_a_relative_root_is_bound_to_where_it_was_opened(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    write_views_file(Path("data"), add_one(Path("data"), 1))
    connection = connect("data")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    with connection, duckdb.connect(str(tmp_path / "data" / "warehouse.duckdb"), read_only=True) as file:
        assert counts(connection, "verdict") == counts(file, "verdict") == [1]


def test_a_part_that_is_older_than_a_column_has_null_there(tmp_path):
    part = write_part(tmp_path, "r", "verdict", rows("verdict", {"score": 0.25}))
    path = tmp_path / part.path
    pl.read_parquet(path).drop("reason", "witness_id").with_columns(gone=pl.lit(1)).write_parquet(path)
    with duckdb.connect() as connection:
        define_views(connection, tmp_path, Manifest(version=1, parts={"verdict": [part]}))
        frame = connection.sql("SELECT * FROM verdict").pl()
    assert frame.schema == polars_schema("verdict")
    assert frame.select("score", "reason", "witness_id").row(0) == (0.25, None, None)


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"")], ids=["missing", "empty"])
def test_a_part_that_is_gone_or_no_parquet_is_one_line_that_names_it(tmp_path, spoil):
    manifest = fill(tmp_path)
    part = manifest.parts["metric"][0]
    spoil(tmp_path / part.path)
    says = rf"warehouse {tmp_path}, version 1: .*{part.path}"
    for act in (connect, lambda root: write_views_file(root, manifest)):
        with pytest.raises(SeedloomError, match=says) as caught:
            act(tmp_path)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "warehouse.duckdb").exists()


def test_connecting_needs_no_network(tmp_path):
    """In a network namespace without any interface that is up."""
    add_one(tmp_path, 1)
    script = f"""
import sys; sys.path[:0] = {sys.path!r}
from warehouse import connect
with connect({str(tmp_path)!r}) as connection:
    for name in ("verdict", *{MARTS!r}):
        connection.execute(f"SELECT count(*) FROM {{name}}").fetchall()
    print(connection.execute("SELECT count(*) FROM verdict").fetchall())
"""
    done = subprocess.run(
        ["unshare", "-rn", sys.executable, "-"], input=script, capture_output=True, text=True
    )
    if done.stderr.startswith("unshare"):
        pytest.skip(f"no network namespace here: {done.stderr.strip()}")
    assert done.stdout == "[(1,)]\n", done.stderr


def test_extensions_are_never_fetched(tmp_path):
    with connect(tmp_path) as connection:
        for name in ("autoinstall_known_extensions", "autoload_known_extensions"):
            assert connection.execute(f"SELECT current_setting('{name}')").fetchall() == [(False,)]


def sample(sample_id, parent_id=None, **columns):
    return {"sample_id": sample_id, "parent_id": parent_id, "run_id": "r", "recipe": "one", **columns}


def verdict(sample_id, filter, keep=False):
    return {"sample_id": sample_id, "run_id": "r", "filter": filter, "keep": keep}


def grown(root):
    """Root a with children b, c; root d with child e; f alone and of another recipe; g with two verdicts."""
    samples = [sample("a", final=False), sample("b", "a"), sample("c", "a"), sample("d", final=False)]
    samples += [sample("e", "d"), sample("f", recipe="two"), sample("g")]
    verdicts = [verdict("d", "rouge"), verdict("b", "quality", True), verdict("c", "quality")]
    verdicts += [verdict("g", "exact"), verdict("g", "quality"), verdict("e", "quality", True)]
    return add(root, "r", {"sample": rows("sample", *samples), "verdict": rows("verdict", *verdicts)})


def test_clean_samples_were_dropped_by_nobody_and_grew_from_none_that_was(tmp_path):
    grown(tmp_path)
    with connect(tmp_path) as connection:
        clean = connection.sql("SELECT * FROM clean_sample ORDER BY sample_id").pl()
    assert clean["sample_id"].to_list() == ["a", "b", "f"]
    assert clean.schema == polars_schema("sample")


def test_the_funnel_counts_final_samples_and_blames_every_filter_that_dropped_one(tmp_path):
    grown(tmp_path)
    with connect(tmp_path) as connection:
        found = connection.execute("SELECT * FROM funnel ORDER BY recipe").fetchall()
    dropped = [{"filter": "quality", "n": 2}, {"filter": "exact", "n": 1}, {"filter": "rouge", "n": 1}]
    assert found == [("r", "one", 4, 1, dropped), ("r", "two", 1, 1, None)]


def test_model_gain_shows_each_release_with_its_newest_checkpoint(tmp_path):
    gates = [
        {"name": n, "passed": p, "value": 0.0, "threshold": 1.0, "blocks": b, "rule": ">="}
        for n, p, b in [
            ("good", True, True),
            ("bad", False, True),
            ("odd", None, True),
            ("soft", False, False),
        ]
    ]
    releases = [{"release_id": "x", "gates": gates, "passed": False}, {"release_id": "y", "gates": []}]
    runs = [{"run_id": "r", "finished_at": "1"}, {"run_id": "late", "finished_at": "3"}]
    made = [("old", "r"), ("new", "late")]
    losses = [("old", "before", 4.0), ("old", "after", 3.0), ("new", "before", 4.0), ("new", "after", 2.5)]
    metric, made_on_y = {"scope": "checkpoint", "run_id": "r"}, {"release_id": "y"}
    frames = {
        "release": rows("release", *({**each, "run_id": "r"} for each in releases)),
        "run": rows("run", *runs),
        "checkpoint": rows("checkpoint", *(made_on_y | {"checkpoint_id": c, "run_id": r} for c, r in made)),
        "metric": rows(
            "metric",
            *(metric | {"scope_id": c, "metric": f"heldout_loss_{m}", "value": v} for c, m, v in losses),
        ),
    }
    add(tmp_path, "r", frames)
    columns = "release_id, failed_gates, checkpoint_id, heldout_loss_before, heldout_loss_after, gain_nats"
    with connect(tmp_path) as connection:
        found = connection.execute(f"SELECT {columns} FROM model_gain ORDER BY release_id").fetchall()
    assert found == [("x", ["bad", "odd"], None, None, None, None), ("y", [], "new", 4.0, 2.5, 1.5)]


def test_the_file_for_guis_holds_the_views_of_the_newest_version(tmp_path):
    for number in range(3):
        write_views_file(tmp_path, add_one(tmp_path, number))
        with duckdb.connect(str(tmp_path / "warehouse.duckdb"), read_only=True) as connection:
            assert counts(connection, "verdict", "reject", "funnel") == [number + 1, number + 1, 0]
            assert {name for (name,) in connection.execute("SHOW TABLES").fetchall()} == {*tables(), *MARTS}


def test_the_file_for_guis_can_be_read_by_older_programs(tmp_path):
    write_views_file(tmp_path, add_one(tmp_path, 0))
    head = (tmp_path / "warehouse.duckdb").read_bytes()[:20]
    assert head[8:12] == b"DUCK" and int.from_bytes(head[12:20], "little") == 64  # the format of DuckDB 1.0


def test_the_file_for_guis_never_goes_back(tmp_path):
    versions = [add_one(tmp_path, number) for number in range(3)]
    for manifest in (versions[1], versions[2], versions[0], versions[1]):
        write_views_file(tmp_path, manifest)
    assert os.readlink(tmp_path / "warehouse.duckdb") == "views/000000000003.duckdb"


def test_the_file_for_guis_is_renewed_whatever_was_there(tmp_path):
    manifest = add_one(tmp_path, 0)
    for before in ("a file", "a dangling link"):
        link = tmp_path / "warehouse.duckdb"
        link.unlink(missing_ok=True)
        link.write_bytes(b"something else") if before == "a file" else link.symlink_to("views/9.duckdb")
        write_views_file(tmp_path, manifest)
        assert os.readlink(link) == "views/000000000001.duckdb"


def test_old_files_for_guis_and_drafts_are_swept(tmp_path):
    folder = tmp_path / "views"
    folder.mkdir()
    for number in range(1, 31):
        (folder / f"{number:012d}.duckdb").touch()
    (folder / f"{1:012d}.duckdb.wal").touch()
    (folder / f"{TEMPORARY}abc.duckdb").touch()
    manifest = add_one(tmp_path, 0).model_copy(update={"version": 31})
    write_views_file(tmp_path, manifest)
    names = sorted(path.name for path in folder.iterdir())
    assert names == [*(f"{n:012d}.duckdb" for n in range(32 - KEPT, 32)), "LOCK"]


def test_what_a_person_writes_into_the_file_for_guis_disturbs_nobody(tmp_path):
    write_views_file(tmp_path, add_one(tmp_path, 0))
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as person:
        person.execute("CREATE TABLE mine AS SELECT 1")
        write_views_file(tmp_path, add_one(tmp_path, 1))
        person.execute("INSERT INTO mine VALUES (2)")
        with duckdb.connect(str(tmp_path / "warehouse.duckdb"), read_only=True) as other:
            assert counts(other, "verdict") == [2]
        assert counts(person, "verdict", "mine") == [1, 2]


def test_a_file_for_guis_that_cannot_be_written_is_one_line(tmp_path):
    manifest = add_one(tmp_path, 0)
    (tmp_path / "warehouse.duckdb").mkdir()
    with pytest.raises(SeedloomError, match="cannot write .*warehouse.duckdb: Is a directory"):
        write_views_file(tmp_path, manifest)


def keep_committing(root, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        write_views_file(Path(root), add_one(Path(root), read_current(Path(root)).version))


def test_whoever_opens_the_file_for_guis_while_runs_are_committed_meets_whole_versions(nursery, memory):
    """The long version of this, with the alternatives, is tests/bench/views_file.py."""
    write_views_file(memory, add_one(memory, 0))
    nursery.start((keep_committing, memory, 2.0))
    met = []
    while nursery.busy():
        with duckdb.connect(str(memory / "warehouse.duckdb"), read_only=True) as connection:
            verdicts, rejects = counts(connection, "verdict", "reject")
        assert verdicts == rejects
        met.append(verdicts)
    assert nursery.wait() == [0]
    assert met == sorted(met) and len(set(met)) > 1


def test_a_look_at_a_version_makes_its_views_once_and_sees_no_other_version(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(views, "define_views", lambda *given: made.append(1) or define_views(*given))
    add_one(tmp_path, 1)
    with views.look(tmp_path, 1) as cursor:
        cursor.register("wanted", pl.DataFrame({"sample_id": ["run1"]}))
        assert cursor.sql("SELECT count(*) FROM verdict JOIN wanted USING (sample_id)").fetchall() == [(1,)]
    add_one(tmp_path, 2)
    for version in (1, 2, 1, 2):
        with views.look(tmp_path, version) as cursor:
            assert cursor.sql("SELECT count(*) FROM verdict").fetchall() == [(version,)]
            assert "wanted" not in {name for (name,) in cursor.sql("SHOW TABLES").fetchall()}
    assert len(made) == 2
