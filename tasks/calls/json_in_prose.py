"""JSON values in what a model says: alone, in code fences, or amid prose; each character is read a few times.

Stricter than Python's reader where that one makes up for others: NaN, numbers beyond a double, a key twice,
lone surrogates and NUL are no data that a store could keep. More lenient in one point: trailing commas.
"""

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

DEEPEST = 100  # levels of nesting; what is deeper is no answer but an attack or a model gone wild
MOST = 256  # values that one reply may offer; half of them fenced
# Where a JSON object or array may begin; `{x}` and `[see there]` of prose do not.
BEGIN = re.compile(r'\{(?=\s*+["}])|\[(?=\s*+(?:[\[{"\]\-0-9]|true|false|null))')
# Possessive, so that a string without an end costs one pass and not one for each quote in it.
BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+"?|([{\[])|([}\]])', re.S)
TRAILING = re.compile(r'("(?:[^"\\]|\\.)*+"?)|,(?=\s*+[}\]])', re.S)
THOUGHTS = "<think>", "</think>"


class Unfit(ValueError):
    """No value, or one that cannot be kept; the message says why."""

    def __init__(self, why: str, n_chars: int = 1) -> None:
        """Keep how much text it is about."""
        super().__init__(why)
        self.n_chars = n_chars


class Offer(NamedTuple):
    """A value that a reply may mean, and how much of the text it is."""

    value: Any
    n_chars: int


def values_in(text: str) -> Iterator[Offer]:
    """The JSON values that a reply offers, the likeliest first; at most 256.

    The whole text if it is JSON, else what is fenced, else each outermost object or array amid prose. A part
    of a value that is itself cut off or broken is not offered: it would be an answer to another question.

    Raises:
        Unfit: when there is something that means to be JSON and is not, or cannot be kept.
    """
    said = _without_thoughts(text.removeprefix("\ufeff").strip().removeprefix("\ufeff").strip())
    if not said:
        raise Unfit("the reply is empty")
    whole = _read(said)
    if not isinstance(whole, Broken):
        yield Offer(whole, len(said))
        return
    yield from islice(_fenced(said), MOST // 2)
    yield from _amid(said)


def _fenced(said: str) -> Iterator[Offer]:
    for body in said.split("```", MOST)[1::2]:
        inside = _without_language(body)
        value = _read(inside)
        if not isinstance(value, Broken):
            yield Offer(value, len(inside))


def _amid(said: str) -> Iterator[Offer]:
    """What stands amid prose; the longest mistake is told once nothing else is left."""
    mistake, longest = None, 0
    for part in islice(_parts(said), MOST // 2):
        value = _read(part)
        if not isinstance(value, Broken):
            yield Offer(value, len(part))
        elif len(part) > longest:
            mistake, longest = value, len(part)
    if mistake is not None:
        raise Unfit(f"no valid JSON: {mistake.why}", longest)


def _parts(text: str) -> Iterator[str]:
    """The outermost pieces of text between balanced brackets that may be JSON.

    Raises:
        Unfit: when one has no end.
    """
    place = 0
    while begin := BEGIN.search(text, place):
        end = _end_of(text, begin.start())
        if end is None:
            rest = text[begin.start() :]
            raise Unfit(f"the JSON is cut off: {_shown(rest)} has no end", len(rest))
        yield text[begin.start() : end]
        place = end


def _end_of(text: str, start: int) -> int | None:
    """Where the bracket that opens at `start` is closed; brackets in strings do not count."""
    depth = 0
    for token in BRACKET.finditer(text, start):
        if token.lastindex is not None:
            depth += 1 if token.lastindex == 1 else -1
            if depth == 0:
                return token.end()
    return None


class Broken(NamedTuple):
    """What is no JSON from its first to its last character."""

    why: str


def _read(text: str) -> Any:
    """The value of a text that is JSON, else Broken.

    Raises:
        Unfit: when it is JSON that cannot be kept.
    """
    try:
        value = _loaded(text)
        if isinstance(value, Broken):
            mended = TRAILING.sub(lambda found: found[1] or "", text)
            value = value if mended == text else _loaded(mended)
        if not isinstance(value, Broken):
            _refuse_unkept(value)
        return value
    except Unfit as error:
        raise Unfit(str(error), len(text)) from error


def _loaded(text: str) -> Any:
    try:
        return _DECODER.decode(text)
    except RecursionError as error:
        raise Unfit(f"the JSON is nested deeper than {DEEPEST} levels") from error
    except json.JSONDecodeError as error:
        return Broken(f"{error.msg} at character {error.pos} of {_shown(text)}")


def _float(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise Unfit(f"the number {_shown(digits)} is beyond what a double can hold")
    return number


def _int(digits: str) -> int:
    try:
        return int(digits)
    except ValueError as error:  # Python refuses to read more than 4300 digits, which takes quadratic time
        raise Unfit(f"an integer of {len(digits)} digits is too long") from error


def _constant(name: str) -> Any:
    raise Unfit(f"{name} is no JSON number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise Unfit(f"the key {_shown(twice)} is there twice in one object")
    return made


def _refuse_unkept(value: Any) -> None:
    """Refuse texts that no store could keep, and nesting that validation could not walk."""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            raise Unfit(f"the JSON is nested deeper than {DEEPEST} levels")
        below: list[Any] = []
        for each in level:
            if isinstance(each, str):
                _refuse_odd_text(each)
            elif isinstance(each, dict):
                below += each
                below += each.values()
            elif isinstance(each, list):
                below += each
        level = below


def _refuse_odd_text(text: str) -> None:
    if "\x00" in text:
        raise Unfit(f"the text {_shown(text)} holds a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Unfit(f"the text {_shown(text)} holds half a surrogate pair") from error


def _without_thoughts(said: str) -> str:
    """What follows the thoughts of a model that thinks aloud; drafts in them are no answers."""
    opening, closing = THOUGHTS
    return said.rpartition(closing)[2].strip() if said.startswith(opening) and closing in said else said


def _without_language(body: str) -> str:
    """What is in a code fence without the `json` after its opening."""
    first, line_end, rest = body.partition("\n")
    return (rest if line_end and re.fullmatch(r"[\w+-]*", first.strip()) else body).strip()


# Not strict: a raw line break in a text, which weak models write, has one meaning only.
_DECODER = json.JSONDecoder(
    strict=False, parse_float=_float, parse_int=_int, parse_constant=_constant, object_pairs_hook=_object
)


def _shown(text: str) -> str:
    return json.dumps(text if len(text) <= 40 else f"{text[:30]}...")
