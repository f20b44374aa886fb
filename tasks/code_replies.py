"""Python functions with a docstring: exercises as phi-1 has them (Gunasekar et al. 2023) and HumanEval.

What stands up to the end of the docstring is the exercise, the rest of the function is its solution. Code is
read with `ast.parse`, never run, so nothing is said about whether the solution is right. What stands before
the function (imports, constants, functions of its own) belongs to the exercise, what stands behind it (calls,
tests) is left out.
"""

import ast
import itertools
import re
import warnings
from typing import NamedTuple

from schemas.errors import BadInput
from tasks.replies import Piece, Told, parser

NAME_SLOT = "function_name"
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[^\n`]*\n(.*?)(?:^[ \t]*\1[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_FIRST_LINE = re.compile(r"(?:async )?def |import \w|from [\w.]+ import |@\w")
_CODE_LINE = re.compile(r"[ \t#@)\]}]|(?:def|class|import|from|async def) ")
_DEF = re.compile(r"^\s*(?:async )?def \w+", re.MULTILINE)
_Function = ast.FunctionDef | ast.AsyncFunctionDef


class Exercise(NamedTuple):
    """A function in two halves; put together with a newline they are the whole source."""

    question: str  # what stands before, the signature and the docstring
    solution: str  # the statements of the body, indented as they were


@parser("code", options=True)
def code(told: Told) -> list[Piece]:
    """One function; options: name_slot, the slot that says how it must be called (none: any name)."""
    unknown = sorted(set(told.options) - {"name_slot"})
    if unknown:
        raise BadInput(f"reply code: no option {unknown[0]!r}; known: ['name_slot']")
    asked = told.slots.get(str(told.options.get("name_slot", NAME_SLOT)))
    raw = told.text.strip()
    if told.finish_reason == "length":
        return [Piece(raw, "cut by length")]
    found = read_exercise(told.text, asked if isinstance(asked, str) else None)
    if isinstance(found, str):
        return [Piece(raw, found)]
    return [Piece(f"{found.question}\n{found.solution}", None, found.question, found.solution)]


def read_exercise(text: str, name: str | None = None) -> Exercise | str:
    """The function of that name in a reply, or what is wrong with the reply, in one line."""
    source = code_in(text, name)
    if source is None:
        return "no Python function in the reply"
    module = _parsed(source)
    if isinstance(module, str):
        return module
    functions = [node for node in module.body if isinstance(node, _Function)]
    if not functions:
        return "no Python function in the reply"
    chosen = next((node for node in functions if node.name == name or name is None), None)
    if chosen is None:
        return f"defines {functions[0].name!r} where {name!r} was asked for"
    return _fault(module, chosen) or _halves(source, chosen)


def code_in(text: str, name: str | None = None) -> str | None:
    """The fenced block that defines the function, else the first with any, else code without a fence."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    blocks = [_dedented(block[2]) for block in _FENCE.finditer(text)]
    defining = [block for block in blocks if _DEF.search(block)]
    wanted = re.compile(rf"^(?:async )?def {re.escape(name)}\b" if name else "^", re.MULTILINE)
    for block in defining:
        if wanted.search(block):
            return block
    if defining or blocks:
        return defining[0] if defining else None
    return _bare(text)


def _dedented(block: str) -> str:
    """A block without the indentation of its first line, as fences inside of lists have it."""
    first = next((line for line in block.split("\n") if line.strip()), "")
    margin = first[: len(first) - len(first.lstrip())]
    return "\n".join(line.removeprefix(margin) for line in block.split("\n"))


def _bare(text: str) -> str | None:
    """Code without a fence: from the first line that looks like code on, without chatter around it."""
    if not isinstance(_parsed(text), str):
        return text if _DEF.search(text) else None
    lines = text.split("\n")
    start = next((i for i, line in enumerate(lines) if _FIRST_LINE.match(line)), len(lines))
    code = itertools.takewhile(lambda line: not line.strip() or _CODE_LINE.match(line), lines[start:])
    found = "\n".join(code)
    return found if _DEF.search(found) else None


def _parsed(source: str) -> ast.Module | str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes in somebody's strings
            return ast.parse(source)
    except SyntaxError as error:
        return f"syntax error in line {error.lineno}: {error.msg}"
    except (ValueError, MemoryError, RecursionError) as error:
        return f"syntax error: {str(error) or 'nested too deeply'}"


def _fault(module: ast.Module, function: _Function) -> str | None:
    """Why a function is no exercise."""
    body = function.body
    if not (ast.get_docstring(function) or "").strip():
        return f"{function.name!r} has no docstring"
    if all(_does_nothing(statement) for statement in body[1:]):
        return f"{function.name!r} has no body"
    if body[0].lineno == function.lineno or body[1].lineno <= (body[0].end_lineno or 0):
        return f"{function.name!r}: signature, docstring and body do not stand on lines of their own"
    behind = {name for node in module.body[module.body.index(function) + 1 :] for name in _defined(node)}
    used = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)} - {function.name}
    if needed := sorted(behind & used):
        return f"{function.name!r} needs {needed[0]!r}, which is defined behind it"
    return None


def _does_nothing(statement: ast.stmt) -> bool:
    match statement:
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Raise(exc=ast.Name(id=raised) | ast.Call(func=ast.Name(id=raised))):
            return raised == "NotImplementedError"
    return False


def _defined(node: ast.stmt) -> set[str]:
    """Names that functions and classes define; a variable may be a local one of the same name."""
    return {node.name} if isinstance(node, _Function | ast.ClassDef) else set()


def _halves(source: str, function: _Function) -> Exercise:
    lines = source.split("\n")
    last = function.body[0].end_lineno  # 1-based, so the index of the line behind the docstring
    question = "\n".join(lines[:last]).strip("\n")
    return Exercise(question, "\n".join(lines[last : function.end_lineno]).strip("\n").rstrip())
