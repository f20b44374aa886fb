"""Steered runs beside runs as designed, on the offline storyteller: what comes for the same money.

    python tests/bench/steer.py --only mix --count 200

Each setting grows with `off`, `coverage` and `diversity`, five editions each, in warehouses of their own. The
storyteller has a nominal price: 0.15 USD for a million prompt tokens, 0.60 for a million completion tokens.
Distinct: kept by all filters, and no kept sample before it (by recipe, then ordinal) within cosine 0.9.
Intervals: 95 %, paired t over the editions, of the steered run less `off` in percent of the mean of `off`.
"""

import argparse
import itertools
import json
import logging
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from scipy.stats import t as student

from schemas.llm import LLM
from schemas.settings import Settings, Storyteller
from tasks.bootstrap import bootstrap, count_accepted
from tasks.coverage import label_min_share, look_up, requested_words
from tasks.embed import embed
from tasks.exact import exact
from tasks.expand import Shard, expand, trees_for
from tasks.language import language
from tasks.minhash import minhash
from tasks.obedience import obedience
from tasks.pool import bootstrap_level, clean, rows_of
from tasks.quality import quality
from tasks.recipe import asked_recipe, load_recipe, recipe_of
from tasks.rouge import rouge
from tasks.round_trip import round_trip
from tasks.signature import signatures
from tasks.sources import source
from tasks.steer import Grown, rounds_for, steer
from warehouse.run import begin

HOWS = ("off", "coverage", "diversity")
EDITIONS = ("1", "2", "3", "4", "5")
PRICE = """
[[price]]
model = "offline/storyteller"
usd_per_mtok_in = 0.15
usd_per_mtok_out = 0.60
date = 2026-11-21
source = "nominal"
"""
NEAR = 0.9


def say(text=""):
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def of(table, parts):
    return [part for part in parts if part.table == table]


def judged(run, name, made, among):
    """`flows.tail.judged` without Prefect."""
    recipe = recipe_of(run, name)
    checks, samples = recipe.checks, of("sample", made)
    verdicts = of("verdict", made) + quality.fn(run, samples, checks.min_words, checks.max_words)
    verdicts += obedience.fn(run, samples, checks.obedience)
    if checks.language:
        verdicts += language.fn(run, samples, recipe.language)
    if checks.round_trip is not None:
        verdicts += round_trip.fn(run, samples, checks.round_trip)
    if (label := run.parameters["unlucky"]) and samples:
        verdicts += run.once("unlucky", samples, {}, lambda: {"verdict": unlucky(run, samples, label)})
    signed = signatures.fn(run, samples, checks.shingle)
    verdicts += exact.fn(run, samples, verdicts, signed, among)
    verdicts += minhash.fn(run, samples, verdicts, signed, 0.7, checks.shingle, among)
    return [*(part for part in made if part.table != "verdict"), *verdicts, *signed]


def rooted(run, name, count, settings):
    """What trees grow from."""
    recipe = recipe_of(run, name)
    if recipe.source is not None:
        return source.fn(run, name, trees_for(recipe, count), [])
    pool = []
    for number in range(20 if bootstrap_level(recipe) else 0):
        found = bootstrap.fn(
            run, name, number, count - count_accepted(run, name, pool), pool, "false", settings
        )
        pool += [*found, *rouge.fn(run, found, pool, name, "false")]
        if count_accepted(run, name, pool) >= count:
            break
    return pool


def n_planned(run, name, count, roots):
    recipe = recipe_of(run, name)
    if recipe.source is not None:
        return sum(part.rows for part in of("sample", roots))
    return count_accepted(run, name, roots) if roots else trees_for(recipe, count)


