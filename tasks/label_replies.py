"""A second look at a class label: a reply that names one, compared with what was asked for."""

import re

from tasks.replies import Piece, Told, parser

LABEL_SLOT = "label"
LONGEST = 4  # words; a longer line is talk, not a label
_LEAD = re.compile(r"^\s*(?:the )?(?:label|answer|class)(?: is)?\s*[:=]?\s*", re.IGNORECASE)
_AROUND = " \t\r\n\"'“”‘’`*_.!,;:()[]"


@parser("label")
def label(told: Told) -> list[Piece]:
    """The label in the first line; score 1 when it is that of slots["label"], else 0."""
    stripped = told.text.strip()
    said = plain(stripped.split("\n", 1)[0])
    if not said or len(said.split()) > LONGEST:
        return [Piece(stripped, "no label in the reply")]
    asked = plain(str(told.slots.get(LABEL_SLOT, "")))
    return [Piece(said, score=float(said == asked))]


def plain(text: str) -> str:
    """A label without case, marks and what stands before it."""
    return " ".join(_LEAD.sub("", text.strip(_AROUND)).strip(_AROUND).casefold().split())
