"""`model`: from a release that passed its gates to a checkpoint and its evaluation."""

from prefect import flow, get_run_logger

from flows.beginning import begun
from schemas.settings import Settings, Training
from tasks.choice import choose_release
from tasks.evaluate import evaluate
from tasks.finetune import finetune
from tasks.question import model_question
from tasks.report import report
from warehouse.run import is_committed


@flow(name="model")
def model(release: str = "", training: Training = Training()) -> str | None:  # noqa: B008  (frozen)
    """Train on a release and evaluate; a release is trained once for the same settings.

    Args:
        release: Id of a release. Empty: the newest that passed its gates and was not trained yet.
        training: From a release to a checkpoint.
    """
    settings = Settings()
    chosen = choose_release(settings.root, release or None)
    if chosen is None:
        get_run_logger().info("every release that passed its gates is trained")
        return None
    asked = model_question(chosen.release_id, training)
    if not is_committed(settings.root, asked.run_id):
        with begun(asked, settings) as run:
            trained = finetune(run, chosen.release_id, chosen.path, training)
            measured = evaluate(run, chosen.release_id, chosen.path, trained, training)
            run.commit([*trained, *measured])
    report(settings.root, chosen.release_id)
    return chosen.release_id
