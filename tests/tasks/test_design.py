from tasks.design import Design, design_of, together
from tasks.recipe import load_recipe


def test_a_grid_recipe_has_its_lists_and_their_sizes():
    found = design_of(load_recipe("tiny_stories"))
    assert found.slots == ("words",)
    assert len(found.sizes) == 3 and min(found.sizes) > 100


def test_of_several_recipes_there_is_no_grid_but_all_slots_and_seeds():
    one, two = Design(("b",), (2, 3), ("x",)), Design(("a", "b"), (4,), ("y", "x"), ("topic",))
    assert together([one, two]) == Design(("a", "b"), (), ("x", "y"))
    assert together([one]) is one


def test_curated_data_of_no_recipe_asks_for_nothing():
    assert design_of(None) == Design()
