import ast
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import BadInput
from tasks.code_replies import Exercise, code, code_in, read_exercise
from tasks.replies import Told, parsers

QUESTION = 'def count_late(trains: list[int], limit: int) -> int:\n    """How many trains are more than `limit` late.\n\n    >>> count_late([1, 9], 5)\n    1\n    """'
SOLUTION = "    return sum(delay > limit for delay in trains)"
WHOLE = f"{QUESTION}\n{SOLUTION}"
FENCED = f"```python\n{WHOLE}\n```"


def told(text, name="count_late", finish="stop", **options):
    return code(Told(text, finish, {"function_name": name}, options=options))


def reason(text, **more):
    (piece,) = told(text, **more)
    assert piece.text == text.strip()
    return piece.reason


@pytest.mark.parametrize(
    "reply",
    [
        FENCED, f"Sure!\n\n{FENCED}\nHope it helps.", f"```\n{WHOLE}\n```", f"```py\n{WHOLE}", WHOLE, f"\n\n{WHOLE}\n\n",
        f"Here is the function:\n\n{WHOLE}\n\nIt counts the late trains.", FENCED.replace("\n", "\r\n"),
        f"~~~python\n{WHOLE}\n~~~", "1. The code:\n" + "\n".join("   " + line for line in FENCED.split("\n")),
        f"{FENCED}\n\nA test:\n```python\nassert count_late([9], 5) == 1\n```", f"```text\ncount late trains\n```\n{FENCED}",
        f"```python\ndef other():\n    '''No.'''\n    return 1\n```\n{FENCED}", f"```python\n{WHOLE}\n\nprint(count_late([1], 2))\n```",
        f"```python\n{WHOLE}\n\nif __name__ == '__main__':\n    count_late([1], 2)\n```", f"````python\n{WHOLE}\n````",
    ],
)  # fmt: skip
def test_a_function_is_found_wherever_it_stands(reply):
    (piece,) = told(reply)
    assert (piece.reason, piece.input, piece.output, piece.text) == (None, QUESTION, SOLUTION, WHOLE)
    assert piece.instruction is None


def test_imports_and_helpers_before_the_function_belong_to_the_question():
    before = 'import math\n\n\ndef half(n: int) -> float:\n    """Half of n."""\n    return n / 2\n\n\n'
    found = read_exercise(f"```python\n{before}{WHOLE}\n```", "count_late")
    assert found == Exercise(before + QUESTION, SOLUTION)


def test_decorators_several_lines_of_signature_and_async_are_python_too():
    question = '@cache\nasync def wait(\n    n: int,\n) -> None:\n    """Wait for n."""'
    assert read_exercise(f"{question}\n    await n\n", "wait") == Exercise(question, "    await n")


def test_a_comment_under_the_docstring_is_of_the_solution_and_blank_lines_around_it_go():
    found = read_exercise(
        'def f(n):\n    "Double n."\n\n    # twice\n    m = n\n\n    return m * 2\n\n\n\n', "f"
    )
    assert found == Exercise('def f(n):\n    "Double n."', "    # twice\n    m = n\n\n    return m * 2")


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        ("", "no Python function in the reply"),
        ("I am sorry, but I cannot do that.", "no Python function in the reply"),
        ("Xin lỗi, tôi không thể.", "no Python function in the reply"),
        ("```python\nx = 1\n```", "no Python function in the reply"),
        ("class A:\n    def count_late(self):\n        'Doc.'\n        return 1", "no Python function in the reply"),
        (FENCED.replace("count_late", "count_early"), "defines 'count_early' where 'count_late' was asked for"),
        (FENCED.replace("return sum(", "return sum(("), "syntax error in line 7: "),
        (WHOLE.replace("    return sum", "  return sum"), "syntax error in line 7: "),
        ("def count_late(trains):\n    return 1", "'count_late' has no docstring"),
        ('def count_late(trains):\n    """ """\n    return 1', "'count_late' has no docstring"),
        ('def count_late(trains):\n    f"""Doc {1}."""\n    return 1', "'count_late' has no docstring"),
        (QUESTION, "'count_late' has no body"),
        (f"{QUESTION}\n    pass", "'count_late' has no body"),
        (f"{QUESTION}\n    ...", "'count_late' has no body"),
        (f"{QUESTION}\n    raise NotImplementedError", "'count_late' has no body"),
        (f"{QUESTION}\n    raise NotImplementedError('later')", "'count_late' has no body"),
        ("def count_late(t): 'Doc.'; return 1", "'count_late': signature, docstring and body do not stand"),
        ("def count_late(t):\n    'Doc.'; return 1", "'count_late': signature, docstring and body do not stand"),
        ("def count_late(t): 'Doc.'", "'count_late' has no body"),
        (f"{QUESTION}\n    return half(1)\n\ndef half(n):\n    return n", "needs 'half', which is defined behind it"),
        ("def count_late(t):\n    'Doc.'\n    return " + "(" * 9000, "syntax error"),
        ("def count_late(t):\n    'Doc.'\n    return " + "-" * 20000 + "1", "syntax error"),
        ("def count_late(t):\n    'Doc.'\n    return '\0'", "syntax error"),
    ],
)  # fmt: skip
def test_what_is_no_exercise_is_kept_with_the_reason(reply, says):
    assert says in reason(reply)
    assert "\n" not in reason(reply)


