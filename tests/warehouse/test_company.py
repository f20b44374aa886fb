import subprocess
import sys

from warehouse.company import Company
from warehouse.turnstile import Turnstile

VISIT = """
import sys
from pathlib import Path
from warehouse.company import Company
from warehouse.turnstile import Turnstile
here = Path(sys.argv[1])
Company(here, Turnstile(here / "claims"))
"""


def come(folder):
    return Company(folder, Turnstile(folder / "claims"))


def test_who_is_alone_has_met_nobody(tmp_path):
    company = come(tmp_path)
    assert not company.came() and not company.came()


def test_one_that_was_there_before_counts(tmp_path):
    first = come(tmp_path)
    second = come(tmp_path)
    assert second.came() and first.came()


def test_one_that_came_and_went_meanwhile_counts(tmp_path):
    company = come(tmp_path)
    subprocess.run([sys.executable, "-c", VISIT, str(tmp_path)], check=True)
    assert company.came()


def test_one_that_had_gone_before_does_not_count(tmp_path):
    subprocess.run([sys.executable, "-c", VISIT, str(tmp_path)], check=True)
    assert not come(tmp_path).came()
