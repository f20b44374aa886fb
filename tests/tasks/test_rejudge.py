import random
import shutil

import polars as pl
import pytest
from given import ask, row

from schemas.errors import SeedloomError
from tasks.exact import exact
from tasks.minhash import minhash
from tasks.pool import lineage
from tasks.rejudge import groups, judge, question, replaced
from tasks.signature import signatures
from warehouse.manifest import read_current
from warehouse.run import begin
from warehouse.withdrawal import withdraw

AMONG = lineage("", "warehouse")
VERDICTS = "SELECT sample_id, filter, keep, round(score, 9), threshold, witness_id FROM verdict ORDER BY ALL"


def base(seed):
    return [f"w{random.Random(seed * 1000 + i).randrange(5000)}" for i in range(60)]


def edited(words, n, seed):
    words = list(words)
    for place in random.Random(seed).sample(range(len(words)), n):
        words[place] = f"e{seed}x{place}"
    return " ".join(words)


def chain():
    """x, y like it (J = 0.57) and z like y (0.57), but not like x (0.29)."""
    x, new = base(9), [f"n{i}" for i in range(28)]
    y = [*new[:14], *x[14:]]
    z = [*y[:46], *new[14:]]
    return [" ".join(words) for words in (x, y, z)]


def corpora():
    """Two runs: near-duplicates of many degrees inside runs and across them, a chain, equal sets, equal texts."""
    x, y, z = chain()
    first = [edited(base(seed), edits, edits + 1) for seed in range(4) for edits in (0, 1, 2, 4, 8)]
    second = [edited(base(seed), edits, edits + 11) for seed in range(4) for edits in (0, 1, 2, 4, 8)]
    return [*first, x, y, "a b c d " * 3, "..."], [*second, z, first[1], "a b c d " * 4, ""]


def curated(root, edition, texts, threshold, quality=None):
    """A run that judges as `curate` does."""
    curation = {"against": "warehouse", "threshold": threshold}
    run = begin(root, "curate", "mine", edition, {"curation": curation, "shingle": 3})
    fixed = {"run_id": run.run_id, "recipe": "mine", "level": "row", "final": True, "slots": "{}", "language": "en", "origin": "f"}  # fmt: skip
    names = [f"{edition}{i:03}" for i in range(len(texts))]
    rows = [
        row("sample", sample_id=name, root_id=name, ordinal=i, text=text, **fixed)
        for i, (name, text) in enumerate(zip(names, texts, strict=True))
    ]
    scores = [
        row("verdict", sample_id=name, run_id=run.run_id, filter="quality", keep=i != 7, score=1 - i / 100)
        for i, name in enumerate(names)
    ]
    samples = run.once("intake", [], {}, lambda: {"sample": pl.concat(rows)})
    verdicts = run.once("quality", samples, {}, lambda: {"verdict": pl.concat(scores)})
    signed = signatures.fn(run, samples, 3)
    verdicts += exact.fn(run, samples, verdicts, signed, AMONG)
    verdicts += minhash.fn(run, samples, verdicts, signed, threshold, 3, AMONG)
    run.commit([*samples, *verdicts, *signed])
    return run.run_id


def warehouse(root, threshold):
    for edition, texts in zip("ab", corpora(), strict=True):
        curated(root, edition, texts, threshold)


