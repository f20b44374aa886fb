"""Opinions by hand, and a warehouse with a labelled release: what the tests of the classifier begin with."""

import itertools
import json

import numpy as np
import polars as pl
from given import row

from tasks.encoder import Encoder
from tasks.encoders.batches import Prepared
from tasks.labelled_files import ROWS, key_of
from tasks.labelled_sets import Sets
from warehouse.parts import polars_schema
from warehouse.run import begin

THINGS = ("kettle", "bus ride", "hotel room", "film", "haircut", "garden chair", "soup", "phone")
PRAISE = (
    "I love this {}, it made my whole week wonderful.",
    "A delightful {}, I was happy with every minute of it.",
    "Brilliant {}! I smiled all day and told my friends.",
    "This {} is excellent, warmly recommended to everyone.",
)
BLAME = (
    "I hate this {}, it ruined my whole week.",
    "A dreadful {}, I was angry about every minute of it.",
    "Terrible {}! I frowned all day and asked for my money back.",
    "This {} is awful, I warn everyone to stay away.",
)
OPINIONS = [
    (pattern.format(thing), label)
    for label, patterns in (("positive", PRAISE), ("negative", BLAME))
    for pattern, thing in itertools.product(patterns, THINGS)
]
MADE = [
    (f"Honestly: {text}", label, "heldout" if i % 8 == 0 else "train")
    for i, (text, label) in enumerate(OPINIONS)
]
_GOOD = {
    "love",
    "wonderful",
    "delightful",
    "happy",
    "brilliant",
    "smiled",
    "excellent",
    "warmly",
    "recommended",
}
_BAD = {"hate", "ruined", "dreadful", "angry", "terrible", "frowned", "awful", "warn", "money"}


class Feelings:
    """An encoder that counts words of praise and blame; remembers what it was asked."""

    def __init__(self):
        self.asked = []

    budget, at_once = 4096, 1

    def prepare(self, texts):
        return [Prepared(text, len(text), False) for text in texts]

    def forward(self, items):
        self.asked += items
        return np.array([self._vector(text) for text in items])

    @staticmethod
    def _vector(text):
        words = {word.strip("!.,").lower() for word in text.split()}
        return [len(words & _GOOD), len(words & _BAD), 0.5, len(text) / 1000]


def feelings():
    model = Feelings()
    return Encoder("feelings@1/fake/float32", model, 4)


def plant(root, made, name="rel", passed=True, vectors=None, recipe="labelled", control_of=None):
    """Commit a release of (text, label, split); a label None is a sample without one. Vectors: {encoder: rows}."""
    run = begin(root, "corpus", name, "first", {})
    ids = [f"{name}-{i:04}" for i in range(len(made))]
    facts = {
        "run_id": run.run_id, "recipe": recipe, "level": "text", "final": True, "language": "en", "origin": "generated",
    }  # fmt: skip
    blank = dict.fromkeys(polars_schema("sample"))
    samples = [
        {
            **blank, **facts, "sample_id": i, "root_id": i, "ordinal": at, "text": text,
            "slots": json.dumps({"label": label} if label is not None else {}),
        }
        for at, (i, (text, label, _)) in enumerate(zip(ids, made, strict=True))
    ]  # fmt: skip
    members = [
        {"release_id": name, "sample_id": i, "run_id": run.run_id, "split": split}
        for i, (_, _, split) in zip(ids, made, strict=True)
    ]
    stored = [
        {"sample_id": i, "run_id": run.run_id, "encoder": encoder, "truncated": False, "vector": list(vector)}
        for encoder, rows in (vectors or {}).items()
        for i, vector in zip(ids, rows, strict=True)
    ]
    release = row(
        "release", release_id=name, run_id=run.run_id, name=recipe, edition="first", n_train=1, n_heldout=1,
        passed=passed, gates=[], path="p", files=[], row_digest="d", control_of=control_of,
    )  # fmt: skip
    frames = {
        "sample": pl.DataFrame(samples, schema=polars_schema("sample")),
        "member": pl.DataFrame(members, schema=polars_schema("member")),
        "embedding": pl.DataFrame(stored, schema=polars_schema("embedding")),
        "release": release,
    }
    run.commit(run.once("plant", [], {}, lambda: frames))
    return name


def write(path, rows, text="text", label="label"):
    """A JSONL file of (text, label)."""
    path.write_text("".join(json.dumps({text: t, label: name}) + "\n" for t, name in rows))
    return str(path)


def sets(made, train, test, rejects=0, overlap_train=0):
    """`Sets` of (text, label, split) and of (text, label) twice."""
    tested = {key_of(text) for text, _ in test}
    rows = [
        {
            "sample_id": str(i), "key": key_of(text), "text": text, "label": label, "split": split,
            "overlap": key_of(text) in tested,
        }
        for i, (text, label, split) in enumerate(made)
    ]  # fmt: skip
    refused = {
        "origin": ["f"] * rejects,
        "line": range(rejects),
        "reason": ["r"] * rejects,
        "content": [""] * rejects,
    }
    return Sets(pl.DataFrame(rows), pairs(train), pairs(test), pl.DataFrame(refused), overlap_train)


def pairs(rows):
    """Key, text and label of (text, label)."""
    return pl.DataFrame([(key_of(text), text, label) for text, label in rows], schema=ROWS, orient="row")
