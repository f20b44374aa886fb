"""A unit vector for the text of every final sample that no filter dropped: what semantic statistics read.

No text is embedded twice by one encoder over the life of a warehouse: a text is known by its digest
(blake2b-128 of its UTF-8), and a vector of the same encoder that an earlier run stored, or an earlier part of
this run, is copied. Equal texts of one call are encoded once. What is left is encoded in slabs of at most
20,000 distinct texts of one part; a slab is one step that can be resumed, and bounds the memory.

A text that the encoder cannot embed (an error, a vector that is zero, not finite or of another dimension) is
dropped by a verdict of the filter `embedding` that says why; all others go on.
"""

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import replace
from functools import partial

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.ids import digest
from schemas.partition import Partition
from tasks.encoder import PACKAGED, Encoder, Vectors, encode, load_encoder
from tasks.progress import Progress
from tasks.survivors import surviving
from warehouse.manifest import read_version
from warehouse.parts import polars_schema
from warehouse.run import Run

SLAB = 20_000  # distinct texts
FILTER = "embedding"

logger = logging.getLogger("seedloom.embed")


def text_digests(texts: Iterable[str]) -> pl.Series:
    """blake2b-128 of each text as it is, in UTF-8: 16 bytes."""
    digests = [hashlib.blake2b(text.encode(), digest_size=16).digest() for text in texts]
    return pl.Series("text_digest", digests, dtype=pl.Binary)


def judged(texts: pl.DataFrame, vectors: Vectors, encoder_id: str, run_id: str) -> dict[str, pl.DataFrame]:
    """Rows of `embedding` for texts that have a vector, and of `verdict` for those that have none.

    Args:
        texts: columns sample_id, text_digest, and `at`, the row of `vectors`.
        vectors: of distinct texts.
        encoder_id: what they were computed by.
        run_id: of the rows.
    """
    usable = pl.Series(vectors.usable[texts["at"].to_numpy()], dtype=pl.Boolean)
    kept, lost = texts.filter(usable), texts.filter(~usable)
    at = kept["at"].to_numpy()
    unit = pl.Series(vectors.unit[at], dtype=pl.Array(pl.Float32, vectors.unit.shape[1])).arr.to_list()
    rows = kept.select(
        "sample_id",
        "text_digest",
        run_id=pl.lit(run_id),
        encoder=pl.lit(encoder_id),
        truncated=pl.Series(vectors.truncated[at], dtype=pl.Boolean),
        vector=unit,
    )
    reasons = [vectors.reasons[i] for i in lost["at"]]
    _name(lost["sample_id"], reasons, texts.height)
    refused = pl.DataFrame({"sample_id": lost["sample_id"], "reason": pl.Series(reasons, dtype=pl.String)})
    return {"embedding": rows, "verdict": _verdicts(refused, run_id)}


@task(name="embed", cache_policy=NO_CACHE)
def embed(
    run: Run,
    samples: list[Partition],
    verdicts: list[Partition],
    encoder: str = PACKAGED,
    backend: str = "auto",
) -> list[Partition]:
    """Embed the surviving final samples of these parts.

    Parts of `embedding` among `samples` are of this run: their vectors are copied for equal texts, and the
    samples that they hold are left out.

    Returns:
        Parts of `embedding`, and of `verdict` for what could not be embedded.
    """
    parts = [part for part in samples if part.table == "sample"]
    given = [part for part in samples if part.table == "embedding"]
    wanted = _wanted(run, parts, [part for part in verdicts if part.table == "verdict"])
    if not wanted.height:
        return []
    loaded = load_encoder(encoder, backend)
    progress = Progress("embed: texts", wanted.height)
    known = [*read_version(run.root, run.base_version).parts.get("embedding", []), *given]
    loaded = _as_stored(run, known, loaded)
    wanted = _without(run, given, wanted, loaded, progress)
    made, wanted = _copies(run, known, wanted, loaded, progress)
    for place, part in enumerate(parts):
        made += _part(run, part, place, wanted, loaded, progress)
    return made


def _wanted(run: Run, parts: list[Partition], verdicts: list[Partition]) -> pl.DataFrame:
    """Columns sample_id, text_digest, part (where the sample lies)."""
    frames = [
        frame.select("sample_id", text_digests(frame["text"]), part=pl.lit(place, pl.Int32))
        for place, frame in enumerate(surviving(run, parts, verdicts, ["sample_id", "text"]))
    ]
    if not frames:
        return pl.DataFrame()
    return pl.concat(frames)


