import logging

from tasks.progress import Progress


def records(caplog):
    return [(r.stage, r.more, r.advance, r.note) for r in caplog.records]


def test_it_announces_the_total_and_always_says_the_last_row(caplog):
    with caplog.at_level(logging.INFO, "seedloom.progress"):
        progress = Progress("embed", 1000)
        for _ in range(1000):
            progress.advance(note="x")
    said = records(caplog)
    assert said[0] == ("embed", 1000, 0, "")
    assert sum(advance for _, _, advance, _ in said) == 1000
    assert len(said) < 50


def test_two_shards_of_a_stage_add_up(caplog):
    with caplog.at_level(logging.INFO, "seedloom.progress"):
        for _ in range(2):
            Progress("quality", 3).advance(3)
    assert sum(more for _, more, _, _ in records(caplog)) == sum(a for _, _, a, _ in records(caplog)) == 6