def grown(run, names, count, how, settings, among="false"):
    """`flows.growing.grown` without Prefect: all parts with all verdicts."""
    roots = {name: rooted(run, name, count, settings) for name in names}
    planned = {name: n_planned(run, name, count, roots[name]) for name in names}
    trees, far, fresh = {name: [] for name in names}, {name: Grown() for name in names}, []

    def known():
        return [p for name in names for p in judged(run, name, [*roots[name], *trees[name]], among)]

    for number in range(rounds_for(len(planned)) if how != "off" else 0):
        now = known()
        vectors = (
            embed.fn(run, of("sample", now), of("verdict", now)) if how == "diversity" and number else []
        )
        plans = steer.fn(run, how, number, planned, far, now, fresh, vectors, among)
        fresh = []
        for name, plan in plans.items():
            for shard in plan.shards:
                made = expand.fn(run, name, shard, roots[name], settings, plan.draws)
                trees[name] += made
                fresh += made
            far[name] = plan.grown
    if how == "off":
        for name in names:
            trees[name] = expand.fn(run, name, Shard(0, planned[name]), roots[name], settings)
    return known()


def distinct(vectors):
    """How many of the rows of (n, d) unit vectors have none before them, of those counted, within NEAR."""
    chosen = np.zeros((0, vectors.shape[1]), dtype=np.float32)
    for row in vectors.astype(np.float32):
        if not len(chosen) or (chosen @ row).max() <= NEAR:
            chosen = np.concatenate([chosen, row[None]])
    return len(chosen)


def figures(run, parts):
    """What one run brought, per nominal dollar where it is an amount."""
    usd = rows_of(run, parts, "call").unique("request_id")["cost_usd"].sum()
    kept = clean(run, parts).filter("final").sort("recipe", "ordinal", "sample_id")
    made = embed.fn(run, of("sample", parts), of("verdict", parts))
    vectors = rows_of(run, made, "embedding").select("sample_id", "vector")
    rows = kept.join(vectors, on="sample_id", maintain_order="left")
    held_words, held_pairs, labels = set(), set(), []
    for recipe, slots, text in kept.select("recipe", "slots", pl.coalesce("output", "text")).iter_rows():
        names = [name for name, slot in recipe_of(run, recipe).slots.items() if slot.each]
        asked = look_up(text, requested_words(slots, names))
        there = [(i, word) for i, (word, found) in enumerate(zip(*asked, strict=True)) if found]
        held_words |= {(recipe, *each) for each in there}
        held_pairs |= {(recipe, *pair) for pair in itertools.combinations(there, 2)}
        labels += [label] if isinstance(label := json.loads(slots).get("label"), str) else []
    n = distinct(np.stack(rows["vector"].to_list()))
    return {
        "nominal mUSD": 1e3 * usd,
        "kept / USD": kept.height / usd,
        "distinct / USD": n / usd,
        "words held": len(held_words),
        "words / USD": len(held_words) / usd,
        "pairs held": len(held_pairs),
        "pairs / USD": len(held_pairs) / usd,
        "label min share": label_min_share(labels) if labels else None,
        **{f"kept {name}": count for name, count in sorted(kept.group_by("recipe").len().rows())},
    }


def compared(steered, off):
    """Difference in percent of the mean of `off`, with its interval; None where there is nothing to compare."""
    if None in (*steered, *off) or not any(off):
        return None
    differences = 100 * (np.array(steered) - np.array(off)) / np.mean(off)
    half = student.ppf(0.975, len(off) - 1) * differences.std(ddof=1) / len(off) ** 0.5
    return float(differences.mean()), float(half)


def small_lists(folder, n):
    """Three lists of the first n nouns, verbs and adjectives."""
    from tasks.word_lists import word_list

    files = []
    for name in ("nouns", "verbs", "adjectives"):
        files.append(Path(folder) / f"{name}_{n}.txt")
        files[-1].write_text("\n".join(word_list(name)[:n]) + "\n")
    return [f"tiny_stories:slots.words.each={json.dumps(list(map(str, files)))}"]


class Setting(NamedTuple):
    """What is compared."""

    names: list[str]
    changes: list[str]
    count: int  # final samples of each recipe
    manners: Storyteller
    ways: list[str]
    unlucky: str = ""  # label of which a planted filter drops every second text


