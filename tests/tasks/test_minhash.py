import json
import logging

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from schemas.errors import BadInput, SeedloomError
from tasks.exact import exact
from tasks.minhash import judge, minhash
from tasks.shingles import shingle_sets, sign
from tasks.signature import signature_rows, signatures
from warehouse.parts import polars_schema
from warehouse.run import begin

SHORT = st.lists(st.sampled_from(list("abcdef")), max_size=9).map(" ".join)


def signed(texts, quality=None, n=3, prefix="s"):
    """Samples in order of precedence unless `quality` says otherwise, with text and signature."""
    names = [f"{prefix}{i:05d}" for i in range(len(texts))]
    scores = pl.Series(quality or [None] * len(texts), dtype=pl.Float64)
    columns = {"sample_id": names, "text": texts}
    frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String)).with_columns(
        quality=scores, ordinal=pl.int_range(pl.len(), dtype=pl.Int64), run_id=pl.lit("old")
    )
    return frame.join(signature_rows(frame, n), on="sample_id", maintain_order="left")


def decide(new, earlier=None, threshold=0.7, n=3, **how):
    """The decision, one row per sample, in order of sample_id; text is only read for candidates."""
    earlier = signed([]) if earlier is None else earlier
    both = pl.concat([earlier, new]).select("sample_id", "text")

    def texts(ids):
        asked = both.filter(pl.col("sample_id").is_in(ids.implode()))
        return asked.iter_slices(7 if asked.height < 100 else 5000)

    return judge(new.drop("text"), earlier.drop("text"), texts, threshold, n, **how).sort("sample_id")


def similarities(texts, n):
    """Exact Jaccard similarity of every pair by brute force, (m, m), 0 on the diagonal."""
    bounds, hashes = shingle_sets(pl.Series(texts), n)
    _, columns = np.unique(hashes, return_inverse=True)
    sets = csr_matrix((np.ones(len(hashes), np.int32), columns, bounds))
    shared, sizes = (sets @ sets.T).toarray(), np.diff(bounds)
    jaccard = shared / np.maximum(sizes[:, None] + sizes[None, :] - shared, 1)
    np.fill_diagonal(jaccard, 0)
    return jaccard


def greedy(jaccard, threshold):
    """What should be kept: nobody whom a kept one before it is too similar to."""
    kept = np.zeros(len(jaccard), bool)
    for i, row in enumerate(jaccard):
        kept[i] = not (row[:i][kept[:i]] >= threshold).any()
    return kept


def planted(n_rows, rng, n_words=120):
    """Random texts; a third repeat an earlier one, also copies of copies, with 0 to 12 words edited."""
    words = np.array([f"w{i}" for i in range(3000)])
    texts = []
    for i in range(n_rows):
        text = (
            rng.choice(words, n_words)
            if i % 3 or not texts
            else texts[rng.integers(min(len(texts), 100))].copy()
        )
        if i % 3 == 0:
            text[rng.integers(0, n_words, rng.integers(0, 13))] = rng.choice(words)
        texts.append(text)
    return [" ".join(text) for text in texts]


def edited(text, first, n):
    words = text.split()
    words[first : first + n] = [f"new{first + i}" for i in range(n)]
    return " ".join(words)


def put(run, texts, ids):
    """Final samples as one part of a run."""
    given = {"sample_id": ids, "text": texts, "ordinal": range(len(ids))}
    schema = polars_schema("sample")
    nullable = {
        "parent_id",
        "messages",
        "instruction",
        "input",
        "output",
        "origin_id",
        "model",
        "licence",
        "request_id",
    }
    rest = [name for name in schema if name not in given and name not in {"final", "run_id"}]
    others = {name: pl.lit(None if name in nullable else "", schema[name]) for name in rest}
    made = pl.DataFrame(given).with_columns(**others, final=pl.lit(True), run_id=pl.lit(run.run_id))
    return run.once("put", [], {"ids": ids}, lambda: {"sample": made})


LONG = " ".join(f"word{i}" for i in range(200))


