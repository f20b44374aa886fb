"""Immutable parts: one Parquet file of one table, checked before it is written, named by its SHA-256."""

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path

import duckdb
import polars as pl

from schemas.errors import SeedloomError
from schemas.partition import Partition
from schemas.place import shown
from schemas.tables import Table, tables
from warehouse.bucket import get, is_remote, size_of
from warehouse.copies import upload
from warehouse.files import TEMPORARY, sha256_of, write_durably

FETCHERS = 8  # parts that are fetched at once: each is whole in memory for a moment
ROW_GROUP = 20_000  # rows; a reader's buffer is row group x columns x threads
_LIKE_NOISE = ("signature",)  # hashes: zstd saves a sixth of the bytes and costs five times the writing


class BadRows(ValueError):
    """Rows that break the contract of their table: a bug of the stage that made them."""


class DamagedPart(SeedloomError):
    """A part that is missing or not what was written: a matter of the disk, no bug."""


def write_part(root: Path, run_id: str, table: str, frame: pl.DataFrame) -> Partition:
    """Check, sort by key and write rows as one part; the same rows give the same file.

    Raises:
        BadRows: for unknown or missing columns, a wrong type, a null where none may be, a repeated key.
    """
    frame = conform(table, frame)
    if not frame.height:
        raise BadRows(f"table {table}: a part holds at least one row")
    buffer = io.BytesIO()
    compression, level = ("uncompressed", None) if table in _LIKE_NOISE else ("zstd", 3)
    frame.write_parquet(buffer, compression=compression, compression_level=level, row_group_size=ROW_GROUP)
    data = buffer.getvalue()
    sha256 = hashlib.sha256(data).hexdigest()
    path = f"data/{table}/run={run_id}/part-{sha256[:32]}.parquet"
    part = Partition(table=table, path=path, rows=frame.height, bytes=len(data), sha256=sha256)
    if not is_intact(root, part):
        write_durably(root / path, data)
        upload(root / path)
    return part


def read_part(
    root: Path, part: Partition, columns: list[str] | None = None, rows: tuple[int, int] | None = None
) -> pl.DataFrame:
    """The rows of a part, in the declared column types; all columns, or these in this order.

    Args:
        root: the warehouse.
        part: what to read.
        columns: names of columns.
        rows: only these, as first row and number of rows: row groups that hold none of them are not read.

    Raises:
        DamagedPart: when the file is gone or no Parquet file of this table.
    """
    schema = polars_schema(part.table)
    fetch_part(root, part)
    try:
        scan = pl.scan_parquet(root / part.path, schema=schema, glob=False, missing_columns="insert")
        return (scan.slice(*rows) if rows else scan).select(columns or list(schema)).collect()
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise DamagedPart(f"part {part.path} of {shown(root)} cannot be read: {reason}") from error


def fetch_part(root: Path, part: Partition) -> None:
    """See to it that a part of a warehouse in a bucket has a copy here; a local one is left as it is.

    Raises:
        DamagedPart: when the object is gone or altered.
    """
    path = root / part.path
    if not is_remote(root) or path.is_file():
        return
    found = get(path)
    if found is None or hashlib.sha256(found.data).hexdigest() != part.sha256:
        raise _damaged(root, part)
    write_durably(path, found.data)


def fetch_parts(root: Path, parts: list[Partition]) -> None:
    """See to it that parts of a warehouse in a bucket have copies here, several at a time.

    Raises:
        DamagedPart: when an object is gone or altered.
    """
    if is_remote(root):
        with ThreadPoolExecutor(FETCHERS) as pool:
            list(pool.map(partial(fetch_part, root), parts))


def verify_part(root: Path, part: Partition) -> None:
    """Compare a part with its SHA-256: Parquet readers return wrong rows silently for one flipped bit.

    Raises:
        DamagedPart: when the file is gone or altered.
    """
    if not is_intact(root, part):
        raise _damaged(root, part)


def is_intact(root: Path, part: Partition) -> bool:
    """Whether the file of a part is there and has its SHA-256; in a bucket the object, and a copy of it."""
    path = root / part.path
    if is_remote(root):
        return size_of(path) == part.bytes and _has_copy(root, part)
    return path.is_file() and sha256_of(path) == part.sha256


def _has_copy(root: Path, part: Partition) -> bool:
    """Whether there is a copy with the SHA-256 of the part; a damaged copy is fetched anew."""
    path = root / part.path
    if path.is_file() and sha256_of(path) != part.sha256:
        path.unlink()
    try:
        fetch_part(root, part)
    except DamagedPart:
        return False
    return True


