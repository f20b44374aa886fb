"""`seedloom explain`: why a sample was kept or dropped, beside what it repeats, and what would change it.

Nothing here imports Prefect.
"""

from typing import Any

import duckdb
from rich.text import Text

from flows.console import Common, plain, say, stdout
from schemas.errors import BadInput
from tasks.difference import DELETE, EQUAL, INSERT, jaccard, rouge_l, word_difference

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
COMPARING = {"minhash": "ge", "semantic": "ge", "rouge": "gt"}  # a score that high drops
SHOWN = 160  # characters at either end of a long stretch that both texts have
MOST = 20_000  # characters of a text, or of a difference, that are shown whole in a terminal
STYLES = {EQUAL: "", DELETE: "red strike", INSERT: "green"}
MARKS = {EQUAL: ("", ""), DELETE: ("[-", "-]"), INSERT: ("{+", "+}")}
NOTE = (
    "by the stored score: what was not compared has no part in it, least of all below the threshold it was "
    "judged at, and at another one other samples are kept; `seedloom rejudge --threshold T --dry-run` judges "
    "all anew"
)
_SAMPLE = """
SELECT sample_id, recipe, level, final, origin, origin_id, ordinal, model, slots, text, rejected, parent_id,
       request_id
FROM sample WHERE starts_with(sample_id, $1)
"""
_VERDICTS = """
SELECT verdict.filter, verdict.keep, verdict.score, verdict.threshold, verdict.reason, verdict.witness_id,
       witness.text AS witness_text
FROM verdict LEFT JOIN sample AS witness ON witness.sample_id = verdict.witness_id
WHERE verdict.sample_id = $1 ORDER BY verdict.filter
"""
_TREE = """
WITH RECURSIVE line AS (
    SELECT sample_id, parent_id, level, text, 0 AS distance FROM sample WHERE sample_id = $1
    UNION ALL
    SELECT above.sample_id, above.parent_id, above.level, above.text, distance + 1
    FROM line JOIN sample AS above ON above.sample_id = line.parent_id
)
SELECT level, sample_id, text FROM line WHERE distance > 0 ORDER BY distance DESC
"""
_BESIDE = """
SELECT other.level, other.sample_id, other.text
FROM sample JOIN sample AS other ON other.parent_id = sample.parent_id AND other.level <> sample.level
WHERE sample.sample_id = $1 ORDER BY other.ordinal LIMIT 20
"""
_CALL = """
SELECT call.provider, call.model, call.sampling, call.finish_reason, call.attempts, call.cost_usd,
call.messages,
       call.reply
FROM call JOIN sample USING (request_id, run_id) WHERE sample.sample_id = $1 LIMIT 1
"""
_NEAREST = """
SELECT neighbour.encoder, neighbour.cosine, neighbour.neighbour_id AS witness_id, sample.text AS witness_text
FROM neighbour JOIN sample ON sample.sample_id = neighbour.neighbour_id
WHERE neighbour.sample_id = $1 ORDER BY neighbour.cosine DESC, neighbour.neighbour_id LIMIT 1
"""
_COSINE = """
SELECT list_dot_product(a.vector, b.vector) AS cosine FROM embedding AS a JOIN embedding AS b USING (encoder)
WHERE a.sample_id = $1 AND b.sample_id = $2 ORDER BY encoder LIMIT 1
"""
_CONTRACT = "SELECT contract FROM signature WHERE sample_id = $1 ORDER BY contract LIMIT 1"
_ABOUT = {"verdicts": _VERDICTS, "grown from": _TREE, "made beside": _BESIDE, "call": _CALL}

Row = dict[str, Any]


def show_sample(common: Common, sample_id: str) -> None:
    """One sample with everything that is known about it.

    Raises:
        BadInput: when no sample, or more than one, has that id.
    """
    from warehouse import connect

    with connect(common.settings().root) as connection:
        found = _rows(connection, _SAMPLE, sample_id)
        if len(found) != 1:
            some = [row["sample_id"] for row in found[:5]]
            raise BadInput(f"{len(found)} samples match {sample_id!r} {some or ''}; see `seedloom sql`")
        sample = found[0]
        facts = {name: _rows(connection, query, sample["sample_id"]) for name, query in _ABOUT.items()}
        blamed = _blamed(connection, sample, facts)
        compared = [_compared(connection, *pair) for pair in _pairs(connection, sample, facts, blamed)]
    whole = {**facts, "fell with": blamed, "thresholds": _at_thresholds([*facts["verdicts"], *blamed])}
    sample = {**sample, "outcome": _outcome(sample, facts["verdicts"], blamed)}
    if common.as_json:
        say(common, [{**sample, **whole, "compared": compared}])
        return
    _tell(common, {"sample": [sample], **whole}, compared)


def _blamed(connection: duckdb.DuckDBPyConnection, sample: Row, facts: dict[str, list[Row]]) -> list[Row]:
    """The verdicts that dropped what the sample grew from, the nearest ancestor first."""
    return [
        {"level": above["level"], "sample_id": above["sample_id"], "text": above["text"], **verdict}
        for above in reversed(facts["grown from"])
        for verdict in _rows(connection, _VERDICTS, above["sample_id"])
        if not verdict["keep"]
    ]