def test_a_reply_that_was_cut_is_refused_even_when_it_parses():
    assert reason(FENCED, finish="length") == "cut by length"
    assert reason(WHOLE, finish="length") == "cut by length"


def test_a_body_that_raises_another_error_is_a_body():
    (piece,) = told(f"{QUESTION}\n    raise ValueError(limit)")
    assert piece.reason is None and piece.output == "    raise ValueError(limit)"


def test_the_slot_of_the_name_is_an_option_and_without_it_any_name_will_do():
    reply = Told(
        FENCED, "stop", {"called": "count_late", "function_name": "x"}, options={"name_slot": "called"}
    )
    assert code(reply)[0].reason is None
    assert code(Told(FENCED, "stop", {"called": "x"}))[0].reason is None
    with pytest.raises(BadInput, match="no option 'name'; known: \\['name_slot'\\]"):
        code(Told(FENCED, "stop", {}, options={"name": 1}))


def test_nothing_of_a_reply_is_run(tmp_path):
    trace = tmp_path / "trace"
    write = f"open({str(trace)!r}, 'w').close()"
    reply = f'{write}\n\n\n@{write}\ndef count_late(t=({write})):\n    "Doc."\n    {write}\n    return t\n\n{write}\ncount_late()'
    (piece,) = told(f"```python\n{reply}\n```")
    assert piece.reason is None and not trace.exists()


def test_a_strange_escape_raises_no_warning():
    (piece,) = told(f"{QUESTION}\n    return '\\d'")
    assert piece.reason is None


def test_bare_prose_is_no_code():
    assert code_in("A def is short for definition.\nfrom here on it is easy.") is None


def test_it_goes_by_the_name_code():
    assert parsers()["code"] is code


NAMES = st.from_regex(r"[a-z]{1,8}_[a-z]{1,8}", fullmatch=True)
WORDS = st.text("abc äé日本 \t.,:;()`*'#", min_size=1, max_size=30).filter(str.strip)
STATEMENTS = st.sampled_from(
    ["x = 1", "# why", "for i in range(3):\n        x = i", "return [1,\n            2]", "if x:\n        return 'a'\n\n    return None"]
)  # fmt: skip


@given(
    NAMES,
    WORDS,
    st.lists(STATEMENTS, min_size=1, max_size=5),
    st.sampled_from(["```python\n{}\n```", "{}", "So:\n```\n{}\n```\n"]),
)
def test_what_is_written_as_an_exercise_is_read_as_one_and_again_the_same(name, words, statements, around):
    body = "\n\n".join(f"    {statement}" for statement in [*statements, "return 0"])
    question = f'def {name}(x):\n    """{words.replace("`", "")} - {name}"""'
    found = read_exercise(around.format(f"{question}\n{body}"), name)
    assert found == Exercise(question, body)
    again = read_exercise(around.format("\n".join(found)), name)
    assert again == found
    assert isinstance(ast.parse("\n".join(found)).body[0], ast.FunctionDef)


@given(
    st.text(max_size=200)
    | st.lists(
        st.sampled_from(["```", "\n", "def f():", "    ", '"""', "a", "~~~", "(", "@", "import x"])
    ).map("".join)
)
def test_no_reply_is_too_strange(text):
    for finish, name in itertools.product(("stop", "length"), ("f", None)):
        (piece,) = code(Told(text, finish, {"function_name": name} if name else {}))
        assert piece.reason is None or (piece.reason and piece.text == text.strip())
