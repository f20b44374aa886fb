"""Conversations as token ids: what a model reads, and which of it is trained on and measured.

Loss falls on what the assistant says and on nothing else. Every assistant turn is one example: the turns
before it are read, the turn itself is learned. That needs no mask from the chat template, so it is right for
any model; on a two-turn conversation it is the prompt/completion form of TRL.
"""

from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from jinja2 import TemplateError

from schemas.errors import BadInput
from schemas.ids import digest

IGNORED = -100  # the label that cross entropy leaves out, in torch and in transformers

# For `tiny`, where <|user|> and the like are tokens, and as plain text for base models without a template.
TEMPLATE = """\
{%- for message in messages -%}
{{- '<|' + message['role'] + '|>\\n' -}}
{%- if message['role'] == 'assistant' -%}
{%- generation -%}{{- message['content'] + eos_token -}}{%- endgeneration -%}
{%- else -%}{{- message['content'] + '\\n' -}}{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|assistant|>\\n' -}}{%- endif -%}
"""

Conversation = list[dict[str, str]]


class Example(NamedTuple):
    """One assistant turn with what came before it."""

    row: int  # which conversation it is of
    ids: list[int]  # the whole text, at most max_length tokens
    start: int  # ids[start:] is what the assistant says

    def labels(self) -> list[int]:
        """What cross entropy is measured against; as long as `ids`."""
        return [IGNORED] * self.start + self.ids[self.start :]


def read_conversations(release_dir: Path, split: str) -> list[Conversation]:
    """The conversations of a split (`train` or `heldout`), in an order made by content, not by the file.

    A release of plain texts has no conversations: there each text is the answer to an empty question. Rows in
    which the assistant says nothing are left out.

    Raises:
        BadInput: when folder, file or column is missing, or the file is damaged.
    """
    if not release_dir.is_dir():
        raise BadInput(f"no release folder {release_dir}")
    known = [release_dir / place / f"{split}.parquet" for place in ("messages", "", "text")]
    path = next((path for path in known if path.is_file()), None)
    if path is None:
        names = ", ".join(str(path.relative_to(release_dir)) for path in known)
        raise BadInput(f"no {split} rows in release folder {release_dir}; looked for {names}")
    spoken = [turns for turns in _conversations(path) if any(turn["role"] == "assistant" for turn in turns)]
    return sorted(spoken, key=digest)


def examples(tokenizer: Any, conversations: list[Conversation], max_length: int) -> list[Example]:
    """One example per assistant turn that follows another turn, cut to `max_length` tokens.

    A turn whose prompt alone fills the context has nothing left to learn and gives no example. Where the
    template renders a prompt alone differently, learning starts where the two renderings part.

    Raises:
        BadInput: when the chat template refuses a conversation.
    """
    places = [
        (row, turn)
        for row, messages in enumerate(conversations)
        for turn in range(1, len(messages))
        if messages[turn]["role"] == "assistant"
    ]
    if not places:
        return []
    prompts = prompt_ids(tokenizer, [conversations[row][:turn] for row, turn in places])
    wholes = _ids(tokenizer, [conversations[row][: turn + 1] for row, turn in places], prompt=False)
    made = (
        Example(row, whole[:max_length], _common_prefix(prompt, whole))
        for (row, _), prompt, whole in zip(places, prompts, wholes, strict=True)
    )
    return [example for example in made if example.start < len(example.ids)]


def prompt_ids(tokenizer: Any, prompts: list[Conversation]) -> list[list[int]]:
    """The token ids after which the assistant is to speak, one list per prompt.

    Raises:
        BadInput: when the chat template refuses a conversation.
    """
    return _ids(tokenizer, prompts, prompt=True)


def _conversations(path: Path) -> list[Conversation]:
    try:
        columns = pl.read_parquet_schema(path)
        if "messages" in columns:
            return pl.read_parquet(path, columns=["messages"])["messages"].drop_nulls().to_list()
        if "text" in columns:
            texts = pl.read_parquet(path, columns=["text"])["text"].drop_nulls().to_list()
            return [_answer(text) for text in texts]
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BadInput(f"cannot read {path} as Parquet: {str(error).splitlines()[0]}") from error
    raise BadInput(f"no column 'messages' or 'text' in {path}; known: {sorted(columns)}")


def _answer(text: str) -> Conversation:
    return [{"role": "user", "content": ""}, {"role": "assistant", "content": text}]


def _ids(tokenizer: Any, conversations: list[Conversation], prompt: bool) -> list[list[int]]:
    try:
        texts = tokenizer.apply_chat_template(conversations, tokenize=False, add_generation_prompt=prompt)
    except TemplateError as error:
        raise BadInput(f"the chat template of {tokenizer.name_or_path!r} refuses a row: {error}") from error
    # verbose=False: a text beyond the context is cut by us, so the tokeniser need not warn of it
    return tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]


def _common_prefix(one: list[int], other: list[int]) -> int:
    for place, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return place
    return min(len(one), len(other))
