import io
import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from flows.console import Common, bars, clean, say
from tasks.progress import Progress


@given(st.text())
def test_no_control_character_of_a_text_reaches_the_terminal(text):
    assert all(c.isprintable() or c == "\n" for c in clean(text))


@pytest.mark.parametrize(
    ("value", "shown"), [(0.123456, "0.1235"), (None, ""), ("[red]x", "\\[red]x"), ("\x1b[31mx", "[31mx")]
)
def test_values_are_shown_short_and_harmless(value, shown):
    assert clean(value) == shown


@pytest.mark.parametrize(
    "text", ["\\[bold]x", "\\\\[link=a]x", "[/none] x", "a [b", "end\\", "[@click=f]x[/]"]
)
def test_a_text_cannot_speak_to_the_printer(text):
    told = io.StringIO()
    Console(file=told, force_terminal=True, color_system="truecolor", highlight=False).print(clean(text))
    assert told.getvalue() == f"{text}\n"


def test_json_is_one_document(capsys):
    say(Common(as_json=True), [{"a": 1, "b": "ü"}])
    assert json.loads(capsys.readouterr().out) == [{"a": 1, "b": "ü"}]


def test_a_person_gets_a_table(capsys):
    say(Common(), [{"name": "x", "n": 3}], "title")
    out = capsys.readouterr().out
    assert "name" in out
    assert "3" in out


def test_bars_follow_the_records_of_a_stage(capsys):
    with bars():
        Progress("embed", 5).advance(5)
        Progress("embed", 2).advance(2)
        logging.getLogger("seedloom.minhash").info("three near-duplicates")
    shown = capsys.readouterr().err
    assert "embed" in shown
    assert "7/7" in shown
    assert "three near-duplicates" in shown
    assert not logging.getLogger("seedloom").handlers


def test_the_root_of_the_command_line_becomes_that_of_the_settings(tmp_path, monkeypatch):
    monkeypatch.setenv("SEEDLOOM_ROOT", "elsewhere")
    assert str(Common().settings().root) == "elsewhere"
    assert Common(root=tmp_path).settings().root == tmp_path