def test_a_chain_keeps_its_far_end():
    # 0, 20 and 40 words of 200 edited: neighbours share 178 - 20 of their 3-grams, the ends too few
    chain = [LONG, edited(LONG, 0, 20), edited(edited(LONG, 0, 20), 100, 20)]
    jaccard = similarities(chain, 3)
    assert min(jaccard[0, 1], jaccard[1, 2]) >= 0.7 > jaccard[0, 2]
    found = decide(signed(chain))
    assert found["keep"].to_list() == [True, False, True]
    assert found["witness_id"].to_list() == [None, "s00000", None]
    assert found["score"].to_list() == [None, jaccard[0, 1], jaccard[0, 2]]


def test_the_better_one_stays_and_the_most_similar_better_one_is_the_witness():
    texts = [LONG, edited(LONG, 0, 4), edited(LONG, 0, 30), edited(LONG, 0, 10)]
    found = decide(signed(texts, quality=[0.2, 0.1, 0.9, 0.8]), threshold=0.8)
    jaccard = similarities(texts, 3)
    assert jaccard[0, 2] < 0.8 <= min(jaccard[2, 3], jaccard[0, 1])
    assert found["keep"].to_list() == [True, False, True, False]
    assert found["witness_id"].to_list() == [None, "s00000", None, "s00002"]
    assert found["score"].to_list()[1] == jaccard[0, 1]


@pytest.mark.parametrize(("threshold", "n"), [(0.7, 3), (0.7, 5), (0.85, 3)])
def test_planted_duplicates_are_found_as_by_brute_force(threshold, n):
    texts = planted(2000, np.random.default_rng(n))
    jaccard = similarities(texts, n)
    found = decide(signed(texts, n=n), threshold=threshold, n=n)
    kept = found["keep"].to_numpy()
    pairs = np.argwhere(np.triu(jaccard) >= threshold)
    assert len(pairs) > 400
    missed = kept[pairs].all(axis=1).sum()
    assert missed / len(pairs) <= 0.001  # recall at least 0.999
    assert (kept != greedy(jaccard, threshold)).sum() <= 2 * missed
    check_witnesses(found, jaccard, threshold)  # precision 1


def check_witnesses(found, jaccard, threshold):
    kept = found["keep"].to_list()
    for i, (keep, score, witness) in enumerate(found.select("keep", "score", "witness_id").rows()):
        assert keep == (witness is None)
        if not keep:
            j = int(witness[1:])
            assert j < i
            assert kept[j]
            assert score == jaccard[i, j] >= threshold


@settings(deadline=None, max_examples=40)
@given(st.lists(SHORT, max_size=25), st.sampled_from([0.5, 0.75, 1.0]))
def test_no_two_kept_reach_the_threshold_and_every_dropped_one_names_a_kept_one_that_does(texts, threshold):
    with_words = [text for text in texts if text]
    found = decide(signed(with_words), threshold=threshold)
    jaccard = similarities(with_words, 3) if with_words else np.zeros((0, 0))
    check_witnesses(found, jaccard, threshold)
    identical = np.triu(jaccard) == 1  # of sets this small others may be missed: the S-curve is about chance
    assert not found["keep"].to_numpy()[np.argwhere(identical)].all(axis=1).any()


@settings(deadline=None, max_examples=25)
@given(st.randoms(use_true_random=False), st.integers(0, 3), st.sampled_from([2, 256]))
def test_the_decision_depends_on_neither_the_order_of_rows_nor_what_else_is_earlier(random, n_earlier, cap):
    rng = np.random.default_rng(random.randint(0, 3))
    texts = planted(30, rng, 30)
    new = signed(texts[n_earlier:], quality=[random.choice([None, 0.1, 0.5]) for _ in texts[n_earlier:]])
    earlier = signed(texts[:n_earlier], prefix="e")
    unrelated = signed(planted(4, rng, 8), prefix="u")
    expected = decide(new, earlier, cap=cap)
    shuffled = new[random.sample(range(new.height), new.height)]
    more = pl.concat([unrelated, earlier[::-1]])
    assert decide(shuffled, more, cap=cap).equals(expected)