def _damaged(root: Path, part: Partition) -> DamagedPart:
    return DamagedPart(
        f"part {part.path} of {shown(root)} is missing or differs from its SHA-256 {part.sha256}"
    )


def conform(table: str, frame: pl.DataFrame) -> pl.DataFrame:
    """The rows in the declared columns, types and order of the table, sorted by key.

    Raises:
        BadRows: names the table, the column and the first row that is wrong.
    """
    declared = tables()[table]
    schema = polars_schema(table)
    if set(frame.columns) != set(schema):
        odd = sorted(set(frame.columns) ^ set(schema))
        raise BadRows(f"table {table}: columns {odd} are missing or unknown; it has {list(schema)}")
    for name, wanted in schema.items():
        if not _fits(frame.schema[name], wanted):
            raise BadRows(f"table {table}: column {name} is {frame.schema[name]}, not {wanted}")
    try:
        frame = frame.select(list(schema)).cast(schema)
    except pl.exceptions.PolarsError as error:
        raise BadRows(f"table {table}: {error}") from error
    _refuse_nulls(declared, frame)
    _refuse_repeated_keys(declared, frame)
    return frame.sort(declared.key)


def refuse_keys_repeated_across(root: Path, parts: list[Partition]) -> None:
    """Check that no two parts of a run hold the same key; within a part it was checked when it was written.

    Not in `call`: two shards may have asked the identical question, and each says that it used the reply.
    Only key columns are read, and DuckDB spills to disk above its limit, so memory is bounded.

    Raises:
        BadRows: names the table and one key.
    """
    files: dict[str, set[str]] = {}
    for part in parts:
        files.setdefault(part.table, set()).add(str(root / part.path))
    suspects = {name: sorted(f) for name, f in sorted(files.items()) if len(f) > 1 and name != "call"}
    if not suspects:
        return
    limits = {"memory_limit": "512MB", "threads": 2, "temp_directory": str(root / f"{TEMPORARY}keys")}
    with duckdb.connect(":memory:", config=limits) as connection:
        for table, paths in suspects.items():
            repeated = _first_repeated(connection, table, paths)
            if repeated:
                raise BadRows(f"table {table}: {len(paths)} parts of one run share a key, for one {repeated}")


@cache
def polars_schema(table: str) -> pl.Schema:
    """The declared columns of a table as polars types."""
    return pl.Schema(tables()[table].arrow())


def _fits(given: pl.DataType, wanted: pl.DataType) -> bool:
    """Whether a cast keeps every value: polars would turn 1.5 into 1 and "12" into 12 without a word."""
    if given == wanted or given == pl.Null:
        return True
    if isinstance(wanted, pl.List | pl.Array):
        return isinstance(given, pl.List | pl.Array) and _fits(given.inner, wanted.inner)
    if isinstance(wanted, pl.Struct) and isinstance(given, pl.Struct):
        pairs = zip(given.fields, wanted.fields, strict=False)
        same = [field.name for field in given.fields] == [field.name for field in wanted.fields]
        return same and all(_fits(have.dtype, need.dtype) for have, need in pairs)
    if wanted == pl.String:
        return given in (pl.Categorical, pl.Enum)
    return given.is_integer() and wanted.is_numeric() or given.is_float() and wanted.is_float()


def _refuse_nulls(declared: type[Table], frame: pl.DataFrame) -> None:
    for field in declared.arrow():
        if not field.nullable and frame[field.name].null_count():
            row = frame.filter(pl.col(field.name).is_null()).row(0, named=True)
            place = {key: row[key] for key in declared.key}
            raise BadRows(f"table {declared.table_name()}: {field.name} is null in row {place}")


def _refuse_repeated_keys(declared: type[Table], frame: pl.DataFrame) -> None:
    repeated = frame.filter(frame.select(declared.key).is_duplicated())
    if repeated.height:
        place = {key: repeated[key][0] for key in declared.key}
        raise BadRows(f"table {declared.table_name()}: {repeated.height} rows share a key, for one {place}")


def _first_repeated(
    connection: duckdb.DuckDBPyConnection, table: str, paths: list[str]
) -> dict[str, object] | None:
    names = tables()[table].key
    key = ", ".join(f'"{name}"' for name in names)
    found = connection.execute(
        f"SELECT {key} FROM read_parquet($1, hive_partitioning=false) "
        "GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL LIMIT 1",
        [paths],
    ).fetchall()
    return dict(zip(names, found[0], strict=True)) if found else None
