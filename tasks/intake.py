"""Somebody else's data set as samples: every row becomes a sample or a reject with its reason.

Rows read = samples + rejects. The user's own id is kept as it is in `origin_id`, the place of the row in
`origin` and `ordinal`: line of JSONL, number of the element, row or document of the other formats, from 1.
What a row says beyond its known fields is kept in `slots` under "extra".
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.errors import BadInput
from schemas.ids import digest
from schemas.partition import Partition
from tasks.input_files import content_digest, expand_inputs
from tasks.provenance import provenance_of, slots_of
from tasks.raw_rows import Raw
from tasks.records import Bad, Record, raws, understood
from warehouse.parts import polars_schema
from warehouse.run import Run

BATCH = 20_000  # rows of one part, as many as a row group of the warehouse
BATCH_BYTES = 64_000_000  # of their raw text, so that a part of long rows stays under 128 MB


def frames(
    paths: Iterable[Path], run_id: str, name: str, licence: str | None = None, batch: int = BATCH
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """The rows of the files as batches of (sample, reject), at most `batch` rows and BATCH_BYTES in both."""
    rows = raws(paths)
    while taken := _take(rows, batch):
        yield _framed(taken, run_id, name, licence)


def _take(raws: Iterator[tuple[str, Raw]], batch: int) -> list[tuple[str, Raw]]:
    taken, size = [], 0
    for origin, raw in islice(raws, batch):
        taken.append((origin, raw))
        size += _size(raw.content)
        if size >= BATCH_BYTES:
            break
    return taken


def _size(value: Any) -> int:
    """Characters or bytes in all strings of a value, 8 for anything else."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, dict):
        value = list(value.values())
    return sum(map(_size, value)) if isinstance(value, list) else 8


def _framed(
    raws: list[tuple[str, Raw]], run_id: str, name: str, licence: str | None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    rows = [understood(origin, raw) for origin, raw in raws]
    samples = [_sample(row, run_id, name, licence) for row in rows if isinstance(row, Record)]
    rejects = [{"run_id": run_id, **row._asdict()} for row in rows if isinstance(row, Bad)]
    return (
        pl.DataFrame(samples, schema=polars_schema("sample")),
        pl.DataFrame(rejects, schema=polars_schema("reject")),
    )


def _sample(record: Record, run_id: str, name: str, licence: str | None) -> dict[str, Any]:
    said, fields = record.content, record.fields
    told = provenance_of(fields)
    place = (record.origin, record.line)
    sample_id = digest("sample", run_id, "row", *place, said.body, said.messages, said.input, said.output)
    extra = {key: fields[key] for key in fields.keys() - told.used - set(said.used)}
    return {
        "sample_id": sample_id, "parent_id": None, "root_id": sample_id, "run_id": run_id, "recipe": name,
        "level": "row", "final": True, "ordinal": record.line, "text": said.text,
        "messages": [{"role": r, "content": c} for r, c in said.messages] if said.messages else None,
        "instruction": said.instruction, "input": said.input, "output": said.output,
        "slots": slots_of(said.asked, extra), "language": told.language or said.language or "und",
        "origin": record.origin, "origin_id": told.origin_id, "model": told.model, "licence": licence,
        "request_id": None,
    }  # fmt: skip


@task(name="intake", cache_policy=NO_CACHE)
def intake(run: Run, files: list[str], name: str, licence: str | None) -> list[Partition]:
    """Read the files batch by batch into sample and reject parts; a resumed run reads on where it was.

    Raises:
        BadInput: nothing was found under a name, or not one row could be read.
    """
    paths = expand_inputs(files)
    settings = {"content": content_digest(paths), "name": name, "licence": licence, "batch": BATCH}
    stream, taken = raws(paths), 0
    batches: list[list[Partition]] = []

    def make() -> dict[str, pl.DataFrame]:
        # Rows read = samples + rejects, so the finished parts tell how many rows to pass over, unparsed.
        nonlocal taken
        done = sum(part.rows for batch in batches for part in batch)
        rows = _take(islice(stream, done - taken, None), BATCH)
        taken = done + len(rows)
        sample, reject = _framed(rows, run.run_id, name, licence)
        return {"sample": sample, "reject": reject}

    while batch := run.once(f"intake/{len(batches)}", [], settings, make):
        batches.append(batch)
    parts = [part for batch in batches for part in batch]
    if not any(part.table == "sample" for part in parts):
        raise _nothing_read(run, files, parts)
    return parts


def _nothing_read(run: Run, files: list[str], parts: list[Partition]) -> BadInput:
    n = sum(part.rows for part in parts)
    first = run.read(parts[0]).row(0, named=True)
    place = f"{first['origin']}, row {first['line']}," if first["line"] else first["origin"]
    return BadInput(
        f"no row of {' '.join(files)} can be read ({n:,} refused); the first: {place} {first['reason']}"
    )
