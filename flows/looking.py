"""Commands that only look: queries and recipes. None of them imports Prefect."""

import duckdb

from flows.console import Common, say
from schemas.errors import BadInput


def show_query(common: Common, query: str) -> None:
    """The answer to a query.

    Raises:
        BadInput: DuckDB's own explanation, with the views there are when a name is unknown.
    """
    from warehouse import connect

    with connect(common.settings().root) as connection:
        try:
            rows = connection.sql(query).pl().to_dicts()
        except duckdb.CatalogException as error:
            views = [name for (name,) in connection.execute("SHOW TABLES").fetchall()]
            raise BadInput(f"{str(error).splitlines()[0]}; known: {views}") from error
        except duckdb.Error as error:
            raise BadInput(f"{error}") from error
    say(common, rows)


def show_recipes(common: Common) -> None:
    """All recipes, one a row."""
    from tasks.recipe import load_recipe, recipe_digest, recipe_names

    say(
        common,
        [
            {
                "recipe": recipe.name,
                "levels": " > ".join(level.name for level in recipe.levels),
                "title": recipe.title,
                "citation": recipe.citation,
                "version": recipe_digest(recipe)[:12],
            }
            for recipe in map(load_recipe, recipe_names())
        ],
    )