def rejudged(root, threshold, only=None, write=True):
    """What changed; as flows/rejudging.py does it."""
    manifest = read_current(root)
    some = [group for group in groups(root, manifest) if only in (None, group.run_id)]
    run = begin(root, "rejudge", "minhash", "", question(manifest, some, threshold))
    done = []
    for group in some:
        done.append(judge(run, manifest, group, threshold, done))
    new, old = replaced(done)
    if new and write:
        run.commit(new, without=old)
    return run, done


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Warehouses by threshold, made from scratch; not to be changed."""
    made = {}

    def at(threshold):
        if threshold not in made:
            made[threshold] = tmp_path_factory.mktemp("kept") / "w"
            warehouse(made[threshold], threshold)
        return made[threshold]

    return at


@pytest.fixture
def root(kept, tmp_path):
    """A warehouse made at 0.7."""
    return shutil.copytree(kept(0.7), tmp_path / "w")


@pytest.mark.parametrize("threshold", [0.4, 1.0])
def test_the_verdicts_are_those_of_a_warehouse_made_at_that_threshold(root, kept, threshold):
    before = ask(root, VERDICTS)
    rejudged(root, threshold)
    assert ask(root, VERDICTS) == ask(kept(threshold), VERDICTS) != before


def test_who_was_kept_before_and_is_dropped_now_drops_nobody_and_the_reverse(root):
    z, copy = "b020", "b021"
    rejudged(root, 0.4)
    assert ask(
        root,
        "SELECT keep FROM verdict WHERE filter = 'minhash' AND sample_id IN ('a021', 'b020') ORDER BY sample_id",
    ) == [(False,), (True,)]  # noqa: E501
    rejudged(root, 1.0)
    assert ask(
        root, f"SELECT filter, witness_id FROM verdict WHERE sample_id IN ('{z}', '{copy}') AND NOT keep"
    ) == [("exact", "a001")]  # noqa: E501


def test_at_1_only_equal_sets_of_shingles_remain_dropped(kept):
    dropped = ask(kept(1.0), "SELECT score FROM verdict WHERE filter = 'minhash' AND NOT keep")
    assert len(dropped) == 1 and set(dropped) == {(1.0,)}


def test_at_the_threshold_they_were_judged_at_nothing_changes(root):
    _, done = rejudged(root, 0.7)
    assert len(done) == 2 and all(each.new == {} for each in done)
    assert all(each.counts["newly_dropped"] == each.counts["newly_kept"] == 0 for each in done)


def test_twice_is_once_and_the_way_back_restores_the_verdicts(root):
    before = ask(root, VERDICTS)
    rejudged(root, 0.5)
    version, verdicts = read_current(root).version, ask(root, VERDICTS)
    assert all(each.new == {} for each in rejudged(root, 0.5)[1])
    assert (read_current(root).version, ask(root, VERDICTS)) == (version, verdicts)
    rejudged(root, 0.7)
    assert ask(root, VERDICTS) == before
    rejudged(root, 0.5)
    assert ask(root, VERDICTS) == verdicts, "the same threshold later is another question"


def test_who_changed_sides_is_counted(root):
    kept = "SELECT count(*) FROM verdict WHERE filter = 'minhash' AND keep AND sample_id LIKE 'b%'"
    ((before,),) = ask(root, kept)
    second = rejudged(root, 0.9)[1][1].counts
    ((after,),) = ask(root, kept)
    assert (second["kept_before"], second["kept_after"]) == (before, after)
    assert second["newly_kept"] - second["newly_dropped"] == after - before > 0
    assert second["without_embedding"] == second["newly_kept"]


def test_older_versions_stay_and_a_withdrawn_rejudging_leaves_nothing(root):
    before, verdicts = read_current(root), ask(root, VERDICTS)
    run, _ = rejudged(root, 0.9)
    assert read_current(root).version == before.version + 1
    withdraw(root, run.run_id)
    assert ask(root, VERDICTS) == verdicts
    assert read_current(root).parts["verdict"] == before.parts["verdict"]


def test_one_run_alone_is_judged_against_what_was_kept_before_it(root):
    runs = read_current(root).runs
    verdicts = "SELECT * FROM verdict WHERE sample_id NOT LIKE 'b%' ORDER BY ALL"
    before = ask(root, verdicts)
    _, done = rejudged(root, 0.9, only=runs[1])
    assert [each.group.run_id for each in done] == [runs[1]] and done[0].counts["newly_kept"] > 0
    assert ask(root, verdicts) == before


def test_what_comes_later_builds_on_the_new_verdicts(root):
    dropped = "SELECT sample_id, text FROM verdict JOIN sample USING (sample_id) WHERE filter = 'minhash' AND NOT keep AND score < 0.8 ORDER BY sample_id"  # fmt: skip # noqa: E501
    sample_id, text = ask(root, dropped)[0]
    rejudged(root, 0.9)
    curated(root, "d", [text.replace(" ", ", ")], 0.9)
    assert ask(root, "SELECT filter, witness_id FROM verdict WHERE sample_id = 'd000' AND NOT keep") == [
        ("exact", sample_id)
    ]


def test_a_sample_comes_back_when_what_it_repeated_was_withdrawn(tmp_path):
    root = tmp_path / "w"
    first = curated(root, "a", ["one two three four", " ".join(base(1))], 0.7)
    curated(root, "b", ["One, two, three, four!", edited(base(1), 1, 5), "quite another text"], 0.7)
    withdraw(root, first)
    rejudged(root, 0.7)
    assert ask(root, "SELECT count(*) FROM verdict WHERE NOT keep") == [(0,)]


def test_a_run_of_repetitions_alone_comes_back_when_what_it_repeated_was_withdrawn(tmp_path):
    root, texts = tmp_path / "w", [" ".join(base(seed)) for seed in range(2)]
    first = curated(root, "a", texts, 0.7)
    curated(root, "b", texts, 0.7)
    assert ask(root, "SELECT count(*) FROM verdict WHERE filter = 'minhash' AND sample_id LIKE 'b%'") == [
        (0,)
    ]
    withdraw(root, first)
    _, (done,) = rejudged(root, 0.7)
    assert (done.group.threshold, done.counts["newly_kept"]) == (0.7, 2)
    assert ask(root, "SELECT sample_id FROM clean_sample ORDER BY ALL") == [("b000",), ("b001",)]


def test_a_part_with_verdicts_of_several_filters_is_refused(tmp_path):
    root = tmp_path / "w"
    curated(root, "a", ["one two three"], 0.7)
    run = begin(root, "odd", "n", "e", {})
    both = [row("verdict", sample_id="a000", run_id=run.run_id, filter=name, keep=True) for name in "xy"]
    run.commit(run.once("odd", [], {}, lambda: {"verdict": pl.concat(both)}))
    with pytest.raises(SeedloomError, match=r"holds verdicts of \['x', 'y'\]"):
        groups(root, read_current(root))
