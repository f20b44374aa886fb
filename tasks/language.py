"""Filter `language`: is a final text in the language that its recipe asks for? No model, no dictionary.

Evidence for a language is the number of words that speak for it: a character of its script, or, in Latin
letters, one of its commonest words, letters or endings (tasks/languages.toml; after Grefenstette 1995, who
found common words as telling as letter trigrams from a sentence on). Score in (0, 1]:

    (10 e + 1) / (10 e + f + 1)

with e the different words that speak for the expected language (a hero called Long is one) and f the words
for the strongest other one, if at least 15 % of all speak for it (else 0). Kept from 0.3 on: dropping takes
three words of another language and none of the expected one, or 23 more for each of it. So short texts,
lists of names, code, formulas, quotations and texts in two languages are kept, and so is everything for an
expected language that has no profile here.

Of an instruction with its answer the answer alone is judged, unless the instruction names a language or holds
the other one itself: translations are judged with the instruction around them, and kept.
"""

import tomllib
from collections import Counter
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import regex
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.partition import Partition
from tasks.tokens import words
from warehouse.parts import polars_schema
from warehouse.run import Run

THRESHOLD = 0.3
WEIGHT = 10  # of a word of the expected language against one of another
SPOKEN = 0.15  # least share of words that speak for a language; of real sentences it is 0.3 to 0.7
LEAST = 3  # words that tell a language
CODE = 0.06  # share of the symbols of programs and formulas among visible characters; of prose it is 0.01
PROFILES = Path(__file__).with_name("languages.toml")

_SCRIPTS = {
    "zh": r"\p{Han}", "ja": r"\p{Hiragana}\p{Katakana}", "ko": r"\p{Hangul}", "th": r"\p{Thai}",
    "el": r"\p{Greek}", "he": r"\p{Hebrew}", "und-Cyrl": r"\p{Cyrillic}", "und-Arab": r"\p{Arabic}",
    "und-Deva": r"\p{Devanagari}",
}  # fmt: skip
_LETTERS = {tag: regex.compile(f"[{letters}]") for tag, letters in _SCRIPTS.items()}
_NO_PROSE = regex.compile(
    r"```.*?(?:```|\Z)|`[^`\n]+`|https?://\S+|\S+@\S+|\$\$.*?\$\$"
    r"|(?m:^(?:SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER)\b[^;]*)",
    regex.DOTALL,
)
_SYMBOLS = regex.compile(r"[{}()\[\]=<>;_\\$#+*|^&~`]")
_NAMES_A_LANGUAGE = regex.compile(
    r"(?i)translat|language|bilingual|spanish|french|german|italian|portuguese|dutch|indonesian|malay\b|turkish"
    r"|(?-i:Polish)|swedish|romanian|czech|vietnamese|chinese|mandarin|japanese|korean|english|latin\b|russian|arabic"
    r"|hindi|greek|hebrew|thai\b|finnish|danish|norwegian|hungarian|foreign|dịch|tiếng |ngôn ngữ"
    r"|[英中汉法德日韩外]语|[英中日]文|译"
)


class Language(NamedTuple):
    """A BCP 47 tag, `und` when the text does not tell, and how sure it is, in [0, 1]."""

    tag: str
    score: float


class Evidence(NamedTuple):
    """Words that speak for each language, how many different ones, and all words that could."""

    found: Counter[str]
    different: Counter[str]
    n_words: int

    def strongest(self, but: str = "") -> tuple[str, int]:
        """The language with most evidence, other than `but`; of equals the last by name."""
        rivals = [(count, tag) for tag, count in self.found.items() if tag != but]
        count, tag = max(rivals, default=(0, "und"))
        return (tag, count) if count >= SPOKEN * self.n_words else ("und", 0)


def language_of(text: str) -> Language:
    """The language of a text; `und` when it is too short, code, or between two languages.

    The score is the share of the strongest in the evidence for the two strongest, plus one.
    """
    seen = evidence(text)
    tag, count = seen.strongest()
    second = seen.strongest(tag)[1]
    sure = count / (count + second + 1)
    return Language(tag, sure) if count >= LEAST and count > second else Language("und", sure)


def evidence(text: str) -> Evidence:
    """How many words of a text speak for each language; none in code and formulas."""
    prose = _NO_PROSE.sub(" ", text)
    if len(_SYMBOLS.findall(prose)) > CODE * len(prose):
        return Evidence(Counter(), Counter(), 0)
    found, different, n_words = Counter[str](), Counter[str](), 0
    for word, count in Counter(words(prose)).items():
        tags = _speaks_for(word)
        n_words += count * (tags is not None)
        for tag in tags or ():
            found[tag] += count
            different[tag] += 1
    if 0 < found["zh"] < 9 * found["ja"]:
        found["ja"] += found.pop("zh")  # Han among kana
        different["ja"] += different.pop("zh")
    return Evidence(+found, different, n_words)


