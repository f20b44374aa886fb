"""What a command says and how it ends: a line for an error, a bar per stage, a table or a JSON document."""

import contextlib
import json
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import SettingsError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from schemas.errors import SeedloomError
from schemas.settings import Settings

INTERRUPTED = 130
WRONG_USAGE = 2

stdout = Console(highlight=False)
stderr = Console(stderr=True, highlight=False)


class Common(BaseModel):
    """Options of every command."""

    model_config = ConfigDict(frozen=True)
    root: str | Path | None = Field(
        None, description="The warehouse: a folder, s3://... or gs://... Default: SEEDLOOM_ROOT, else data."
    )
    as_json: Annotated[bool, Parameter(name="json", negative="")] = Field(
        False, description="One JSON document on stdout; logs and bars go to stderr."
    )

    def settings(self) -> Settings:
        """The settings, with the warehouse of the command line; the flow and its workers inherit it."""
        if self.root is not None:
            os.environ["SEEDLOOM_ROOT"] = str(self.root)
        return Settings()


def guarded(app: App) -> None:
    """Run a command and leave with its exit code; an expected error is one line, never a traceback."""
    try:
        app(exit_on_error=False)
    except CycloptsError:
        sys.exit(WRONG_USAGE)  # cyclopts has said what is wrong
    except SeedloomError as error:
        _leave(str(error), error.code)
    except SettingsError as error:
        _leave(str(error), WRONG_USAGE)
    except ValidationError as error:
        first = error.errors()[0]
        _leave(f"setting {'.'.join(map(str, first['loc']))}: {first['msg']}", WRONG_USAGE)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # who read has seen enough
        sys.exit(1)
    except KeyboardInterrupt:
        _leave("interrupted; everything that was finished is kept, run the same command again", INTERRUPTED)


def say(common: Common, rows: list[dict[str, Any]], title: str = "") -> None:
    """Rows as a table for a person, or as one JSON document for a script."""
    if common.as_json:
        sys.stdout.write(json.dumps(rows, indent=1, default=str, ensure_ascii=False) + "\n")
        return
    table = Table(title=title or None, title_justify="left")
    for column in rows[0] if rows else ["no rows"]:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(clean(value) for value in row.values()))
    stdout.print(table)


def clean(value: Any) -> str:
    """A value as one may print it: four digits, and nothing of a model's text that rich would obey."""
    if isinstance(value, float):
        return f"{value:.4g}"
    text = plain("" if value is None else str(value))
    return escape(f"{text}.")[:-1]  # it would double a backslash at the very end


def plain(text: str) -> str:
    """A text without control characters, which a terminal would obey."""
    return "".join(c for c in text if c.isprintable() or c == "\n")


def finish(common: Common, release_id: str | None) -> None:
    """Say what a release holds and where everything lies."""
    from flows.summary import summary

    if release_id is None:
        stderr.print(
            "every release that passed its gates is trained; name one with --release to train it again"
        )
        return
    say(common, summary(common.settings().root, release_id), "release")
    stderr.print(
        'next: open the report; seedloom sql "select * from dropped limit 5"; seedloom up; seedloom --help'
    )


@contextlib.contextmanager
def bars() -> Iterator[None]:
    """Draw a bar for each stage that reports its progress through the logger `seedloom.progress`."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.table import Column

    columns = (TextColumn("{task.description:<30}"), BarColumn(10), MofNCompleteColumn(), TimeElapsedColumn())
    note = TextColumn("{task.fields[note]}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"))
    with Progress(*columns, note, console=stderr, expand=True) as progress:
        logger = logging.getLogger("seedloom")
        handler = _Bars(progress)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
        try:
            yield
        finally:
            logger.removeHandler(handler)


class _Bars(logging.Handler):
    def __init__(self, progress: Any) -> None:
        super().__init__()
        self._progress = progress
        self._bars: dict[str, Any] = {}

    def emit(self, record: logging.LogRecord) -> None:
        stage = getattr(record, "stage", None)
        if stage is None:
            self._progress.console.print(record.getMessage())
            return
        if stage not in self._bars:
            self._bars[stage] = self._progress.add_task(stage, total=0, note="")
        bar = self._bars[stage]
        total = self._progress.tasks[bar].total + record.more
        self._progress.update(bar, total=total, advance=record.advance, note=record.note)


def _leave(line: str, code: int) -> None:
    stderr.print(f"seedloom: {clean(line)}", soft_wrap=True)
    sys.exit(code)
