"""`python -m schemas.tables_page` writes docs/tables.md from the table classes."""

import sys

from schemas.tables import Table, tables

_HEAD = """# Tables

Generated from `schemas/tables.py` by `make docs`; a test fails when the two differ. The key is the grain: the
store refuses a part that repeats it. Marts are described in the first lines of `warehouse/marts/*.sql`.
"""


def page() -> str:
    """All tables as Markdown."""
    return "\n".join([_HEAD, *(_section(table) for table in tables().values())])


def _section(table: type[Table]) -> str:
    lines = [f"## {table.table_name()}", "", table.__doc__ or "", "", f"Key: {', '.join(table.key)}.", ""]
    lines += ["| column | type | null | what |", "|---|---|---|---|"]
    for field in table.arrow():
        about = table.model_fields[field.name].description
        lines.append(f"| {field.name} | {field.type} | {'yes' if field.nullable else 'no'} | {about} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.stdout.write(page())
