import polars as pl
import pytest

from schemas.errors import SeedloomError
from tasks.precedence import roster
from tasks.shingles import contract
from tasks.signature import signatures
from tasks.signed import signed
from warehouse.parts import polars_schema


def put(run, ids):
    """Final samples as one part of a run, by ordinal in this order."""
    blank = {name: "" if kind == pl.String else None for name, kind in polars_schema("sample").items()}
    rows = [
        {**blank, "sample_id": i, "text": f"text {i}", "final": True, "ordinal": n} for n, i in enumerate(ids)
    ]
    frame = pl.DataFrame(rows, schema=polars_schema("sample"))
    return run.once("put", [], {"ids": ids}, lambda: {"sample": frame})


def found(run, samples, parts, *under):
    rows = []
    for frame, ranks in signed(run, roster(run, samples, []), parts, ["n_shingles"], *under):
        assert frame.columns == ["sample_id", "contract", "n_shingles"]
        rows += zip(ranks.tolist(), frame["sample_id"], frame["contract"], strict=True)
    return sorted(rows)


def test_signatures_come_with_the_rank_of_their_sample_under_the_contract_asked_for(run):
    samples, others = put(run, ["c", "a", "b"]), put(run, ["x"])
    parts = [*signatures.fn(run, others, 3), *signatures.fn(run, samples, 5), *signatures.fn(run, samples, 3)]
    three = [(rank, name, contract(3)) for rank, name in enumerate("cab")]
    five = [(rank, name, contract(5)) for rank, name in enumerate("cab")]
    assert found(run, samples, parts, contract(3)) == three
    assert found(run, samples, parts) == sorted(three + five)


def test_a_sample_without_a_signature_is_named(run):
    samples = put(run, ["c", "a"]) + put(run, ["b", "d"])
    parts = signatures.fn(run, samples[:1], 3)
    with pytest.raises(SeedloomError, match="2 samples, for one [bd], have no signature$"):
        found(run, samples, parts)
    with pytest.raises(SeedloomError, match=f"4 samples, for one .*, have no signature under {contract(5)}"):
        found(run, samples, parts, contract(5))
    assert found(run, [], []) == []
