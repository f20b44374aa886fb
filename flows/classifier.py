"""`classifier`: from a release with labels to a classifier, tested on real rows beside its yardsticks."""

from prefect import flow

from flows.beginning import begun
from schemas.classification import Classification
from schemas.settings import Settings
from tasks.classifier import classify
from tasks.labelled_sets import choose_labelled, content_of, gather
from tasks.question import classifier_question
from warehouse.run import is_committed


@flow(name="classifier")
def classifier(
    data: list[str],
    release: str = "",
    options: Classification = Classification(),  # noqa: B008  (frozen)
) -> str:
    """Train on a labelled release and test on real rows; returns the id of the run, which has the metrics.

    Args:
        data: Files, folders or globs of real labelled rows: JSONL, JSON, CSV or Parquet.
        release: Id of a release. Empty: the newest that passed its gates and has labels.
        options: Columns, labels and fit.
    """
    settings = Settings()
    chosen = choose_labelled(settings.root, release)
    asked = classifier_question(chosen.release_id, content_of(data, options), options)
    if not is_committed(settings.root, asked.run_id):
        gather(settings.root, chosen.release_id, data, options)  # wrong input is refused before a run begins
        with begun(asked, settings) as run:
            run.commit(classify(run, chosen, data, options))
    return asked.run_id
