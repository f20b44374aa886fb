"""Somebody else's data into a warehouse in a bucket, by the real flow, from machines that have nothing yet."""

import json
import os
import signal
import subprocess
import sys
import threading

import pytest
from given import ask

from flows.curate import curate
from schemas.settings import Curation, Settings

pytestmark = pytest.mark.filterwarnings("ignore")  # of Prefect's and torch's own code
ROOT = "s3://bucket/corpora/mine"
SMALL = Curation(min_train=1, heldout=0.2)
COLOURS = ["red", "green", "blue", "white", "black", "brown", "pink", "grey"]
COUNTS = "SELECT run.edition, count(*) FROM sample JOIN run USING (run_id) GROUP BY ALL ORDER BY ALL"
DROPPED = "SELECT sample.origin_id, witness.origin_id FROM verdict JOIN sample USING (sample_id) JOIN sample AS witness ON witness.sample_id = verdict.witness_id WHERE NOT keep ORDER BY ALL"  # fmt: skip


def write_rows(path, rows):
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    return str(path)


def story(i):
    colour, other = COLOURS[i % 8], COLOURS[i // 8 % 8]
    return f"The {colour} bird number {i} flew over the {other} house and sang of its {colour} friends."


def seedloom(tmp_path, machine, *arguments, **options):
    """A command on another machine."""
    environment = {**os.environ, "SEEDLOOM_ROOT": ROOT, "SEEDLOOM_WORK": str(tmp_path / machine)}
    command = [sys.executable, "-m", "flows", *arguments]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def told(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err[-3000:]
    return json.loads(out)


@pytest.mark.slow
def test_a_corpus_in_a_bucket_grows_from_several_machines_and_outlives_a_kill(
    root, store, tmp_path, monkeypatch
):
    monkeypatch.setenv("SEEDLOOM_ROOT", ROOT)
    first = write_rows(tmp_path / "first.jsonl", [{"id": f"a{i}", "text": story(i)} for i in range(24)])
    release_id = curate([first], "mine", "CC0-1.0", edition="1", curation=SMALL)
    assert f"corpora/mine/releases/{release_id}/README.md" in store.keys
    assert f"corpora/mine/reports/{release_id}.html" in store.keys
    assert not [key for key in store.keys if "/runs/" in key or "journal" in key], (
        "of a run that is committed"
    )
    assert told(seedloom(tmp_path, "reader", "sql", COUNTS, "--json")) == [
        {"edition": "1", "count_star()": 24}
    ]
    (told_release,) = told(seedloom(tmp_path, "reader", "releases", "--json"))
    assert release_id in str(told_release)

    more = [{"id": f"b{i}", "text": story(i + 100)} for i in range(12)]
    repeats = [{"id": "exact", "text": story(3)}, {"id": "near", "text": story(4) + " Then it slept."}]
    second = write_rows(tmp_path / "second.jsonl", [*more, *repeats])
    snapshots = []
    dead = threading.Event()

    def kill(key):
        snapshots.append(key) if "/snapshots/" in key else None
        if key.endswith("/CURRENT") and len(snapshots) == 1 and not dead.is_set():
            dead.set()
            os.killpg(doomed.pid, signal.SIGKILL)
            raise ConnectionError("the request never arrived")

    store.on_put = kill
    arguments = ("curate", second, "--name", "mine", "--edition", "2", "--min-train", "1", "--heldout", "0.2")
    doomed = seedloom(tmp_path, "doomed", *arguments, start_new_session=True)
    doomed.communicate(timeout=300)
    assert dead.is_set() and doomed.returncode == -signal.SIGKILL
    before = store.objects["bucket", "corpora/mine/CURRENT"][0]
    assert json.loads(before)["version"] == 1 and len(snapshots) == 1, "decided, not published"
    assert told(seedloom(tmp_path, "reader", "sql", COUNTS, "--json"))[0] == {
        "edition": "1",
        "count_star()": 24,
    }

    written = []
    store.on_put = written.append
    monkeypatch.setenv("SEEDLOOM_WORK", str(tmp_path / "third"))
    curate([second], "mine", edition="2", curation=SMALL)
    made = {key.split("/")[3] for key in written if "/data/" in key}
    assert made == {"run"}, "this machine has found every stage that the dead one finished"
    assert ask(ROOT, COUNTS) == [("1", 24), ("2", 14)]
    assert ask(ROOT, DROPPED) == [("exact", "a3"), ("near", "a4")]
    assert json.loads(store.objects["bucket", "corpora/mine/CURRENT"][0])["version"] == 2
    assert_no_secret(store, tmp_path)


def assert_no_secret(store, tmp_path):
    secrets = [
        value.encode() for name, value in store.environment().items() if "SECRET" in name or "TOKEN" in name
    ]
    places = [*store.objects.values(), *((p.read_bytes(),) for p in tmp_path.rglob("*") if p.is_file())]
    assert len(places) > 50 and not [1 for data, *_ in places if any(secret in data for secret in secrets)]


def test_doctor_shows_the_bucket_and_a_bucket_that_is_not_there_is_one_line(store, tmp_path):
    Settings(root=ROOT)
    rows = told(seedloom(tmp_path, "reader", "doctor", "--json"))
    found = {row["what"]: (row["value"], row["from"]) for row in rows}
    assert found["root"] == (ROOT, "environment SEEDLOOM_ROOT")
    assert found["warehouse"] == ("version 0", ROOT)
    for command in (["doctor"], ["sql", "SELECT 1"], ["releases"]):
        process = seedloom(tmp_path, "reader", *command, "--root", "s3://no-such-bucket/x")
        out, err = process.communicate(timeout=100)
        assert process.returncode == 2 and out == ""
        assert err.strip().endswith(
            "s3://no-such-bucket/x: no such bucket; create it, or choose another --root"
        )
        assert len(err.strip().splitlines()) == 1
