"""Word lists: those of tasks/words by name, anybody's own by the path of the file."""

from functools import cache
from pathlib import Path

from schemas.errors import BadInput
from schemas.ids import digest
from schemas.recipe import Recipe
from tasks.feature_subsets import read_subsets

WORDS = Path(__file__).parent / "words"


@cache
def word_list(name: str) -> tuple[str, ...]:
    """The words of a list, one a line, in the order of the file; a line that begins with `#` is a comment.

    Raises:
        BadInput: for a list that is neither in tasks/words nor a file, or that holds no word or one twice.
    """
    path = _path_of(name)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"word list {name}: {error}") from error
    words = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not words:
        raise BadInput(f"word list {path} holds no word: it needs one a line")
    if len(set(words)) < len(words):
        twice = next(word for word in words if words.count(word) > 1)
        raise BadInput(f"word list {path} holds {twice!r} twice")
    return tuple(words)


def lists_of(recipe: Recipe) -> list[str]:
    """The names of the word lists that the slots of a recipe draw from."""
    return [name for slot in recipe.slots.values() for name in (*slot.each, slot.choice_of) if name]


def lists_digest(recipe: Recipe) -> str:
    """What the files of a recipe's slots hold: another word or frequency is another recipe."""
    subsets = {name: list(read_subsets(name).items()) for name in subset_files(recipe)}
    return digest("words", {name: word_list(name) for name in lists_of(recipe)}, subsets)


def subset_files(recipe: Recipe) -> list[str]:
    """The files of frequencies of subsets that the slots of a recipe draw by."""
    return [slot.subsets_file for slot in recipe.slots.values() if slot.subsets_file]


def _path_of(name: str) -> Path:
    shipped = WORDS / f"{name}.txt"
    if shipped.is_file():
        return shipped
    if not Path(name).is_file():
        known = sorted(file.stem for file in WORDS.glob("*.txt"))
        raise BadInput(f"no word list {name!r}: neither a file nor in tasks/words; known: {known}")
    return Path(name)
