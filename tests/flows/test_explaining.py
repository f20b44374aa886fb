import json

import polars as pl
import pytest
from given import row

from flows.console import Common
from flows.explaining import marked, show_sample
from schemas.errors import BadInput
from tasks.shingles import contract
from warehouse.run import begin


@pytest.fixture
def common(tmp_path):
    """The options of a command on a warehouse with a parent, its child, and a dropped copy of the child."""
    run = begin(tmp_path / "w", "corpus", "mine", "e", {})
    fixed = {
        "run_id": run.run_id,
        "recipe": "mine",
        "final": True,
        "slots": "{}",
        "language": "en",
        "origin": "generated",
    }
    samples = pl.concat(
        [
            row("sample", sample_id="aa1", root_id="aa1", level="summary", ordinal=0, text="A short summary.", **fixed),
            row("sample", sample_id="ab2", parent_id="aa1", root_id="aa1", level="story", ordinal=0, text="The story.", rejected="A story.", request_id="q", **fixed),
            row("sample", sample_id="ac3", root_id="ac3", level="story", ordinal=1, text="The story!", **fixed),
        ]
    )  # fmt: skip
    verdict = row(
        "verdict",
        sample_id="ac3",
        run_id=run.run_id,
        filter="exact",
        keep=False,
        witness_id="ab2",
        reason="repeats it",
    )
    call = row(
        "call", request_id="q", run_id=run.run_id, recipe="mine", level="story", provider="offline", model="m",
        messages='[{"role": "user", "content": "Tell me."}]', sampling="{}", reply="The story.", latency_s=0.1,
        attempts=1, replayed=False,
    )  # fmt: skip
    run.commit(run.once("all", [], {}, lambda: {"sample": samples, "verdict": verdict, "call": call}))
    return Common(root=str(tmp_path / "w"), as_json=True)


def told(capsys):
    return json.loads(capsys.readouterr().out)


def test_a_dropped_sample_is_explained_with_its_neighbour(common, capsys):
    show_sample(common, "ac")
    (sample,) = told(capsys)
    (verdict,) = sample["verdicts"]
    assert (verdict["filter"], verdict["witness_text"], verdict["reason"]) == (
        "exact",
        "The story.",
        "repeats it",
    )


def test_a_sample_is_explained_with_its_tree_and_its_call(common, capsys):
    show_sample(common, "ab2")
    (sample,) = told(capsys)
    assert [above["text"] for above in sample["grown from"]] == ["A short summary."]
    assert "Tell me." in sample["call"][0]["messages"]
    assert sample["rejected"] == "A story."


def test_a_person_reads_both_texts(common, capsys):
    show_sample(common.model_copy(update={"as_json": False}), "ac3")
    shown = capsys.readouterr().out
    assert "The story." in shown
    assert "The story!" in shown


@pytest.mark.parametrize(("name", "n"), [("zz", 0), ("a", 3)])
def test_an_id_of_none_or_several_is_refused(common, name, n):
    with pytest.raises(BadInput, match=f"{n} samples match '{name}'"):
        show_sample(common, name)


def test_a_sample_that_others_were_gathered_for_shows_them_too(tmp_path, capsys):
    run = begin(tmp_path / "w", "corpus", "mine", "e", {})
    about = {"run_id": run.run_id, "root_id": "q1", "recipe": "mine", "language": "en", "origin": "generated", "slots": "{}"}  # fmt: skip
    samples = [row("sample", sample_id="q1", level="question", final=False, ordinal=0, text="Why?", **about)] + [
        row("sample", sample_id=name, parent_id="q1", level=level, final=final, ordinal=i, text=name, **about)
        for i, (name, level, final) in enumerate([("b1", "answer", False), ("b2", "answer", False), ("c1", "pair", True)])
    ]  # fmt: skip
    run.commit(run.once("all", [], {}, lambda: {"sample": pl.concat(samples)}))
    show_sample(Common(root=str(tmp_path / "w"), as_json=True), "c1")
    (sample,) = told(capsys)
    assert [(each["level"], each["text"]) for each in sample["made beside"]] == [
        ("answer", "b1"),
        ("answer", "b2"),
    ]