@cache
def _profiles() -> dict[str, list[str]]:
    """Word -> languages; what English shares with another speaks for none."""
    told: dict[str, list[str]] = {}
    for tag, profile in tomllib.loads(PROFILES.read_text(encoding="utf-8")).items():
        for word in dict.fromkeys(words(profile["words"])):
            told.setdefault(word, []).append(tag)
    return {word: [] if "en" in tags and len(tags) > 1 else tags for word, tags in told.items()}


@cache
def _shapes() -> list[tuple[str, regex.Pattern[str]]]:
    """Language -> the letters of any word, and the endings of a word of five letters, that give it away."""
    told = tomllib.loads(PROFILES.read_text(encoding="utf-8")).items()
    letters = [(tag, f".*[{profile['marks']}]") for tag, profile in told if profile["marks"]]
    ends = [(tag, f"(?=.{{5}}).*{profile['ends']}") for tag, profile in told if profile["ends"]]
    return [(tag, regex.compile(sign)) for tag, sign in letters + ends]


@lru_cache(maxsize=1 << 17)
def _speaks_for(word: str) -> tuple[str, ...] | None:
    """The languages that a word speaks for; None for a number or a letter of ASCII, which speak for none."""
    script = [tag for tag, letters in _LETTERS.items() if letters.search(word)]
    if script:
        return tuple(script)
    if word.isnumeric() or (len(word) == 1 and word.isascii()):
        return None
    known = _profiles().get(word)
    if known is not None:
        return tuple(known)
    return tuple(dict.fromkeys(tag for tag, sign in _shapes() if sign.match(word)))


def judge(samples: pl.DataFrame, run_id: str, expected: str) -> pl.DataFrame:
    """Verdicts on the final samples: score in (0, 1], kept from 0.3 on.

    Args:
        samples: rows of the table sample.
        run_id: the run that judges.
        expected: BCP 47 tag, of which the first part counts.
    """
    tag = expected.split("-")[0].lower()
    columns = ("sample_id", "text", "instruction", "input", "output")
    rows = samples.filter("final").select(columns).iter_rows()
    verdicts = [_verdict(sample_id, run_id, _seen(tag, *texts), tag) for sample_id, *texts in rows]
    return pl.DataFrame(verdicts, schema=polars_schema("verdict"))


def _seen(tag: str, text: str, instruction: str | None, context: str | None, output: str | None) -> Evidence:
    """The evidence of the answer if the instruction leaves its language open, else that of the whole text."""
    if output is None:
        return evidence(text)
    asked = f"{instruction or ''}\n{context or ''}"
    answer = evidence(output)
    other = answer.strongest(tag)[0]
    if other == "und" or not (_NAMES_A_LANGUAGE.search(asked) or evidence(asked).found[other] >= LEAST):
        return answer
    return evidence(text)


def _verdict(sample_id: str, run_id: str, seen: Evidence, tag: str) -> dict[str, Any]:
    other, count = seen.strongest(tag) if tag in known() else ("und", 0)
    mine = WEIGHT * seen.different[tag]
    score = (mine + 1) / (mine + count + 1)
    reason = (
        f"{count} of {seen.n_words} words speak for {other}, {seen.different[tag]} different ones for {tag}"
    )
    return {
        "sample_id": sample_id,
        "run_id": run_id,
        "filter": "language",
        "keep": score >= THRESHOLD,
        "score": score,
        "threshold": THRESHOLD,
        "witness_id": None,
        "reason": None if score >= THRESHOLD else reason,
    }


@cache
def known() -> frozenset[str]:
    """The tags that texts can be judged by."""
    return frozenset(tomllib.loads(PROFILES.read_text(encoding="utf-8"))) | {
        "zh",
        "ja",
        "ko",
        "th",
        "el",
        "he",
    }


@task(name="language", cache_policy=NO_CACHE)
def language(run: Run, samples: list[Partition], expected: str) -> list[Partition]:
    """One verdict on every final sample; each part of samples on its own."""

    def judged(part: Partition) -> list[Partition]:
        return run.once(
            "language",
            [part],
            {"expected": expected},
            lambda: {"verdict": judge(run.read(part), run.run_id, expected)},
        )

    return [verdicts for part in samples if part.table == "sample" for verdicts in judged(part)]
