from tasks import makers
from tasks.makers import maker
from tasks.replies import Piece


def test_makers_are_found_in_the_modules_named_after_them():
    assert {"preference", "template"} <= set(makers.makers())


def test_declaring_a_maker_registers_it_with_what_it_gives(monkeypatch):
    monkeypatch.setattr(makers, "MAKERS", {})
    monkeypatch.setattr(makers, "GIVES", {})

    @maker("upper", gives=("loud",))
    def upper(given):
        return [Piece(given.values["text"].upper(), slots={"loud": "yes"})]

    assert {"upper": upper} == makers.MAKERS and makers.GIVES == {"upper": ("loud",)}
