"""The offline storyteller's answers to tasks: the classification flag, instances in two orders, free text.

Instructions of the storyteller's own families are answered by them: exercises are computed, label and pair
tasks come with fitting inputs. Any other instruction gets template text about its own words.
"""

import re
from collections.abc import Sequence
from functools import cache

from tasks.storyteller_exercises import GIVEN, made, solved
from tasks.storyteller_phrases import Pen, articles, book, lists, tidy
from tasks.storyteller_tasks import Family, family_of, phrases

_LABELLING = re.compile(
    r"\b(classif\w+|categori[sz]e|whether|true or false|yes or no|fact or opinion|labels?|sentiment|detect"
    r"|which (kind|group|class|category|type|section)"
    r"|(determine|decide|tell me|judge) if|(assign|rate) (a|the)|\w+, \w+,? or \w+"
    r"|(is|are|does|was) (it|the|this|that|these|those) [^.?]* or\b)"
)
_ALTERNATIVES = re.compile(r"\b((?:\w+, )*\w+),? or (?:an? )?(\w+)")
_TOPICS = [
    re.compile(
        rf"\b(?:{before}) (?!one\b|each\b)(.+?)(?= for | that | who | which | over | in the |[.?:;,!]|$)"
    )
    for before in ("about|on|concerning|mentions", "of|with", "for")
]
_COUNTS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}
_COUNT = re.compile(rf"\b({'|'.join(_COUNTS)}|\d{1, 3})\b")
_ONE_SLOT = re.compile(r"\{(\w+)\}")
_UNKNOWN = "It cannot be known."
_MAX_TOPIC_WORDS = 9
_MAX_ITEMS = 10


def flag(instruction: str) -> str:
    """Yes for a classification task, otherwise No."""
    family = family_of(instruction)
    if family is None or (family.kind == "open" and not family.question_in(instruction.lower())):
        return "Yes" if _LABELLING.search(instruction.lower()) else "No"
    return "Yes" if family.kind == "labels" else "No"


def input_first(seed: int, instruction: str) -> str:
    """Examples of a task that is no classification, or one output when it needs no input."""
    family = family_of(instruction)
    if family is None or family.kind in ("open", "labels"):
        return f"Output: {free(seed, instruction)}"
    pen = Pen(seed, phrases(), _subject(_question(family, instruction)))
    if family.kind == "pairs":
        return _examples(_pairs(pen, family))
    name = family.entry["name"]
    if name in GIVEN:
        return f"Output: {_solved(family, instruction)}"
    return _examples([made(name, pen) for _ in range(pen.pick((1, 1, 2)))])


def output_first(seed: int, instruction: str) -> str:
    """Every label of a classification task, each followed by an input that belongs to it."""
    family = family_of(instruction)
    pen = Pen(seed, phrases(), {})
    if family is None or family.kind != "labels":
        topic = _topic(instruction)
        hints = [(label, _hint(pen, label, topic)) for label in _labels(instruction)]
        return "\n".join(f"Class label: {label}\nText: {hint}" for label, hint in hints)
    pen.facts.update(_subject(_question(family, instruction)))
    field = family.entry["field"]
    lines = []
    for label, inputs in family.entry["label"].items():
        number = pen.pick((1, 1, 2)) if len(family.entry["label"]) == 2 else 1
        for text in pen.random.sample(inputs, min(len(inputs), number)):
            slot = _ONE_SLOT.fullmatch(text)  # a single word must not be the one that the question names
            written = pen.line(pen.phrases[slot[1]] if slot else [text])
            lines.append(f"Class label: {label}\n" + (f"{field}: {written}" if field else written))
    return "\n".join(lines)


def free(seed: int, instruction: str) -> str:
    """Template text about the words of an instruction, in the form that it asks for."""
    family = family_of(instruction)
    form = family.entry["form"] if family and family.kind == "open" else "other"
    asked = _question(family, instruction) if family else instruction.lower()
    pen = Pen(seed, phrases(), _subject(asked))
    pen.facts["a"], pen.facts["b"] = _two_words(asked)
    pen.facts["topic"] = _topic(asked)
    if form == "list":
        return _item_list(pen, asked)
    return pen.line(_answers()[form])


