"""What an analyst opens: every table and mart as a DuckDB view on one version of the warehouse.

`connect()` answers from an in-memory database whose views name the exact files of one version, so that
readers never wait, never block a run, and all queries of one session agree.

`warehouse.duckdb` is for people who open a file in a GUI. It is a link to a file that holds the same views on
one version and is never written again; a commit makes a new file and points the link at it. DuckDB (1.5 and
2.0) resolves the link, then opens the file three times, so whoever opens it meets one version or the next,
whole. A file that is renamed over fails now and then: `tests/bench/views_file.py` measures both.
"""

import os
import uuid
from functools import lru_cache
from pathlib import Path

import duckdb
import pyarrow as pa

from schemas.errors import BadInput, SeedloomError
from schemas.partition import Partition
from schemas.place import is_url, shown
from schemas.settings import Settings
from schemas.tables import Table, tables
from warehouse.bucket import is_remote
from warehouse.files import TEMPORARY, refusal, sync_folder
from warehouse.manifest import Manifest, locked, read_current, read_version

MARTS = Path(__file__).parent / "marts"
KEPT = 16  # files of views: whoever is about to open an old one finds it
STORAGE = "v1.0.0"  # of the file for GUIs: the oldest that DuckDB writes, so that older ones can read it
_OFFLINE = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}


def connect(root: Path | str = "data", version: int | None = None) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection on one version (default: the newest) with all tables and marts as views.

    Raises:
        BadInput: when there is no warehouse at `root`, or no such version.
        SeedloomError: when a part is missing or damaged.
    """
    root = Settings(root=root).root if is_url(root) else Path(root)
    manifest = read_current(root) if version is None else read_version(root, version)
    if not (manifest.version or root.is_dir()):
        place = shown(root)
        raise BadInput(f"no warehouse at {place}; make one with `seedloom corpus --root {place}`")
    connection = duckdb.connect(":memory:", config=_OFFLINE)
    try:
        define_views(connection, root, manifest)
    except duckdb.Error as error:
        connection.close()
        raise _unreadable(root, manifest, error) from error
    return connection


def look(root: Path, version: int) -> duckdb.DuckDBPyConnection:
    """A cursor on one version, with temporary tables of its own: the views are made once in a process."""
    snapshot = root / "snapshots" / f"{version:012d}.json"
    return _views_on(root, version, snapshot.stat().st_mtime_ns if snapshot.exists() else 0).cursor()


@lru_cache(maxsize=4)
def _views_on(root: Path, version: int, written: int) -> duckdb.DuckDBPyConnection:
    return connect(root, version)


def define_views(connection: duckdb.DuckDBPyConnection, root: Path, manifest: Manifest) -> None:
    """Create a view for each table and each mart."""
    parts = [part for parts in manifest.parts.values() for part in parts]
    lazy = _lazy(connection, root, parts) if is_remote(root) else {}
    place = root.resolve()
    for name, table in tables().items():
        files = [lazy.get(part.path) or str(place / part.path) for part in manifest.parts.get(name, [])]
        connection.execute(f'CREATE VIEW "{name}" AS {_select(table, files)}')
    for mart in mart_files():
        connection.execute(f'CREATE VIEW "{mart.stem}" AS {mart.read_text("utf-8")}')


def _lazy(connection: duckdb.DuckDBPyConnection, root: Path, parts: list[Partition]) -> dict[str, str]:
    from warehouse.lazy_parts import lazy_parts  # which needs fsspec

    return lazy_parts(connection, root, parts)


def mart_files() -> list[Path]:
    """The marts: one SQL file each, its name is the name of the view."""
    files = sorted(MARTS.glob("*.sql"))
    if not files:
        raise BadInput(f"no marts in {MARTS}: the installation is incomplete")
    return files


def write_views_file(root: Path, manifest: Manifest) -> None:
    """Point `warehouse.duckdb` at a file of views on this version, unless it is on a newer one already.

    Raises:
        SeedloomError: when it cannot be written.
    """
    folder = root / "views"
    link = root / "warehouse.duckdb"
    with locked(folder / "LOCK"):
        try:
            if link.is_symlink() and link.exists() and _version_of(link.resolve()) >= manifest.version:
                return
            file = _views_file(root, manifest, folder)
            draft = folder / f"{TEMPORARY}{uuid.uuid4().hex}"
            draft.symlink_to(file.relative_to(root))
            os.replace(draft, link)
            sync_folder(root)
            _sweep(folder)
        except duckdb.Error as error:
            raise _unreadable(root, manifest, error) from error
        except OSError as error:
            raise refusal(f"cannot write {link}", error) from error


def _select(table: type[Table], files: list[str]) -> str:
    """The rows of the files in the declared columns; a part that is older than a column has null there."""
    columns = ", ".join(f'NULL::{_sql_type(f.type)} AS "{f.name}"' for f in table.arrow())
    none = f"SELECT {columns} WHERE false"
    if not files:
        return none
    names = ", ".join(f'"{name}"' for name in table.model_fields)
    parts = f"read_parquet([{', '.join(map(_quoted, files))}], union_by_name=true, hive_partitioning=false)"
    return f"SELECT {names} FROM ({none} UNION ALL BY NAME SELECT * FROM {parts})"


def _sql_type(kind: pa.DataType) -> str:
    if pa.types.is_struct(kind):
        return "STRUCT(" + ", ".join(f'"{f.name}" {_sql_type(f.type)}' for f in kind) + ")"
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        return _sql_type(kind.value_type) + "[]"
    names = {"string": "VARCHAR", "int64": "BIGINT", "double": "DOUBLE", "bool": "BOOLEAN"}
    return {**names, "uint32": "UINTEGER", "float": "FLOAT", "binary": "BLOB"}[str(kind)]


def _quoted(text: object) -> str:
    return "'" + str(text).replace("'", "''") + "'"


def _unreadable(root: Path, manifest: Manifest, error: duckdb.Error) -> SeedloomError:
    return SeedloomError(f"warehouse {shown(root)}, version {manifest.version}: {str(error).splitlines()[0]}")


def _version_of(file: Path) -> int:
    return int(file.stem) if file.stem.isdecimal() else -1


def _views_file(root: Path, manifest: Manifest, folder: Path) -> Path:
    file = folder / f"{manifest.version:012d}.duckdb"
    if not file.exists():
        draft = folder / f"{TEMPORARY}{uuid.uuid4().hex}.duckdb"
        with duckdb.connect(":memory:", config=_OFFLINE) as connection:
            connection.execute(f"ATTACH {_quoted(draft)} AS file (STORAGE_VERSION '{STORAGE}')")
            connection.execute("USE file")
            define_views(connection, root, manifest)
            connection.execute("USE memory")
            connection.execute("DETACH file")  # DuckDB writes and syncs it
        os.replace(draft, file)
        sync_folder(folder)
    return file


def _sweep(folder: Path) -> None:
    """Remove drafts of killed writers, and old files with what somebody may have written beside them."""
    old = sorted(folder.glob("[0-9]*.duckdb"))[:-KEPT]
    for file in [*folder.glob(f"{TEMPORARY}*"), *old, *(file.with_name(f"{file.name}.wal") for file in old)]:
        file.unlink(missing_ok=True)
