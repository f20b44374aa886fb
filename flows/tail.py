"""The tail that every corpus goes through, wherever its samples came from: verdicts, measures, a release."""

from collections.abc import Iterable
from typing import Any

from prefect import unmapped

from schemas.partition import Partition
from schemas.recipe import Checks
from schemas.settings import Curation
from tasks.diversity import diversity
from tasks.embed import embed
from tasks.exact import exact
from tasks.language import language
from tasks.leak import leak
from tasks.minhash import minhash
from tasks.obedience import obedience
from tasks.quality import quality
from tasks.release import release
from tasks.round_trip import round_trip
from tasks.semantic import semantic
from tasks.signature import signatures
from warehouse.run import Run

SHARDS = 16  # task runs of one mapped stage at most: Prefect loses records of larger bursts
SHARD_ROWS = 20_000


def judged(
    run: Run,
    made: list[Partition],
    checks: Checks,
    expected: str | None,
    curation: Curation,
    among: str,
) -> list[Partition]:
    """What one recipe made, with the verdicts of all filters and the signatures; `expected` is a language."""
    samples, n = of("sample", made), unmapped(checks.shingle)
    here, groups = unmapped(run), shards(of("sample", made))
    quality_of = quality.map(here, groups, unmapped(checks.min_words), unmapped(checks.max_words))
    obedience_of = obedience.map(here, groups, unmapped(checks.obedience))
    verdicts = of("verdict", made) + gathered(quality_of) + gathered(obedience_of)
    if expected is not None and checks.language:
        verdicts += gathered(language.map(here, groups, unmapped(expected)))
    if checks.round_trip is not None:
        verdicts += round_trip(run, samples, checks.round_trip)
    signed = gathered(signatures.map(here, groups, n))
    verdicts += exact(run, samples, verdicts, signed, among)
    verdicts += minhash(run, samples, verdicts, signed, curation.threshold, checks.shingle, among)
    return [*(part for part in made if part.table != "verdict"), *verdicts, *signed]


def released(
    run: Run, parts: list[Partition], recipes: list[str], count: int | None, curation: Curation, among: str
) -> list[Partition]:
    """All parts of the run, with embeddings, metrics and the release; `count` is asked of each recipe."""
    samples, verdicts = of("sample", parts), of("verdict", parts)
    asked = None if count is None else dict.fromkeys(recipes, count)
    embedded = embed(run, samples, verdicts, curation.encoder, curation.backend)
    vectors, done = of("embedding", embedded), [*parts, *embedded]
    how = (curation.evaluation, curation.encoder, curation.backend)
    done += leak(run, samples, of("verdict", done), vectors, *how)
    done += semantic(run, samples, of("verdict", done), vectors, curation.semantic, among)
    measured = [*samples, *of("call", parts)]  # calls tell what a kept sample costs
    done += diversity(run, measured, of("verdict", done), vectors, among, asked)
    return [*done, *release(run, done, recipes, curation, among)]


def of(table: str, parts: list[Partition]) -> list[Partition]:
    """The parts of one table."""
    return [part for part in parts if part.table == table]


def shards(parts: list[Partition]) -> list[list[Partition]]:
    """Parts in groups of about SHARD_ROWS rows, never more than SHARDS groups."""
    size = max(SHARD_ROWS, sum(part.rows for part in parts) / SHARDS)
    groups: list[list[Partition]] = []
    rows = size
    for part in parts:
        if rows + part.rows > size:
            groups.append([])
            rows = 0
        groups[-1].append(part)
        rows += part.rows
    return groups


def gathered(futures: Iterable[Any]) -> list[Partition]:
    """The parts that mapped task runs made, in the order of their shards."""
    return [part for future in futures for part in future.result()]
