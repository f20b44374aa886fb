"""Rows by hand through a replay: what the tests of its stages begin with."""

import json
from typing import NamedTuple

from tasks.replay import replayed, tally


class Replayed(NamedTuple):
    """What a replay gave."""

    decisions: list
    counts: dict
    bad: list

    def only(self):
        """The decision of a replay of one row."""
        (decision,) = self.decisions
        return decision


def written(path, rows):
    """A JSONL file of rows; a string is a line as it is."""
    lines = (row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text("".join(line + "\n" for line in lines), "utf-8")
    return str(path)


def replay(folder, stage, rows, **options):
    """Replay a stage over rows."""
    begun = replayed(stage, [written(folder / "rows.jsonl", rows)], options)
    decisions = list(begun.decisions)
    return Replayed(decisions, tally(decisions, len(begun.bad)), begun.bad)
