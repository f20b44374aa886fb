import csv
import math
import random
from collections import Counter

import numpy as np
import polars as pl
import pytest
from given import row
from hypothesis import given as hypothesis_given
from hypothesis import strategies as st

import tasks.round_trip
from tasks.round_trip import index, judge, round_trip, search
from tasks.tokens import words
from warehouse.parts import polars_schema

DOCUMENTS = {
    "d1": "The oak is an old tree in the park.",
    "d2": "A park has a pond, and the pond has ducks.",
    "d3": "Ducks eat bread; bread is bad for ducks.",
}
TEXTS = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=12).map(" ".join), min_size=1, max_size=12)


def by_hand(query, document, documents, k1=0.9, b=0.4):
    """BM25 as its formula stands in the docstring, word by word."""
    known = [words(text) for text in documents]
    mean = sum(map(len, known)) / len(known) or 1
    ours = Counter(words(document))
    total = 0.0
    for word in words(query):
        df = sum(word in each for each in known)
        idf = math.log(1 + (len(known) - df + 0.5) / (df + 0.5))
        norm = k1 * (1 - b + b * sum(ours.values()) / mean)
        total += idf * ours[word] / (ours[word] + norm) if df else 0
    return total


def ranks(queries, documents, wanted):
    return search(index(documents), queries, np.array(wanted)).rank.tolist()


def frames(queries, documents=DOCUMENTS):
    """Samples of queries {id: (text, document id)} and the documents as the filter sees them."""
    rows = [
        row("sample", sample_id=name, root_id=root, final=True, text=text)
        for name, (text, root) in queries.items()
    ]
    found = pl.DataFrame({"sample_id": list(documents), "text": list(documents.values())})
    return pl.concat([pl.DataFrame(schema=polars_schema("sample")), *rows]), found


def test_three_documents_and_a_query_as_computed_by_hand():
    """N = 3, |d| = 9, 10, 8, mean 9; 'ducks' is in two documents: idf = ln(1 + 1.5 / 2.5) = ln 1.6."""
    built = index(list(DOCUMENTS.values()))
    column = built.weights[[built.vocabulary["ducks"]], :].toarray()[0]
    once, twice = 1 / (1 + 0.9 * (0.6 + 0.4 * 10 / 9)), 2 / (2 + 0.9 * (0.6 + 0.4 * 8 / 9))
    assert column == pytest.approx([0, math.log(1.6) * once, math.log(1.6) * twice])


@hypothesis_given(TEXTS, st.lists(st.sampled_from("abcdefghz"), max_size=6).map(" ".join), st.data())
def test_a_rank_is_what_the_formula_gives(documents, query, data):
    wanted = data.draw(st.integers(0, len(documents) - 1))
    scores = [by_hand(query, document, documents) for document in documents]
    above = sum(score > scores[wanted] + 1e-9 for score in scores)
    level = [i for i, score in enumerate(scores) if abs(score - scores[wanted]) <= 1e-9]
    (rank,) = ranks([query], documents, [wanted])
    assert above < rank <= above + len(level)


def test_a_query_finds_the_document_whose_words_it_holds():
    assert ranks(
        ["how old is the oak", "ducks on the pond", "bread for ducks"], list(DOCUMENTS.values()), [0, 1, 2]
    ) == [1, 1, 1]
    assert ranks(["bread for ducks"], list(DOCUMENTS.values()), [1]) == [2]


def test_a_word_that_stands_twice_in_a_query_counts_twice():
    documents = ["oak oak", "elm", "oak elm", "fir"]
    assert ranks(["oak elm elm", "oak oak elm"], documents, [1, 1]) == [2, 3]


def test_equals_are_ranked_in_the_order_of_the_documents():
    assert ranks(["oak"] * 3, ["an oak"] * 3, [0, 1, 2]) == [1, 2, 3]
    assert ranks(["nothing of the kind", ""], ["oak", "elm"], [1, 1]) == [2, 2]


