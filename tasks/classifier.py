"""From a labelled release and real labelled files to a checkpoint, its card and its metrics.

Embeddings (tasks/encoder.py) and logistic regression (tasks/logistic.py), scored beside a majority baseline,
a shuffled-label control and a train-on-real ceiling (tasks/yardsticks.py). Release, files and options decide
the result, not the order of any rows.
"""

import logging
from functools import partial
from typing import Any

import numpy as np
import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.classification import Classification
from schemas.errors import BadInput
from schemas.ids import canonical, digest
from schemas.partition import Partition
from schemas.tables import Release
from tasks.classifier_card import CARD, classifier_card
from tasks.encoder import Encoder, encode, load_encoder
from tasks.intervals import Estimate
from tasks.labelled_sets import Sets, content_of, gather
from tasks.logistic import save
from tasks.progress import Progress
from tasks.yardsticks import Result, Vectors, compare
from warehouse.files import write_durably
from warehouse.run import Run
from warehouse.views import connect

METHOD = "logistic_regression"
MODELS = "models"  # folder of the checkpoints in the warehouse
VERSION = "1"

_STORED = """
SELECT sample_id, vector FROM embedding
WHERE encoder = $1 AND sample_id IN (SELECT sample_id FROM member WHERE release_id = $2)
"""

logger = logging.getLogger("seedloom.classifier")


def vectors_of(run: Run, release_id: str, sets: Sets, encoder: Encoder) -> Vectors:
    """Vectors of all rows; those of the release that the warehouse has are not computed again."""
    with connect(run.root, run.base_version) as connection:
        stored = connection.sql(_STORED, params=[encoder.id, release_id]).pl()
    placed = sets.made.select("sample_id", "text").with_row_index("at")
    known = placed.join(stored, on="sample_id", how="inner")
    lacking = placed.join(stored, on="sample_id", how="anti")
    texts = sorted({*lacking["text"], *sets.train["text"], *sets.test["text"]})
    progress = Progress("classifier: texts", len(texts))
    unit = np.nan_to_num(encode(texts, encoder, progress.advance).unit)
    place = {text: i for i, text in enumerate(texts)}
    fresh, train, test = (
        unit[[place[text] for text in rows["text"]]] for rows in (lacking, sets.train, sets.test)
    )
    made = np.empty((placed.height, unit.shape[1]), dtype=np.float32)
    made[lacking["at"].to_numpy()] = fresh
    if known.height:
        made[known["at"].to_numpy()] = known["vector"].list.to_array(unit.shape[1]).to_numpy()
    return Vectors(made, train, test)


@task(name="classifier", cache_policy=NO_CACHE)
def classify(run: Run, release: Release, data: list[str], options: Classification) -> list[Partition]:
    """Train, compare, and write one `checkpoint` row, rows of `metric` and, of unusable rows, `reject`.

    Weights and card lie in `models/<checkpoint_id>`.

    Raises:
        BadInput: see `gather`, or the files are no longer those that were asked about.
    """
    make = partial(_made, run, release, data, options)
    return run.once("classifier", [], run.parameters, make)


def _made(run: Run, release: Release, data: list[str], options: Classification) -> dict[str, pl.DataFrame]:
    if content_of(data, options) != run.parameters["content"]:
        raise BadInput(f"files changed since run {run.run_id} was asked about them; ask again")
    sets = gather(run.root, release.release_id, data, options, run.base_version)
    _say(sets)
    encoder = load_encoder(options.encoder)
    result = compare(sets, vectors_of(run, release.release_id, sets, encoder), options.c, options.seed)
    checkpoint_id = digest("checkpoint", release.release_id, run.run_id)
    path = f"{MODELS}/{checkpoint_id}"
    facts = {"method": METHOD, "encoder": encoder.id, "c": options.c, "release_id": release.release_id}
    sha256 = save(result.model, run.root / path, facts)
    card = classifier_card(release, sets, result.metrics, options, encoder.id)
    write_durably(run.root / path / CARD, card.encode())
    row = {
        **_sizes(result, encoder),
        "checkpoint_id": checkpoint_id,
        "run_id": run.run_id,
        "release_id": release.release_id,
        "base_model": options.encoder,
        "method": METHOD,
        "settings": canonical(run.parameters).decode(),
        "path": path,
        "sha256": sha256,
    }
    rejects = sets.rejects.with_columns(run_id=pl.lit(run.run_id))
    metrics = metric_rows(result.metrics, run.run_id, checkpoint_id, encoder.id)
    return {"checkpoint": pl.DataFrame([row]), "metric": metrics, "reject": rejects}


def metric_rows(metrics: dict[str, Estimate], run_id: str, checkpoint_id: str, encoder: str) -> pl.DataFrame:
    """Rows of `metric` about a checkpoint."""
    about = {"run_id": run_id, "scope": "checkpoint", "scope_id": checkpoint_id}
    about |= {"version": VERSION, "encoder": encoder}
    return pl.DataFrame(
        [{**about, "metric": name, **estimate._asdict()} for name, estimate in metrics.items()],
        schema_overrides={"value": pl.Float64, "low": pl.Float64, "high": pl.Float64},
        infer_schema_length=None,
    )


def _sizes(result: Result, encoder: Encoder) -> dict[str, Any]:
    trained = result.model.n_parameters
    return {
        "n_parameters": encoder.n_parameters + trained,
        "n_trainable": trained,
        "steps": result.model.steps,
        "train_loss": result.loss,
    }


def _say(sets: Sets) -> None:
    for labels, where, other in (
        (sets.only_in_data, "data", "release"), (sets.only_in_release, "release", "data"),
    ):  # fmt: skip
        if labels:
            logger.warning("labels of the %s that the %s does not have: %s", where, other, ", ".join(labels))
    if sets.rejects.height:
        logger.warning("%d rows of the data could not be used; see table reject", sets.rejects.height)
    if lost := int(sets.made["overlap"].sum()):
        logger.warning("%d texts of the release stand in the test rows and were not trained on", lost)
