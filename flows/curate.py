"""`curate`: somebody else's data through the same tail to a release."""

from typing import Literal

from prefect import flow

from flows.beginning import begun, edition_or_date
from flows.ending import hand_off
from flows.runner import task_runner
from flows.tail import judged, released
from schemas.recipe import Checks
from schemas.settings import Curation, Settings
from tasks.input_files import content_digest, expand_inputs
from tasks.intake import intake
from tasks.pool import lineage
from tasks.question import curate_question
from warehouse.run import is_committed

# Somebody else's texts may be one word or a book: only empty and absurd lengths are refused here.
MIN_WORDS, MAX_WORDS = 1, 1_000_000


@flow(name="curate", task_runner=task_runner())
def curate(
    files: list[str],
    name: str,
    licence: str = "",
    shingle: Literal[3, 5] = 3,
    edition: str = "",
    curation: Curation = Curation(),  # noqa: B008  (frozen)
) -> str:
    """Filter, deduplicate, measure and freeze a data set that exists.

    Args:
        files: Files, folders or globs: JSONL, JSON array, CSV or Parquet.
        name: Name of the data set.
        licence: Licence of the texts, for the card.
        shingle: Words per shingle: 3 for short texts such as instructions, 5 for long ones.
        edition: Names the run; the same edition resumes. Empty: the date.
        curation: From samples to a release.
    """
    settings = Settings()
    content = content_digest(expand_inputs(files))
    asked = curate_question(name, content, licence or None, shingle, edition_or_date(edition), curation)
    if not is_committed(settings.root, asked.run_id):
        with begun(asked, settings) as run:
            among = lineage("", curation.against)
            checks = Checks(min_words=MIN_WORDS, max_words=MAX_WORDS, shingle=shingle)
            read = intake(run, files, name, licence or None)
            made = judged(run, read, checks, None, curation, among)
            run.commit(released(run, made, [name], None, curation, among))
    return hand_off(settings.root, asked.run_id)