def test_the_verdict_says_the_rank_and_who_came_first():
    verdicts = judge(*frames({"q1": ("old oak", "d1"), "q2": ("bread for ducks", "d2")}), 1, "r")
    assert verdicts.schema == polars_schema("verdict")
    assert verdicts.select(
        "sample_id", "keep", "score", "threshold", "witness_id", "filter", "run_id"
    ).rows() == [
        ("q1", True, 1.0, 1.0, None, "round_trip", "r"),
        ("q2", False, 2.0, 1.0, "d3", "round_trip", "r"),
    ]
    assert verdicts["reason"].to_list() == [None, "its document is found in place 2; 1 at most"]


def test_a_lower_bar_keeps_more():
    assert judge(*frames({"q2": ("bread for ducks", "d2")}), 2, "r")["keep"].to_list() == [True]


def test_only_final_samples_are_judged():
    samples, documents = frames({"q1": ("old oak", "d1")})
    draft = row("sample", sample_id="q0", root_id="d1", final=False, text="old oak")
    assert judge(pl.concat([samples, draft]), documents, 1, "r")["sample_id"].to_list() == ["q1"]


def test_nothing_to_judge_gives_no_verdict():
    samples, documents = frames({})
    assert judge(samples, documents, 1, "r").height == judge(samples, documents.clear(), 1, "r").height == 0


def test_verdicts_depend_neither_on_the_order_of_rows_nor_on_the_size_of_blocks(monkeypatch):
    random.seed(5)
    documents = {f"d{i:02}": " ".join(random.choices("abcdefghij", k=9)) for i in range(30)}
    queries = {f"q{i:02}": (" ".join(random.choices("abcdefghij", k=3)), f"d{i % 30:02}") for i in range(90)}
    samples, found = frames(queries, documents)
    whole = judge(samples, found, 3, "r")
    assert whole["keep"].n_unique() == 2
    for cells in (1, 64, 1_000):
        monkeypatch.setattr(tasks.round_trip, "CELLS", cells)
        assert judge(
            samples.sample(fraction=1, shuffle=True), found.sample(fraction=1, shuffle=True), 3, "r"
        ).equals(whole)


def test_the_stage_searches_all_documents_of_a_recipe_and_of_no_other(run):
    def sample(name, root, text, final, recipe):
        facts = dict(
            run_id=run.run_id, recipe=recipe, level="x", ordinal=0, slots="{}", language="en", origin="x"
        )
        return row(
            "sample",
            sample_id=name,
            root_id=root,
            parent_id=None if name == root else root,
            final=final,
            text=text,
            **facts,
        )

    rows = [sample(name, name, text, False, "queries") for name, text in DOCUMENTS.items()]
    rows += [
        sample("e1", "e1", "bread for ducks", False, "other"),
        sample("p1", "e1", "bread for ducks", True, "other"),
    ]
    rows += [sample("q1", "d3", "bread for ducks", True, "queries")]
    parts = run.once("made", [], {}, lambda: {"sample": pl.concat(rows)})
    (found,) = [run.read(part) for part in round_trip.fn(run, parts, 1)]
    assert sorted(found.select("sample_id", "score").rows()) == [("p1", 1.0), ("q1", 1.0)]
    assert round_trip.fn(run, [], 1) == []


def test_questions_that_people_asked_find_their_section_more_often_than_not(public_data):
    """FairytaleQA, test split: 522 of 919 questions on one section find it first among 365, 799 among ten."""
    folder = public_data("fairytaleqa/data-by-train-split")
    sections = list(_table(folder / "section-stories" / "test", "-story.csv"))
    number = {(story, each["section"]): i for i, (story, each) in enumerate(sections)}
    asked = [
        (s, q)
        for s, q in _table(folder / "questions" / "test", "-questions.csv")
        if q["local-or-sum"] == "local"
    ]
    wanted = [number[story, each["cor_section"]] for story, each in asked]
    found = ranks([each["question"] for _, each in asked], [each["text"] for _, each in sections], wanted)
    assert (len(sections), len(asked)) == (365, 919)
    assert (found.count(1), sum(rank <= 10 for rank in found)) == (522, 799)


def _table(folder, ending):
    for path in sorted(folder.glob(f"*{ending}")):
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from ((path.name.removesuffix(ending), each) for each in list(csv.DictReader(file)))
