import threading
from concurrent.futures import ThreadPoolExecutor

import duckdb
import polars as pl
import pytest

from schemas.place import folder_of, shown
from warehouse import connect
from warehouse.bucket import delete, put
from warehouse.lazy_parts import TAIL, LazyPart
from warehouse.manifest import commit
from warehouse.parts import DamagedPart, polars_schema, write_part

ROWS = 25_000
SUMS = "SELECT run_id, count(*), sum(line), max(content) FROM reject GROUP BY ALL ORDER BY ALL"


def digits(i):
    return f"{i * 2654435761 % 2**64:020d}{i * 40503 % 2**32:010d}"  # that compress badly


def rows(run_id, n):
    schema = polars_schema("reject")
    facts = {"run_id": run_id, "origin": "file", "reason": "r", "line": range(n)}
    return pl.DataFrame(
        {**dict.fromkeys(schema), **facts, "content": [digits(i) for i in range(n)]}, schema=schema
    )


@pytest.fixture
def large(remote):
    """Two runs with a large part each, and a small one."""
    for run_id, n in {"a": ROWS, "b": ROWS, "c": 3}.items():
        part = write_part(remote, run_id, "reject", rows(run_id, n))
        assert (part.bytes > TAIL) == (n == ROWS)
        commit(remote, run_id, [part])
    return remote


def elsewhere(root, name="elsewhere"):
    return folder_of(shown(root), root.parents[2] / name)


def here(root):
    return [path.parent.name for path in sorted(root.rglob("part-*.parquet"))]


def test_a_part_is_fetched_when_its_rows_are_read_and_not_before(large, store):
    there = elsewhere(large)
    with connect(there) as connection:
        assert here(there) == ["run=c"], "the ends of the others are enough for a view"
        assert connection.sql("SELECT count(*) FROM reject WHERE line < 0").fetchall() == [(0,)]
        assert connection.sql("SELECT line FROM reject WHERE run_id = 'b' AND line = 7").fetchall() == [(7,)]
        assert here(there) == ["run=b", "run=c"], (
            "statistics in the end of the other say that it has no such row"
        )
        with connect(large) as local:
            assert connection.sql(SUMS).fetchall() == local.sql(SUMS).fetchall()
    n = len(store.seen)
    with connect(there) as connection:
        assert [row[1] for row in connection.sql(SUMS).fetchall()] == [ROWS, ROWS, 3]
    assert [path for _, path, _ in store.seen[n:] if "/data/" in path] == []


def test_the_ends_are_fetched_once(large, store):
    there = elsewhere(large)
    connect(there).close()
    n = len(store.seen)
    connect(there).close()
    ((_, path, _),) = store.seen[n:]
    assert path.endswith("CURRENT")


def test_many_threads_read_the_same_rows(large):
    """DuckDB reads one handle from several threads: a shared position gave wrong bytes."""
    with connect(large) as local:
        expected = local.sql(SUMS).fetchall()

    def asked(n):
        with connect(elsewhere(large, f"machine-{n % 3}")) as connection:
            connection.execute("SET threads = 8")
            return connection.sql(SUMS).fetchall()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(asked, range(12))) == [expected] * 12


def test_each_thread_is_where_it_has_gone(large):
    part = write_part(large, "a", "reject", rows("a", ROWS))
    data = (large / part.path).read_bytes()
    there = elsewhere(large)
    with LazyPart(there, part, data[-TAIL:]) as file:
        file.seek(100)
        away = threading.Thread(target=lambda: (file.seek(5), file.read(50)))
        away.start(), away.join()
        assert file.tell() == 100 and file.read(10) == data[100:110] and file.tell() == 110
        file.seek(-30, 2)
        assert file.read() == data[-30:]
        file.seek(part.bytes - TAIL - 5)
        assert file.read(10) == data[part.bytes - TAIL - 5 :][:10], "across the border of what was here"
        assert file.seek(-5, 1) == part.bytes - TAIL and file.seekable()


def test_a_part_that_is_gone_or_altered_is_never_read(large):
    part = write_part(large, "a", "reject", rows("a", ROWS))
    data = (large / part.path).read_bytes()
    with connect(elsewhere(large)) as connection:
        put(large / part.path, bytes([data[0] ^ 1]) + data[1:])
        with pytest.raises(
            duckdb.Error, match=f"DamagedPart.*{part.path} of {shown(large)} is missing or differs"
        ):
            connection.sql(SUMS).fetchall()
    delete([large / part.path])
    with pytest.raises(DamagedPart, match=f"{part.path} of {shown(large)} is missing"):
        connect(elsewhere(large, "third"))
