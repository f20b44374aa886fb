from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from schemas.errors import BadInput
from schemas.llm import LLM, OFFLINE
from schemas.settings import Budget, Curation, Form, Settings, Storyteller, Training

KEY = "sk-CANARY-1234"
FORMS = pytest.mark.parametrize("form", [Curation, Training, Budget])


def toml(text):
    """The settings file of the folder in which a test runs."""
    Path("seedloom.toml").write_text(text)


def refused(where, says, **arguments):
    """The one line that the command line makes of it: place and message of the first error."""
    with pytest.raises(ValidationError) as caught:
        Settings(**arguments)
    first = caught.value.errors()[0]
    line = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    assert line.startswith(f"{where}: ") and says in line and "\n" not in line


def test_without_anything_the_defaults_need_no_network_and_no_key():
    settings = Settings()
    assert settings.root == Path("data") and settings.runner == "threads"
    assert settings.llm == LLM() and settings.llm.base_url is None and settings.llm.model == OFFLINE
    assert settings.storyteller == Storyteller()


def test_arguments_go_before_the_environment_before_the_file_before_defaults(monkeypatch):
    toml('root = "file"\nrunner = "ray"\n[llm]\nmodel = "file"\nconcurrency = 3\nattempts = 2\n')
    monkeypatch.setenv("SEEDLOOM_ROOT", "environment")
    monkeypatch.setenv("SEEDLOOM_LLM__MODEL", "environment")
    monkeypatch.setenv("SEEDLOOM_LLM__CONCURRENCY", "5")
    settings = Settings(llm={"model": "argument"})
    assert (settings.root, settings.runner) == (Path("environment"), "ray")
    assert (settings.llm.model, settings.llm.concurrency, settings.llm.attempts) == ("argument", 5, 2)
    assert settings.llm.timeout_s == LLM().timeout_s


def test_nested_settings_come_from_the_environment(monkeypatch):
    for name, value in {
        "SEEDLOOM_LLM__BASE_URL": "http://127.0.0.1:8000/v1",
        "SEEDLOOM_LLM__API_KEY": KEY,
        "SEEDLOOM_LLM__USD_PER_DAY": "0.25",
        "SEEDLOOM_STORYTELLER__OBEY": "0.5",
    }.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.llm.base_url == "http://127.0.0.1:8000/v1" and settings.llm.usd_per_day == 0.25
    assert settings.llm.api_key == SecretStr(KEY)
    assert settings.storyteller.obey == 0.5 and settings.storyteller.bad == Storyteller().bad


def test_a_dotenv_file_is_not_read(tmp_path):
    Path(".env").write_text("SEEDLOOM_ROOT=dotenv\n")
    assert Settings().root == Path("data")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("rot = 'x'", "rot"),
        ("[llm]\nmodle = 'x'", "llm.modle"),
        ("[storyteller]\nobeys = 1", "storyteller.obeys"),
    ],
)
def test_an_unknown_key_of_the_file_is_refused_in_one_line(text, where):
    toml(text)
    refused(where, "Extra inputs are not permitted")


def test_an_unknown_nested_key_of_the_environment_is_refused_in_one_line(monkeypatch):
    monkeypatch.setenv("SEEDLOOM_LLM__MODLE", "x")
    refused("llm.modle", "Extra inputs are not permitted")


@pytest.mark.parametrize(
    ("name", "value", "where", "says"),
    [
        ("SEEDLOOM_LLM__CONCURRENCY", "0", "llm.concurrency", "greater than or equal to 1"),
        ("SEEDLOOM_LLM__TIMEOUT_S", "soon", "llm.timeout_s", "valid number"),
        ("SEEDLOOM_STORYTELLER__BAD", "1.1", "storyteller.bad", "less than or equal to 1"),
        ("SEEDLOOM_RUNNER", "celery", "runner", "'threads', 'dask' or 'ray'"),
    ],
)
def test_a_wrong_value_is_refused_in_one_line_with_what_is_right(monkeypatch, name, value, where, says):
    monkeypatch.setenv(name, value)
    refused(where, says)


