"""The offline storyteller's sums and word exercises: tasks with one right answer, which is computed."""

from collections.abc import Callable, Sequence
from functools import cache

from tasks.storyteller_phrases import Pen, plural
from tasks.word_lists import word_list

Made = tuple[str, str]  # (input, output)


def _listed(items: Sequence[object]) -> str:
    return ", ".join(str(item) for item in items)


def _shared(amount: int, among: int) -> str:
    each, left = divmod(amount, among)
    return f"{each} each" + (f", and {left} are left" if left else "")


def _continued(row: str) -> str:
    numbers = [int(number) for number in row.split(", ")]
    return str(2 * numbers[-1] - numbers[-2])


def _mean(numbers: Sequence[int]) -> str:
    return f"{sum(numbers) / len(numbers):g}"


_VOWELS = "aeiou"

GIVEN: dict[str, Callable[..., object]] = {  # the numbers stand in the question
    "added": lambda a, b: int(a) + int(b),
    "taken": lambda a, b: int(a) - int(b),
    "multiplied": lambda a, b: int(a) * int(b),
    "shared": lambda a, b: _shared(int(a), int(b)),
    "percent": lambda a, b: f"{int(a) * int(b) / 100:g}",
    "minutes": lambda a: int(a) * 60,
    "centimetres": lambda a: int(a) * 100,
    "continued": _continued,
}

NUMBERS: dict[str, Callable[[list[int]], object]] = {  # the input is a list of numbers
    "total": sum,
    "mean": _mean,
    "largest": max,
    "smallest": min,
    "ascending": lambda numbers: _listed(sorted(numbers)),
    "descending": lambda numbers: _listed(sorted(numbers, reverse=True)),
    "even_ones": lambda numbers: _listed([n for n in numbers if n % 2 == 0]) or "none",
    "spread": lambda numbers: max(numbers) - min(numbers),
    "doubled": lambda numbers: _listed([2 * n for n in numbers]),
}

LETTERS: dict[str, Callable[[list[str]], object]] = {  # the input is a list of words
    "alphabetical": lambda ws: _listed(sorted(ws)),
    "by_length": lambda ws: _listed(sorted(ws, key=lambda w: (len(w), w))),
    "longest": lambda ws: max(ws, key=len),
    "backwards": lambda ws: " ".join(w[::-1] for w in ws),
    "capitals": lambda ws: " ".join(ws).upper(),
    "n_words": len,
    "n_vowels": lambda ws: sum(c in _VOWELS for w in ws for c in w),
    "without_vowels": lambda ws: " ".join("".join(c for c in w if c not in _VOWELS) for w in ws),
    "initials": lambda ws: "".join(w[0] for w in ws).upper(),
    "commas": _listed,
    "without_repeats": lambda ws: _listed(list(dict.fromkeys(ws))),
    "plurals": lambda ws: _listed([plural(w) for w in ws]),
}

_SPACED = ("backwards", "capitals", "n_words", "n_vowels", "without_vowels", "initials", "commas")


def solved(name: str, given: Sequence[str]) -> str:
    """The answer to an exercise whose numbers stand in the question."""
    return str(GIVEN[name](*given))


def made(name: str, pen: Pen) -> Made:
    """An input for the exercise, and its right output."""
    if name in NUMBERS:
        numbers = [pen.random.randint(2, 99) for _ in range(pen.random.randint(3, 6))]
        return _listed(numbers), str(NUMBERS[name](numbers))
    chosen = pen.random.sample(_short_nouns(), pen.random.randint(3, 5))
    if name == "without_repeats":
        chosen.insert(pen.random.randint(1, len(chosen)), chosen[0])
    text = " ".join(chosen) if name in _SPACED else _listed(chosen)
    return text, str(LETTERS[name](chosen))


@cache
def _short_nouns() -> list[str]:
    return [noun for noun in word_list("nouns") if len(noun) <= 8]
