"""`preview`: a few trees of a recipe as an artifact of the Prefect UI; the warehouse stays as it is."""

from typing import Annotated, Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from pydantic import Field

from flows.corpus import KNOWN_ONE
from flows.previewing import previewed, steps_of, verdict_in_words
from schemas.settings import Making, Settings
from tasks.names import RECIPES


@flow(name="preview")
def preview(
    recipe: Annotated[str, Field(json_schema_extra=KNOWN_ONE)] = RECIPES[-1],
    n: Annotated[int, Field(ge=1, le=20)] = 3,
    making: Making = Making(),  # noqa: B008  (frozen)
) -> str:
    """Grow a few trees and show every prompt, reply and verdict as an artifact; nothing is kept.

    Args:
        recipe: Name of a recipe, see `seedloom recipes`.
        n: Trees to grow, 1 to 20.
        making: From recipes to samples.
    """
    steps = steps_of(previewed(recipe, n, making, Settings()))
    text = "\n\n".join([f"# Preview of `{recipe}`", *map(markdown, steps)])
    create_markdown_artifact(text, key=f"preview-{recipe.replace('_', '-')}", description=f"{n} trees")
    return text


def markdown(step: dict[str, Any]) -> str:
    """One step; what a model or a file said stands in code blocks, so that nothing in it is rendered."""
    blocks = [f"## {step['level']}"]
    blocks += [f"Prompt ({turn['role']}):\n\n{fenced(turn['content'])}" for turn in step["prompt"]]
    blocks += [f"Reply:\n\n{fenced(step['reply'])}"] if step["reply"] else []
    blocks += [f"Failed: `{step['error']}`"] if step["error"] else []
    for row in step["read"]:
        judged = "; ".join(map(verdict_in_words, row["verdicts"])) or "no verdict"
        blocks += [f"Read ({row['level']}):\n\n{fenced(row['text'])}\n\n{judged.replace('<', '&lt;')}"]
    return "\n\n".join(blocks)


def fenced(text: str) -> str:
    """A text as a code block that it cannot end."""
    lines = [len(line) - len(line.lstrip("`")) for line in text.splitlines()]
    fence = "`" * max(3, max(lines, default=0) + 1)
    return f"{fence}\n{text}\n{fence}"
