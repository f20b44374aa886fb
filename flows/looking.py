"""Commands that only look: queries, recipes, one sample. None of them imports Prefect."""

from typing import Any

import duckdb

from flows.console import Common, say
from schemas.errors import BadInput

_SAMPLE = """
SELECT sample_id, recipe, level, origin, origin_id, ordinal, model, slots, text, rejected, parent_id,
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


def show_query(common: Common, query: str) -> None:
    """The answer to a query.

    Raises:
        BadInput: DuckDB's own explanation, with the views there are when a name is unknown.
    """
    from warehouse import connect

    with connect(common.settings().root) as connection:
        try:
            rows = connection.sql(query).pl().to_dicts()
        except duckdb.CatalogException as error:
            views = [name for (name,) in connection.execute("SHOW TABLES").fetchall()]
            raise BadInput(f"{str(error).splitlines()[0]}; known: {views}") from error
        except duckdb.Error as error:
            raise BadInput(f"{error}") from error
    say(common, rows)


def show_recipes(common: Common) -> None:
    """All recipes, one a row."""
    from tasks.recipe import load_recipe, recipe_digest, recipe_names

    say(
        common,
        [
            {
                "recipe": recipe.name,
                "levels": " > ".join(level.name for level in recipe.levels),
                "title": recipe.title,
                "citation": recipe.citation,
                "version": recipe_digest(recipe)[:12],
            }
            for recipe in map(load_recipe, recipe_names())
        ],
    )


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
        full = found[0]["sample_id"]
        facts = {name: _rows(connection, query, full) for name, query in _ABOUT.items()}
    if common.as_json:
        say(common, [{**found[0], **facts}])
        return
    _tell(common, {"sample": found, **facts})


def _tell(common: Common, facts: dict[str, list[dict[str, Any]]]) -> None:
    """Rows one below the other, a line a column: texts stay readable in any width."""
    for name, rows in facts.items():
        lines = [{"": key, name: value} for row in rows for key, value in row.items() if value is not None]
        if lines:
            say(common, lines)


_ABOUT = {"verdicts": _VERDICTS, "grown from": _TREE, "made beside": _BESIDE, "call": _CALL}


def _rows(connection: duckdb.DuckDBPyConnection, query: str, value: str) -> list[dict[str, Any]]:
    return connection.sql(query, params=[value]).pl().to_dicts()
