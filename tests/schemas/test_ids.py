import json
import random
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.ids import canonical, digest, seed_for

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4)
)


def turned(value):
    """The same value with the keys of every dict in another order."""
    if isinstance(value, dict):
        keys = list(value)
        random.Random(len(keys)).shuffle(keys)
        return {key: turned(value[key]) for key in reversed(keys)}
    return [turned(each) for each in value] if isinstance(value, list) else value


def exact(value):
    """A form in which 1, 1.0, True and "1" differ, and so do 0.0 and -0.0."""
    if isinstance(value, dict):
        return {key: exact(each) for key, each in value.items()}
    return [exact(each) for each in value] if isinstance(value, list) else (type(value).__name__, repr(value))


@given(JSON)
def test_the_order_of_keys_is_irrelevant(value):
    assert canonical(turned(value)) == canonical(value)
    assert digest(turned(value)) == digest(value)


@given(JSON)
def test_the_value_can_be_read_back_so_distinct_values_have_distinct_bytes(value):
    assert exact(json.loads(canonical(value))) == exact(value)


@given(JSON, JSON)
def test_distinct_values_have_distinct_ids_and_seeds(one, other):
    same = exact(one) == exact(other)
    assert (digest(one) == digest(other)) == same
    assert (seed_for(one) == seed_for(other)) == same


@given(st.lists(JSON, max_size=4), st.lists(JSON, max_size=4))
def test_parts_are_never_run_together(one, other):
    assert (digest(*one) == digest(*other)) == (exact(one) == exact(other))


def test_numbers_texts_and_normal_forms_are_told_apart():
    values = [1, 1.0, "1", True, None, "", [], {}, 0, -0.0, 0.0, "é", "e\u0301", [1], [[1]], {"a": None}]
    assert len({digest(value) for value in values}) == len(values)
    assert digest("a", "b") != digest("ab") != digest(["a", "b"])


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_refused_wherever_it_stands(number):
    for value in (number, [number], {"a": {"b": (1, number)}}):
        with pytest.raises(ValueError):
            digest(value)


def test_a_lone_surrogate_is_refused_in_values_and_keys():
    for value in ("\ud83d", ["a\udc00"], {"\ud800": 1}):
        with pytest.raises(UnicodeEncodeError):
            digest(value)


def test_keys_that_are_no_strings_are_refused():
    for value in ({1: "a"}, [{"a": {None: 1}}], ({True: 1},)):
        with pytest.raises(TypeError, match="is no string"):
            digest(value)


def test_what_has_no_json_form_is_refused():
    for value in (b"a", {1, 2}, object()):
        with pytest.raises(TypeError):
            digest(value)


def test_ids_are_what_they_were_when_warehouses_were_written():
    assert canonical({"b": [1, 2.5, None, True], "a": "ü\n"}) == '{"a":"ü\\n","b":[1,2.5,null,true]}'.encode()
    assert digest("sample", 1, {"a": "ü"}) == "547429da6fa6980aac3b932ac861df59"
    assert seed_for("corpus", "first", 0) == 7331454727185295096


def test_ids_do_not_depend_on_the_process():
    begin = f"import sys; sys.path[:0] = {sys.path!r}; from schemas.ids import digest; "
    script = begin + "print(digest('a', {'x': 1, 'y': 2}))"
    environment = {"PYTHONHASHSEED": "123", "LC_ALL": "C", "PATH": ""}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert done.stdout.strip() == digest("a", {"y": 2, "x": 1})


@given(st.lists(TEXT | st.integers(), max_size=3))
def test_an_id_is_32_hex_digits_and_a_seed_fits_in_63_bits(path):
    assert re.fullmatch("[0-9a-f]{32}", digest(*path))
    assert 0 <= seed_for(*path) < 2**63


def test_seeds_are_spread_over_their_range():
    seeds = [seed_for("level", index) for index in range(4000)]
    assert len(set(seeds)) == 4000
    for bit in range(63):  # each bit is set in half of them: 5 standard deviations of a fair coin
        assert abs(sum(seed >> bit & 1 for seed in seeds) - 2000) < 5 * 31.7
