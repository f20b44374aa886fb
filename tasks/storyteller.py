"""The offline storyteller: the embedded default model, which needs no key and no network.

A deterministic generator behind the interface of a chat model. It reads the prompt as a model would and
writes from a grammar (tasks/storybook): tasks, flags, instances, summaries, sentences, stories. What it
writes is template text, not the output of a language model, and labelled `offline/storyteller` everywhere.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from schemas.ids import seed_for
from schemas.llm import OFFLINE
from schemas.settings import Storyteller
from tasks import storyteller_answers as answers
from tasks import storyteller_blocks as blocks
from tasks import storyteller_code as code
from tasks import storyteller_dialogues as dialogues
from tasks import storyteller_documents as documents
from tasks import storyteller_evolution as evolution
from tasks import storyteller_judges as judges
from tasks import storyteller_labels as labels
from tasks import storyteller_lessons as lessons
from tasks import storyteller_stories as stories
from tasks import storyteller_tasks as tasks
from tasks import storyteller_tongues
from tasks.storyteller_faults import TOKEN, spoilt
from tasks.storyteller_kinds import Kind

MODEL = OFFLINE


class Completion(NamedTuple):
    """What a chat completion says. A token is a word or a punctuation mark."""

    text: str
    finish_reason: str
    n_prompt_tokens: int
    n_completion_tokens: int


def answer(
    messages: list[dict[str, str]], sampling: dict[str, Any], seed: int, manners: Storyteller
) -> Completion:
    """Answer the last message.

    The same arguments give the same completion; at temperature 0 the seed does not count. A share
    `manners.bad` of the replies is spoilt, a share `manners.repeat` repeats one of a few fixed texts.
    """
    prompt = messages[-1]["content"] if messages else ""
    drawn = 0 if sampling.get("temperature", 1) == 0 else seed
    turns = [[message["role"], message["content"]] for message in messages]
    seeds = [seed_for("storyteller", part, turns, drawn) for part in ("manner", "text", "fault")]
    text, finish = _reply(prompt, seeds, manners)
    text, finish = _stopped(text, finish, sampling.get("stop"))
    text, finish = _limited(text, finish, sampling.get("max_tokens"))
    n_prompt_tokens = sum(n_tokens(message["content"]) for message in messages)
    return Completion(text, finish, n_prompt_tokens, n_tokens(text))


def kind_of(prompt: str) -> tuple[Kind, re.Match[str]]:
    """What kind of prompt it is; anything else is answered in free text."""
    for kind in KINDS:
        if hit := kind.sign.search(prompt):
            return kind, hit
    raise AssertionError("the last kind matches everything")


def n_tokens(text: str) -> int:
    """Words and punctuation marks."""
    return len(TOKEN.findall(text))


def _reply(prompt: str, seeds: list[int], manners: Storyteller) -> tuple[str, str]:
    manner, text_seed, fault_seed = seeds
    kind, hit = kind_of(prompt)
    share = manner / 2**63  # uniform in [0, 1)
    if manners.bad <= share < manners.bad + manners.repeat and kind.repeat:
        return kind.repeat(text_seed, hit, manners.obey), "stop"
    good = kind.tell(text_seed, hit, manners.obey)
    return spoilt(fault_seed, kind.name, prompt, good) if share < manners.bad else (good, "stop")


def _stopped(text: str, finish: str, stop: str | list[str] | None) -> tuple[str, str]:
    """The text before the first stop sequence."""
    ends = [text.find(mark) for mark in ([stop] if isinstance(stop, str) else stop or []) if mark]
    found = [end for end in ends if end >= 0]
    return (text[: min(found)], "stop") if found else (text, finish)


def _limited(text: str, finish: str, max_tokens: int | None) -> tuple[str, str]:
    """The first `max_tokens` tokens; `length` when there were more."""
    if max_tokens is None or len(text) <= max_tokens:
        return text, finish
    for i, token in enumerate(TOKEN.finditer(text)):
        if i == max_tokens:
            return text[: token.start()].rstrip(), "length"
    return text, finish


def _stock(name: str) -> Callable[[int, re.Match[str], float], str]:
    return lambda seed, hit, obey: stories.stock(seed, name, stories.asked(hit.string), obey)


def _story(write: Callable[[int, stories.Asked, float], str]) -> Callable[[int, re.Match[str], float], str]:
    return lambda seed, hit, obey: write(seed, stories.asked(hit.string), obey)


KINDS = (
    *dialogues.KINDS,
    *documents.KINDS,
    *judges.KINDS,
    *lessons.KINDS,
    *code.KINDS,
    *labels.KINDS,
    *blocks.KINDS,
    *evolution.KINDS,
    Kind(
        "tasks",
        re.compile(r"^\d+\. .*^(\d{1,9})\.\s*\Z", re.MULTILINE | re.DOTALL),
        lambda seed, hit, obey: tasks.new_tasks(seed, int(hit[1])),
        lambda seed, hit, obey: tasks.stock_tasks(seed, int(hit[1])),
    ),
    Kind(
        "flag",
        re.compile(r"^Task: ?(.*)\nIs it classification\?\s*\Z", re.MULTILINE),
        lambda seed, hit, obey: answers.flag(hit[1]),
    ),
    Kind(
        "output-first",
        re.compile(r"^Class label:.*^Task: ?(.*?)\s*\Z", re.MULTILINE | re.DOTALL),
        lambda seed, hit, obey: answers.output_first(seed, hit[1]),
    ),
    Kind(
        "input-first",
        re.compile(r"^Output:.*^Task: ?(.*?)\s*\Z", re.MULTILINE | re.DOTALL),
        lambda seed, hit, obey: answers.input_first(seed, hit[1]),
    ),
    Kind(
        "sentence",
        re.compile(r"[Ww]rite (?:only )?(?:one|that) sentence"),
        _story(stories.sentence),
        _stock("sentence"),
    ),
    Kind("summary", re.compile(r"[Ww]rite its summary"), _story(stories.summary), _stock("summary")),
    Kind("story", re.compile(r"[Ww]rite (?:a|the) (?:\w+ )*story"), _story(stories.story), _stock("story")),
    *storyteller_tongues.KINDS,
    Kind("other", re.compile(r""), lambda seed, hit, obey: answers.free(seed, hit.string)),
)
