import hashlib
import importlib
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from tasks.shingles import fingerprints

TASKS = Path(__file__).parents[2] / "tasks"
TEXTS = [
    "Once upon a time there was an unbelievably tiny dog. " * 9,
    "",
    "one",
    "Tôi rất thích ăn táo",
    "x" * 70,
]
PRINT = (
    "import hashlib, polars as pl; from tasks.shingles import fingerprints;"
    f"minima, counts, digests = fingerprints(pl.Series({TEXTS!r}), 3);"
    "print(hashlib.sha256(minima.tobytes() + counts.tobytes() + repr(digests.to_list()).encode()).hexdigest())"
)


@pytest.mark.parametrize("user", ["text_memory", "signature_kernel", "digest_kernel"])
def test_who_compiles_other_files_in_names_their_digests_so_that_no_stale_code_is_loaded(user):
    named = importlib.import_module(f"tasks.{user}").COMPILED_IN
    assert named == {
        name: hashlib.sha256((TASKS / f"{name}.py").read_bytes()).hexdigest()[:16] for name in named
    }
    source = (TASKS / f"{user}.py").read_text()
    used = {name for name in ("lanes", "hash_lanes", "text_memory") if f"import {name}" in source}
    assert used <= set(named)


@pytest.mark.slow  # compiles for that processor
def test_a_processor_without_wide_vectors_gives_the_same_signatures_and_digests():
    minima, counts, digests = fingerprints(pl.Series(TEXTS), 3)
    told = minima.tobytes() + counts.tobytes() + repr(digests.to_list()).encode()
    plain = {**os.environ, "NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    run = subprocess.run([sys.executable, "-c", PRINT], env=plain, check=True, capture_output=True, text=True)
    assert run.stdout.strip() == hashlib.sha256(told).hexdigest()
