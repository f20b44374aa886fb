from collections import Counter

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tasks.quality as stage
from schemas.ids import digest
from tasks.intake import frames
from tasks.quality import PARTS, Bounds, judge, parts, quality
from warehouse.parts import conform, write_part
from warehouse.parts import polars_schema as schema

STORY = (
    "Once upon a time a small fox lived under the old oak. Every morning she looked for red berries. "
    "One day she found a shiny stone and gave it to her friend the owl. The owl smiled and they ate a cake."
)
CHINESE = (
    "从前有一只小狐狸住在老橡树下面，她每天早上都去找红色的浆果。"
    "有一天她找到了一块闪亮的石头，送给了猫头鹰朋友，然后她们一起吃了蛋糕，直到月亮升起来，大家才回家睡觉。"
)
CODE = (
    "def add(a, b):\n    return a + b\n\n\nfor i in range(10):\n    print(add(i, i))\n\nassert add(2, 3) == 5"
)
MATHS = (
    "3^2 + 6 = 9 + 6 = 15, (x + 1)(x - 1) = x^2 - 1, 12 * 13 = 156, 7 / 2 = 3.5, "
    "2 + 2 = 4, 3 * 3 = 9, 5 - 8 = -3, 6 * 7 = 42, 100 / 8 = 12.5, 11^2 = 121, 17 + 25 = 42, 0.5 * 0.5 = 0.25"
)
RUSSIAN = (
    "Жила-была лиса под старым дубом. Каждое утро она искала ягоды. "
    "Однажды она нашла блестящий камень и подарила его сове."
)


# Rows of Alpaca dropped by the worst rule of each; 6 more markers stand in rows that are refusals, too.
ALPACA = {"no answer": 28, "the answer": 56, "refuses": 41, "holds": 112, "10-grams": 11, "lines": 10}


def sample(**columns):
    row = dict.fromkeys(schema("sample")) | {
        "root_id": "r", "run_id": "run1", "recipe": "mine", "level": "row", "final": True, "ordinal": 1,
        "slots": "{}", "language": "en", "origin": "a", "text": "",
    }  # fmt: skip
    return row | {"sample_id": digest(columns)} | columns


def text(body):
    return sample(text=body)


def pair(instruction, given, output):
    joined = "\n\n".join(part for part in (instruction, given, output) if part)
    return sample(text=joined, instruction=instruction, input=given, output=output)


def verdict_on(*rows, most=2000):
    return judge(pl.DataFrame(rows, schema=schema("sample")), "run1", Bounds(3, most))


@pytest.mark.parametrize(
    "row",
    [
        text(STORY),
        text(CHINESE),
        text(CODE),
        text(MATHS),
        text(RUSSIAN),
        pair("Is the review good or bad?", "I loved it.", "Positive"),
        pair("6 + 3 = ?", "", "9"),
        pair("Which sign is it?", "2 _ 2", "="),
        pair("把句子翻译成英文。", "猫在桌子下面。", "The cat is under the table."),
        pair("Write the code.", "", CODE),
        pair(
            "List the prime numbers below 50.", "", "2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47"
        ),
        pair("Name the cells.", "", "| a | b |\n|---|---|\n| 1 | 2 |\n|---|---|\n| 3 | 4 |\n|---|---|"),
    ],
)
def test_a_good_text_of_any_kind_has_the_full_score(row):
    verdict = verdict_on(row).row(0, named=True)
    assert verdict["keep"]
    assert verdict["score"] == 1
    assert verdict["reason"] is None


@pytest.mark.parametrize(
    ("row", "score", "reason"),
    [
        (pair("Draw a cat.", "", ""), 0, "no answer"),
        (pair("Draw a cat.", "", " \n"), 0, "no answer"),
        (pair("Fix it.", "He spoke loudly.", "He spoke loudly. "), 0, "the answer repeats what was asked"),
        (
            pair("Say this again, please.", "", "Say this again, please."),
            0,
            "the answer repeats what was asked",
        ),
        (
            pair("Draw a cat.", "", "I'm sorry, but I can't do that."),
            0,
            "refuses: I'm sorry, but I can't do that.",
        ),
        (pair("Draw a cat.", "", "A cat.\n\n### Input: a dog"), 0, "holds the prompt marker ### Input"),
        (text("Two words"), 0, "2 words; 3 to 40 are wanted"),
        (text(STORY), 0, "42 words; 3 to 40 are wanted"),
        (text("the cat sat and " * 10), 0, "90% of the characters in repeated word 10-grams; 40% at most"),
        (text("Yes, it is.\n" * 3 + "No."), 0.236, "61% of the characters in repeated lines; 40% at most"),
        (text("a b c " + "#-* " * 40), 0.061, "2% letters and digits; 20% at least"),
    ],
)
def test_a_bad_text_is_dropped_and_the_reason_names_the_worst_part(row, score, reason):
    verdict = verdict_on(row, most=40).row(0, named=True)
    assert not verdict["keep"]
    assert verdict["score"] == pytest.approx(score, abs=0.001)
    assert verdict["reason"] == reason
    assert verdict["threshold"] == 0.5


