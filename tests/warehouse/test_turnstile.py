import os
import random
import signal
import time
from pathlib import Path

import pytest

from warehouse.tally import Tally
from warehouse.turnstile import Turnstile

LIMIT = 3
NAMES = ("inside", "most", "entries")


def visit(folder, n, seed):
    """Take and give n places, and count in shared numbers how many are inside at once."""
    draw = random.Random(seed)
    tally, turnstile = Tally(Path(folder) / "numbers", NAMES), Turnstile(Path(folder) / "places")
    entered = 0
    while entered < n:
        place = turnstile.take(LIMIT)
        if place is None:
            time.sleep(0.0005)
            continue
        with tally.held() as numbers:
            numbers["inside"] += 1
            numbers["entries"] += 1
            numbers["most"] = max(numbers["most"], numbers["inside"])
        time.sleep(draw.random() * 0.001)
        with tally.held() as numbers:
            numbers["inside"] -= 1
        turnstile.give(place)
        entered += 1


def sit_down(path, n, log):
    turnstile = Turnstile(Path(path))
    for place in range(n):
        assert turnstile.take_at(place)
    turnstile.wait(True)
    Path(log).touch()
    time.sleep(60)


@pytest.fixture
def two(tmp_path):
    """Two turnstiles of one file: to the kernel they are as two processes."""
    pair = Turnstile(tmp_path / "places"), Turnstile(tmp_path / "places")
    yield pair
    for turnstile in pair:
        turnstile.close()


def test_never_more_than_the_limit_are_inside_over_several_processes(nursery, tmp_path):
    nursery.start(*((visit, tmp_path, 150, who) for who in range(5)))
    assert nursery.wait() == [0] * 5
    tally = Tally(tmp_path / "numbers", NAMES)
    with tally.held() as numbers:
        assert numbers == {"inside": 0, "most": LIMIT, "entries": 750}
    tally.close()


def test_what_a_killed_process_held_is_free_at_once(nursery, tmp_path):
    path, log = tmp_path / "places", tmp_path / "sits"
    turnstile = Turnstile(path)
    (pid,) = nursery.start((sit_down, path, LIMIT, log))
    while not log.exists():
        assert nursery.busy()
        time.sleep(0.005)
    assert turnstile.take(LIMIT) is None and turnstile.others_wait()
    assert not turnstile.take_at(1)
    os.kill(pid, signal.SIGKILL)
    assert nursery.wait() == [-9]
    assert {turnstile.take(LIMIT) for _ in range(LIMIT)} == set(range(LIMIT))
    assert not turnstile.others_wait()
    turnstile.close()


def test_all_places_below_the_limit_are_taken_once_and_no_other(two):
    first, second = two
    assert {first.take(4), second.take(4), first.take(4), second.take(4)} == {0, 1, 2, 3}
    assert first.take(4) is None and second.take(4) is None
    assert len(first.held) == len(second.held) == 2
    assert second.take(5) == 4, "a higher limit has more places"
    (place, _) = sorted(first.held)
    first.give(place)
    assert first.take(place) is None, "a lower limit has fewer places"
    assert second.take(4) == place


def test_a_place_of_its_own_name_is_held_by_one(two):
    first, second = two
    place = 2**47 + 5
    assert first.take_at(place)
    assert not first.take_at(place), "not even by the same one twice"
    assert not second.take_at(place) and second.take_at(place + 1)
    first.give(place)
    assert second.take_at(place) and not first.take_at(place)


def test_closing_gives_everything_back(tmp_path):
    first, second = Turnstile(tmp_path / "places"), Turnstile(tmp_path / "places")
    first.take(1)
    first.wait(True)
    assert second.take(1) is None and second.others_wait()
    first.close()
    assert second.take(1) == 0 and not second.others_wait()
    second.close()


def test_who_waits_is_seen_by_the_others_and_not_by_itself(two):
    first, second = two
    assert not first.others_wait() and not second.others_wait()
    first.wait(True)
    first.wait(True)
    assert second.others_wait() and not first.others_wait()
    second.wait(True)
    assert first.others_wait() and second.others_wait(), "many may wait at once"
    first.wait(False)
    assert first.others_wait() and not second.others_wait()
    assert first.take(1) == 0, "waiting takes no place"


def test_the_file_stays_empty_and_a_link_is_not_followed(two, tmp_path):
    two[0].take(4)
    two[0].take_at(2**47)
    assert (tmp_path / "places").stat().st_size == 0
    assert (tmp_path / "places").stat().st_mode & 0o777 == 0o600
    (tmp_path / "link").symlink_to(tmp_path / "places")
    with pytest.raises(OSError, match="symbolic links"):
        Turnstile(tmp_path / "link")
