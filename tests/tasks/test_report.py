import re

import numpy as np
import polars as pl
import pytest
from given import row
from hypothesis import given
from hypothesis import strategies as st

from schemas.llm import OFFLINE
from tasks.report import charts, html_table, nearest_cosine, page, projection, report
from warehouse.run import begin


def unit(n, d=4, seed=0):
    x = np.random.default_rng(seed).normal(size=(n, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.fixture
def root(tmp_path):
    """A release of four samples, one of which was dropped; a text tries to break the page."""
    run = begin(tmp_path / "warehouse", "corpus", "mine", "first", {})
    texts = ["<script>alert(1)</script> once", "two", "three", "four"]
    ids = [f"s{i}" for i in range(4)]
    fixed = {
        "run_id": run.run_id,
        "recipe": "mine",
        "level": "row",
        "final": True,
        "slots": "{}",
        "language": "en",
    }
    samples = pl.concat(
        row("sample", sample_id=i, root_id=i, ordinal=n, text=text, origin="f", model=OFFLINE, **fixed)
        for n, (i, text) in enumerate(zip(ids, texts, strict=True))
    )
    dropped = row(
        "verdict",
        sample_id="s3",
        run_id=run.run_id,
        filter="exact",
        keep=False,
        witness_id="s1",
        reason="copy",
    )
    vectors = pl.concat(
        row("embedding", sample_id=i, run_id=run.run_id, encoder="e", truncated=False, vector=list(v))
        for i, v in zip(ids[:3], unit(3), strict=True)
    )
    members = pl.concat(
        row("member", release_id="rel", sample_id=i, run_id=run.run_id, split="train") for i in ids[:3]
    )
    gate = {
        "name": "size",
        "passed": True,
        "value": 3.0,
        "threshold": 1.0,
        "blocks": True,
        "rule": "rows, at least",
    }
    release = row(
        "release", release_id="rel", run_id=run.run_id, name="mine", edition="first", model=OFFLINE,
        n_train=3, n_heldout=0, passed=True, gates=[gate], path="releases/rel", files=[], row_digest="d",
    )  # fmt: skip
    tables = {
        "sample": samples,
        "verdict": dropped,
        "embedding": vectors,
        "member": members,
        "release": release,
    }
    run.commit(run.once("all", [], {}, lambda: tables))
    return tmp_path / "warehouse"


def test_it_says_what_was_kept_what_was_dropped_and_who_wrote_it(root):
    text = page(root, "rel")
    for fact in ("mine, edition first", "not by a language model", "rows, at least", "copy", "exact"):
        assert fact in text


def test_texts_are_shown_and_never_run(root):
    text = page(root, "rel")
    assert "&lt;script&gt;alert(1)&lt;/script&gt; once" in text
    assert "<script>alert(1)" not in text


def test_it_asks_nobody_for_anything(root):
    text = page(root, "rel")
    assert not re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="?https?:', text)
    assert "import(" not in text.split('type="module">')[0]


def test_it_lies_under_the_name_of_its_release(root):
    assert report.fn(root, "rel") == root / "reports" / "rel.html"


@given(st.integers(3, 20), st.integers(0, 99))
def test_the_projection_keeps_the_two_largest_variances(n, seed):
    x = unit(n, 4, seed)
    centred = x - x.mean(axis=0)
    largest = np.sort(np.linalg.svd(centred, compute_uv=False) ** 2)[::-1][:2]
    assert np.allclose((projection(x) ** 2).sum(axis=0), largest, atol=1e-9)


def test_the_nearest_is_another_row():
    x = np.array([[1, 0], [1, 0], [0, 1]], dtype=float)
    assert nearest_cosine(x).tolist() == [1, 1, 0]


def test_too_few_points_make_no_chart():
    assert charts(pl.DataFrame({"vector": [[1.0]]}), pl.DataFrame()) == ""


def test_a_table_escapes_names_and_values():
    assert "<b>" not in html_table(pl.DataFrame({"<b>": ["<i>"]}))
