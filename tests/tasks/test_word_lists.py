import pytest

from schemas.errors import BadInput
from tasks.recipe import load_recipe
from tasks.word_lists import WORDS, lists_digest, lists_of, word_list

SHIPPED = sorted(path.stem for path in WORDS.glob("*.txt"))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_lists_hold_distinct_words_and_say_where_they_come_from(name):
    words = word_list(name)
    assert len(words) >= 20 and len(set(words)) == len(words)
    assert not any(word.startswith("#") for word in words)
    assert (WORDS / f"{name}.txt").read_text("utf-8").startswith("#")


def test_a_list_of_ones_own_is_the_path_of_a_file(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("# ours\nbread\n\n soup \n", encoding="utf-8")
    assert word_list(str(path)) == ("bread", "soup")


@pytest.mark.parametrize(
    ("text", "said"),
    [("# nothing\n", "holds no word"), ("a\nb\na\n", "holds 'a' twice"), (b"\xff\xfe", "utf-8")],
)
def test_a_list_that_cannot_be_drawn_from_is_refused(tmp_path, text, said):
    path = tmp_path / "mine.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(BadInput, match=said):
        word_list(str(path))


def test_an_unknown_list_names_the_known_ones():
    with pytest.raises(BadInput, match=r"no word list 'nope'.*'adjectives'"):
        word_list("nope")


def test_the_lists_of_a_recipe_are_part_of_its_version():
    recipe = load_recipe("tiny_stories")
    assert lists_of(recipe) == ["nouns", "verbs", "adjectives"]
    assert lists_digest(recipe) != lists_digest(load_recipe("self_instruct"))


def test_the_mark_of_windows_editors_is_no_part_of_the_first_word(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("\ufeffbread\nsoup\n", encoding="utf-8")
    assert word_list(str(path)) == ("bread", "soup")