def _as_stored(run: Run, known: list[Partition], encoder: Encoder) -> Encoder:
    """The encoder, held to the dimension of the vectors that are stored under its id."""
    for part in known:
        if (run.read(part, ["encoder"])["encoder"] == encoder.id).any():
            stored = run.read(part, ["encoder", "vector"]).filter(encoder=encoder.id)
            return replace(encoder, dimension=len(stored["vector"][0]))
    return encoder


def _without(
    run: Run, given: list[Partition], wanted: pl.DataFrame, encoder: Encoder, progress: Progress
) -> pl.DataFrame:
    """What is wanted and not yet in the parts of this run, with `home`, the first part that has the text."""
    before = wanted.height
    for part in given:
        there = run.read(part, ["sample_id", "encoder"]).filter(encoder=encoder.id)
        wanted = wanted.join(there, on="sample_id", how="anti")
    progress.advance(before - wanted.height)
    return wanted.with_columns(home=pl.col("part").min().over("text_digest"))


def _copies(
    run: Run, known: list[Partition], wanted: pl.DataFrame, encoder: Encoder, progress: Progress
) -> tuple[list[Partition], pl.DataFrame]:
    """Parts of rows whose vector is known, and what is left. Each known part with a hit is read once."""
    made: list[Partition] = []
    for part in known:
        if not wanted.height:
            break
        there = run.read(part, ["encoder", "text_digest"]).filter(encoder=encoder.id).drop_nulls()
        hits = wanted.join(there, on="text_digest", how="semi")
        if hits.height:
            settings = {"encoder": encoder.id, "rows": digest(*sorted(hits["sample_id"])), "copied": True}
            made += run.once("embed", [part], settings, partial(_copied, run, part, hits, encoder.id))
            wanted = wanted.join(there, on="text_digest", how="anti")
            progress.advance(hits.height)
    return made, wanted


def _copied(run: Run, part: Partition, hits: pl.DataFrame, encoder_id: str) -> dict[str, pl.DataFrame]:
    stored = run.read(part, ["encoder", "text_digest", "truncated", "vector"]).filter(encoder=encoder_id)
    rows = hits.select("sample_id", "text_digest").join(
        stored.unique("text_digest", keep="first", maintain_order=True), on="text_digest", how="inner"
    )
    return {"embedding": rows.with_columns(run_id=pl.lit(run.run_id))}


def _part(
    run: Run, part: Partition, place: int, wanted: pl.DataFrame, encoder: Encoder, progress: Progress
) -> list[Partition]:
    """Embed the texts that are first met in a part, for all samples that have them."""
    here = wanted.filter(home=place)
    first = here.filter(part=place).unique("text_digest", keep="first", maintain_order=True)
    made: list[Partition] = []
    for slab in first.iter_slices(SLAB):
        rows = here.join(slab, on="text_digest", how="semi", maintain_order="left")
        settings = {"encoder": encoder.id, "rows": digest(*rows["sample_id"])}
        before = progress.done
        make = partial(_embedded, run, part, slab, rows, encoder, progress)
        made += run.once("embed", [part], settings, make)
        progress.advance(rows.height - (progress.done - before))  # found, or equal to another
    return made


def _embedded(
    run: Run, part: Partition, slab: pl.DataFrame, rows: pl.DataFrame, encoder: Encoder, progress: Progress
) -> dict[str, pl.DataFrame]:
    texts = run.read(part, ["sample_id", "text"]).join(slab, on="sample_id", how="inner")
    at = texts.select("text_digest").with_row_index("at")
    vectors = encode(texts["text"].to_list(), encoder, progress.advance)
    placed = rows.select("sample_id", "text_digest").join(at, on="text_digest", how="inner")
    return judged(placed, vectors, encoder.id, run.run_id)


def _verdicts(refused: pl.DataFrame, run_id: str) -> pl.DataFrame:
    """Rows of `verdict` from columns sample_id, reason."""
    schema = polars_schema("verdict")
    unset = {name: pl.lit(None, schema[name]) for name in ("score", "threshold", "witness_id")}
    return refused.with_columns(
        run_id=pl.lit(run_id), filter=pl.lit(FILTER), keep=pl.lit(False), **unset
    ).select(list(schema))


def _name(lost: pl.Series, reasons: list[str], among: int) -> None:
    """Say in the log what was lost."""
    if not reasons:
        return
    kinds = sorted(set(reasons))[:3]
    names = ", ".join(sorted(lost)[:5])
    logger.warning(
        "embed: %d of %d texts get no vector and are dropped (%s): %s",
        len(reasons), among, "; ".join(kinds), names,
    )  # fmt: skip
