import logging
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import warehouse.index as index
import warehouse.segment_kernel  # noqa: F401  (so that no child must load the compiler)
from schemas.errors import BadInput, SeedloomError
from warehouse.index import ask
from warehouse.parts import DamagedPart, write_part
from warehouse.segments import SUFFIX


def part_of(root, number, rows=3):
    """A part of any table: its rows have the keys 10 x number + 0, 1, 2 ..."""
    blank = {"run_id": "r", "origin": f"{number:04d}", "reason": "", "content": ""}
    frame = pl.DataFrame([{**blank, "line": line} for line in range(rows)])
    return write_part(root, f"run{number}", "reject", frame)


def keys_of(part):
    number = int(part.path.split("run=run")[1].split("/")[0])
    return np.array([[10 * number + i for i in range(part.rows)]], np.uint64) << np.uint64(40), np.arange(
        part.rows
    )


def everything(segments):
    """(part, row) of every key there is, sorted; each found once."""
    found = []
    asked = np.arange(10_000, dtype=np.uint64) << np.uint64(40)
    for each in segments:
        of = each.segment.find(0, asked)
        rows = each.segment.rows(of)
        numbers, places = each.place(rows)
        keys = np.repeat(of.places, of.sizes)
        mine = each.ours(rows)
        for number, place, key in zip(numbers[mine], places[mine], keys[mine], strict=True):
            assert keys_of(each.parts[number])[0][0][place] >> np.uint64(40) == key
            found.append((each.parts[number].path, int(place)))
    return sorted(found)


def expected(parts):
    return sorted((part.path, row) for part in parts for row in range(part.rows))


def files(root):
    return sorted((root / "index" / "kind").glob(f"*{SUFFIX}"))


def look_at(root, parts):
    return ask(Path(root), "kind", parts, keys_of, everything)


def build(root, numbers):
    """For children: parts of a warehouse that is there, asked at once."""
    parts = [part_of(Path(root), number) for number in numbers]
    assert look_at(root, parts) == expected(parts)


def test_each_part_is_answered_for_once_whatever_was_asked_before(tmp_path):
    parts = [part_of(tmp_path, number) for number in range(12)]
    draw = np.random.default_rng(0)
    for _ in range(30):
        some = [parts[i] for i in draw.permutation(12)[: draw.integers(1, 12)]]
        assert look_at(tmp_path, some) == expected(some)
    assert look_at(tmp_path, []) == []


def test_the_number_of_segments_grows_with_the_logarithm_of_the_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(index, "SMALLEST", 2)
    parts = [part_of(tmp_path, number) for number in range(70)]
    most = 0
    for n in range(1, 71):
        assert look_at(tmp_path, parts[:n]) == expected(parts[:n])
        most = max(most, len(files(tmp_path)))
    assert 4 < most <= 3 * 5  # three of each size at most
    monkeypatch.setattr(index, "LARGEST", 0)
    more = [*parts, *(part_of(tmp_path, 100 + i) for i in range(8))]
    before = len(files(tmp_path))
    for n in range(71, 79):
        look_at(tmp_path, more[:n])
    assert len(files(tmp_path)) == before + 8  # those that are large enough stay as they are


def test_a_part_is_read_once_in_its_life_and_chunks_are_of_bounded_size(tmp_path, monkeypatch):
    monkeypatch.setattr(index, "CHUNK", 7)
    parts = [part_of(tmp_path, number) for number in range(9)]
    read = []

    def counting(part):
        read.append(part)
        return keys_of(part)

    built = []
    real = index.write_segment
    monkeypatch.setattr(index, "write_segment", lambda *args: built.append(args[1]) or real(*args))
    for _ in range(3):
        assert ask(tmp_path, "kind", parts, counting, everything) == expected(parts)
    assert sorted(part.path for part in read) == sorted(part.path for part in parts)
    assert max(sum(held.rows for held in some) for some in built[:5]) <= 7


def damage(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(data)


@pytest.mark.parametrize("harm", ["cut", "head", "end", "empty", "removed"])
def test_a_damaged_segment_is_made_anew_and_the_answer_is_right(tmp_path, caplog, harm):
    parts = [part_of(tmp_path, number, rows=9) for number in range(3)]
    look_at(tmp_path, parts[:2])
    look_at(tmp_path, parts)
    whole = {path: path.read_bytes() for path in files(tmp_path)}
    assert len(whole) == 2
    path = max(whole)
    if harm == "removed":
        path.unlink()
    elif harm == "cut":
        path.write_bytes(whole[path][:-9])
    else:
        path.write_bytes(b"") if harm == "empty" else damage(path, 3 if harm == "head" else -20)
    with caplog.at_level(logging.WARNING, "seedloom.index"):
        assert look_at(tmp_path, parts) == expected(parts)
    assert ("is made anew" in caplog.text) == (harm != "removed")
    assert {path: path.read_bytes() for path in files(tmp_path)} == whole


def test_damage_is_not_merged_into_another_segment(tmp_path, monkeypatch):
    parts = [part_of(tmp_path, number) for number in range(index.FANOUT)]
    for n in range(1, index.FANOUT):
        look_at(tmp_path, parts[:n])
    damage(files(tmp_path)[0], 0)
    assert look_at(tmp_path, parts) == expected(parts)


def test_a_disk_that_damages_everything_is_said(tmp_path, monkeypatch):
    parts = [part_of(tmp_path, 1)]
    real = index.write_segment

    def bad(*args):
        path = real(*args)
        damage(path, -20)
        return path

    monkeypatch.setattr(index, "write_segment", bad)
    with pytest.raises(SeedloomError, match="is damaged as soon as it is written: check the disk"):
        look_at(tmp_path, parts)


def test_an_altered_part_is_not_indexed(tmp_path):
    parts = [part_of(tmp_path, 1)]
    damage(tmp_path / parts[0].path, 40)
    with pytest.raises(DamagedPart, match="differs from its SHA-256"):
        look_at(tmp_path, parts)


def test_a_warehouse_that_cannot_be_written_is_one_line(tmp_path):
    parts = [part_of(tmp_path, 1)]
    (tmp_path / "index").write_text("a file")
    with pytest.raises(BadInput, match="index"):
        look_at(tmp_path, parts)


def test_processes_that_build_at_the_same_time_all_get_the_right_answer(nursery, memory):
    nursery.start(*((build, memory, list(range(n, n + 9))) for n in (0, 3, 6, 3)))
    assert nursery.wait() == [0, 0, 0, 0]
    build(memory, range(15))


def test_a_builder_killed_at_any_operation_leaves_nothing_that_is_wrong(nursery, memory):
    base = memory / "base"
    for number in range(index.FANOUT):
        part_of(base, number)
    for n in range(1, index.FANOUT):
        build(base, range(n))
    code = None
    for n in range(1, 60):
        root = memory / str(n)
        shutil.copytree(base, root)
        code = nursery.run(build, root, list(range(index.FANOUT)), kill_at=n)
        build(root, range(index.FANOUT))
        assert len(files(root)) == 1 and not list((root / "index").rglob(".tmp-*"))
        shutil.rmtree(root)
        if code == 0:
            break
    assert code == 0 and n > 5
