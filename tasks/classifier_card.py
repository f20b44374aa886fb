"""The card of a classifier: what it learned from, how it fares on real rows, and beside what to read that."""

import polars as pl

from schemas.classification import Classification
from schemas.llm import OFFLINE
from schemas.tables import Release
from tasks.card import HONESTY, table
from tasks.intervals import Estimate
from tasks.labelled_sets import Sets
from tasks.logistic import SETTINGS, WEIGHTS

CARD = "README.md"
_ROWS = {
    "trained on this release": "",
    "majority: always the commonest label of the test": "_majority",
    "control: the release with shuffled labels, mean of 20": "_shuffled",
    "ceiling: trained on the real training rows": "_ceiling",
    "on the held-out rows of the release": "_heldout",
}
_USE = f"""```python
from pathlib import Path
from tasks.encoder import encode, load_encoder
from tasks.logistic import load, predict
predict(load(Path("models/<this folder>")), encode(["a text"], load_encoder({{encoder!r}})).unit)
```
`{WEIGHTS}` holds `weights` (labels x dimensions) and `bias`, `{SETTINGS}` the labels in the same order:
the label of a unit vector v is the one with the largest weights @ v + bias."""


def classifier_card(
    release: Release, sets: Sets, metrics: dict[str, Estimate], options: Classification, encoder: str
) -> str:
    """Markdown of the card. No clock, no path: the same release and data, the same card."""
    sections = [
        f"# Classifier of release {release.release_id[:12]}",
        *([HONESTY] if release.model and OFFLINE in release.model else []),
        f"Logistic regression (L-BFGS, C = {options.c:g}, class weight balanced, seed {options.seed}) on "
        f"vectors of `{encoder}`, trained on {sets.fitted.height} texts of release `{release.release_id}` "
        f"({release.name}, edition {release.edition}, written by {_written(release.model)}). Their labels "
        "are those that the prompts asked for.",
        f"## On {sets.test.height} real test rows",
        table(_headlines(metrics)),
        _reading(options),
        "## By label",
        table(_labels(sets, metrics)),
        "## Rows and labels",
        table(_counts(metrics)),
        _unseen(sets),
        "## Use",
        _USE.format(encoder=options.encoder),
    ]
    return "\n\n".join(sections) + "\n"


def _written(model: str | None) -> str:
    return f"`{model}`" if model else "an unknown model"


def _reading(options: Classification) -> str:
    real = "the files of --train" if options.train else "half of the data, chosen by a hash of each text"
    return (
        "95% intervals in brackets: Wilson for shares, bootstrap over rows for F1, Student's t over the fits "
        f"for the control. The ceiling was trained on {real}. A test row whose label the release lacks "
        "counts as wrong. Label agreement is the share of the release's texts to which the ceiling gives the "
        "label that was asked for; its own errors count in."
    )


def _headlines(metrics: dict[str, Estimate]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "classifier": what,
                "accuracy": shown(metrics[f"classifier_accuracy{which}"]),
                "macro-F1": shown(metrics[f"classifier_macro_f1{which}"]),
            }
            for what, which in _ROWS.items()
        ]
    )


def _labels(sets: Sets, metrics: dict[str, Estimate]) -> pl.DataFrame:
    trained, tested = (rows["label"].to_list() for rows in (sets.fitted, sets.test))
    rows = []
    for label in sorted({*sets.made["label"], *tested}):
        found = [metrics.get(f"label_{name}:{label}") for name in ("precision", "recall", "f1", "agreement")]
        counts = {"label": label, "trained on": trained.count(label), "tested on": tested.count(label)}
        named = zip(("precision", "recall", "F1", "agreement"), map(shown, found), strict=True)
        rows.append({**counts, **dict(named)})
    total = {"label": "all", "trained on": len(trained), "tested on": len(tested)}
    agreement = shown(metrics["label_agreement"])
    return pl.DataFrame([*rows, {**total, "precision": "", "recall": "", "F1": "", "agreement": agreement}])


def _counts(metrics: dict[str, Estimate]) -> pl.DataFrame:
    counted = ("classifier_rows", "classifier_overlap")
    return pl.DataFrame(
        [
            {"count": name, "rows": int(each.value or 0), "of": each.n}
            for name, each in metrics.items()
            if name.startswith(counted)
        ]
    )


def _unseen(sets: Sets) -> str:
    lines = [
        f"Labels of the {where} that the {other} does not have: {', '.join(labels) or 'none'}."
        for where, other, labels in (
            ("test", "release", sets.only_in_data), ("release", "test", sets.only_in_release),
        )
    ]  # fmt: skip
    return "\n".join(lines)


def shown(estimate: Estimate | None) -> str:
    """A value with its interval; nothing at all for what was not measured."""
    if estimate is None:
        return ""
    if estimate.value is None:
        return "unknown"
    interval = "" if estimate.low is None else f" ({estimate.low:.3f} to {estimate.high:.3f})"
    return f"{estimate.value:.3f}{interval}"