def test_which_earlier_samples_fill_a_band_does_not_depend_on_their_rows():
    earlier, new = signed(["a b c d", "w x y z"], prefix="e"), signed(["a b c d"])
    same = pl.lit(pl.Series([[7] * 128], dtype=pl.Array(pl.UInt32, 128))).first()
    earlier, new = earlier.with_columns(minhash=same), new.with_columns(minhash=same)
    for rows in (earlier, earlier[::-1]):
        assert decide(new, rows, cap=1)["witness_id"].to_list() == ["e00000"]


def test_one_text_twenty_thousand_times_keeps_one():
    found = decide(signed(["one and the same little story again"] * 20_000))
    assert found["keep"].to_list() == [True] + [False] * 19_999
    assert set(found["witness_id"].drop_nulls()) == {"s00000"}
    assert found["full_bands"].sum() == 0


def test_boilerplate_is_capped_counted_and_still_finds_its_duplicates():
    boilerplate = " ".join(f"shared{i}" for i in range(60))
    texts = [boilerplate + "".join(f" own{i}x{j}" for j in range(30)) for i in range(900)]
    copies = [edited(text, 0, 2) for text in texts[::9]]
    found = decide(signed(texts + copies), cap=32)
    assert found["keep"].to_list() == [True] * 900 + [False] * 100
    assert found["witness_id"].to_list()[900:] == [f"s{i:05d}" for i in range(0, 900, 9)]
    assert found["full_bands"].max() > 0
    assert decide(signed(texts), cap=2000)["full_bands"].sum() == 0


def test_empty_and_one_word_texts():
    found = decide(signed(["", "...", "word", "Word!", "other", "two words"]))
    assert found["keep"].to_list() == [True, True, True, False, True, True]
    assert found["score"].to_list()[:2] == [None, None]
    assert found["witness_id"].to_list()[3] == "s00002"


def test_vietnamese_and_chinese_near_duplicates_are_found():
    vietnamese = (
        "Ngày xửa ngày xưa có một cô bé rất thích đi dạo trong khu rừng nhỏ gần nhà bà ngoại của mình"
    )
    chinese = "从前有一个小女孩非常喜欢在外婆家附近的小树林里散步直到太阳下山"
    other = "从前有一条小狗住在城里每天晚上都对着月亮唱歌给邻居们听"
    texts = [
        vietnamese,
        vietnamese.upper() + " nhé",
        chinese,
        chinese + "了",
        other,
        "Một câu chuyện khác hẳn về con mèo",
    ]
    assert decide(signed(texts))["keep"].to_list() == [True, False, True, False, True, True]


def test_earlier_samples_precede_and_are_named_and_only_candidates_are_read():
    earlier = signed([LONG, "nobody is like this one here"], prefix="e")
    read = []

    def texts(ids):
        read.extend(ids)
        return [
            pl.concat([earlier, new])
            .filter(pl.col("sample_id").is_in(ids.implode()))
            .select("sample_id", "text")
        ]

    new = signed([edited(LONG, 0, 3), "something else altogether is told"], quality=[1.0, 1.0])
    found = judge(new.drop("text"), earlier.drop("text"), texts, 0.7, 3)
    assert found.sort("sample_id")["witness_id"].to_list() == ["e00000", None]
    assert sorted(read) == ["e00000", "s00000"]


def test_texts_that_are_missing_or_not_the_signed_ones_are_refused():
    new = signed(["a b c d", "a b c d"]).drop("text")
    with pytest.raises(SeedloomError, match="the texts of 2 signed samples are missing"):
        judge(new, signed([]), lambda ids: [], 0.7, 3)
    other = pl.DataFrame({"sample_id": ["s00000"], "text": ["a b c d e"]})
    with pytest.raises(SeedloomError, match="not the one that was signed"):
        judge(new, signed([]), lambda ids: [other], 0.7, 3)


@pytest.mark.parametrize("threshold", [0, -0.1, 1.01, float("nan")])
def test_a_threshold_outside_of_its_range_is_refused(threshold):
    with pytest.raises(BadInput, match="threshold .* is outside of"):
        decide(signed(["a"]), threshold=threshold)


