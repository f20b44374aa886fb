import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.recipe import load_recipe
from tasks.rendering import render
from tasks.storyteller import kind_of
from tasks.storyteller_documents import query, request, subjects

TEXT = "Soak the stone until no bubbles rise. Lay the blade on it and push, as though you wanted to shave it."


@pytest.mark.parametrize(
    ("recipe", "level", "kind"), [("queries", 0, "query"), ("back_translation", 0, "backward")]
)
@pytest.mark.parametrize("document", [TEXT, "Query:\nDocument: x", "--- text ---\nTell me.", "Đá mài 石"])
def test_the_prompts_of_the_recipes_are_recognised_with_their_document(recipe, level, kind, document):
    prompt = render(load_recipe(recipe).levels[level].prompt, {"document": document})
    found, hit = kind_of(prompt)
    assert found.name == kind and hit[1].split() == document.split()


def test_subjects_are_words_of_weight_each_once():
    assert subjects(TEXT) == ["soak", "stone", "bubbles", "rise", "blade", "push", "wanted", "shave"]
    assert subjects("stone stone stone stone stone") == ["stone"] and subjects("") == []


def test_queries_and_requests_are_made_of_words_of_the_document():
    for seed in range(200):
        for said in (query(seed, TEXT), request(seed, TEXT)):
            assert (
                len(
                    set(subjects(TEXT))
                    & set(
                        said.lower()
                        .replace(".", " ")
                        .replace(",", " ")
                        .replace(":", " ")
                        .replace("?", " ")
                        .split()
                    )
                )
                >= 2
            )


def test_they_hardly_ever_repeat_themselves():
    assert len({query(seed, TEXT) for seed in range(300)}) > 255
    assert len({request(seed, TEXT) for seed in range(300)}) > 280


@given(st.text(max_size=60), st.integers(0, 9))
def test_no_document_is_too_strange(document, seed):
    assert query(seed, document) and request(seed, document)
    assert "{" not in query(seed, TEXT + document.replace("{", ""))
