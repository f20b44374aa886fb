import json
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from schemas.errors import BadInput, SeedloomError
from tasks.bands import sketches
from tasks.near_duplicates import Line, judge
from tasks.shingles import shingle_sets, sign

SHORT = st.lists(st.sampled_from(list("abcdef")), max_size=9).map(" ".join)


def lined(texts, n_earlier, n=3):
    minima, n_shingles = sign(texts, n)
    return Line(sketches(minima), n_shingles.astype(np.int32), n_earlier)


def whole(texts):
    """The texts of wanted places, some at a time."""

    def given_texts(wanted):
        places = np.flatnonzero(wanted)
        for some in np.array_split(places, max(1, len(places) // 1000)):
            yield texts.gather(some), some

    return given_texts


def decide(texts, earlier=(), threshold=0.7, n=3, quality=None, folder=None, **how):
    """The decision on texts, by precedence unless `quality` says otherwise: one row per text, as given."""
    order = sorted(range(len(texts)), key=lambda i: -(quality or [0] * len(texts))[i])
    every = pl.Series([*earlier, *(texts[i] for i in order)], dtype=pl.String)
    line = lined(every, len(earlier), n)
    found = judge(line, whole(every), threshold, n, folder or Path(tempfile.gettempdir()), **how)
    names = [f"e{i:05d}" for i in range(len(earlier))] + [f"s{i:05d}" for i in order]
    rows = pl.DataFrame(found._asdict()).with_columns(
        pl.col("score").fill_nan(None), sample_id=pl.Series(names, dtype=pl.String)
    )
    witness = rows["sample_id"].gather(rows.select(pl.when(~pl.col("kept")).then("witness")).to_series())
    rows = rows.with_columns(witness_id=witness, keep="kept")
    return (
        rows[len(earlier) :]
        .sort("sample_id")
        .select("sample_id", "keep", "score", "witness_id", "full_bands")
    )


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


LONG = " ".join(f"word{i}" for i in range(200))


def test_a_chain_keeps_its_far_end():
    # 0, 20 and 40 words of 200 edited: neighbours share 178 - 20 of their 3-grams, the ends too few
    chain = [LONG, edited(LONG, 0, 20), edited(edited(LONG, 0, 20), 100, 20)]
    jaccard = similarities(chain, 3)
    assert min(jaccard[0, 1], jaccard[1, 2]) >= 0.7 > jaccard[0, 2]
    found = decide(chain)
    assert found["keep"].to_list() == [True, False, True]
    assert found["witness_id"].to_list() == [None, "s00000", None]
    assert found["score"].to_list() == [None, jaccard[0, 1], jaccard[0, 2]]


def test_the_better_one_stays_and_the_most_similar_better_one_is_the_witness():
    texts = [LONG, edited(LONG, 0, 4), edited(LONG, 0, 30), edited(LONG, 0, 10)]
    found = decide(texts, quality=[0.2, 0.1, 0.9, 0.8], threshold=0.8)
    jaccard = similarities(texts, 3)
    assert jaccard[0, 2] < 0.8 <= min(jaccard[2, 3], jaccard[0, 1])
    assert found["keep"].to_list() == [True, False, True, False]
    assert found["witness_id"].to_list() == [None, "s00000", None, "s00002"]
    assert found["score"].to_list()[1] == jaccard[0, 1]


@pytest.mark.parametrize(("threshold", "n"), [(0.7, 3), (0.7, 5), (0.85, 3)])
def test_planted_duplicates_are_found_as_by_brute_force(threshold, n):
    texts = planted(2000, np.random.default_rng(n))
    jaccard = similarities(texts, n)
    found = decide(texts, threshold=threshold, n=n)
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
    found = decide(with_words, threshold=threshold)
    jaccard = similarities(with_words, 3) if with_words else np.zeros((0, 0))
    check_witnesses(found, jaccard, threshold)
    identical = np.triu(jaccard) == 1  # of sets this small others may be missed: the S-curve is about chance
    assert not found["keep"].to_numpy()[np.argwhere(identical)].all(axis=1).any()


@pytest.mark.parametrize("budget", [1, 500, 3000])
def test_a_scratch_file_changes_nothing_and_none_is_left(tmp_path, budget):
    texts = planted(300, np.random.default_rng(5), 40)
    earlier, new = texts[:40], texts[40:]
    assert decide(new, earlier, budget=budget, folder=tmp_path).equals(decide(new, earlier))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("cap", [1, 2, 3])
def test_a_band_has_room_for_the_first_earlier_samples(cap):
    texts = pl.Series(["a b c", "d e f", "g h i", "a b c", "d e f", "g h i"])
    sketch = np.full((6, 128), 7, np.uint8)  # as if all shared all bands
    found = judge(Line(sketch, np.ones(6, np.int32), 3), whole(texts), 0.7, 3, Path(), cap=cap)
    assert found.kept.tolist() == [True] * 3 + [i >= cap for i in range(3)]
    assert found.witness.tolist()[3:] == [0, 1 if cap > 1 else 0, 2 if cap > 2 else 0]
    assert found.full_bands.tolist()[3:] == [32 * (cap < 3)] * 3


def test_one_text_twenty_thousand_times_keeps_one():
    found = decide(["one and the same little story again"] * 20_000)
    assert found["keep"].to_list() == [True] + [False] * 19_999
    assert set(found["witness_id"].drop_nulls()) == {"s00000"}
    assert found["full_bands"].sum() == 0


def test_boilerplate_is_capped_counted_and_still_finds_its_duplicates():
    boilerplate = " ".join(f"shared{i}" for i in range(60))
    texts = [boilerplate + "".join(f" own{i}x{j}" for j in range(30)) for i in range(900)]
    copies = [edited(text, 0, 2) for text in texts[::9]]
    found = decide(texts + copies, cap=32)
    assert found["keep"].to_list() == [True] * 900 + [False] * 100
    assert found["witness_id"].to_list()[900:] == [f"s{i:05d}" for i in range(0, 900, 9)]
    assert found["full_bands"].max() > 0
    assert decide(texts, cap=2000)["full_bands"].sum() == 0


def test_empty_and_one_word_texts():
    found = decide(["", "...", "word", "Word!", "other", "two words"])
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
    assert decide(texts)["keep"].to_list() == [True, False, True, False, True, True]


def test_earlier_samples_precede_and_are_named_and_only_candidates_are_read():
    every = pl.Series(
        [LONG, "nobody is like this one here", edited(LONG, 0, 3), "something else altogether is told"]
    )
    read = []

    def given_texts(wanted):
        read.extend(np.flatnonzero(wanted).tolist())
        yield every.filter(pl.Series(wanted)), np.flatnonzero(wanted)

    found = judge(lined(every, 2), given_texts, 0.7, 3, Path())
    assert found.kept.tolist() == [True, True, False, True]
    assert found.witness.tolist() == [-1, -1, 0, -1]
    assert read == [0, 2]


def test_texts_that_are_missing_or_not_the_signed_ones_are_refused():
    line = lined(pl.Series(["a b c d", "a b c d"]), 0)
    with pytest.raises(SeedloomError, match="the texts of 2 signed samples are missing"):
        judge(line, lambda wanted: [], 0.7, 3, Path())
    with pytest.raises(SeedloomError, match="not the one that was signed"):
        judge(line, lambda wanted: [(pl.Series(["a b c d e"]), np.array([0]))], 0.7, 3, Path())


@pytest.mark.parametrize("threshold", [0, -0.1, 1.01, float("nan")])
def test_a_threshold_outside_of_its_range_is_refused(threshold):
    with pytest.raises(BadInput, match="threshold .* is outside of"):
        decide(["a"], threshold=threshold)


def test_on_public_tool_instructions_full_of_boilerplate_the_decision_is_that_of_brute_force(public_data):
    file = public_data("gpteacher/Toolformer_toolformer-similarity-0.8-dataset.json")
    rows = json.loads(file.read_text())[:2500]
    texts = ["\n".join((row["instruction"], row["input"], row["response"])) for row in rows]
    jaccard = similarities(texts, 3)
    found = decide(texts, cap=64)
    assert found["keep"].to_list() == greedy(jaccard, 0.7).tolist()
    check_witnesses(found, jaccard, 0.7)
    assert found["keep"].sum() < 2500
    assert found["full_bands"].max() > 0


def test_signatures_alone_never_decide():
    texts = [LONG, edited(LONG, 0, 40)]
    minima, _ = sign(pl.Series(texts), 3)
    agreement = (minima[0] == minima[1]).mean()
    jaccard = similarities(texts, 3)[0, 1]
    between = (agreement + jaccard) / 2
    assert abs(agreement - jaccard) > 1e-6
    assert decide(texts, threshold=between)["keep"][1] == (jaccard < between)
