"""What embedding costs by backend, in CPU time, beside sentence-transformers' own `encode`; and how faithful.

python tests/bench/embed.py                      all backends on instructions, stories and both
python tests/bench/embed.py --rows 4000          more texts of each kind
python tests/bench/embed.py --alpaca             all Alpaca rows through the stage, twice: CPU time and peak
python tests/bench/embed.py --known 500000       how long it takes to ask so many earlier embeddings

Backends are alternated, each in a process of its own: thread pools of two of them in one process slow each
other down several times. Fidelity is to sentence-transformers in float32 on the same texts.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl

from schemas.errors import BadInput
from tasks.embed import SLAB, _copies, _wanted, embed, text_digests
from tasks.encoder import Encoder, encode, load_encoder
from tasks.encoders.files import find
from tasks.encoders.torch_model import sentence_transformer
from tasks.progress import Progress
from warehouse.parts import polars_schema
from warehouse.run import begin

PUBLIC = Path(__file__).parents[2].parent / "shared" / "data"
BACKENDS = ("torch", "onnx", "openvino", "int8")
PACKAGES = {"torch": "torch", "onnx": "onnxruntime", "openvino": "openvino", "int8": "onnxruntime"}
ROUNDS = 3
ROOT = Path(__file__).parents[2]


def say(line=""):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def peak_mb():
    """Of this process alone: ru_maxrss would begin with that of the process that started it."""
    status = Path("/proc/self/status").read_text()
    return round(int(status.split("VmHWM:")[1].split()[0]) / 1024)


def corpora(rows):
    """Distinct texts by kind; `mixed` has a third of each length."""
    if not PUBLIC.exists():
        raise BadInput(f"the public data is not beside this checkout ({PUBLIC})")
    alpaca = json.loads((PUBLIC / "alpaca" / "alpaca_data.json").read_text())
    lines = (PUBLIC / "tinystories" / "valid_first_10k_lines.txt").read_text()
    asked = list(dict.fromkeys(row["instruction"] for row in alpaca))[:rows]
    told = list(dict.fromkeys(" ".join(each.split()) for each in lines.split("<|endoftext|>")))[: rows // 4]
    third = rows // 3
    mixed = asked[:third] + [row["output"] for row in alpaca[:third] if row["output"]] + told[: rows // 8]
    return {
        "instructions": asked,
        "stories": [each for each in told if each],
        "mixed": list(dict.fromkeys(mixed)),
    }


def peer():
    """`SentenceTransformer.encode` as it comes: float32, batches of 32."""
    model = sentence_transformer(find("minilm")[0], "cpu", {"dtype": "float32"})
    return lambda texts: model.encode(texts, batch_size=32, show_progress_bar=False)


def alone(way, kind, rows):
    """What the process of one way does: the texts twice, of which the second time counts."""
    texts = corpora(rows)[kind]
    if way == "peer":
        work, name = peer(), "sentence-transformers"
    else:
        encoder = load_encoder("minilm", way)
        work, name = lambda texts: encode(texts, encoder).unit, encoder.id.split("/", 1)[1]
    work(texts)  # a first call prepares kernels for every shape
    start = time.process_time()
    vectors = work(texts)
    spent = time.process_time() - start
    return {"name": name, "cpu_s": spent, "peak_mb": peak_mb()}, vectors


def measured(ways, kind, rows, rounds):
    """For each way what its processes said, round by round, and the vectors of the last one."""
    said, vectors = {way: [] for way in ways}, {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            for way in ways:
                file = Path(folder) / f"{way}.npy"
                command = [sys.executable, __file__, "--rows", str(rows), "--way", way]
                command += ["--kind", kind, "--out", str(file)]
                done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
                said[way].append(json.loads(done.stdout.splitlines()[-1]))
                vectors[way] = np.load(file)
    return said, vectors


def vendi(unit):
    """exp of the entropy of the eigenvalues of X'X/n."""
    values = np.linalg.eigvalsh(unit.T.astype(np.float64) @ unit.astype(np.float64) / len(unit))
    values = values[values > 1e-12]
    return float(np.exp(-(values * np.log(values)).sum()))


def fidelity(unit, reference):
    """Cosine (mean, least), share of equal nearest neighbours, shift of the Vendi score in percent."""
    cosines = (unit * reference).sum(axis=1)
    nearest = [(x @ x.T - 2 * np.eye(len(x), dtype=np.float32)).argmax(axis=1) for x in (unit, reference)]
    shift = 100 * (vendi(unit) / vendi(reference) - 1)
    return cosines.mean(), cosines.min(), (nearest[0] == nearest[1]).mean(), shift


def installed():
    there = [name for name in BACKENDS if find_spec(PACKAGES[name])]
    for name in sorted(set(BACKENDS) - set(there)):
        say(f"backend {name} is left out: {PACKAGES[name]} is not installed")
    return there


def rates(rows=900, rounds=ROUNDS):
    """Rows for the common table: the mixed texts, each backend beside the peer, alternated."""
    said, vectors = measured(["peer", *installed()], "mixed", rows, rounds)
    beside = [each["cpu_s"] for each in said.pop("peer")]
    made = []
    for way, each in said.items():
        ratios = [b / a["cpu_s"] for a, b in zip(each, beside, strict=True)]
        spent, n = statistics.median(a["cpu_s"] for a in each), len(vectors[way])
        made.append(
            {
                "stage": f"embed ({each[0]['name']})", "rows": n, "cpu_s": spent, "rows_per_s": n / spent,
                "peak_mb": max(a["peak_mb"] for a in each), "peer": "sentence-transformers",
                "peer_version": version("sentence-transformers"), "ratio": statistics.median(ratios),
                "ratio_low": min(ratios), "ratio_high": max(ratios),
            }
        )  # fmt: skip
    return made


