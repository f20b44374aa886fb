"""The offline storyteller judges: grades from 1 to 5, and which of two answers is better."""

import re

from schemas.ids import seed_for
from tasks.storyteller_documents import pen_on, subjects
from tasks.storyteller_kinds import Kind
from tasks.storyteller_phrases import Pen, tidy

_GRADE = re.compile(
    r"--- request ---\n(?P<request>[^\n].*)\n--- answer ---\n(?P<answer>.*)\n--- end ---\n.*\bScore: n\b",
    re.DOTALL,
)
_PAIR = re.compile(
    r"--- question ---\n(?P<question>.*)\n--- assistant A ---\n(?P<a>.*)\n--- assistant B ---\n(?P<b>.*)"
    r"\n--- end ---\n.*\[\[A\]\]",
    re.DOTALL,
)
_SHARES = {5: 0.53, 4: 0.43, 3: 0.03, 2: 0.01}  # of grades for answers that have to do with the request
TURNS = 0.02  # share of judgements that the place decides
TIES = 0.02


def grade(seed: int, request: str, answer: str) -> str:
    """A reason and a grade: 1 when request and answer share no word, mostly 4 or 5 when they do."""
    pen = pen_on(seed, request, spread=False)
    if not set(subjects(request)) & set(subjects(answer)):
        return f"{_line(pen, 'blame')}\nScore: 1"
    score = pen.random.choices(list(_SHARES), list(_SHARES.values()))[0]
    return f"{_line(pen, 'praise' if score > 3 else 'doubt')}\nScore: {score}"


def judgement(seed: int, question: str, a: str, b: str) -> str:
    """Reasons and [[A]], [[B]] or [[C]]; the same answer wins in both orders, but for a few."""
    pen = pen_on(seed, question, spread=False)
    worth = {text: seed_for("worth", question, text) for text in (a, b)}
    if a == b or Pen(seed_for("even", sorted((a, b))), {}, {}).chance(TIES):
        return f"{_line(pen, 'even')} [[C]]"
    better = "A" if pen.chance(TURNS) or worth[a] > worth[b] else "B"
    pen.facts.update(better=better, worse="B" if better == "A" else "A")
    return f"{_line(pen, 'compare')} [[{better}]]"


def _line(pen: Pen, name: str) -> str:
    return tidy(pen.fill(pen.pick(pen.phrases[name])))


KINDS = (
    Kind("grade", _GRADE, lambda seed, hit, obey: grade(seed, hit["request"], hit["answer"])),
    Kind("judgement", _PAIR, lambda seed, hit, obey: judgement(seed, hit["question"], hit["a"], hit["b"])),
)
