import pytest

from schemas.errors import BadInput
from schemas.llm import LLM
from schemas.settings import Curation, Settings, Training
from tasks.question import corpus_question, curate_question, model_question


def asked(recipe=("tiny_stories",), count=10, edition="e", curation=Curation(), **settings):  # noqa: B008
    return corpus_question(list(recipe), count, edition, curation, Settings(**settings))


def test_the_same_question_has_the_same_run():
    assert asked().run_id == asked().run_id


@pytest.mark.parametrize(
    "change",
    [
        {"recipe": ["self_instruct"]},
        {"count": 11},
        {"edition": "f"},
        {"curation": Curation(threshold=0.8)},
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
    ],
)
def test_a_question_that_makes_no_sense_is_refused_before_anything_is_written(change, said, tmp_path):
    with pytest.raises(BadInput, match=said):
        asked(**change)
    assert list(tmp_path.iterdir()) == []