def test_a_key_is_never_shown(monkeypatch):
    monkeypatch.setenv("SEEDLOOM_LLM__API_KEY", KEY)
    settings = Settings()
    dumps = [str(settings.model_dump()), settings.model_dump_json()]
    shown = [repr(settings), str(settings), repr(settings.llm), *dumps]
    assert not [text for text in shown if "CANARY" in text]
    assert settings.llm.api_key.get_secret_value() == KEY


def test_settings_travel_to_a_worker_without_their_key_in_clear(monkeypatch):
    monkeypatch.setenv("SEEDLOOM_LLM__API_KEY", KEY)
    assert "CANARY" not in str(Settings().model_dump(mode="json"))


@FORMS
def test_every_field_of_a_form_has_what_the_page_shows(form):
    assert issubclass(form, Form)
    for name, info in form.model_fields.items():
        assert info.title and info.description and info.description.endswith("."), name
        assert not info.is_required(), name


@FORMS
def test_a_form_is_one_level_deep(form):
    for name, shape in form.model_json_schema()["properties"].items():
        kinds = [shape, *shape.get("anyOf", [])]
        assert {kind.get("type", "string") for kind in kinds} <= {
            "string",
            "number",
            "integer",
            "null",
            "array",
        }, name


@FORMS
def test_numbers_of_a_form_have_bounds_and_choices_are_listed(form):
    for name, shape in form.model_json_schema()["properties"].items():
        for kind in [shape, *shape.get("anyOf", [])]:
            if kind.get("type") in ("number", "integer"):
                assert {"minimum", "exclusiveMinimum"} & set(kind), name


@FORMS
def test_a_form_refuses_what_it_does_not_know_and_is_frozen(form):
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        form(typo=1)
    name = next(iter(form.model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(form(), name, None)


@pytest.mark.parametrize(
    ("form", "values"),
    [
        (Curation, {"threshold": 0}),
        (Curation, {"threshold": 1.01}),
        (Curation, {"heldout": 1}),
        (Curation, {"against": "everything"}),
        (Curation, {"min_train": 0}),
        (Training, {"epochs": 0}),
        (Training, {"learning_rate": 1}),
        (Training, {"batch_size": 0}),
        (Training, {"method": "qlora"}),
        (Training, {"seed": -1}),
    ],
)
def test_values_out_of_range_are_refused(form, values):
    with pytest.raises(ValidationError) as caught:
        form(**values)
    assert [error["loc"] for error in caught.value.errors()] == [tuple(values)]


def test_a_root_in_a_bucket_keeps_its_slashes_and_has_a_work_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("SEEDLOOM_WORK", str(tmp_path / "work"))
    folder = tmp_path / "work" / "remote" / "s3+bucket+a+b"
    assert Settings(root="s3://bucket/a/b").root == folder
    monkeypatch.setenv("SEEDLOOM_ROOT", "s3://bucket/a/b/")
    assert Settings().root == folder
    monkeypatch.delenv("SEEDLOOM_ROOT"), monkeypatch.delenv("SEEDLOOM_WORK")
    (tmp_path / "seedloom.toml").write_text('root = "gs://bucket"\nwork = "elsewhere"\n')
    assert Settings().root == tmp_path / "elsewhere" / "remote" / "gs+bucket"
    assert Settings(root=tmp_path / "data").root == tmp_path / "data"


def test_a_root_with_a_password_is_refused_without_showing_it(monkeypatch):
    monkeypatch.setenv("SEEDLOOM_ROOT", "s3://KEY:SECRET@bucket/x")
    with pytest.raises(BadInput, match="credentials come from the environment") as refused:
        Settings()
    assert "SECRET" not in str(refused.value)
