import os
import subprocess
import sys
import threading
import traceback

import pytest

from schemas.errors import BadInput, SeedloomError
from schemas.settings import Settings
from warehouse import bucket
from warehouse.bucket import create, delete, get, put, size_of, swap, tail, under

LARGE = bytes(range(256)) * 50_000  # 12.8 MB: goes in several pieces


def test_an_object_is_created_once_and_then_swapped_by_who_read_it_last(remote):
    path = remote / "CURRENT"
    assert get(path) is None and size_of(path) is None
    assert create(path, b"one") and not create(path, b"two")
    first = get(path)
    assert first.data == b"one"
    assert swap(path, b"three", first.tag) and not swap(path, b"four", first.tag)
    assert get(path).data == b"three"
    assert not swap(remote / "none", b"x", first.tag) and get(remote / "none") is None


def test_objects_of_any_size_are_written_listed_and_removed(remote):
    put(remote / "data" / "large", LARGE)
    put(remote / "data" / "more" / "small", b"x")
    put(remote / "database", b"no neighbour")
    assert size_of(remote / "data" / "large") == len(LARGE) and get(remote / "data" / "large").data == LARGE
    assert tail(remote / "data" / "large", 1000, len(LARGE)) == LARGE[-1000:]
    assert tail(remote / "data" / "more" / "small", 1000, 1) == b"x" and tail(remote / "none", 10, 10) == b""
    assert under(remote / "data") == [remote / "data" / "large", remote / "data" / "more" / "small"]
    delete([remote / "data" / "large", remote / "data" / "never"])
    delete([])
    assert under(remote / "data") == [remote / "data" / "more" / "small"]


def test_of_many_writers_at_once_one_creates_and_one_swaps(remote):
    won = []

    def race(step):
        start = threading.Barrier(12)

        def one(i):
            start.wait()
            won.append((step, i)) if attempts[step](i) else None

        threads = [threading.Thread(target=one, args=(i,)) for i in range(12)]
        [thread.start() for thread in threads], [thread.join() for thread in threads]

    attempts = [lambda i: create(remote / "x", b"%d" % i), lambda i: swap(remote / "x", b"%d-" % i, tag)]
    race(0)
    tag = get(remote / "x").tag
    race(1)
    (_, first), (_, second) = won
    assert [step for step, _ in won] == [0, 1] and get(remote / "x").data == b"%d-" % second


def test_a_create_whose_answer_was_lost_was_done_though_nobody_is_told(remote, store):
    store.faults = ["lost"]
    assert not create(remote / "x", b"1") and get(remote / "x").data == b"1"


def test_a_conflict_of_two_writers_is_tried_again(store):
    path = Settings(root="s3://bucket/x").root / "CURRENT"
    store.faults = ["conflict", "busy"]
    assert create(path, b"1")
    store.faults = ["conflict"]
    assert swap(path, b"2", get(path).tag)


def test_writers_that_are_always_refused_give_up(store, monkeypatch):
    monkeypatch.setattr(bucket, "PAUSES", (0, 0))
    store.faults = ["conflict"] * 9
    with pytest.raises(SeedloomError, match="s3://bucket/x/CURRENT is neither written nor there, 2 times"):
        create(Settings(root="s3://bucket/x").root / "CURRENT", b"1")


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_a_bucket_that_is_not_there_is_one_line(store, scheme):
    path = Settings(root=f"{scheme}://no-such-bucket/x").root / "CURRENT"
    for ask in (get, under, lambda path: put(path, b""), lambda path: create(path, b"")):
        with pytest.raises(BadInput, match=rf"^{scheme}://no-such-bucket/x: no such bucket; create it, or"):
            ask(path)


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_no_error_holds_a_credential(store, scheme, monkeypatch):
    monkeypatch.setattr(bucket, "_RETRIES", {"max_retries": 0})
    bucket._store.cache_clear()
    path = Settings(root=f"{scheme}://bucket/x").root / "CURRENT"
    store.faults = ["denied", "busy"]
    said = []
    for _ in range(2):
        with pytest.raises(SeedloomError) as refused:
            create(path, b"")
        said.append("".join(traceback.format_exception(refused.value)))
    store.stop()
    with pytest.raises(SeedloomError, match="no answer") as refused:
        create(path, b"")
    said.append("".join(traceback.format_exception(refused.value)))
    assert any("canary" in str(headers) or "AKIACANARY" in str(headers) for _, _, headers in store.seen)
    assert refused.value.__cause__ is None and refused.value.__suppress_context__
    assert "refuses these credentials" in said[0] and "503" in said[1]
    assert not any(word in text for text in said for word in ("canary", "AKIACANARY", "Signature", "Bearer"))
    bucket._store.cache_clear()


def test_without_credentials_it_says_which_variables_name_them(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://169.254.169.254:1")
    monkeypatch.setattr(bucket, "_RETRIES", {"max_retries": 0})
    root = Settings(root="s3://bucket/x", work=tmp_path).root
    with pytest.raises(BadInput, match="no credentials; the environment names them by AWS_ACCESS_KEY_ID"):
        get(root / "CURRENT")


def test_plain_http_is_refused_unless_it_was_asked_for(store, monkeypatch):
    path = Settings(root="s3://bucket/x").root / "CURRENT"
    assert create(path, b"")  # the variable of the SDKs says http://
    monkeypatch.setattr(bucket, "_RETRIES", {"max_retries": 0})
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("AWS_ENDPOINT", store.url)  # a name that only the library knows
    with pytest.raises(SeedloomError, match="s3://bucket/x: "):
        get(path)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    assert get(path).data == b""


def test_without_the_library_it_says_what_to_install(store):
    program = """
import sys
sys.modules["obstore"] = sys.modules["obstore.exceptions"] = None
from schemas.settings import Settings
from warehouse.bucket import get
get(Settings(root="gs://bucket/x").root / "CURRENT")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1].endswith(
        "gs://bucket/x needs the library obstore: pip install -e '.[gs]'"
    )
