import pytest

from schemas.errors import Interrupted
from schemas.settings import Settings
from tasks.calls import halting
from tasks.calls.engines import _engines, engine_of


def test_who_asks_at_the_same_time_shares_an_engine_and_the_last_closes_it(run):
    with engine_of(run.root, run.run_id, Settings()) as one:
        with engine_of(run.root, run.run_id, Settings()) as two:
            assert one is two
        with engine_of(run.root, "another run", Settings()) as other:
            assert other is not one
        assert len(_engines) == 1
    assert not _engines


def test_an_error_inside_closes_it_as_well(run):
    with pytest.raises(ZeroDivisionError), engine_of(run.root, run.run_id, Settings()):
        raise ZeroDivisionError
    assert not _engines


def test_none_is_opened_when_everything_must_stop(run):
    with halting.watched():
        halting.halt(Interrupted("told to"))
        with pytest.raises(Interrupted), engine_of(run.root, run.run_id, Settings()):
            pytest.fail("opened")
    assert not (run.root / "journal").exists()