def _outcome(sample: Row, verdicts: list[Row], blamed: list[Row]) -> str:
    dropping = [verdict["filter"] for verdict in verdicts if not verdict["keep"]]
    if dropping:
        return f"dropped by {', '.join(dropping)}"
    if blamed:
        first = blamed[0]
        return f"fell with {first['sample_id']} ({first['level']}), which {first['filter']} dropped"
    return "kept" if sample["final"] else "kept; others are grown from it, and it is not released itself"


def _pairs(
    connection: duckdb.DuckDBPyConnection, sample: Row, facts: dict[str, list[Row]], blamed: list[Row]
) -> list[tuple[Row, Row]]:
    """(sample, verdict) where the verdict names a witness; of a kept sample also its nearest by cosine."""
    pairs = [(sample, verdict) for verdict in facts["verdicts"]] + [(each, each) for each in blamed]
    named = [(each, verdict) for each, verdict in pairs if verdict["witness_id"]]
    if not blamed and all(verdict["keep"] for verdict in facts["verdicts"]):
        named += [
            (sample, {"filter": "nearest", **row}) for row in _rows(connection, _NEAREST, sample["sample_id"])
        ]
    return named


def _compared(connection: duckdb.DuckDBPyConnection, sample: Row, verdict: Row) -> Row:
    """A sample beside its witness: how similar, and where they differ. A row of a file is only named."""
    same = {
        name: verdict.get(name) for name in ("filter", "keep", "score", "threshold", "reason", "witness_id")
    }
    row = {"sample_id": sample["sample_id"], **same}
    text, other = sample["text"], verdict["witness_text"]
    if other is None:
        return row
    ids = sample["sample_id"], verdict["witness_id"]
    n = _shingle(connection, ids[0])
    cosines = connection.execute(_COSINE, list(ids)).fetchall()
    return {
        **row,
        "jaccard": jaccard(text, other, n),
        "jaccard_of": f"word {n}-grams",
        "rouge_l": rouge_l(text, other),
        "cosine": cosines[0][0] if cosines else verdict.get("cosine"),
        "difference": [list(step) for step in word_difference(other, text)],
    }


def _shingle(connection: duckdb.DuckDBPyConnection, sample_id: str) -> int:
    """Words of the shingles that the sample was signed with."""
    from tasks.shingles import contract

    found = _rows(connection, _CONTRACT, sample_id)
    return next((n for n in (3, 5) if found and found[0]["contract"] == contract(n)), 3)


def _at_thresholds(verdicts: list[Row]) -> list[Row]:
    """What would become of the sample at other thresholds, as far as the stored scores tell."""
    return [
        {
            "filter": verdict["filter"],
            "score": verdict["score"],
            "threshold": verdict["threshold"],
            "margin": verdict["threshold"] - verdict["score"],
            **{f"{at:g}": "dropped" if _drops(verdict, at) else "kept" for at in THRESHOLDS},
        }
        for verdict in verdicts
        if verdict["filter"] in COMPARING and None not in (verdict["score"], verdict["threshold"])
    ]


def _drops(verdict: Row, threshold: float) -> bool:
    score = verdict["score"]
    return score > threshold if COMPARING[verdict["filter"]] == "gt" else score >= threshold


def _tell(common: Common, facts: dict[str, list[Row]], compared: list[Row]) -> None:
    """Rows one below the other, a line a column: texts stay readable in any width."""
    wide = facts.pop("thresholds")
    for name, rows in facts.items():
        lines = [
            {"": key, name: _cut(value, MOST)}
            for row in rows
            for key, value in row.items()
            if value is not None
        ]
        if lines:
            say(common, lines)
    for pair in compared:
        steps = pair.pop("difference", None)
        title = f"{pair['sample_id'][:12]} and {pair['witness_id']}"
        say(common, [{"": key, title: value} for key, value in pair.items() if value is not None])
        if steps:
            stdout.print(marked(steps, in_colour=stdout.is_terminal and not stdout.no_color), end="\n\n")
    if wide:
        short = {"dropped": "drop", "kept": "keep"}  # with whole words the table is wider than 80 columns
        narrow = [{name: short.get(value, value) for name, value in row.items()} for row in wide]
        say(common, narrow, "at other thresholds")
        stdout.print(NOTE)


def marked(steps: list[list[str]], in_colour: bool) -> Text:
    """A difference for a person: what only the witness has is struck out, what only the sample has is added.

    Without colour as `git diff --word-diff` does: [-only the witness-] {+only the sample+}. Long stretches
    of both are cut. Control characters of a model's text are taken out.
    """
    shown = Text()
    for what, text in steps:
        text = _cut(text, 3 * SHOWN if what == EQUAL else MOST)
        before, after = ("", "") if in_colour else MARKS[what]
        body = plain(text)
        space = body[len(body.rstrip()) :] if what != EQUAL else ""
        shown.append(
            f"{before}{body[: len(body) - len(space)]}{after}{space}", STYLES[what] if in_colour else ""
        )
    return shown


def _cut(value: Any, most: int) -> Any:
    """The beginning and the end of a text of more than so many characters; anything else as it is."""
    if not isinstance(value, str) or len(value) <= most:
        return value
    return f"{value[:SHOWN]} [... {len(value) - 2 * SHOWN:,} characters ...] {value[-SHOWN:]}"


def _rows(connection: duckdb.DuckDBPyConnection, query: str, value: str) -> list[Row]:
    return connection.sql(query, params=[value]).pl().to_dicts()
