import os
import signal
import struct
import threading
import time
from pathlib import Path

import pytest

from schemas.errors import BadInput
from warehouse.tally import Tally

NAMES = ("a", "b")


def add(path, n, name):
    tally = Tally(Path(path), NAMES)
    for _ in range(n):
        with tally.held() as numbers:
            before = numbers[name]
            if before % 50 == 0:
                time.sleep(0)  # let the others in, if they can come
            numbers[name] = before + 1
            numbers["b"] -= 1
    tally.close()


def hold_for_ever(path, log):
    tally = Tally(Path(path), NAMES)
    with tally.held() as numbers:
        numbers["a"] = 99
        Path(log).touch()
        time.sleep(60)


def numbers_of(tally):
    with tally.held() as numbers:
        return dict(numbers)


def test_numbers_are_zero_at_first_and_stay_when_the_file_is_opened_again(tmp_path):
    path = tmp_path / "new" / "folder" / "numbers"
    tally = Tally(path, NAMES)
    assert numbers_of(tally) == {"a": 0, "b": 0}
    with tally.held() as numbers:
        numbers.update(a=-(2**63), b=2**63 - 1)
    tally.close()
    again = Tally(path, NAMES)
    assert numbers_of(again) == {"a": -(2**63), "b": 2**63 - 1}
    again.close()


def test_nothing_is_lost_when_four_processes_add_at_once(nursery, tmp_path):
    path = tmp_path / "numbers"
    nursery.start(*((add, path, 3000, "a") for _ in range(4)))
    assert nursery.wait() == [0, 0, 0, 0]
    tally = Tally(path, NAMES)
    assert numbers_of(tally) == {"a": 12_000, "b": -12_000}
    tally.close()


def test_nothing_is_lost_when_threads_of_one_object_add_at_once(tmp_path):
    tally = Tally(tmp_path / "numbers", NAMES)

    def work():
        for _ in range(500):
            with tally.held() as numbers:
                before = numbers["a"]
                time.sleep(0)
                numbers["a"] = before + 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert numbers_of(tally)["a"] == 2000
    tally.close()


def test_a_process_that_dies_while_it_holds_the_numbers_frees_them_and_changes_nothing(nursery, tmp_path):
    path, log = tmp_path / "numbers", tmp_path / "held"
    tally = Tally(path, NAMES)
    with tally.held() as numbers:
        numbers.update(a=5, b=7)
    (pid,) = nursery.start((hold_for_ever, path, log))
    while not log.exists():
        assert nursery.busy()
        time.sleep(0.005)
    got = []
    waiting = threading.Thread(target=lambda: got.append(numbers_of(tally)))
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive(), "the numbers were given to two at once"
    os.kill(pid, signal.SIGKILL)
    assert nursery.wait() == [-9]
    waiting.join(30)
    assert got == [{"a": 5, "b": 7}]
    tally.close()


def test_a_block_that_raises_changes_nothing_and_frees_the_numbers(tmp_path):
    path = tmp_path / "numbers"
    tally, other = Tally(path, NAMES), Tally(path, NAMES)
    with tally.held() as numbers:
        numbers["a"] = 1
    with pytest.raises(ZeroDivisionError), tally.held() as numbers:
        numbers.update(a=2, b=2)
        raise ZeroDivisionError
    assert numbers_of(other) == numbers_of(tally) == {"a": 1, "b": 0}
    with pytest.raises(struct.error), tally.held() as numbers:
        numbers.update(a=2, b=2**63)  # does not fit
    assert numbers_of(other) == numbers_of(tally) == {"a": 1, "b": 0}
    tally.close()
    other.close()


def test_the_file_is_for_its_owner_only_and_a_link_is_not_followed(tmp_path):
    tally = Tally(tmp_path / "numbers", NAMES)
    assert (tmp_path / "numbers").stat().st_mode & 0o777 == 0o600
    tally.close()
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic links"):
        Tally(tmp_path / "link", NAMES)
    assert (tmp_path / "victim").read_text() == "precious"
    with pytest.raises(BadInput, match="cannot create folder"):
        Tally(tmp_path / "victim" / "numbers", NAMES)
