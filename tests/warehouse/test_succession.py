import hashlib
import itertools
import json

import pytest

from schemas.errors import BadInput
from warehouse import succession
from warehouse.bucket import create, get, put
from warehouse.succession import current_in_bucket, refuse_unconditional, snapshot_in_bucket, succeed


def pointer(version):
    return lambda sha256: json.dumps({"version": version, "sha256": sha256}).encode()


def snapshot(root, version):
    return root / "snapshots" / f"{version:012d}.json"


def says(root):
    found = json.loads(get(root / "CURRENT").data)
    return found["version"], found["sha256"]


def digest(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def warehouse(remote):
    """Version 1 is decided and published."""
    create(remote / "CURRENT", pointer(0)(""))
    assert succeed(snapshot(remote, 1), b"one", pointer(1))
    return remote


def test_a_version_is_decided_then_published(warehouse):
    assert says(warehouse) == (1, digest(b"one"))
    assert current_in_bucket(warehouse) == pointer(1)(digest(b"one"))
    assert snapshot_in_bucket(snapshot(warehouse, 1), digest(b"one")) == b"one"


def test_who_comes_second_publishes_what_was_decided_and_is_told_to_ask_again(warehouse):
    create(snapshot(warehouse, 2), b"theirs")
    assert not succeed(snapshot(warehouse, 2), b"ours", pointer(2))
    assert says(warehouse) == (2, digest(b"theirs"))
    assert succeed(snapshot(warehouse, 3), b"ours", pointer(3))


def test_who_is_published_by_another_one_knows_it(warehouse):
    create(snapshot(warehouse, 2), b"ours")
    assert not succeed(snapshot(warehouse, 2), b"theirs", pointer(2))
    assert succeed(snapshot(warehouse, 2), b"ours", pointer(2)), "the answer to its put was lost"


def test_a_pointer_never_goes_back(warehouse):
    """A writer that slept for days: its version number was given to another, whose manifest was removed since."""
    for version in (2, 3):
        succeed(snapshot(warehouse, version), b"%d" % version, pointer(version))
    succession_of = snapshot(warehouse, 2)
    from warehouse.bucket import delete

    delete([succession_of])
    assert not succeed(succession_of, b"late", pointer(2))
    assert says(warehouse) == (3, digest(b"3"))


def test_a_swap_that_fails_is_tried_on_what_is_there_now(warehouse, monkeypatch):
    real, tries = succession.swap, itertools.count()

    def disturbed(path, data, tag):
        if next(tries) == 0:  # somebody publishes our version between our look and our swap
            real(path, data, tag)
        return real(path, data, tag)

    monkeypatch.setattr(succession, "swap", disturbed)
    assert succeed(snapshot(warehouse, 2), b"two", pointer(2))
    assert says(warehouse) == (2, digest(b"two")) and next(tries) == 1


def test_a_store_must_keep_both_conditions(remote, monkeypatch):
    refuse_unconditional(remote)
    for broken in ("create", "swap"):
        refuse_unconditional.cache_clear()
        with monkeypatch.context() as patched:
            patched.setattr(succession, broken, lambda *args: True)
            with pytest.raises(BadInput, match="the store ignores conditions on puts"):
                refuse_unconditional(remote)


def test_a_warehouse_that_is_begun_while_somebody_looks_is_no_damaged_one(remote, monkeypatch):
    def begun(path):
        create(remote / "CURRENT", pointer(0)(""))
        create(snapshot(remote, 1), b"one")
        return [snapshot(remote, 1)]

    monkeypatch.setattr(succession, "under", begun)
    assert current_in_bucket(remote) == pointer(0)("")


def test_a_manifest_is_read_from_its_copy_only_when_that_is_the_same(warehouse, store):
    path = snapshot(warehouse, 1)
    assert snapshot_in_bucket(path, None) == path.read_bytes() == b"one"
    n = len(store.seen)
    assert snapshot_in_bucket(path, digest(b"one")) == b"one" and len(store.seen) == n
    path.write_bytes(b"damaged")
    assert snapshot_in_bucket(path, digest(b"one")) == path.read_bytes() == b"one"
    with pytest.raises(FileNotFoundError):
        snapshot_in_bucket(snapshot(warehouse, 2), None)


def test_a_pointer_that_vanishes_while_a_version_is_made_is_one_line(warehouse):
    from warehouse.bucket import delete

    delete([warehouse / "CURRENT"])
    with pytest.raises(BadInput, match="/CURRENT was there and is gone: restore it from a backup"):
        succeed(snapshot(warehouse, 2), b"two", pointer(2))
    with pytest.raises(FileNotFoundError):
        current_in_bucket(warehouse)
    put(warehouse / "CURRENT", pointer(1)(digest(b"one")))
    assert succeed(snapshot(warehouse, 2), b"two", pointer(2))