def warehouse(root, samples, **tables):
    """A warehouse with these samples (columns beside the common ones) and rows of other tables."""
    run = begin(root, "corpus", "mine", "e", {})
    fixed = {
        "run_id": run.run_id,
        "recipe": "mine",
        "level": "story",
        "final": True,
        "ordinal": 0,
        "slots": "{}",
        "language": "en",
        "origin": "generated",
    }
    made = {"sample": [row("sample", **{**fixed, "root_id": each["sample_id"], **each}) for each in samples]}
    for table, rows in tables.items():
        made[table] = [row(table, **{"run_id": run.run_id, **each}) for each in rows]
    run.commit(run.once("all", [], {}, lambda: {table: pl.concat(rows) for table, rows in made.items()}))
    return Common(root=str(root), as_json=True)


FIRST = "The quick brown fox jumps over the lazy dog near the old river bank today"
SECOND = FIRST.replace("lazy", "sleepy")
MINHASH = {"filter": "minhash", "keep": False, "score": 0.625, "threshold": 0.6, "witness_id": "k"}


@pytest.fixture
def near(tmp_path):
    """A kept sample k and a near-duplicate d, with what the filters say and what they are compared by."""
    return warehouse(
        tmp_path / "w",
        [{"sample_id": "k", "text": FIRST}, {"sample_id": "d", "text": SECOND}],
        verdict=[
            {"sample_id": "d", **MINHASH},
            {"sample_id": "k", "filter": "minhash", "keep": True, "score": 0.55, "threshold": 0.6},
            {"sample_id": "d", "filter": "rouge", "keep": True, "score": 0.6, "threshold": 0.7},
        ],
        signature=[
            {"sample_id": each, "contract": contract(5), "n_shingles": 11, "minhash": [0] * 128}
            for each in "kd"
        ],
        embedding=[
            {"sample_id": "k", "encoder": "e", "truncated": False, "vector": [1.0, 0.0]},
            {"sample_id": "d", "encoder": "e", "truncated": False, "vector": [0.6, 0.8]},
        ],
        neighbour=[{"sample_id": "k", "encoder": "e", "kind": "all", "cosine": 0.6, "neighbour_id": "d"}],
    )


def test_a_near_duplicate_is_shown_beside_its_witness_with_all_similarities(near, capsys):
    show_sample(near, "d")
    (sample,) = told(capsys)
    assert sample["outcome"] == "dropped by minhash"
    (pair,) = sample["compared"]
    assert (pair["witness_id"], pair["score"], pair["jaccard_of"]) == ("k", 0.625, "word 5-grams")
    assert pair["jaccard"] == pytest.approx(6 / 16) and pair["cosine"] == pytest.approx(0.6)
    assert pair["rouge_l"] == pytest.approx(14 / 15)
    assert pair["difference"] == [
        ["equal", "The quick brown fox jumps over the "],
        ["delete", "lazy "],
        ["insert", "sleepy "],
        ["equal", "dog near the old river bank today"],
    ]


def test_the_table_of_other_thresholds_breaks_no_word_in_80_columns(near, capsys):
    show_sample(near.model_copy(update={"as_json": False}), "d")
    lines = capsys.readouterr().out.split("at other thresholds")[1].splitlines()
    (row,) = [line for line in lines if "minhash" in line]
    assert row.replace("│", " ").split()[-5:] == ["drop", "drop", "keep", "keep", "keep"]


def test_very_long_texts_are_cut_in_a_terminal_and_whole_in_json(tmp_path, capsys):
    texts = {"k": "word " * 9_000, "d": "other " * 9_000}
    rows = [{"sample_id": name, "text": text} for name, text in texts.items()]
    common = warehouse(tmp_path / "w", rows, verdict=[{"sample_id": "d", **MINHASH}])
    show_sample(common, "d")
    assert told(capsys)[0]["text"] == texts["d"]
    show_sample(common.model_copy(update={"as_json": False}), "d")
    out = " ".join(capsys.readouterr().out.split())
    assert len(out) < 10_000 and "characters" in out


