import subprocess
import sys
from pathlib import Path

from schemas.tables import tables
from schemas.tables_page import page

ROOT = Path(__file__).parents[2]


def sections():
    """Name of a table -> its lines on the page."""
    head, *rest = page().split("\n## ")
    return {section.splitlines()[0]: section.splitlines()[1:] for section in rest}


def test_every_table_has_a_section_with_its_purpose_and_its_key():
    assert list(sections()) == list(tables())
    for name, table in tables().items():
        lines = sections()[name]
        assert table.__doc__ in lines and f"Key: {', '.join(table.key)}." in lines


def test_every_column_has_a_line_of_four_cells():
    for name, table in tables().items():
        rows = [line.strip("| ").split(" | ") for line in sections()[name] if line.startswith("| ")][1:]
        expected = [
            [f.name, str(f.type), "yes" if f.nullable else "no", table.model_fields[f.name].description]
            for f in table.arrow()
        ]
        assert rows == expected


def test_the_module_writes_the_page_that_make_docs_keeps():
    done = subprocess.run([sys.executable, "-m", "schemas.tables_page"], capture_output=True, cwd=ROOT)
    assert done.stdout.decode() == page() == (ROOT / "docs" / "tables.md").read_text("utf-8")
