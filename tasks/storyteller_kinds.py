"""What kinds of prompts the offline storyteller can tell apart."""

import re
from collections.abc import Callable
from typing import NamedTuple


class Kind(NamedTuple):
    """A kind of prompt: how it is recognised, and what answers it."""

    name: str
    sign: re.Pattern[str]
    tell: Callable[[int, re.Match[str], float], str]  # seed, match, share that is obeyed
    repeat: Callable[[int, re.Match[str], float], str] | None = None
