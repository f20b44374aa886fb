import re

import pytest

from schemas.classification import Classification
from schemas.errors import BadInput
from schemas.llm import LLM
from schemas.settings import Curation, Making, Settings, Training
from tasks.question import classifier_question, corpus_question, curate_question, model_question


def asked(
    recipe=("tiny_stories",),
    count=10,
    edition="e",
    making=Making(),  # noqa: B008
    curation=Curation(),  # noqa: B008
    **settings,
):
    return corpus_question(list(recipe), count, edition, making, curation, Settings(**settings))


def test_the_same_question_has_the_same_run():
    assert asked().run_id == asked().run_id


@pytest.mark.parametrize(
    "change",
    [
        {"recipe": ["self_instruct"]},
        {"count": 11},
        {"edition": "f"},
        {"curation": Curation(threshold=0.8)},
        {"making": Making(steer="coverage")},
        {"making": Making(set=["sampler=random"])},
        {"recipe": ["evol_instruct"], "making": Making(source=[__file__])},
        {"llm": LLM(base_url="http://127.0.0.1:1/v1", model="m")},
        {"storyteller": {"bad": 0.5}},
    ],
)
def test_whatever_changes_the_texts_or_the_verdicts_is_another_run(change):
    assert asked(**change).run_id != asked().run_id


def test_keys_addresses_budgets_and_concurrency_do_not_name_a_run():
    here = {"base_url": "http://127.0.0.1:1/v1", "model": "m"}
    plain = asked(llm=LLM(**here))
    rich = asked(llm=LLM(**here, api_key="sk-canary", concurrency=7, usd_per_day=1))
    moved = asked(llm=LLM(base_url="http://127.0.0.1:2/v1", model="m"))
    assert plain == rich == moved
    assert "sk-canary" not in repr(rich)


def test_changed_files_are_another_question():
    one, two = (curate_question("mine", content, None, 3, "e", Curation()).run_id for content in ("a", "b"))
    assert one != two


def test_a_release_is_trained_once_for_the_same_settings():
    assert model_question("r", Training()).run_id == model_question("r", Training()).run_id
    assert model_question("r", Training()).run_id != model_question("r", Training(seed=1)).run_id


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"recipe": []}, "no recipe given"),
        ({"count": 0}, "--count is 0"),
        ({"recipe": ["x"]}, "no recipe 'x'"),
        ({"recipe": ["tiny_stories", "tiny_stories"]}, "have one name"),
        (
            {"making": Making(source=[__file__])},
            "none of the recipes .* grows from rows of files",
        ),
        ({"recipe": ["evol_instruct"], "making": Making(source=["nope"])}, "no file 'nope'"),
        ({"making": Making(set=["slots.words.eech=1"])}, "slots.words.eech: Extra inputs"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused_before_anything_is_written(change, said, tmp_path):
    with pytest.raises(BadInput, match=said):
        asked(**change)
    assert list(tmp_path.iterdir()) == []


def test_a_classifier_is_asked_by_its_release_its_files_and_its_options():
    first = classifier_question("rel", "files", Classification())
    assert first == classifier_question("rel", "files", Classification())
    others = [
        classifier_question("other", "files", Classification()),
        classifier_question("rel", "other files", Classification()),
        classifier_question("rel", "files", Classification(seed=1)),
        model_question("rel", Training()),
    ]
    assert len({each.run_id for each in (first, *others)}) == 5


@pytest.mark.parametrize(
    ("curation", "says"),
    [
        (
            {"select": "quota"},
            "select is 'quota' without a budget; give one of ['select_rows', 'select_tokens']",
        ),
        (
            {"select_tokens": 5},
            "select_tokens is 5, but select is 'all'; it may be one of ['greedy_diverse', ",
        ),
    ],
)
def test_a_selection_without_a_budget_and_a_budget_without_a_selection_are_refused(curation, says):
    with pytest.raises(BadInput, match=re.escape(says)):
        asked(curation=Curation(**curation))
    with pytest.raises(BadInput, match=re.escape(says)):
        curate_question("n", "c", None, 3, "e", Curation(**curation))
    assert asked(curation=Curation(select="random", select_rows=5)).run_id != asked().run_id


def test_an_evaluation_set_counts_by_what_it_holds_and_a_missing_one_is_refused(tmp_path):
    file = tmp_path / "eval.jsonl"
    file.write_text('{"text": "One."}\n')
    curation = Curation(evaluation=[str(file)])
    before = asked(curation=curation).run_id, curate_question("n", "c", None, 3, "e", curation).run_id
    file.write_text('{"text": "Two."}\n')
    after = asked(curation=curation).run_id, curate_question("n", "c", None, 3, "e", curation).run_id
    assert before[0] != after[0] and before[1] != after[1]
    file.unlink()
    with pytest.raises(BadInput, match="no file"):
        asked(curation=curation)
