"""The main job, for real: a Prefect server, the storyteller or a server on loopback, kill -9."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from given import ask
from prefect.exceptions import ParameterTypeError

from flows.corpus import corpus
from schemas.errors import BadInput, GateBlocked
from schemas.settings import Curation, Storyteller
from tasks.storyteller import answer
from warehouse.manifest import read_current

pytestmark = pytest.mark.filterwarnings("ignore")  # of Prefect's and torch's own code

SMALL = Curation(min_train=1, heldout=0.2)


def content(root):
    """Everything that a run made, without clocks and latencies."""
    return {
        "sample": ask(root, "SELECT * FROM sample ORDER BY sample_id"),
        "verdict": ask(root, "SELECT * FROM verdict ORDER BY sample_id, filter"),
        "signature": ask(root, "SELECT * FROM signature ORDER BY sample_id"),
        "metric": ask(root, "SELECT * FROM metric ORDER BY scope, scope_id, metric"),
        "release": ask(root, "SELECT * FROM release"),
        "member": ask(root, "SELECT * FROM member ORDER BY sample_id"),
        "call": ask(root, "SELECT * EXCLUDE (latency_s, attempts) FROM call ORDER BY request_id"),
    }


def test_from_seeds_to_a_release_that_says_everything(root):
    release_id = corpus(count=16, edition="first", curation=SMALL)
    assert ask(root, "SELECT release_id, passed FROM release") == [(release_id, True)]
    levels = {level for (level,) in ask(root, "SELECT DISTINCT level FROM sample")}
    assert levels == {"seed", "instruction", "flag", "instance", "summary", "sentence", "story"}
    filters = {name for (name,) in ask(root, "SELECT DISTINCT filter FROM verdict")}
    assert filters == {"format", "rouge", "quality", "obedience", "language", "exact", "minhash"}
    assert ask(root, "SELECT count(*) FROM member JOIN verdict USING (sample_id) WHERE NOT keep") == [(0,)]
    assert ask(root, "SELECT count(*) FROM clean_sample WHERE final") == ask(
        root, "SELECT count(*) FROM member"
    )
    assert (
        ask(
            root,
            "SELECT root_id FROM member JOIN sample USING (sample_id) GROUP BY ALL HAVING count(DISTINCT split) > 1",
        )
        == []
    )
    assert ask(root, "SELECT count(*) FROM embedding") == ask(root, "SELECT count(*) FROM member")
    assert ask(root, "SELECT DISTINCT model FROM call") == [("offline/storyteller",)]
    assert (root / "reports" / f"{release_id}.html").exists()
    assert not list((root / "runs").iterdir())

    before = content(root)
    assert corpus(count=16, edition="first", curation=SMALL) == release_id
    assert content(root) == before
    assert read_current(root).version == 1

    corpus(count=16, edition="second", curation=SMALL)
    assert ask(root, "SELECT count(*) FROM run") == [(2,)]
    later = ask(
        root, "SELECT n_train + n_heldout FROM release JOIN run USING (run_id) WHERE run.edition = 'second'"
    )
    assert later[0][0] > len(before["member"]), "a release builds on the editions before it"
    repeated = """SELECT count(*) FROM clean_sample AS a JOIN clean_sample AS b USING (text)
                  WHERE a.final AND b.final AND a.sample_id < b.sample_id"""
    assert ask(root, repeated) == [(0,)]


def test_a_run_that_was_killed_again_and_again_ends_as_one_that_was_not(root, tmp_path):
    from prefect.settings import PREFECT_API_URL

    command = [sys.executable, "-m", "flows", "corpus", "--count", "24", "--edition", "e", "--min-train", "1"]
    environment = {**os.environ, "PREFECT_API_URL": PREFECT_API_URL.value()}

    def start(where):
        log = (tmp_path / "log").open("ab")
        return subprocess.Popen([*command, "--root", str(where)], env=environment, stdout=log, stderr=log)

    kills = 0
    for wanted in (1, 4, 12, 22):  # stages done: in the rounds, in the trees, among the verdicts, at the end
        process = start(root)
        while process.poll() is None:
            if len(list(root.glob("runs/*/stages/*.json"))) >= wanted:
                process.send_signal(signal.SIGKILL)
                kills += 1
                break
            time.sleep(0.01)
        process.wait()
    assert kills >= 3
    assert start(root).wait(120) == 0, (tmp_path / "log").read_text()[-2000:]
    whole = tmp_path / "whole"
    assert start(whole).wait(120) == 0
    assert content(root) == content(whole)
    (row,) = ask(root, "SELECT path FROM release")
    names = [path.relative_to(root) for path in sorted((root / row[0]).rglob("*")) if path.is_file()]
    assert names
    assert all((root / name).read_bytes() == (whole / name).read_bytes() for name in names)


def test_the_same_run_goes_to_any_openai_compatible_server(root, endpoint, monkeypatch):
    manners = Storyteller(bad=0, repeat=0)

    def tell(body):
        told = answer(body["messages"], body, body.get("seed", 0), manners)
        usage = {"prompt_tokens": told.n_prompt_tokens, "completion_tokens": told.n_completion_tokens}
        return {
            "choices": [{"message": {"content": told.text}, "finish_reason": told.finish_reason}],
            "usage": usage,
        }

    endpoint.answer = tell
    monkeypatch.setenv("SEEDLOOM_LLM__BASE_URL", endpoint.base_url)
    monkeypatch.setenv("SEEDLOOM_LLM__MODEL", "small")
    monkeypatch.setenv("SEEDLOOM_LLM__API_KEY", "sk-canary")
    corpus(recipe=["tiny_stories"], count=12, edition="e", curation=SMALL)
    assert ask(root, "SELECT DISTINCT model, provider FROM call") == [("small", endpoint.base_url)]
    assert ask(root, "SELECT DISTINCT model FROM release") == [("small",)]
    assert ask(root, "SELECT count(*) FROM call WHERE cost_usd IS NOT NULL") == [(0,)]
    assert set(endpoint.keys) == {"Bearer sk-canary"}
    assert not any(b"sk-canary" in path.read_bytes() for path in root.rglob("*") if path.is_file())


def test_a_blocked_gate_fails_the_run_and_keeps_the_release(root):
    with pytest.raises(GateBlocked, match="size"):
        corpus(recipe=["tiny_stories"], count=4, edition="e", curation=Curation(min_train=1000))
    assert ask(root, "SELECT passed FROM release") == [(False,)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"recipe": ["nope"]}, "no recipe 'nope' in tasks/recipes.*known:"),
        ({"curation": Curation(encoder="no/such")}, "no/such"),
    ],
)
def test_bad_input_leaves_the_warehouse_untouched(root, change, said):
    with pytest.raises(BadInput, match=said):
        corpus(**{"recipe": ["tiny_stories"], "count": 4, "edition": "e", "curation": SMALL, **change})
    assert read_current(root).version == 0


def test_the_form_refuses_a_count_below_one(root):
    with pytest.raises(ParameterTypeError, match="greater than or equal to 1"):
        corpus(count=0)
    assert not root.exists()


def test_an_unreachable_endpoint_is_found_before_anything_is_written(root, monkeypatch):
    monkeypatch.setenv("SEEDLOOM_LLM__BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("SEEDLOOM_LLM__MODEL", "m")
    with pytest.raises(BadInput, match="no server answers"):
        corpus(recipe=["tiny_stories"], count=4, edition="e", curation=SMALL)
    assert not root.exists() or json.dumps([str(p) for p in root.rglob("*")]) == "[]"
