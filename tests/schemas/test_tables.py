import types
import typing

import polars as pl
import pyarrow as pa
import pytest
from pydantic import BaseModel, ValidationError

from schemas.tables import Message, Row, Table, tables

ALL = pytest.mark.parametrize("table", [pytest.param(table, id=name) for name, table in tables().items()])
TEXT, LONG, DOUBLE, FLAG = pa.string(), pa.int64(), pa.float64(), pa.bool_()
TURN = pa.struct([pa.field("role", TEXT, False), pa.field("content", TEXT, False)])


def test_the_tables_of_the_design_are_there_under_their_names():
    expected = {"sample", "call", "verdict", "signature", "embedding", "metric", "release", "checkpoint"}
    assert expected | {"member", "reject", "run", "neighbour", "moment", "tally"} == set(tables())
    assert all(table.__base__ is Table and name == table.__name__.lower() for name, table in tables().items())


@ALL
def test_a_key_is_made_of_columns_that_are_never_null(table):
    schema = table.arrow()
    assert table.key and len(set(table.key)) == len(table.key)
    assert [schema.field(name).nullable for name in table.key] == [False] * len(table.key)
    assert all(schema.field(name).type in (TEXT, LONG) for name in table.key)


@ALL
def test_every_column_says_what_it_is_in_a_form_that_fits_a_markdown_table(table):
    for name, info in table.model_fields.items():
        assert info.description and info.description.strip() == info.description, name
        assert "|" not in info.description and "\n" not in info.description, name
    assert table.__doc__ and "\n" not in table.__doc__


def optional(annotation):
    union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    return union and type(None) in typing.get_args(annotation)


@ALL
def test_a_column_is_nullable_when_its_type_admits_none(table):
    hints = typing.get_type_hints(table)
    schema = table.arrow()
    assert schema.names == list(table.model_fields)
    assert {field.name: field.nullable for field in schema} == {
        name: optional(hints[name]) for name in schema.names
    }


def nested(model):
    return [(n, optional(h)) for n, h in typing.get_type_hints(model).items() if n in model.model_fields]


@ALL
def test_nested_rows_become_structs_with_the_same_names_and_nullability(table):
    for name, info in table.model_fields.items():
        parts = [*typing.get_args(info.annotation), info.annotation]
        inner = [a for part in parts for a in [*typing.get_args(part), part]]
        models = [a for a in inner if isinstance(a, type) and issubclass(a, BaseModel)]
        kind = table.arrow().field(name).type
        assert bool(models) == (pa.types.is_list(kind) and pa.types.is_struct(kind.value_type))
        if models:
            assert [(f.name, f.nullable) for f in kind.value_type] == nested(models[0])


@pytest.mark.parametrize(
    ("table", "column", "kind", "nullable"),
    [
        ("sample", "sample_id", TEXT, False),
        ("sample", "final", FLAG, False),
        ("sample", "ordinal", LONG, False),
        ("sample", "messages", pa.list_(TURN), True),
        ("sample", "slots", TEXT, False),
        ("call", "cost_usd", DOUBLE, True),
        ("call", "latency_s", DOUBLE, False),
        ("call", "n_prompt_tokens", LONG, True),
        ("signature", "minhash", pa.list_(pa.uint32(), 128), False),
        ("embedding", "vector", pa.list_(pa.float32()), False),
        ("metric", "value", DOUBLE, True),
        ("release", "passed", FLAG, False),
    ],
)
def test_columns_have_the_declared_arrow_types(table, column, kind, nullable):
    assert tables()[table].arrow().field(column) == pa.field(column, kind, nullable)


def test_a_gate_may_be_unknown_but_its_threshold_may_not():
    gates = tables()["release"].arrow().field("gates").type.value_type
    assert {field.name: field.nullable for field in gates} == {
        "name": False, "passed": True, "value": True, "threshold": False, "blocks": False, "rule": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        (
            "sample",
            "sample_id parent_id run_id recipe level text messages instruction input output slots "
            "language origin origin_id model licence",
        ),
        ("verdict", "sample_id filter keep score threshold witness_id reason"),
        ("metric", "scope scope_id metric value n low high version"),
        ("reject", "origin line reason"),
    ],
)
def test_the_columns_that_others_rely_on_are_there(table, columns):
    assert set(columns.split()) <= set(tables()[table].model_fields)


@ALL
def test_every_row_names_its_run(table):
    assert "run_id" in table.model_fields


@ALL
def test_polars_and_arrow_agree_on_the_columns(table):
    schema = table.arrow()
    assert pl.Schema(schema).names() == schema.names
    assert pl.DataFrame(schema=pl.Schema(schema)).to_arrow().schema.names == schema.names


def test_rows_are_frozen_and_refuse_what_they_do_not_know():
    message = Message(role="user", content="hi")
    with pytest.raises(ValidationError):
        message.role = "system"
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        Message(role="user", content="hi", name="x")
    assert issubclass(Table, Row)