def _solved(family: Family, instruction: str) -> str:
    hit = family.sign.search(instruction.lower())
    try:
        return solved(family.entry["name"], hit.groups()) if hit else _UNKNOWN
    except (ValueError, ZeroDivisionError):  # somebody else's numbers: shared among 0, thousands of digits
        return _UNKNOWN


def _examples(pairs: Sequence[tuple[str, str]]) -> str:
    numbered = enumerate(pairs, 1)
    return "\n".join(f"Example {i}\nInput: {given}\nOutput: {output}" for i, (given, output) in numbered)


def _pairs(pen: Pen, family: Family) -> list[tuple[str, str]]:
    """Inputs and right outputs; a slot holds the same word in both."""
    pairs = family.entry["pairs"]
    subject = dict(pen.facts)
    chosen = pen.random.sample(pairs, min(len(pairs), pen.pick((1, 1, 2))))
    filled = []
    for given, output in chosen:
        drawn = {slot: pen.fill(f"{{{slot}}}") for slot in sorted(set(_ONE_SLOT.findall(given + output)))}
        pen.facts = {**drawn, **subject}
        filled.append((articles(pen.fill(given)), articles(pen.fill(output))))
        pen.facts = dict(subject)
    return filled


def _question(family: Family, instruction: str) -> str:
    """The question without the sentences around it, lower-case; the whole when it is nobody's we know."""
    return family.question_in(instruction.lower()) or instruction.lower()


def _item_list(pen: Pen, asked: str) -> str:
    hit = _COUNT.search(asked)
    number = min(_COUNTS.get(hit[0], 0) or int(hit[0]), _MAX_ITEMS) if hit else 3
    items = pen.random.sample(_answers()["item"], number)
    return "\n".join(f"{i}. {tidy(pen.fill(item))}" for i, item in enumerate(items, 1))


def _subject(asked: str) -> dict[str, str]:
    """Slot -> word of the question that fits it, so that the answer is about the same things."""
    found: dict[str, str] = {}
    words = re.findall(r"[a-z]+(?:-[a-z]+)*", asked)
    for gram in [*map(" ".join, zip(words, words[1:], strict=False)), *words]:
        for slot, word in _slots().get(gram, ()):
            found.setdefault(slot, word)
    return found


@cache
def _slots() -> dict[str, list[tuple[str, str]]]:
    """Word of a question -> slots that it decides, and what they then hold."""
    slots: dict[str, list[tuple[str, str]]] = {}
    for one, many in (("noun", "things"), ("animal", "animals")):
        for word, plural in zip(lists()[one], lists()[many], strict=True):
            for form in {word, plural}:
                slots.setdefault(form, []).extend([(one, word), (many, plural)])
    for slot in ("place", "job", "food", "name"):
        for word in phrases()[slot]:
            slots.setdefault(word.lower(), []).append((slot, word))
    return slots


def _two_words(asked: str) -> tuple[str, str]:
    """Two words that the question is about."""
    subject = _subject(asked)
    known = [subject[slot] for slot in ("noun", "animal", "food", "place", "job") if slot in subject]
    long = [word for word in re.findall(r"[a-z]{5,}", asked) if word not in known and word not in _COUNTS]
    several = list(dict.fromkeys([*known, *long[::-1], "idea", "plan"]))
    return several[0], several[1]


def _topic(asked: str) -> str:
    hits = (sign.search(asked.lower()) for sign in _TOPICS)
    topic = next((hit[1] for hit in hits if hit), " and ".join(_two_words(asked)))
    return re.sub(r"( (a|an|the|in|of|at|and|with|to))+$", "", " ".join(topic.split()[:_MAX_TOPIC_WORDS]))


def _labels(instruction: str) -> list[str]:
    """The labels that an instruction names, otherwise Yes and No."""
    hit = _ALTERNATIVES.search(instruction.lower())
    labels = [*hit[1].split(", "), hit[2]] if hit else ["yes", "no"]
    return list(dict.fromkeys(label.capitalize() for label in labels))


def _hint(pen: Pen, label: str, topic: str) -> str:
    """An input for a label of which nothing is known but its name."""
    return tidy(pen.fill(f"{{name}} wrote about {topic}, and the {{job}} called it {label.lower()}."))


def _answers() -> dict[str, list[str]]:
    return book("open")["answer"]