def test_other_thresholds_tell_who_would_fall(near, capsys):
    show_sample(near, "d")
    minhash, rouge = told(capsys)[0]["thresholds"]
    assert [minhash[at] for at in ("0.5", "0.6", "0.7", "0.8", "0.9")] == [
        "dropped",
        "dropped",
        "kept",
        "kept",
        "kept",
    ]
    assert [rouge[at] for at in ("0.5", "0.6", "0.7")] == ["dropped", "kept", "kept"], "rouge drops above"
    assert rouge["margin"] == pytest.approx(0.1)


def test_a_kept_sample_is_shown_beside_its_nearest_neighbour_with_its_margin(near, capsys):
    show_sample(near, "k")
    (sample,) = told(capsys)
    assert sample["outcome"] == "kept"
    assert [(pair["filter"], pair["witness_id"]) for pair in sample["compared"]] == [("nearest", "d")]
    assert [each["margin"] for each in sample["thresholds"]] == [pytest.approx(0.05)]


def test_a_person_sees_the_difference_marked_and_what_the_thresholds_mean(near, capsys):
    show_sample(near.model_copy(update={"as_json": False}), "d")
    shown = capsys.readouterr().out
    assert "over the [-lazy-] {+sleepy+} dog" in shown
    assert "seedloom rejudge --threshold T --dry-run" in " ".join(shown.split())


def test_what_fell_with_its_ancestor_is_explained_by_the_ancestor(tmp_path, capsys):
    common = warehouse(
        tmp_path / "w",
        [
            {"sample_id": "k", "text": FIRST, "final": False},
            {"sample_id": "d", "text": SECOND, "final": False},
            {"sample_id": "child", "text": "A child.", "parent_id": "d", "root_id": "d"},
        ],
        verdict=[{"sample_id": "d", **MINHASH}, {"sample_id": "child", "filter": "quality", "keep": True}],
    )
    show_sample(common, "child")
    (sample,) = told(capsys)
    assert sample["outcome"] == "fell with d (story), which minhash dropped"
    (pair,) = sample["compared"]
    assert (pair["sample_id"], pair["witness_id"], pair["jaccard_of"]) == ("d", "k", "word 3-grams")
    assert ["insert", "sleepy "] in pair["difference"]
    assert [each["filter"] for each in sample["thresholds"]] == ["minhash"]


def test_a_leak_is_shown_with_the_line_of_the_evaluation_set(tmp_path, capsys):
    leak = {"filter": "leak", "keep": False, "score": 13.0, "threshold": 13.0, "witness_id": "eval.jsonl:7", "reason": "13 words"}  # fmt: skip
    common = warehouse(
        tmp_path / "w", [{"sample_id": "d", "text": FIRST}], verdict=[{"sample_id": "d", **leak}]
    )
    show_sample(common, "d")
    (pair,) = told(capsys)[0]["compared"]
    assert (pair["witness_id"], pair["reason"]) == ("eval.jsonl:7", "13 words") and "difference" not in pair
    show_sample(common.model_copy(update={"as_json": False}), "d")
    assert "eval.jsonl:7" in capsys.readouterr().out


STEPS = [
    ["equal", "a \x1b[2J[bold]" + "x" * 600 + " b "],
    ["delete", "one\n"],
    ["insert", "two "],
    ["equal", "c"],
]


def test_a_difference_without_colour_is_marked_as_git_does_and_cannot_steer_the_terminal():
    shown = marked(STEPS, in_colour=False)
    assert shown.plain.startswith("a [2J[bold]xxx") and shown.plain.endswith(" b [-one-]\n{+two+} c")
    assert "characters ...]" in shown.plain and len(shown.plain) < 450 and not shown.spans


def test_a_difference_in_colour_is_struck_out_and_green():
    shown = marked(STEPS, in_colour=True)
    assert "[-" not in shown.plain
    assert {str(span.style): shown.plain[span.start : span.end] for span in shown.spans} == {
        "red strike": "one\n", "green": "two ",
    }  # fmt: skip