@pytest.mark.parametrize(("copies", "keep"), [(1, True), (2, False), (3, False)])
def test_a_text_written_twice_is_dropped_and_a_chorus_is_not(copies, keep):
    assert verdict_on(text("\n".join([STORY] * copies)))["keep"][0] == keep
    verse, chorus = (
        STORY.replace(". ", ".\n"),
        "We look for berries in the wood,\nwe share the cake with all the good",
    )
    song = f"{verse}\n\n{chorus}\n\n{verse.upper()[::-1]}\n\n{chorus}"
    assert verdict_on(text(song))["keep"][0]


def test_a_cut_ending_is_a_mild_deduction():
    cut = STORY.removesuffix(" and they ate a cake.")
    verdict = verdict_on(text(cut)).row(0, named=True)
    assert (verdict["score"], verdict["keep"], verdict["reason"]) == (0.9, True, None)
    assert verdict_on(text("A list without a stop\n- one\n- two"))["score"][0] == 1


@pytest.mark.parametrize(
    ("turns", "keep"),
    [
        ([("user", "Hi"), ("assistant", "Hello, how are you?")], True),
        ([("user", "Hi there, friend")], False),
        ([("user", "Hi there, friend"), ("assistant", " ")], False),
        ([("user", "Hi there"), ("assistant", "As an AI language model, I cannot say hi.")], False),
    ],
)
def test_a_conversation_is_judged_by_what_the_assistant_says(turns, keep):
    messages = [{"role": role, "content": content} for role, content in turns]
    row = sample(text="\n\n".join(content for _, content in turns), messages=messages)
    assert verdict_on(row)["keep"][0] == keep


def test_only_final_samples_are_judged_and_each_once():
    rows = [text(STORY), sample(text="draft", final=False), text(CHINESE)]
    assert sorted(verdict_on(*rows)["sample_id"]) == sorted([rows[0]["sample_id"], rows[2]["sample_id"]])
    assert verdict_on().is_empty()
    assert verdict_on(rows[1]).is_empty()


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@settings(deadline=None)
@given(st.lists(st.tuples(TEXT, st.none() | TEXT), max_size=5, unique=True))
def test_every_part_lies_in_0_to_1_and_the_score_is_the_smallest(pairs):
    rows = [sample(text=body, output=output) for body, output in pairs]
    verdicts = verdict_on(*rows)
    found = parts(pl.DataFrame(rows, schema=schema("sample")), Bounds()).select(PARTS)
    assert found.null_count().sum_horizontal().sum() == 0
    assert all(0 <= value <= 1 for row in found.iter_rows() for value in row)
    assert verdicts["score"].to_list() == found.select(pl.min_horizontal(PARTS)).to_series().to_list()
    assert verdicts["keep"].to_list() == [score >= 0.5 for score in verdicts["score"]]
    assert conform("verdict", verdicts).height == len(rows)
    assert verdicts["reason"].is_null().to_list() == verdicts["keep"].to_list()


def test_a_verdict_depends_neither_on_order_nor_on_slices(monkeypatch):
    rows = [text(body) for body in (STORY, CHINESE, CODE, "no", STORY * 3, MATHS)]
    whole = verdict_on(*rows).sort("sample_id")
    monkeypatch.setattr(stage, "SLICE", 2)
    assert verdict_on(*reversed(rows)).sort("sample_id").equals(whole)


def test_the_stage_judges_the_samples_among_its_parts_and_does_it_once(run):
    frame = pl.DataFrame([text(STORY), text("no")], schema=schema("sample"))
    reject = pl.DataFrame([{"run_id": "r", "origin": "a", "line": 1, "reason": "x", "content": ""}])
    made = [
        write_part(run.root, run.run_id, "sample", frame),
        write_part(run.root, run.run_id, "reject", reject),
    ]
    (verdicts,) = quality.fn(run, made, 3, 2000)
    assert verdicts.table == "verdict"
    assert run.read(verdicts)["keep"].sum() == 1
    assert quality.fn(run, made, 3, 2000) == [verdicts]
    assert quality.fn(run, made, 1, 2000) != [verdicts]


def test_hardly_any_of_alpaca_is_dropped_and_each_rule_drops_what_it_was_made_for(public_data):
    alpaca = pl.read_json(public_data("alpaca/alpaca_data.json")).with_row_index("sample_id")
    pairs = alpaca.with_columns(
        pl.col("sample_id").cast(pl.String),
        final=True,
        messages=pl.lit(None, schema("sample")["messages"]),
        text=pl.concat_str("instruction", "input", "output", separator="\n\n"),
    )
    verdicts = judge(pairs, "r", Bounds())
    assert verdicts.height == 52_002
    dropped = verdicts.filter(~pl.col("keep"))
    assert dropped.height == 258  # 0.50 %
    assert Counter(dropped["reason"].str.extract(f"({'|'.join(ALPACA)})")) == ALPACA


@pytest.mark.parametrize(
    ("name", "dropped"),
    [
        ("tinystories/valid_first_10k_lines.txt", 0),
        ("gsm8k/test.jsonl", 0),
        ("gpteacher/Roleplay_roleplay-simple-deduped-roleplay-instruct.json", 0),
        ("fables/aesop4children.json", 0),
        ("ifeval/input_data.jsonl", 541),
    ],
)
def test_real_stories_and_answers_are_kept_and_questions_alone_are_not(public_data, name, dropped):
    (rows, _), *rest = frames([public_data(name)], "r", "x")
    assert not rest
    assert judge(rows, "r", Bounds()).filter(~pl.col("keep")).height == dropped