def settings_of(folder):
    """All settings by title."""
    obedient, sloppy = Storyteller(), Storyteller(obey=0.7, bad=0.1)
    few, stories = small_lists(folder, 13), ["tiny_stories", "tiny_stories_instruct"]
    both, coverage, diversity = ["coverage", "diversity"], ["coverage"], ["diversity"]
    return {
        "fresh grid": Setting(["tiny_stories"], [], 400, obedient, coverage),
        "words": Setting(["tiny_stories"], small_lists(folder, 151), 302, obedient, coverage),
        "words, sloppy": Setting(["tiny_stories"], small_lists(folder, 151), 302, sloppy, coverage),
        "pairs": Setting(["tiny_stories"], few, 240, obedient, coverage),
        "pairs, sloppy": Setting(["tiny_stories"], few, 240, sloppy, coverage),
        "labels": Setting(["labelled"], [], 400, obedient, both),
        "labels, sloppy": Setting(["labelled"], [], 400, sloppy, both),
        "labels, planted": Setting(["labelled"], [], 400, obedient, both, "negative"),
        "stories": Setting(stories, [], 300, obedient, diversity),
        "mix": Setting([*stories, "labelled", "textbook"], [], 200, obedient, both),
        "mix with a pool": Setting(["tiny_stories", "alpaca", "textbook"], [], 200, obedient, diversity),
    }


def unlucky(run, samples, label):
    """Verdicts of a planted filter that drops every second text of a label, whatever it says."""
    rows = pl.concat([run.read(part) for part in samples]).filter("final")
    ours = pl.col("slots").str.json_path_match("$.label") == label
    even = pl.col("sample_id").map_elements(lambda i: int(i, 16) % 2 == 0, pl.Boolean)
    blank = {name: None for name in ("score", "threshold", "witness_id")}
    return rows.filter(ours).select(
        "sample_id", "run_id", **blank, filter=pl.lit("planted"), keep=even, reason=pl.lit("no luck")
    )


def compare(title, setting, count, hows):
    names, found = setting.names, {how: [] for how in hows}
    begun = time.process_time()
    for edition, how in itertools.product(EDITIONS, hows):
        with tempfile.TemporaryDirectory() as root:
            recipes = {name: asked_recipe(load_recipe(name, tuple(setting.changes))) for name in names}
            asked = {"recipes": recipes, "steer": how, "unlucky": setting.unlucky}
            run = begin(Path(root), "corpus", "bench", edition, asked)
            prices = Path(root) / "prices.toml"
            prices.write_text(PRICE)
            settings = Settings(root=root, storyteller=setting.manners, llm=LLM(prices=prices))
            parts = grown(run, names, count, how, settings)
            found[how].append(figures(run, parts))
    say(f"{title}: {' + '.join(names)}, {count} of each ({time.process_time() - begun:.0f} CPU s)")
    for figure in found["off"][0]:
        off = [each[figure] for each in found["off"]]
        if None in off or not any(off):
            continue
        line = f"    {figure:30}{statistics.mean(off):12,.4g}"
        for how in hows[1:]:
            change = compared([each[figure] for each in found[how]], off)
            line += f"   {how} {change[0]:+6.1f} % ± {change[1]:.1f}" if change else f"   {how}: unknown"
        say(line)
    say()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", help="a setting; may be given more than once")
    parser.add_argument("--how", action="append", choices=HOWS[1:], help="instead of both ways to steer")
    parser.add_argument("--count", type=int, help="final samples of each recipe")
    parser.add_argument("--plans", action="store_true", help="say what was planned and why")
    asked = parser.parse_args()
    if asked.plans:
        logging.basicConfig(format="%(message)s")
        logging.getLogger("seedloom.steer").setLevel(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        for title, setting in settings_of(folder).items():
            if asked.only is None or title in asked.only:
                compare(title, setting, asked.count or setting.count, ["off", *(asked.how or setting.ways)])


if __name__ == "__main__":
    main()