def table(rows, rounds, kinds):
    """Texts per CPU second and fidelity of each backend on each kind of text."""
    head = (
        "texts",
        "n",
        "backend",
        "texts/s",
        "x peer",
        "cos mean",
        "cos min",
        "nn agree",
        "Vendi",
        "peak MB",
    )
    say("{:13}{:>6}  {:26}{:>8}{:>8}{:>10}{:>9}{:>10}{:>8}{:>9}".format(*head))
    for kind in kinds:
        said, vectors = measured(["peer", *installed()], kind, rows, rounds)
        beside = [each["cpu_s"] for each in said["peer"]]
        for way, each in said.items():
            n, spent = len(vectors[way]), statistics.median(a["cpu_s"] for a in each)
            ratio = statistics.median(b / a["cpu_s"] for a, b in zip(each, beside, strict=True))
            mean, least, agree, shift = fidelity(vectors[way], vectors["peer"])
            say(
                f"{kind:13}{n:6}  {each[0]['name']:26}{n / spent:8.0f}{ratio:8.2f}{mean:10.5f}{least:9.5f}"
                f"{agree:10.3f}{shift:+7.2f}%{max(a['peak_mb'] for a in each):9}"
            )


def planted(run, name, texts):
    """Parts of final samples of 20,000 rows."""
    blank = {c: "" if kind == pl.String else None for c, kind in polars_schema("sample").items()}
    parts = []
    for start in range(0, len(texts), SLAB):
        some = texts[start : start + SLAB]
        own = {"run_id": run.run_id, "ordinal": 1, "final": True, "parent_id": None}
        frame = pl.DataFrame({"sample_id": [f"{name}{start + i:08}" for i in range(len(some))], "text": some})
        filled = {c: v for c, v in (blank | own).items() if c not in frame.columns}
        frame = frame.with_columns(**{c: pl.lit(v, polars_schema("sample")[c]) for c, v in filled.items()})
        parts += run.once(f"{name}{start}", [], {}, lambda frame=frame: {"sample": frame})
    return parts


def alpaca():
    """All of Alpaca through the stage: first, and again in a second run that finds every text."""
    rows = json.loads((PUBLIC / "alpaca" / "alpaca_data.json").read_text())
    texts = ["\n".join((row["instruction"], row["input"], row["output"])) for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        for name in ("first", "again"):
            run = begin(Path(folder), "corpus", name, "first", {})
            samples = planted(run, name[0], texts)
            cpu, wall = time.process_time(), time.perf_counter()
            parts = embed.fn(run, samples, [], "minilm", "auto")
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            say(
                f"{name}: {len(texts)} rows, {cpu:.1f} CPU s, {wall:.1f} s, peak of the process {peak_mb()} MB"
            )
            run.commit([*samples, *parts])


def known(earlier, rows=SLAB):
    """CPU seconds to ask `earlier` embeddings for `rows` texts, of which half are there."""
    with tempfile.TemporaryDirectory() as folder:
        run = begin(Path(folder), "corpus", "earlier", "first", {})
        rng = np.random.default_rng(0)
        unit = rng.normal(size=(SLAB, 384)).astype(np.float32)
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        parts = []
        for start in range(0, earlier, SLAB):
            frame = pl.DataFrame({"sample_id": [f"e{start + i:08}" for i in range(SLAB)]}).with_columns(
                text_digests(f"text {start + i}" for i in range(SLAB)),
                run_id=pl.lit(run.run_id),
                encoder=pl.lit("fake"),
                truncated=pl.lit(False),
                vector=pl.Series(unit, dtype=pl.Array(pl.Float32, 384)).arr.to_list(),
            )
            parts += run.once(f"e{start}", [], {}, lambda frame=frame: {"embedding": frame})
        run.commit(parts)
        for share in (0.0, 0.5):
            later = begin(Path(folder), "corpus", f"later{share}", "first", {})
            step = max(1, int(earlier / (rows * share))) if share else 0
            texts = [f"text {i * step}" if i < rows * share else f"new {i}" for i in range(rows)]
            samples = planted(later, "n", texts)
            start = time.process_time()
            wanted = _wanted(later, samples, [])
            digested = time.process_time() - start
            made, left = _copies(later, parts, wanted, Encoder("fake", None, 384), Progress("", rows))
            spent = time.process_time() - start
            say(
                f"{rows} texts against {earlier} embeddings, {share:.0%} there: {spent:.2f} CPU s, of which "
                f"{digested:.2f} to know the texts; {sum(p.rows for p in made)} copied, {left.height} left; "
                f"peak {peak_mb()} MB"
            )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=900)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--kind", nargs="+", default=["instructions", "stories", "mixed"])
    parser.add_argument("--alpaca", action="store_true")
    parser.add_argument("--known", type=int)
    parser.add_argument("--way", choices=("peer", *BACKENDS), help=argparse.SUPPRESS)
    parser.add_argument("--out", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way:
        told, vectors = alone(given.way, given.kind[0], given.rows)
        np.save(given.out, vectors)
        say(json.dumps(told))
    elif given.alpaca:
        alpaca()
    elif given.known:
        known(given.known)
    else:
        table(given.rows, given.rounds, given.kind)


if __name__ == "__main__":
    main()
