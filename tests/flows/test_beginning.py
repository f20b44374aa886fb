import re

import pytest

from flows.beginning import begun, edition_or_date
from schemas.errors import BadInput, SeedloomError
from schemas.settings import Settings
from tasks.question import Asked

ASKED = Asked("corpus", "test", "e", {})


def test_the_edition_that_was_given_is_taken_else_the_date():
    assert edition_or_date("mine") == "mine"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", edition_or_date(""))


def test_only_one_process_makes_a_run(tmp_path):
    settings = Settings(root=tmp_path / "w")
    with begun(ASKED, settings) as run:
        assert run.run_id == ASKED.run_id
        with pytest.raises(SeedloomError, match="another process"), begun(ASKED, settings):
            pass
    with begun(ASKED, settings) as again:
        assert again == run


def test_a_warehouse_that_cannot_be_written_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="file"), begun(ASKED, Settings(root=tmp_path / "file")):
        pass
