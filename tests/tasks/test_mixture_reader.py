import json
from collections import Counter

import pytest

from schemas.errors import BadInput
from schemas.recipe import Source
from tasks.mixture_reader import mixture
from tasks.records import Bad
from tasks.source_rows import Reading

SIZES = {"small": 20, "middle": 60, "large": 320}


@pytest.fixture
def paths(tmp_path):
    for name, size in SIZES.items():
        rows = [{"instruction": f"{name} {i}", "output": "yes"} for i in range(size)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return [tmp_path / f"{name}.jsonl" for name in SIZES]


def read(paths, count, seed=1, **options):
    source = Source(level="entry", file="f", reader="mixture", text="text", options=options)
    return list(mixture(Reading(list(paths), source, count, seed)))


def counts(found):
    return dict(Counter(row.fields["set"] for row in found if not isinstance(row, Bad)))


def test_rows_are_drawn_in_proportion_to_the_size_of_their_set(paths):
    assert counts(read(paths, 100)) == {"small": 5, "middle": 15, "large": 80}


def test_past_the_cap_a_set_gets_no_more(paths):
    assert counts(read(paths, 70, cap=60)) == {"small": 10, "middle": 30, "large": 30}


def test_a_high_temperature_and_equal_rates_even_out(paths):
    assert counts(read(paths, 60, rates="equal")) == {"small": 20, "middle": 20, "large": 20}
    warm = counts(read(paths, 60, temperature=2))
    assert 5 * 60 / 100 < warm["small"] < 20 and 20 < warm["large"] < 80 * 60 / 100


def test_weights_are_by_the_name_of_the_set(paths):
    found = read(paths, 44, weights={"small": 4, "large": 0.25})  # 80 : 60 : 80
    assert counts(found) == {"small": 16, "middle": 12, "large": 16}
    with pytest.raises(BadInput, match="'smal', which is no set"):
        read(paths, 10, weights={"smal": 2})


def test_no_row_comes_twice_and_the_draw_depends_on_the_seed(paths):
    first = [row.text for row in read(paths, 100)]
    assert len(set(first)) == 100 and first == [row.text for row in read(paths, 100)]
    assert set(first) != {row.text for row in read(paths, 100, seed=2)}


def test_what_a_set_lacks_goes_to_the_others_and_is_told(paths):
    found = read(paths, 90, rates="equal")
    notes = [row for row in found if isinstance(row, Bad)]
    assert counts(found) == {"small": 20, "middle": 35, "large": 35}
    assert [(note.origin, note.line) for note in notes] == [(str(paths[0]), 0)]
    assert notes[0].reason == "set 'small' has 20 rows for a share of 30: all are taken, none twice"


def test_a_shortfall_may_be_left(paths):
    assert counts(read(paths, 90, rates="equal", shortfall="leave")) == {
        "small": 20,
        "middle": 30,
        "large": 30,
    }


def test_more_rows_than_there_are_means_all_of_them(paths):
    assert counts(read(paths, 10_000)) == SIZES


def test_random_draws_of_the_set_follow_the_rates(paths):
    total = Counter()
    for seed in range(60):
        found = counts(read(paths, 40, seed=seed, draw="random"))
        assert sum(found.values()) == 40
        total.update(found)
    expected = {"small": 120, "middle": 360, "large": 1920}
    chi2 = sum((total[name] - n) ** 2 / n for name, n in expected.items())
    assert chi2 < 13.8  # 2 degrees of freedom, p = .001


def test_rows_that_cannot_be_read_are_kept_and_not_counted(paths, tmp_path):
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"text": "a good line here"}\n{\n{"x": 1}\n')
    found = read([*paths, broken], 401)
    assert counts(found)["broken"] == 1
    assert [row.line for row in found if isinstance(row, Bad)] == [2, 3]


def test_sets_without_any_row_say_why(tmp_path):
    path = tmp_path / "broken.jsonl"
    path.write_text("{\n")
    (bad,) = read([path], 5)
    assert isinstance(bad, Bad)


def test_pre_training_text_takes_its_share(paths, tmp_path):
    web = tmp_path / "web.jsonl"
    web.write_text("".join(json.dumps({"text": f"page {i}"}) + "\n" for i in range(50)))
    found = read(paths, 100, pretraining=str(web), share=0.2)
    assert counts(found) == {"small": 4, "middle": 12, "large": 64, "pretraining": 20}
    assert all(row.fields["pretraining"] for row in found if row.text.startswith("page"))


def test_pre_training_text_may_be_one_of_our_seeds(paths):
    assert counts(read(paths, 20, pretraining="labelled_rows.jsonl"))["pretraining"] == 2
    with pytest.raises(BadInput, match="no file 'nowhere.jsonl'"):
        read(paths, 20, pretraining="nowhere.jsonl")


def test_an_unknown_option_is_refused(paths):
    with pytest.raises(BadInput, match="no option 'maximum'; known"):
        read(paths, 5, maximum=3)
