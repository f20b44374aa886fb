"""The files of a release, as `datasets` opens them: messages, Alpaca, preference and text form, and a card.

    datasets.load_dataset("releases/<id>", "messages")     # or "alpaca"

The folder appears as a whole: it is written under a temporary name, synced and renamed.
"""

import io
import os
import shutil
import uuid
from pathlib import Path

import polars as pl

from schemas.tables import File
from warehouse.files import TEMPORARY, make_folder, sha256_of, sync_folder, write_durably

FORMS = {
    "messages": ["messages"],
    "alpaca": ["instruction", "input", "output"],
    "preference": ["prompt", "chosen", "rejected"],
    "text": ["text"],
}
SPLITS = ["train", "heldout"]


def export(folder: Path, samples: pl.DataFrame, card: str) -> list[File]:
    """Write the files of a release; a form is left out when no sample has it.

    Args:
        folder: where the release shall lie; nothing is written when it is there already.
        samples: rows of `sample` with column `split`, in the order of the release.
        card: the text of README.md, without the front matter.
    """
    draft = folder.parent / f"{TEMPORARY}{uuid.uuid4().hex}"
    names = []
    others = samples.filter(pl.col("rejected").is_null())
    spoken = samples if others.is_empty() else others  # beside other rows a pair would repeat its winner
    for form, columns in FORMS.items():
        rows = (_pairs(samples) if form == "preference" else spoken).drop_nulls(columns)
        names += [_write(draft, form, split, rows, columns) for split in SPLITS if rows.height]
    write_durably(draft / "README.md", (_front_matter(names) + card).encode())
    if folder.exists():
        shutil.rmtree(folder)  # of an attempt that was killed before its row was written
    os.replace(draft, folder)
    sync_folder(folder.parent)
    return [_file(folder, name) for name in names]


def _pairs(samples: pl.DataFrame) -> pl.DataFrame:
    """Preference pairs as TRL reads them: prompt, chosen and rejected are lists of messages."""
    assistant = pl.lit("assistant").alias("role")
    losing = pl.concat_list(pl.struct(assistant, pl.col("rejected").alias("content")))
    length = pl.col("messages").list.len()
    return samples.filter(pl.col("rejected").is_not_null() & (length > 1)).with_columns(
        prompt=pl.col("messages").list.head(length - 1),
        chosen=pl.col("messages").list.tail(1),
        rejected=losing,
    )


def _write(draft: Path, form: str, split: str, rows: pl.DataFrame, columns: list[str]) -> str:
    chosen = rows.filter(pl.col("split") == split)
    buffer = io.BytesIO()
    chosen.select("sample_id", "origin_id", "recipe", *columns).write_parquet(buffer, compression="zstd")
    make_folder(draft / form)
    write_durably(draft / form / f"{split}.parquet", buffer.getvalue())
    return f"{form}/{split}.parquet"


def _file(folder: Path, name: str) -> File:
    rows = pl.scan_parquet(folder / name).select(pl.len()).collect().item()
    return File(path=name, rows=rows, sha256=sha256_of(folder / name))


def _front_matter(names: list[str]) -> str:
    """The YAML by which `datasets` finds the files: one configuration per form, one path per split."""
    lines = ["---", "configs:"]
    for form in dict.fromkeys(name.partition("/")[0] for name in names):
        lines += [f"- config_name: {form}", "  data_files:"]
        for split in SPLITS:
            lines += [f"  - split: {split}", f"    path: {form}/{split}.parquet"]
    return "\n".join([*lines, "---", "", ""])
