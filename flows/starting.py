"""Starting a flow from the command line; an answer that is there is found without starting anything."""

import atexit
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from flows.console import Common, bars, stderr
from schemas.errors import BadInput
from schemas.settings import Budget, Curation, Making, Settings, Training
from tasks.question import Asked, corpus_question, curate_question, model_question, today


def run_corpus(
    common: Common,
    recipe: list[str],
    count: int,
    edition: str,
    making: Making,
    curation: Curation,
    budget: Budget,
) -> str | None:
    """Run `corpus`, or find the release that it made."""
    settings = common.settings()
    edition = edition or today()
    asked = corpus_question(recipe, count, edition, making, curation, settings)

    def flow() -> Any:
        from flows.corpus import corpus

        return corpus(recipe, count, edition, making, curation, budget)

    return _release_found(settings, asked) or started(flow)


def estimate_corpus(
    common: Common,
    recipe: list[str],
    count: int,
    edition: str,
    making: Making,
    curation: Curation,
    budget: Budget,
) -> list[dict[str, Any]]:
    """Estimate what `corpus` will take; of a run that was made already, what was said and what it took."""
    from warehouse.run import begin, is_committed

    settings = common.settings()
    edition = edition or today()
    asked = corpus_question(recipe, count, edition, making, curation, settings)
    if is_committed(settings.root, asked.run_id):
        from warehouse import connect

        with connect(settings.root) as connection:
            query = "SELECT * FROM estimate WHERE run_id = $1 ORDER BY quantity"
            return connection.sql(query, params=[asked.run_id]).pl().to_dicts()

    def flow() -> Any:
        from flows.corpus import corpus

        return corpus(recipe, count, edition, making, curation, budget, estimate=True)

    started(flow)
    note = begin(settings.root, *asked).folder / "estimate.json"
    rows: list[dict[str, Any]] = json.loads(note.read_bytes())
    return rows


def run_curate(
    common: Common,
    files: list[str],
    name: str,
    licence: str,
    shingle: int,
    edition: str,
    curation: Curation,
) -> str | None:
    """Run `curate`, or find the release that it made of the same files."""
    from tasks.input_files import content_digest, expand_inputs

    settings = common.settings()
    edition = edition or today()
    content = content_digest(expand_inputs(files))
    asked = curate_question(name, content, licence or None, shingle, edition, curation)

    def flow() -> Any:
        from flows.curate import curate

        return curate(files, name, licence, shingle, edition, curation)

    return _release_found(settings, asked) or started(flow)


def run_model(common: Common, release: str, training: Training) -> str | None:
    """Run `model`, or find the checkpoint that it made."""
    from tasks.choice import choose_release
    from warehouse.run import is_committed

    settings = common.settings()
    chosen = choose_release(settings.root, release or None)
    if chosen is None or is_committed(settings.root, model_question(chosen.release_id, training).run_id):
        return chosen and chosen.release_id

    def flow() -> Any:
        from flows.model import model

        return model(release=chosen.release_id, training=training)

    return started(flow)


def _release_found(settings: Settings, asked: Asked) -> str | None:
    """The release of a committed run; a blocked one goes through the flow, which says why."""
    from warehouse.run import is_committed

    if not is_committed(settings.root, asked.run_id):
        return None
    from tasks.choice import release_of_run

    release = release_of_run(settings.root, asked.run_id)
    return release.release_id if release.passed else None


def started(flow: Callable[[], Any]) -> Any:
    """What a flow returns that is run in this process, with a bar for each stage."""
    atexit.register(_silence)
    _quiet_prefect()
    _refuse_dead_server()
    _refuse_lonely_cluster()
    stderr.print("starting Prefect; a bar for each stage follows")
    with bars():
        return flow()


def _silence() -> None:
    """The last thing a process does: DuckDB's bindings complain of objects that Prefect's threads hold."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _quiet_prefect() -> None:
    """Defaults for flows run from a terminal; whatever the user has set stays."""
    for name, value in {
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
        "DO_NOT_TRACK": "1",
    }.items():
        os.environ.setdefault(name, value)


def _refuse_dead_server() -> None:
    url = os.environ.get("PREFECT_API_URL")
    if not url:
        return
    try:
        urllib.request.urlopen(f"{url.rstrip('/')}/health", timeout=3).close()
    except urllib.error.HTTPError:
        return  # it answers
    except (OSError, ValueError) as error:
        raise BadInput(f"PREFECT_API_URL is {url}, where no server answers: start it, or unset it") from error


def _refuse_lonely_cluster() -> None:
    """Workers in other processes report to a server; without one each would start its own and time out."""
    kind = Settings().runner
    if kind != "threads" and not os.environ.get("PREFECT_API_URL"):
        raise BadInput(
            f"SEEDLOOM_RUNNER is {kind!r}, whose workers need a Prefect server: start one with "
            "`seedloom up`, and set PREFECT_API_URL to what it says"
        )
