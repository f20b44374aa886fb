"""The labelled texts that a classifier meets: those of a release, real ones to train on, real ones as test.

No test text is trained on: texts of the release or of a training file that also stand in the test (but for
white space and case) are left out of training, and counted. Rows of labels that one side lacks stay: they are
counted, named, and wrong wherever they are scored.
"""

from pathlib import Path
from typing import NamedTuple

import polars as pl

from schemas.classification import Classification
from schemas.errors import BadInput
from schemas.ids import digest
from schemas.tables import Release
from tasks.choice import choose_release
from tasks.input_files import content_digest, expand_inputs
from tasks.labelled_files import LabelledFiles, halves, key_of, normal, parse_map, read_labelled, renamed
from warehouse.views import connect

SHOWN = 20  # labels of an error
RECIPE = "labelled"
_ASKED = "json_type(slots, '$.label') = 'VARCHAR'"
_LABELLED = f"""
SELECT sample_id, text, json_extract_string(slots, '$.label') AS label, split
FROM member JOIN sample USING (sample_id)
WHERE release_id = $1 AND {_ASKED} ORDER BY sample_id
"""
_NEWEST = f"""
SELECT release_id FROM release JOIN run USING (run_id)
WHERE passed AND control_of IS NULL
AND release_id IN (SELECT release_id FROM member JOIN sample USING (sample_id) WHERE {_ASKED})
ORDER BY run.finished_at DESC, release_id LIMIT 1
"""


class Sets(NamedTuple):
    """Texts by side: `made` sample_id, key, text, label, split, overlap; `train`, `test` key, text, label."""

    made: pl.DataFrame  # overlap: the text stands in the test, too
    train: pl.DataFrame
    test: pl.DataFrame
    rejects: pl.DataFrame  # origin, line, reason, content
    overlap_train: int  # rows of a training file whose text is in the test; left out

    @property
    def fitted(self) -> pl.DataFrame:
        """The rows of the release that may be trained on, with their place `at` in `made`."""
        return self.made.with_row_index("at").filter((pl.col("split") == "train") & ~pl.col("overlap"))

    @property
    def only_in_data(self) -> list[str]:
        """Labels of the test that the release does not have."""
        return sorted(set(self.test["label"]) - set(self.made["label"]))

    @property
    def only_in_release(self) -> list[str]:
        """Labels of the release that the test does not have."""
        return sorted(set(self.made["label"]) - set(self.test["label"]))


def choose_labelled(root: Path, release_id: str) -> Release:
    """The release whose id begins so; without an id, the newest that passed its gates and has labels.

    Raises:
        BadInput: for an id that is unknown or stands for several, or when no release has labels.
    """
    if not release_id:
        with connect(root) as connection:
            newest = connection.sql(_NEWEST).fetchall()
        if not newest:
            raise BadInput(f"no release in {root} that passed has labels; {_make_one()}")
        ((release_id,),) = newest
    chosen = choose_release(root, release_id)
    assert chosen is not None, "an id was given"
    return chosen


def content_of(data: list[str], options: Classification) -> str:
    """One digest for the names and the bytes of all files.

    Raises:
        BadInput: no file, or one that is not there or cannot be read.
    """
    train = content_digest(expand_inputs(options.train)) if options.train else None
    return digest("labelled files", content_digest(expand_inputs(data)), train)


def gather(
    root: Path, release_id: str, data: list[str], options: Classification, version: int | None = None
) -> Sets:
    """Read all sides and check that they can be compared; `version` is that of the warehouse.

    Raises:
        BadInput: files, columns, labels or halves that cannot be used; the line says which and what is known.
    """
    made = _made(root, release_id, version)
    given, train, overlap_train = _given(data, options)
    told = parse_map(options.map)
    _refuse_unknown(told, set(given.rows["label"]) | set(train["label"]), set(made["label"]))
    train, test = renamed(train, told), renamed(given.rows, told)
    _refuse_strangers(set(made["label"]), set(test["label"]))
    sets = Sets(
        made.with_columns(overlap=pl.col("key").is_in(test["key"].implode())),
        train, test, given.rejects, overlap_train,
    )  # fmt: skip
    _refuse_few("the training split of the release, without texts of the test", sets.fitted)
    _refuse_few("the real training rows", train, "; give more rows, or a file of their own with --train")
    _refuse_few("the test rows", test, "; give more rows")
    return sets


def _made(root: Path, release_id: str, version: int | None) -> pl.DataFrame:
    with connect(root, version) as connection:
        rows = connection.sql(_LABELLED, params=[release_id]).pl()
    if rows["label"].n_unique() < 2:
        labels = sorted(set(rows["label"]))
        raise BadInput(f"release {release_id} has the labels {labels}, fewer than 2; {_make_one()}")
    keys = pl.Series("key", [key_of(text) for text in rows["text"]], dtype=pl.String)
    labels = pl.Series("label", [normal(label) for label in rows["label"]], dtype=pl.String)
    # by content: the result shall not depend on ids, which change with the edition
    return rows.with_columns(keys, labels).sort("key", "label", "text", "sample_id")


def _given(data: list[str], options: Classification) -> tuple[LabelledFiles, pl.DataFrame, int]:
    """The test rows, the training rows, and how many of the latter were left out."""
    paths = expand_inputs(data)
    given = read_labelled(paths, options.text, options.label)
    if not options.train:
        train, test = halves(given.rows)
        return given._replace(rows=test), train, 0
    others = expand_inputs(options.train)
    both = {path.resolve() for path in paths} & {path.resolve() for path in others}
    if both:
        raise BadInput(f"{min(both)} is both the test and a training file; leave --train out to halve it")
    real = read_labelled(others, options.text, options.label)
    train = real.rows.filter(~pl.col("key").is_in(given.rows["key"].implode()))
    rejects = pl.concat([given.rejects, real.rejects])
    return given._replace(rejects=rejects), train, real.rows.height - train.height


def _refuse_unknown(told: dict[str, str], data: set[str], release: set[str]) -> None:
    for ours, theirs in told.items():
        if ours not in data:
            raise BadInput(f"--map: the data has no label {ours!r}; its labels: {_some(data)}")
        if theirs not in release:
            raise BadInput(f"--map: the release has no label {theirs!r}; its labels: {_some(release)}")


def _refuse_strangers(release: set[str], data: set[str]) -> None:
    if len(release & data) < 2:
        raise BadInput(
            f"the release has the labels {_some(release)}, the data {_some(data)}: fewer than 2 are the same;"
            f" say which is which with --map DATA=RELEASE, as --map {min(data)}={min(release)}"
        )


def _refuse_few(what: str, rows: pl.DataFrame, cure: str = "") -> None:
    labels = set(rows["label"])
    if len(labels) < 2:
        raise BadInput(f"{what}: {rows.height} rows with {len(labels)} labels {_some(labels)}, not 2{cure}")


def _some(labels: set[str]) -> list[str]:
    return sorted(labels)[:SHOWN] + (["..."] if len(labels) > SHOWN else [])


def _make_one() -> str:
    return f"make one with `seedloom corpus --recipe {RECIPE}`"
