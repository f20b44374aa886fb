"""The short table at the end of a command: what was made, kept and dropped, how diverse, what it cost."""

import json
from pathlib import Path
from typing import Any

import duckdb

from schemas.place import object_of, shown
from warehouse import connect

HEADLINES = ("vs2_unbiased", "nn_cosine_median", "rouge_nn_share", "opener_top10_share", "slot_hit_rate")

_FUNNEL = """
SELECT recipe, made, kept, dropped FROM funnel JOIN release USING (run_id) WHERE release_id = $1 ORDER BY
recipe
"""
_COST = """
SELECT count(*), sum(call.n_prompt_tokens + call.n_completion_tokens), sum(call.cost_usd),
       count(*) FILTER (cost_usd IS NULL AND reply IS NOT NULL)
FROM call JOIN release USING (run_id) WHERE release_id = $1 AND NOT replayed
"""
_METRICS = """
SELECT metric, value, low, high FROM metric JOIN release USING (run_id)
WHERE release_id = $1 AND scope = 'run' AND list_contains($2, metric) ORDER BY metric
"""
_MODEL = "SELECT * FROM model_gain WHERE release_id = $1"
_SELECTION = "SELECT selection FROM release WHERE release_id = $1 AND selection IS NOT NULL"


def summary(root: Path, release_id: str) -> list[dict[str, Any]]:
    """Rows (what, value) about a release, its run and its newest checkpoint."""
    with connect(root) as connection:
        (release,) = _rows(connection, _MODEL, release_id)
        facts = [
            *(_funnel_line(row) for row in _rows(connection, _FUNNEL, release_id)),
            ("rows in the release", f"{release['n_train']} to train on, {release['n_heldout']} held out"),
            *(_selection(row["selection"]) for row in _rows(connection, _SELECTION, release_id)),
            ("gates", "passed" if release["passed"] else f"blocked by {release['failed_gates']}"),
            *(_metric_line(row) for row in _rows(connection, _METRICS, release_id, list(HEADLINES))),
            ("cost", _cost(connection, release_id)),
            ("model that wrote", release["model"]),
            *_losses(release),
        ]
    return [{"what": what, "value": value} for what, value in [*facts, *_places(root, release)]]


def _rows(connection: duckdb.DuckDBPyConnection, query: str, *values: Any) -> list[dict[str, Any]]:
    return connection.sql(query, params=list(values)).pl().to_dicts()


def _funnel_line(row: dict[str, Any]) -> tuple[str, str]:
    dropped = ", ".join(f"{each['filter']} {each['n']}" for each in row["dropped"] or [])
    return (
        f"samples of {row['recipe']}",
        f"{row['made']} made, {row['kept']} kept; dropped: {dropped or 'none'}",
    )


def _selection(selection: str) -> tuple[str, str]:
    how = json.loads(selection)
    if "control_of" in how:
        return "random control of", how["control_of"]
    chosen = f"{how['select']}, {how['rows']} of {how['candidates']} rows"
    return "selected", f"{chosen}; random control {how['control']}"


def _metric_line(row: dict[str, Any]) -> tuple[str, str]:
    if row["value"] is None:
        return row["metric"], "unknown"
    interval = "" if row["low"] is None else f" ({row['low']:.4g} to {row['high']:.4g})"
    return row["metric"], f"{row['value']:.4g}{interval}"


def _cost(connection: duckdb.DuckDBPyConnection, release_id: str) -> str:
    ((calls, tokens, usd, unknown),) = connection.execute(_COST, [release_id]).fetchall()
    if not calls:
        return "no calls"
    price = "unknown: set the prices of the model" if unknown else f"{usd:.4f} USD"
    return f"{price}; {calls} calls, {tokens} tokens"


def _losses(release: dict[str, Any]) -> list[tuple[str, str]]:
    if release["heldout_loss_after"] is None:
        return []
    before, after = release["heldout_loss_before"], release["heldout_loss_after"]
    return [("held-out loss before / after", f"{before:.4f} / {after:.4f} nats per token")]


def _places(root: Path, release: dict[str, Any]) -> list[tuple[str, str]]:
    places = [
        ("release", root / release["path"]),
        ("report", root / "reports" / f"{release['release_id']}.html"),
        ("warehouse", root if object_of(root) else root / "warehouse.duckdb"),
    ]
    if release["checkpoint_path"] is not None:
        places.append(("checkpoint", root / release["checkpoint_path"]))
    return [(what, shown(place)) for what, place in places]
