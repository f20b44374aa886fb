"""Source reader `instructions`: whole tasks, an instruction and its input in one text.

Evol-Instruct (Xu et al. 2023, arXiv 2304.12244) rewrites them as one: the input stands below the instruction.
"""

from collections.abc import Iterator

from tasks.instruction_replies import instance_text
from tasks.records import Bad
from tasks.rows_reader import rows
from tasks.source_rows import Reading, SourceRow, reader


@reader("instructions")
def instructions(asked: Reading) -> Iterator[SourceRow | Bad]:
    """The rows of any data file, each with its input below its text."""
    both = asked.source.model_copy(update={"fields": [*asked.source.fields, "input"]})
    for row in rows(asked._replace(source=both)):
        if isinstance(row, SourceRow):
            row = row._replace(text=instance_text(row.text, str(row.fields.pop("input")).strip(), ""))
        yield row
