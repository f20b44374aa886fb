"""`seedloom rehearse` as a person and a script start it."""

import signal
import subprocess
import sys

import openai
import pytest

from flows.rehearse import planned
from schemas.errors import BadInput
from schemas.rehearsal import Fixed, Plan

STORY = [{"role": "user", "content": "Write a story."}]


def seedloom(*arguments):
    command = [sys.executable, "-m", "flows", "rehearse", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_options_replace_the_fields_of_the_plan_and_faults_add_up(tmp_path, monkeypatch):
    file = tmp_path / "plan.toml"
    file.write_text("seed = 3\nlatency = 1\nrequests_per_second = 5\n[[faults]]\nkind = 'html'\nat = [1]\n")
    monkeypatch.setenv("REHEARSAL_KEY", "sk-canary")
    plan = planned(file, latency="0.2", fault=["reset@5"], models=["a", "b"], key_env="REHEARSAL_KEY", seed=0)
    assert (plan.latency, plan.seed, plan.models) == (Fixed(seconds=0.2), 0, ("a", "b"))
    assert plan.requests_per_second == 5
    assert [fault.kind for fault in plan.faults] == ["html", "reset"]
    assert plan.key.get_secret_value() == "sk-canary"
    assert planned(None) == Plan()


def test_a_key_that_is_not_in_the_environment_is_named():
    with pytest.raises(BadInput, match="--key-env REHEARSAL_KEY: no such variable"):
        planned(None, key_env="REHEARSAL_KEY")


def test_a_process_serves_logs_and_ends_well_on_sigterm(rehearsal_process):
    server = rehearsal_process(
        "--fault", "server_error@2", "--models", "small", "--key-env", "KEY_HERE", KEY_HERE="sk-canary"
    )
    assert server.said == {"base_url": server.base_url, "model": "small", "pid": server.process.pid}
    with openai.OpenAI(base_url=server.base_url, api_key="sk-canary", max_retries=0) as ai:
        ai.chat.completions.create(model="small", messages=STORY)
        with pytest.raises(openai.InternalServerError):
            ai.chat.completions.create(model="small", messages=STORY)
        assert server.stop() == 0  # with a connection still open
    assert (
        f"export SEEDLOOM_LLM__BASE_URL={server.base_url}\nexport SEEDLOOM_LLM__MODEL=small\n"
        in server.stderr
    )
    assert "sk-canary" not in server.stderr
    assert [row["status"] for row in server.log] == [200, 500]


def test_hanging_requests_do_not_keep_it_from_ending_on_sigint(rehearsal_process):
    server = rehearsal_process("--fault", "hang@1")
    ai = openai.OpenAI(base_url=server.base_url, api_key="x", max_retries=0, timeout=0.2)
    with ai, pytest.raises(openai.APITimeoutError):
        ai.chat.completions.create(model=server.model, messages=STORY)
    assert server.stop(signal.SIGINT) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fault", "nope:0.1"], "--fault 'nope:0.1'"),
        (["--latency", "soon"], "'soon'"),
        (["--port", "99999"], "--port 99999"),
        (["--plan", "gone.toml"], "gone.toml"),
        (["--log", "gone/access.jsonl"], "gone/access.jsonl"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_one_line(arguments, said, monkeypatch):
    done = seedloom(*arguments, "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr and "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_server_never_imports_prefect():
    script = (
        "import sys; from flows.rehearse import planned; import tasks.rehearsal.server; planned(None);"
        "print([name for name in ('prefect', 'polars', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_help_explains_every_option():
    out = seedloom("--help").stdout
    for option in (
        "--port",
        "--plan",
        "--latency",
        "--fault",
        "--rps",
        "--models",
        "--key-env",
        "--log",
        "--state",
        "--seed",
    ):
        assert option in out
