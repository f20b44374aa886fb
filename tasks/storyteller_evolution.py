"""The offline storyteller evolves instructions: a clause more, data to be read, or a task of its own."""

import re

from schemas.ids import seed_for
from tasks.storyteller_kinds import Kind
from tasks.storyteller_phrases import Pen, book
from tasks.storyteller_tasks import new_task, phrases
from tasks.tokens import words

_WAYS = {  # how the prompts of tasks/recipes/evol_instruct.toml name the operations
    "constrain": "one more condition",
    "deepen": "ask further and more deeply",
    "concretise": "a more specific notion",
    "reason": "a whole chain of reasoning",
}
_DATA = re.compile(r"data in the form of (\w+)")
EQUAL = 0.05  # share of changed instructions that the judge calls equal all the same


def evolved(seed: int, prompt: str, given: str) -> str:
    """The instruction and 10 to 20 words, or with data; for a prompt that is to be created, a new one."""
    pen = Pen(seed, phrases(), {})
    asked = prompt[: prompt.rindex("#Given Prompt#:")]
    if "#Created Prompt#" in asked:
        return new_task(pen)
    if hit := _DATA.search(asked):
        lines = [pen.fill(line) for line in book("evolution")["data"].get(hit[1], ["{noun}: {n}"])]
        return "\n".join([f"{given} {pen.line(book('evolution')['complicate'])}", *lines])
    way = next((name for name, sign in _WAYS.items() if sign in asked), "constrain")
    clauses = (pen.line(book("evolution")[way]) for _ in range(50))
    return f"{given} {next(clause for clause in clauses if 10 <= len(clause.split()) <= 20)}"


def judged(seed: int, before: str, after: str) -> str:
    """Equal when no word is new, and now and then although there are new ones."""
    same = words(before) == words(after) or Pen(seed, {}, {}).chance(EQUAL)
    return book("evolution")["verdict_same" if same else "verdict_other"]


def _obeys(seed: int, obey: float) -> bool:
    """Half of those who do not obey change nothing, the others make no difference here."""
    return Pen(seed_for("evolution", seed), {}, {}).chance((1 + obey) / 2)


KINDS = (
    Kind(
        "evolution",
        re.compile(r".*^#Given Prompt#:\n(.*?)\n\n#(?:Rewritten|Created) Prompt#:\s*\Z", re.M | re.DOTALL),
        lambda seed, hit, obey: evolved(seed, hit.string, hit[1]) if _obeys(seed, obey) else hit[1],
    ),
    Kind(
        "equality",
        re.compile(
            r"^The first prompt: (.*)\n\nThe second prompt: (.*)\n\n.*judgement:\s*\Z", re.M | re.DOTALL
        ),
        lambda seed, hit, obey: judged(seed, hit[1], hit[2]),
    ),
)
