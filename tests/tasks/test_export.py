import polars as pl
import pytest

from tasks.export import export
from warehouse.files import sha256_of, write_durably


def samples(**columns):
    n = 4
    base = {
        "sample_id": [f"s{i}" for i in range(n)],
        "origin_id": [None] * n,
        "recipe": ["mine"] * n,
        "messages": [[{"role": "user", "content": "q"}]] * n,
        "instruction": ["q"] * n,
        "input": [""] * n,
        "output": ["a"] * n,
        "rejected": pl.Series([None] * n, dtype=pl.String),
        "text": [f"t{i}" for i in range(n)],
        "split": ["train", "heldout", "train", "train"],
    }
    return pl.DataFrame({**base, **columns}, schema_overrides={"origin_id": pl.String})


def test_every_form_and_split_is_a_file_with_its_rows_and_digest(tmp_path):
    files = export(tmp_path / "releases" / "r", samples(), "# card")
    assert [(file.path, file.rows) for file in files] == [
        (f"{form}/{split}.parquet", n)
        for form in ("messages", "alpaca", "text")
        for split, n in (("train", 3), ("heldout", 1))
    ]
    assert all(sha256_of(tmp_path / "releases" / "r" / file.path) == file.sha256 for file in files)


def test_preference_pairs_are_prompt_chosen_and_rejected_as_trl_reads_them(tmp_path):
    turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "good"}]
    pairs = samples(messages=[turns] * 4, rejected=["bad", "bad", None, "bad"])
    files = {file.path: file.rows for file in export(tmp_path / "r", pairs, "# card")}
    assert (files["preference/train.parquet"], files["preference/heldout.parquet"]) == (2, 1)
    (row,) = pl.read_parquet(tmp_path / "r" / "preference" / "heldout.parquet").to_dicts()
    assert row["prompt"] == turns[:1]
    assert row["chosen"] == turns[1:]
    assert row["rejected"] == [{"role": "assistant", "content": "bad"}]
    assert "config_name: preference" in (tmp_path / "r" / "README.md").read_text()


def test_a_pair_beside_other_rows_does_not_repeat_its_winner_in_the_other_forms(tmp_path):
    turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "good"}]
    mixed = samples(messages=[turns] * 4, rejected=["bad", None, None, "bad"])
    files = {file.path: file.rows for file in export(tmp_path / "r", mixed, "# card")}
    assert files["messages/train.parquet"] == 1 and files["preference/train.parquet"] == 2
    alone = samples(messages=[turns] * 4, rejected=["bad"] * 4)
    assert {f.path: f.rows for f in export(tmp_path / "s", alone, "")}["messages/train.parquet"] == 3


def test_rows_stay_in_the_order_of_the_release(tmp_path):
    export(tmp_path / "r", samples(), "")
    assert pl.read_parquet(tmp_path / "r" / "text" / "train.parquet")["text"].to_list() == ["t0", "t2", "t3"]


def test_a_form_that_no_sample_has_is_left_out_of_files_and_card(tmp_path):
    turns = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
    nothing = pl.Series([None] * 4, dtype=turns)
    plain = samples(messages=nothing, instruction=[None] * 4, input=[None] * 4, output=[None] * 4)
    files = export(tmp_path / "r", plain, "# card")
    assert {file.path.partition("/")[0] for file in files} == {"text"}
    card = (tmp_path / "r" / "README.md").read_text()
    assert "config_name: text" in card
    assert "messages" not in card


def test_what_a_killed_attempt_left_is_replaced(tmp_path):
    first = export(tmp_path / "r", samples(), "# card")
    (tmp_path / "r" / "text" / "train.parquet").write_bytes(b"half")
    assert export(tmp_path / "r", samples(), "# card") == first


def test_nothing_is_visible_before_everything_is_written(tmp_path, monkeypatch):
    def fail(path, data):
        if path.name == "README.md":
            raise OSError("no space left")
        write_durably(path, data)

    monkeypatch.setattr("tasks.export.write_durably", fail)
    with pytest.raises(OSError, match="no space"):
        export(tmp_path / "releases" / "r", samples(), "# card")
    assert not (tmp_path / "releases" / "r").exists()
