"""The command `classifier`: an answer that is there is found without starting anything, then shown."""

from pathlib import Path
from typing import Any

from flows.console import Common
from flows.starting import started
from schemas.classification import Classification
from schemas.place import shown

_NAMES = {
    "trained on the release": "",
    "majority baseline": "_majority",
    "shuffled labels": "_shuffled",
    "trained on real rows": "_ceiling",
    "held out of the release": "_heldout",
}
_BY_LABEL = ("label_f1:", "label_agreement")
_METRICS = "SELECT metric, value, n, low, high FROM metric WHERE run_id = $1 AND scope = 'checkpoint'"
_CHECKPOINT = "SELECT checkpoint_id, release_id, path FROM checkpoint WHERE run_id = $1"


def run_classifier(common: Common, data: list[str], release: str, options: Classification) -> str:
    """Run `classifier`, or find the run that answered the same; its id."""
    from tasks.labelled_sets import choose_labelled, content_of, gather
    from tasks.question import classifier_question
    from warehouse.run import is_committed

    settings = common.settings()
    chosen = choose_labelled(settings.root, release)
    asked = classifier_question(chosen.release_id, content_of(data, options), options)
    if is_committed(settings.root, asked.run_id):
        return asked.run_id
    gather(settings.root, chosen.release_id, data, options)  # wrong input is refused before Prefect starts

    def flow() -> Any:
        from flows.classifier import classifier

        return classifier(data=data, release=chosen.release_id, options=options)

    return str(started(flow))


def classifier_summary(root: Path, run_id: str) -> list[dict[str, Any]]:
    """Rows (what, value) about the classifier of a run: scores beside yardsticks, labels, rows, places."""
    from warehouse import connect

    with connect(root) as connection:
        found = connection.sql(_METRICS, params=[run_id]).pl().to_dicts()
        ((checkpoint_id, release_id, path),) = connection.execute(_CHECKPOINT, [run_id]).fetchall()
    by_name = {row["metric"]: row for row in found}
    facts = [
        *(
            (f"accuracy, {what}", _shown(by_name[f"classifier_accuracy{end}"]))
            for what, end in _NAMES.items()
        ),
        *(
            (f"macro-F1, {what}", _shown(by_name[f"classifier_macro_f1{end}"]))
            for what, end in _NAMES.items()
        ),
        *((name, _shown(row)) for name, row in sorted(by_name.items()) if name.startswith(_BY_LABEL)),
        ("rows: train, ceiling, test", _rows(by_name, "rows_train", "rows_ceiling", "rows_test")),
        ("rows of unseen labels, rejected", _rows(by_name, "rows_unseen", "rows_rejected")),
        ("texts also in the test, not trained on", _rows(by_name, "overlap", "overlap_ceiling")),
        ("labels only in data, in release", _rows(by_name, "labels_only_in_data", "labels_only_in_release")),
        ("release", release_id),
        ("checkpoint", checkpoint_id),
        ("card", shown(root / path / "README.md")),
    ]
    return [{"what": what, "value": value} for what, value in facts]


def _rows(by_name: dict[str, dict[str, Any]], *names: str) -> str:
    return ", ".join(f"{by_name[f'classifier_{name}']['value']:.0f}" for name in names)


def _shown(row: dict[str, Any]) -> str:
    if row["value"] is None:
        return f"unknown, n = {row['n']}"
    interval = "" if row["low"] is None else f" ({row['low']:.3f} to {row['high']:.3f})"
    return f"{row['value']:.3f}{interval}, n = {row['n']}"
