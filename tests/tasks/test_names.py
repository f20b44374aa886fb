from tasks.names import RECIPES
from tasks.recipe import recipe_names


def test_the_recipes_of_a_run_that_names_none_exist():
    assert RECIPES
    assert set(RECIPES) <= set(recipe_names())