def test_on_public_tool_instructions_full_of_boilerplate_the_decision_is_that_of_brute_force(public_data):
    file = public_data("gpteacher/Toolformer_toolformer-similarity-0.8-dataset.json")
    rows = json.loads(file.read_text())[:2500]
    texts = ["\n".join((row["instruction"], row["input"], row["response"])) for row in rows]
    jaccard = similarities(texts, 3)
    found = decide(signed(texts), cap=64)
    assert found["keep"].to_list() == greedy(jaccard, 0.7).tolist()
    check_witnesses(found, jaccard, 0.7)
    assert found["keep"].sum() < 2500
    assert found["full_bands"].max() > 0


def test_the_task_judges_the_survivors_against_this_run_and_the_clean_lineage(tmp_path):
    old = begin(tmp_path, "curate", "test", "old", {})
    samples = put(old, [LONG, edited(LONG, 50, 60), "short and old"], ["o1", "o2", "o3"])
    first = signatures.fn(old, samples, 3)
    old.commit([*samples, *first, *minhash.fn(old, samples, [], first, 0.7, 3, "")])

    run = begin(tmp_path, "curate", "test", "new", {})
    far = edited(LONG, 100, 90)
    texts = [edited(LONG, 0, 4), far, far.upper(), edited(far, 0, 5), "short and old", "..."]
    samples = put(run, texts, ["n1", "n2", "n3", "n4", "n5", "n6"])
    signed_parts = signatures.fn(run, samples, 3)
    verdicts = exact.fn(run, samples, [], "sample_id <> 'o3'")
    (part,) = minhash.fn(run, samples, verdicts, signed_parts, 0.7, 3, "sample_id <> 'o3'")
    found = run.read(part)
    assert found["sample_id"].to_list() == ["n1", "n2", "n4", "n5", "n6"]  # n3 was dropped by `exact`
    assert found["keep"].to_list() == [False, True, False, True, True]
    assert found["witness_id"].to_list() == ["o1", None, "n2", None, None]
    assert set(found["threshold"]) == {0.7}
    assert (
        found["reason"][0]
        == f"Jaccard {round(found['score'][0], 3)} of word 3-grams with a sample that comes first"
    )
    assert found["reason"][1] is None
    assert minhash.fn(run, samples, verdicts, signed_parts, 0.7, 3, "sample_id <> 'o3'") == [part]
    (alone,) = minhash.fn(run, samples, verdicts, signed_parts, 0.7, 3, "")
    assert run.read(alone)["keep"].to_list() == [True, True, False, True, True]


def test_a_run_may_have_no_samples_and_a_missing_signature_is_an_error(run):
    assert minhash.fn(run, [], [], [], 0.7, 3, "true") == []
    samples = put(run, ["a b c d e f"], ["n1"])
    with pytest.raises(SeedloomError, match="1 samples, for one n1, have no signature under v1-nfkc-word3"):
        minhash.fn(run, samples, [], signatures.fn(run, samples, 5), 0.7, 3, "")


def test_full_bands_are_told(run, monkeypatch, caplog):
    monkeypatch.setattr("tasks.minhash.CAP", 1)
    boilerplate = " ".join(f"shared{i}" for i in range(60))
    samples = put(
        run, [boilerplate + "".join(f" own{i}x{j}" for j in range(30)) for i in range(4)], list("abcd")
    )
    with caplog.at_level(logging.INFO, "seedloom.minhash"):
        (part,) = minhash.fn(run, samples, [], signatures.fn(run, samples, 3), 0.7, 3, "")
    found = run.read(part)
    assert found["keep"].all()
    assert "bands had no room" in found["reason"][3]
    told = [record.levelname for record in caplog.records if record.name == "seedloom.minhash"]
    assert told == ["INFO", "WARNING"]


def test_signatures_alone_never_decide():
    texts = [LONG, edited(LONG, 0, 40)]
    minima, _ = sign(pl.Series(texts), 3)
    agreement = (minima[0] == minima[1]).mean()
    jaccard = similarities(texts, 3)[0, 1]
    between = (agreement + jaccard) / 2
    assert abs(agreement - jaccard) > 1e-6
    assert decide(signed(texts), threshold=between)["keep"][1] == (jaccard < between)
