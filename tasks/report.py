"""The report of a release: one HTML file without any outside reference, for people who open no database."""

import html
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.llm import OFFLINE
from tasks.card import HONESTY
from warehouse import connect
from warehouse.copies import fetch, upload
from warehouse.files import write_durably

POINTS = 5_000  # of the map and the histograms: the bottom of the hash order, so a fair sample
SHOWN = 5  # examples of kept and of dropped samples

_RUN_OF = "JOIN release ON release.run_id = {0}.run_id AND release.release_id = $1"
QUERIES = {
    "Release": "SELECT * EXCLUDE (path, checkpoint_path) FROM model_gain WHERE release_id = $1",
    "Funnel": "SELECT recipe, made, kept, unnest(dropped, recursive := true) FROM funnel "
    + _RUN_OF.format("funnel"),
    "Gates": "SELECT unnest(gates, recursive := true) FROM release WHERE release_id = $1",
    "Metrics": "SELECT scope, scope_id, metric, value, low, high, n FROM metric "
    + _RUN_OF.format("metric")
    + " ORDER BY scope, scope_id, metric",
    "Kept, for example": "SELECT recipe, split, left(text, 700) AS text "
    f"FROM member JOIN sample USING (sample_id) WHERE release_id = $1 ORDER BY md5(sample_id) LIMIT {SHOWN}",
    "Dropped, for example": "SELECT sample.recipe, filter, reason, left(sample.text, 350) AS text, "
    "left(witness.text, 350) AS neighbour FROM verdict JOIN sample USING (sample_id) "
    "LEFT JOIN sample AS witness ON witness.sample_id = verdict.witness_id "
    + _RUN_OF.format("verdict")
    + " WHERE NOT keep QUALIFY"
    " row_number() OVER (PARTITION BY sample.recipe, filter ORDER BY md5(sample.sample_id)) = 1"
    " ORDER BY sample.recipe, filter",
}
_POINTS = (
    "SELECT recipe, split, length(text) AS n_characters, vector FROM member JOIN sample USING (sample_id) "
    "JOIN embedding USING (sample_id) WHERE release_id = $1 "
    f"QUALIFY encoder = min(encoder) OVER () ORDER BY md5(sample_id) LIMIT {POINTS}"
)
_LOG = "SELECT checkpoint_path FROM model_gain WHERE release_id = $1"


@task(name="report", cache_policy=NO_CACHE)
def report(root: Path, release_id: str) -> Path:
    """Write reports/<release>.html; a report is always written anew, from what the warehouse holds."""
    path = root / "reports" / f"{release_id}.html"
    write_durably(path, page(root, release_id).encode())
    upload(path)
    return path


def page(root: Path, release_id: str) -> str:
    """The report as HTML."""
    with connect(root) as connection:
        tables = {name: connection.sql(query, params=[release_id]).pl() for name, query in QUERIES.items()}
        points = connection.sql(_POINTS, params=[release_id]).pl()
        ((checkpoint,),) = connection.execute(_LOG, [release_id]).fetchall()
    log = _training_log(root / checkpoint / "training_log.jsonl") if checkpoint else pl.DataFrame()
    models = tables["Release"]["model"].to_list()
    title = f"{tables['Release']['name'][0]}, edition {tables['Release']['edition'][0]}"
    body = [f"<h1>{html.escape(title)}</h1>"]
    if any(OFFLINE in (model or "") for model in models):
        body.append(f"<p class=note>{html.escape(HONESTY).replace('**', '').replace('`', '')}</p>")
    body += [charts(points, log)]
    body += [f"<h2>{name}</h2>{html_table(frame)}" for name, frame in tables.items() if frame.height]
    return _PAGE.format(title=html.escape(title), body="\n".join(body))


def html_table(frame: pl.DataFrame) -> str:
    """A frame as an HTML table, a single row as one line a column; every value is escaped."""
    if frame.height == 1 and frame.width > 6:
        frame = pl.DataFrame({"": frame.columns, " ": [str(value) for value in frame.row(0)]})
    head = "".join(f"<th>{html.escape(name)}</th>" for name in frame.columns)
    rows = ["".join(f"<td>{_cell(value)}</td>" for value in row) for row in frame.rows()]
    return f"<table><tr>{head}</tr>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>"


def projection(vectors: np.ndarray) -> np.ndarray:
    """The first two principal components: (n, d) to (n, 2). Signs are fixed by the largest loading."""
    centred = vectors - vectors.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    top = axes[:, [-1, -2]]
    return centred @ (top * np.sign(top[np.abs(top).argmax(axis=0), [0, 1]]))


def nearest_cosine(vectors: np.ndarray) -> np.ndarray:
    """Cosine to the nearest other row: (n, d) unit rows to (n,)."""
    cosine = vectors @ vectors.T
    np.fill_diagonal(cosine, -1)
    return cosine.max(axis=1)


def charts(points: pl.DataFrame, log: pl.DataFrame) -> str:
    """Map, nearest neighbours, lengths and training loss as one interactive chart; empty without points."""
    if points.height < 3:
        return ""
    import altair as alt

    vectors = np.array(points["vector"].to_list(), dtype=np.float32)
    place = projection(vectors)
    data = points.drop("vector").with_columns(
        x=place[:, 0].round(3), y=place[:, 1].round(3), nearest=nearest_cosine(vectors).round(3)
    )
    base = alt.Chart(alt.InlineData(values=data.to_dicts())).properties(width=380, height=260)
    rows = [
        base.mark_circle(size=14, opacity=0.5)
        .encode(x="x:Q", y="y:Q", color="recipe:N", shape="split:N")
        .properties(title="Map: the first two principal components of the embeddings"),
        _histogram(base, "nearest", "Cosine to the nearest neighbour"),
        _histogram(base, "n_characters", "Length in characters"),
    ]
    if log.height:
        losses = alt.Chart(alt.InlineData(values=log.to_dicts())).properties(width=380, height=260)
        rows.append(losses.mark_line().encode(x="step:Q", y="loss:Q").properties(title="Training loss"))
    return _inline(alt.concat(*rows, columns=2))


def _histogram(base: Any, column: str, title: str) -> Any:
    import altair as alt

    bins = alt.X(f"{column}:Q", bin=alt.Bin(maxbins=40))
    return base.mark_bar().encode(x=bins, y="count()", color="recipe:N").properties(title=title)


def _inline(chart: Any) -> str:
    """The chart with its JavaScript inside, so that the page asks nobody for anything."""
    import vl_convert

    bundle = vl_convert.javascript_bundle("window.embed = vegaEmbed;")
    spec = json.dumps(chart.to_dict()).replace("</", "<\\/")
    script = f'{bundle}\nembed("#charts", {spec}, {{actions: false}});'
    return f'<div id="charts"></div><script type="module">{script}</script>'


def _training_log(path: Path) -> pl.DataFrame:
    return pl.read_ndjson(path) if fetch(path) and path.stat().st_size else pl.DataFrame()


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else html.escape(str(value))


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto;
  max-width: 1000px; padding: 0 1rem; color: #1b1b1b }}
table {{ border-collapse: collapse; width: 100%; font-size: 13px; display: block; overflow-x: auto }}
th, td {{ border-bottom: 1px solid #ddd; padding: .3rem .6rem; text-align: left; vertical-align: top }}
td {{ white-space: pre-wrap }}
.note {{ background: #fff4d6; padding: .6rem 1rem; border-radius: 4px }}
</style></head><body>
{body}
</body></html>
"""
