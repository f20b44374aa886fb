import pytest
from pydantic import ValidationError

from schemas.partition import Partition

GOOD = {"table": "verdict", "path": "data/verdict/p.parquet", "rows": 3, "bytes": 100, "sha256": "ab"}


def test_a_partition_travels_as_json_and_can_be_put_in_a_set():
    part = Partition(**GOOD)
    assert Partition.model_validate_json(part.model_dump_json()) == part
    assert {part, Partition(**GOOD)} == {part}


@pytest.mark.parametrize("change", [{"rows": 0}, {"rows": "many"}, {"bytes": None}, {"owner": "me"}])
def test_a_partition_that_says_too_much_or_nothing_is_refused(change):
    with pytest.raises(ValidationError) as caught:
        Partition(**{**GOOD, **change})
    assert [error["loc"] for error in caught.value.errors()] == [tuple(change)]


@pytest.mark.parametrize("missing", sorted(GOOD))
def test_everything_about_a_partition_is_required_and_fixed(missing):
    with pytest.raises(ValidationError, match="Field required"):
        Partition(**{name: value for name, value in GOOD.items() if name != missing})
    with pytest.raises(ValidationError, match="frozen"):
        setattr(Partition(**GOOD), missing, GOOD[missing])
    assert Partition.model_fields[missing].description
