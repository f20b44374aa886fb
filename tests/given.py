"""Rows by hand, and questions to a warehouse: what many tests begin and end with."""

import polars as pl

from warehouse import connect
from warehouse.parts import polars_schema


def row(table, **facts):
    """One row of a table; what is not given is null."""
    return pl.DataFrame([dict.fromkeys(polars_schema(table)) | facts], schema=polars_schema(table))


def ask(root, query):
    """The answer of a warehouse, as a list of tuples."""
    with connect(root) as connection:
        return connection.sql(query).fetchall()
