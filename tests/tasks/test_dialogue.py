import random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import BadInput
from tasks import tiny_model
from tasks.dialogue import IGNORED, examples, prompt_ids, read_conversations


def asked(question, answer):
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


ROWS = [
    asked(f"Tell me about {n} cats", f"There were {n} cats and they slept.") for n in ["two", "three", "four"]
]
TURNS = st.lists(st.tuples(st.text(max_size=20), st.text(min_size=1, max_size=20)), min_size=1, max_size=3)


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_model.tokenizer_for(ROWS, 64)


def release(folder, rows, place="messages/train.parquet"):
    (folder / place).parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame({"messages": rows}).write_parquet(folder / place)
    return folder


def learned(tokenizer, example):
    return tokenizer.decode(example.ids[example.start :])


def test_what_the_assistant_says_is_learned_and_nothing_else(tokenizer):
    (example,) = examples(tokenizer, ROWS[:1], 64)
    assert learned(tokenizer, example) == "There were two cats and they slept.<|end|>"
    assert (
        tokenizer.decode(example.ids[: example.start]) == "<|user|>\nTell me about two cats\n<|assistant|>\n"
    )
    assert example.labels()[: example.start] == [IGNORED] * example.start
    assert example.labels()[example.start :] == example.ids[example.start :]


@settings(max_examples=30, deadline=None)
@given(TURNS)
def test_every_assistant_turn_is_an_example_that_reads_the_turns_before_it(tokenizer, pairs):
    messages = [turn for pair in pairs for turn in asked(*pair)]
    made = examples(tokenizer, [messages], 10_000)
    assert [learned(tokenizer, example) for example in made] == [answer + "<|end|>" for _, answer in pairs]
    assert all(one.ids == other.ids[: len(one.ids)] for one, other in zip(made, made[1:], strict=False))


def test_the_marks_of_the_chat_template_agree_with_what_is_learned(tokenizer):
    (example,) = examples(tokenizer, ROWS[:1], 64)
    marked = tokenizer.apply_chat_template(ROWS[0], return_dict=True, return_assistant_tokens_mask=True)
    assert marked["input_ids"] == example.ids
    assert marked["assistant_masks"] == [int(label != IGNORED) for label in example.labels()]


def test_a_long_answer_is_cut_to_the_context(tokenizer):
    (whole,) = examples(tokenizer, [asked("Go on", "and on " * 99)], 10_000)
    (cut,) = examples(tokenizer, [asked("Go on", "and on " * 99)], 16)
    assert cut.ids == whole.ids[:16]


def test_a_prompt_that_fills_the_context_gives_no_example(tokenizer):
    rows = [asked("why " * 99, "so"), ROWS[0]]
    assert [example.row for example in examples(tokenizer, rows, 40)] == [1]


def test_learning_starts_where_a_template_renders_the_prompt_differently(tokenizer):
    class Odd:
        name_or_path = "odd"

        def apply_chat_template(self, conversations, tokenize, add_generation_prompt):
            return ["PROMPT: think" if add_generation_prompt else "PROMPT: answer" for _ in conversations]

        def __call__(self, texts, **options):
            return {"input_ids": [[ord(letter) for letter in text] for text in texts]}

    (example,) = examples(Odd(), ROWS[:1], 64)
    assert example.start == len("PROMPT: ")


def test_a_template_that_refuses_a_row_is_named(tokenizer):
    tokenizer = tiny_model.tokenizer_for(ROWS, 64)
    tokenizer.chat_template = "{{ raise_exception('no system role') }}"
    with pytest.raises(BadInput, match="chat template of .* refuses a row: no system role"):
        prompt_ids(tokenizer, [ROWS[0][:1]])


def test_the_order_of_the_rows_in_the_file_does_not_matter(tmp_path):
    shuffled = random.Random(3).sample(ROWS, len(ROWS))
    one, other = release(tmp_path / "one", ROWS), release(tmp_path / "other", shuffled)
    assert shuffled != ROWS
    assert read_conversations(one, "train") == read_conversations(other, "train")


def test_rows_without_an_assistant_are_left_out(tmp_path):
    folder = release(tmp_path, [*ROWS, [{"role": "user", "content": "Anyone?"}], None])
    assert len(read_conversations(folder, "train")) == len(ROWS)


def test_a_release_of_plain_texts_is_read_as_answers(tmp_path):
    (tmp_path / "text").mkdir()
    pl.DataFrame({"text": ["A cat slept."]}).write_parquet(tmp_path / "text" / "heldout.parquet")
    assert read_conversations(tmp_path, "heldout") == [asked("", "A cat slept.")]


def test_files_may_lie_in_the_release_folder_itself(tmp_path):
    assert len(read_conversations(release(tmp_path, ROWS, "train.parquet"), "train")) == len(ROWS)


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda folder: None, "no release folder"),
        (lambda folder: folder.mkdir(), "no train rows in release folder"),
        (
            lambda folder: release(folder, ROWS).joinpath("messages/train.parquet").write_bytes(b"PAR1"),
            "cannot read",
        ),
        (
            lambda folder: (
                folder.mkdir(),
                pl.DataFrame({"said": ["a"]}).write_parquet(folder / "train.parquet"),
            ),
            r"no column 'messages' or 'text' in .*known: \['said'\]",
        ),
    ],
)
def test_a_release_that_cannot_be_read_says_why_in_one_line(tmp_path, prepare, message):
    prepare(tmp_path / "release")
    with pytest.raises(BadInput, match=message) as caught:
        read_conversations(tmp_path / "release", "train")
    assert "\n" not in str(caught.value)
