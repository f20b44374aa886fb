"""The command line as a person uses it: real processes, exit codes, one line for an error."""

import inspect
import json
import subprocess
import sys

import pytest

from flows import __main__ as cli
from flows.classifier import classifier
from flows.corpus import corpus
from flows.curate import curate
from flows.model import model

COMMANDS = [
    "corpus",
    "curate",
    "model",
    "sql",
    "up",
    "doctor",
    "recipes",
    "releases",
    "explain",
    "run",
    "rehearse",
    "preview",
    "replay",
    "classifier",
]


def seedloom(*arguments, **environment):
    import os

    done = subprocess.run(
        [sys.executable, "-m", "flows", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "COLUMNS": "200", **environment},
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_help_names_every_command_and_the_exit_codes():
    code, out, _ = seedloom("--help")
    assert code == 0
    assert [name for name in COMMANDS if name not in out] == []
    assert "3 a gate blocked" in out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name):
    code, out, _ = seedloom(name, "--help")
    assert code == 0
    assert out.startswith(f"Usage: seedloom {name}")
    assert "--root" in out


def defaults(function):
    return {name: parameter.default for name, parameter in inspect.signature(function).parameters.items()}


@pytest.mark.parametrize(
    ("command", "flow"),
    [(cli.corpus, corpus), (cli.curate, curate), (cli.model, model), (cli.classifier, classifier)],
)
def test_every_flow_parameter_is_an_option_with_the_same_name_and_default(command, flow):
    options = defaults(command)
    options.pop("common")
    assert options == defaults(flow.fn)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["corpus", "--bogus"], 2, "bogus"),
        (["corpus", "--count", "many"], 2, "many"),
        (["corpus", "--threshold", "7"], 2, "threshold"),
        (
            ["corpus", "--recipe", "nope"],
            2,
            "no recipe 'nope' in tasks/recipes, and no .toml file of that name; known:",
        ),
        (["curate", "nothing.jsonl", "--name", "x"], 2, "nothing.jsonl"),
        (["sql", "select 1"], 2, "no warehouse at"),
        (["releases"], 2, "no warehouse at"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_a_line_that_says_what_is_wrong(arguments, code, said, tmp_path):
    got, out, error = seedloom(*arguments, "--root", tmp_path / "w")
    assert (got, out) == (code, "")
    assert said in error
    assert "Traceback" not in error
    assert not (tmp_path / "w").exists()


def test_a_dead_prefect_server_is_said_in_one_line_before_anything_is_written(tmp_path):
    code, _, error = seedloom(
        "corpus", "--count", "1", "--root", tmp_path / "w", PREFECT_API_URL="http://127.0.0.1:9/api"
    )
    assert code == 2
    assert "PREFECT_API_URL is http://127.0.0.1:9/api, where no server answers" in error
    assert not (tmp_path / "w").exists()


def test_a_wrong_setting_is_named(tmp_path):
    code, _, error = seedloom("--version", SEEDLOOM_LLM__CONCURRENCY="0")
    assert code == 0, error
    code, _, error = seedloom("doctor", "--root", tmp_path, SEEDLOOM_LLM__CONCURRENCY="0")
    assert code == 2
    assert "llm.concurrency" in error


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("SEEDLOOM_FOO", "1", "SEEDLOOM_FOO in the environment names no setting; known:"),
        ("SEEDLOOM_LLM__API_KYE", "sk-canary", "llm.api_kye"),
        ("SEEDLOOM_LLM", "no json", "llm"),
    ],
)
def test_a_mistyped_setting_is_named_and_its_value_is_not_printed(tmp_path, variable, value, said):
    code, out, error = seedloom("doctor", "--root", tmp_path, **{variable: value})
    assert (code, out) == (2, "")
    assert said in error
    assert "sk-canary" not in error
    assert "Traceback" not in error


def test_a_settings_file_that_is_no_toml_is_one_line(tmp_path):
    (tmp_path / "seedloom.toml").write_text("root = ")
    code, _, error = seedloom("doctor")
    assert code == 2
    assert "seedloom.toml is no TOML" in error


def test_a_warehouse_of_a_newer_version_is_refused(tmp_path):
    (tmp_path / "CURRENT").write_text(json.dumps({"format": 99, "version": 1, "sha256": "x"}))
    code, _, error = seedloom("sql", "select 1", "--root", tmp_path)
    assert code == 2
    assert "format 99, written by a newer seedloom" in error.replace("\n", " ")


def test_json_is_one_document_on_stdout():
    code, out, _ = seedloom("recipes", "--json")
    assert code == 0
    assert {"self_instruct", "tiny_stories"} <= {row["recipe"] for row in json.loads(out)}
