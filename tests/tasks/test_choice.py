import polars as pl
import pytest
from given import row

from schemas.errors import BadInput
from tasks.choice import choose_release, release_of_run
from warehouse.run import begin


def commit_release(root, release_id, passed=True, control=None):
    run = begin(root, "corpus", "test", release_id, {})
    release = row(
        "release", release_id=release_id, run_id=run.run_id, name="n", edition="e", n_train=1, n_heldout=1,
        passed=passed, gates=[], path="p", files=[], row_digest="d",
    )  # fmt: skip
    rows = release
    if control:
        beside = release.with_columns(release_id=pl.lit(control), control_of=pl.lit(release_id))
        rows = pl.concat([release, beside.cast(release.schema)])
    run.commit(run.once("release", [], {}, lambda: {"release": rows}))
    return run.run_id


def commit_checkpoint(root, release_id):
    run = begin(root, "model", release_id, "", {})
    checkpoint = row(
        "checkpoint", checkpoint_id=f"c{release_id}", run_id=run.run_id, release_id=release_id, base_model="tiny",
        method="full", settings="{}", path="p", n_parameters=1, n_trainable=1, steps=1, train_loss=1.0, sha256="d",
    )  # fmt: skip
    run.commit(run.once("checkpoint", [], {}, lambda: {"checkpoint": checkpoint}))


@pytest.fixture
def root(tmp_path):
    return tmp_path / "warehouse"


def test_the_release_of_a_run_is_found(root):
    assert release_of_run(root, commit_release(root, "aaa")).release_id == "aaa"


def test_the_newest_that_passed_and_was_not_trained_is_next(root):
    for release_id, passed in (("aaa", True), ("bbb", True), ("ccc", False)):
        commit_release(root, release_id, passed)
    assert choose_release(root, None).release_id in ("aaa", "bbb")
    first = choose_release(root, None).release_id
    commit_checkpoint(root, first)
    second = choose_release(root, None).release_id
    assert {first, second} == {"aaa", "bbb"}
    commit_checkpoint(root, second)
    assert choose_release(root, None) is None


def test_a_release_may_be_named_by_how_it_begins_even_when_it_was_trained(root):
    commit_release(root, "aaa1")
    commit_checkpoint(root, "aaa1")
    assert choose_release(root, "aa").release_id == "aaa1"


@pytest.mark.parametrize(("name", "n"), [("zzz", 0), ("aa", 2)])
def test_a_name_for_none_or_several_names_the_known_ones(root, name, n):
    for release_id in ("aaa1", "aaa2"):
        commit_release(root, release_id)
    with pytest.raises(BadInput, match=rf"{n} releases match '{name}' .*\['aaa1', 'aaa2'\]"):
        choose_release(root, name)


def test_a_control_is_taken_only_by_its_id(root):
    run_id = commit_release(root, "sss", control="aac")
    assert release_of_run(root, run_id).release_id == "sss"
    assert choose_release(root, None).release_id == "sss"
    commit_checkpoint(root, "sss")
    assert choose_release(root, None) is None
    assert choose_release(root, "aa").control_of == "sss"
