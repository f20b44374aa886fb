"""Counts of a set of kept texts that add over sets, and the statistics that follow from them alone.

A `Counts` maps (statistic, item) to a whole number. Those of two disjoint sets add; what a set added can be
taken off again. Everything here is exact and bounded: by the words and pairs of the design, the labels (if
LABELS or fewer), the features, 1,001 scores. What is not counted since it would grow with the texts, and not
exactly if it were cut: openers, n-grams and lengths, which are those of the hash sample (tasks/state.py).

    texts      n, and fingerprint: sum of 32 bits of SHA-256 over the ids, by which a stale count is known
    whole      n texts that were asked for one word of each list; word/<i>, pair/<i>+<j>: realised, by list
    slot/<s>   n, hit, asked, hit2, cross, asked2: sums over texts of words found, asked, and their products
    feature/<f>, features: the same sums; truncated: n, hit
    cells/<codebook>/<encoder>: vectors by cell (tasks/state.py); what tasks/funnel.py counts
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl

from tasks import coverage
from tasks.design import Design
from tasks.features import FEATURES, feature_hits
from tasks.intervals import Estimate, median_of_counts, ratio_of_sums, share
from warehouse.parts import polars_schema

Counts = Counter[tuple[str, str]]
EDITION = "1"  # of the counts: another edition does not add to this one
LABELS = 1_000  # different labels of one recipe; more are no classes
ALL_SLOTS = "slots"
_SUMS = ("hit", "asked", "hit2", "cross", "asked2")


def counted(samples: pl.DataFrame, design: Design) -> Counts:
    """The counts of kept final samples.

    Args:
        samples: n rows; columns sample_id, text, slots; optional: language, output, truncated.
        design: what they were asked for; without sizes no cells are counted.
    """
    ids = samples["sample_id"]
    counts = Counter({("texts", "n"): len(ids), ("texts", f"fingerprint/{EDITION}"): fingerprint(ids)})
    asked = [json.loads(text) for text in samples["slots"]]
    for text, wanted in zip(samples["text"], asked, strict=True):
        _count_words(counts, text, wanted, design)
    labels = [label for label in map(_label, asked) if label is not None]
    counts.update(("label_kept", label) for label in labels)
    if "language" in samples.columns:
        _count_features(counts, samples, asked)
    if "truncated" in samples.columns:
        known = samples["truncated"].drop_nulls()
        counts.update({("truncated", "n"): len(known), ("truncated", "hit"): int(known.sum())})
    return counts


def fingerprint(ids: Iterable[str]) -> int:
    """A number that two different sets of ids share by chance once in four billion; it adds over sets."""
    return sum(int.from_bytes(hashlib.sha256(i.encode()).digest()[:4]) for i in ids)


def added(counts: Iterable[Counts]) -> Counts:
    """The sum; zeros stay, since "nothing of this" is known."""
    total: Counts = Counter()
    for each in counts:
        total.update(each)
    return total


def taken_off(counts: Counts, part: Counts) -> Counts:
    """The counts without those of a subset, and without items of which nothing is left."""
    left = Counter(counts)
    left.subtract(part)
    return Counter({key: n for key, n in left.items() if n})


def to_rows(run_id: str, recipe: str, counts: Counts) -> pl.DataFrame:
    """Rows of `tally`; more labels than LABELS are left out."""
    many = len(of(counts, "label_kept")) > LABELS
    items = sorted((key, n) for key, n in counts.items() if not (many and key[0] == "label_kept"))
    rows = {
        "run_id": [run_id] * len(items),
        "recipe": [recipe] * len(items),
        "statistic": [statistic for (statistic, _), _ in items],
        "item": [item for (_, item), _ in items],
        "n": [n for _, n in items],
    }
    return pl.DataFrame(rows, schema=polars_schema("tally"))


def from_rows(rows: pl.DataFrame) -> Counts:
    """The sum over rows with columns statistic, item, n."""
    total: Counts = Counter()
    for statistic, item, n in rows.select("statistic", "item", "n").iter_rows():
        total[statistic, item] += n
    return total


def of(counts: Counts, statistic: str) -> dict[str, int]:
    """The items of one statistic."""
    return {item: n for (name, item), n in counts.items() if name == statistic}


def estimates(counts: Counts, sizes: tuple[int, ...]) -> dict[str, Estimate]:
    """Every statistic of the kept texts that follows from counts; without those of which nothing is known.

    Args:
        counts: of one set of texts.
        sizes: words in each list of the design, and items of each choice.
    """
    return {
        **_rates(counts),
        **_coverage(counts, sizes),
        **_truncated(counts),
        **label_estimates(counts),
        **_quality(counts),
    }


def slot_estimates(counts: Counts) -> dict[str, Estimate]:
    """The share of requested words that are in their text, by slot; in [0, 1]."""
    names = {name for name, _ in counts if name.startswith("slot/")}
    return {name.removeprefix("slot/"): _rate(of(counts, name)) for name in sorted(names)}


def label_estimates(counts: Counts) -> dict[str, Estimate]:
    """label_min_share and keep_rate_gap, both in [0, 1]; nothing without labels, or with more than LABELS."""
    kept = of(counts, "label_kept")
    if len(kept) > LABELS:
        return {}
    n = sum(kept.values())
    found = {}
    if kept:
        found["label_min_share"] = Estimate(coverage.least_share(kept.values()), n)
    made = of(counts, "label_made")
    if len(made) > 1:
        rates = [kept.get(label, 0) / n_made for label, n_made in made.items()]
        found["keep_rate_gap"] = Estimate(max(rates) - min(rates), counts["made", "n"])
    return found


def label_of(slots: pl.Series) -> pl.Series:
    """The label that the JSON of `sample.slots` asks for; null where there is none or it is no text."""
    labels = [_label(json.loads(text)) if '"label"' in text else None for text in slots]
    return pl.Series("label", labels, dtype=pl.String)


def _label(asked: dict[str, Any]) -> str | None:
    label = asked.get("label")
    return label if isinstance(label, str) else None


def _count_words(counts: Counts, text: str, wanted: dict[str, Any], design: Design) -> None:
    by_slot = {name: coverage.listed_words(wanted, (name,)) for name in design.slots}
    looked = {name: coverage.look_up(text, words) for name, words in by_slot.items() if words}
    for name, one in looked.items():
        _sum(counts, f"slot/{name}", sum(one.found), len(one.words))
    words = [word for one in looked.values() for word in one.words]
    found = [hit for one in looked.values() for hit in one.found]
    if words:
        _sum(counts, ALL_SLOTS, sum(found), len(found))
    whole = coverage.with_choices(coverage.Asked(tuple(words), tuple(found)), wanted, design.choices)
    if design.sizes and len(whole.words) == len(design.sizes):
        counts["whole", "n"] += 1
        for (i,), (word,) in coverage.cells(whole, 1):
            counts[f"word/{i}", word] += 1
        for (i, j), pair in coverage.cells(whole, 2):
            counts[f"pair/{i}+{j}", "\t".join(pair)] += 1


def _count_features(counts: Counts, samples: pl.DataFrame, asked: list[dict[str, Any]]) -> None:
    if not any("features" in wanted for wanted in asked):
        return
    # Of a pair, `text` holds the instruction too, which may quote a sentence.
    answers = samples.select(pl.coalesce([c for c in ("output", "text") if c in samples.columns])).to_series()
    for wanted, answer, code in zip(asked, answers, samples["language"], strict=True):
        hits = {name: hit for name, hit in feature_hits(wanted, answer, code).items() if hit is not None}
        if hits:
            _sum(counts, "features", sum(hits.values()), len(hits))
        for name, hit in hits.items():
            _sum(counts, f"feature/{name}", int(hit), 1)


def _sum(counts: Counts, name: str, hit: int, asked: int) -> None:
    counts[name, "n"] += 1
    for item, value in zip(_SUMS, (hit, asked, hit * hit, hit * asked, asked * asked), strict=True):
        counts[name, item] += value


def _rate(sums: dict[str, int]) -> Estimate:
    hit, asked, *squares = (sums[item] for item in _SUMS)
    return ratio_of_sums(sums["n"], hit, asked, tuple(squares))


def _rates(counts: Counts) -> dict[str, Estimate]:
    found = {}
    if ("slots", "n") in counts:
        found["slot_hit_rate"] = _rate(of(counts, ALL_SLOTS))
    if ("features", "n") in counts:
        found["feature_hit_rate"] = _rate(of(counts, "features"))
    for feature in FEATURES:
        told = of(counts, f"feature/{feature}")
        if told:
            n = told["n"]
            rate = share(told["hit"], n) if n > 1 else Estimate(None, n)
            found[f"feature_hit_rate_{feature.replace(' ', '_')}"] = rate
    return found


def _coverage(counts: Counts, sizes: tuple[int, ...]) -> dict[str, Estimate]:
    seen = Counter(name.partition("/")[0] for name, _ in counts)
    n = counts["whole", "n"]
    found = {}
    if sizes:
        found["word_coverage"] = coverage.coverage_estimate(seen["word"], sizes, n, 1)
    if len(sizes) > 1:
        found["pair_coverage"] = coverage.coverage_estimate(seen["pair"], sizes, n, 2)
    return found


def _truncated(counts: Counts) -> dict[str, Estimate]:
    if ("truncated", "n") not in counts:
        return {}
    return {"truncated_share": share(counts["truncated", "hit"], counts["truncated", "n"])}


def _quality(counts: Counts) -> dict[str, Estimate]:
    scores = of(counts, "score/quality")
    if not scores:
        return {}
    values, n = np.array([float(score) for score in scores]), np.array(list(scores.values()))
    return {"quality_median": median_of_counts(values, n)}
