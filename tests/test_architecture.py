"""The shape of the project, checked: one direction of imports, a twin for every module, small files."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("flows", "tasks", "warehouse", "schemas")  # each may import those to its right
FORBIDDEN = {"utils", "helpers", "common", "core", "base", "manager"}
LONGEST_FILE, LONGEST_FUNCTION = 250, 40
LONG: dict[str, str] = {
    "schemas/tables.py": "one module says what every table holds; nothing else does",
}
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
EACH_MODULE = pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())


def imports(path):
    """Top-level names of the packages that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            yield node.module.partition(".")[0]


def test_there_is_something_to_check():
    assert {path.relative_to(ROOT).parts[0] for path in MODULES} == set(PACKAGES) and len(MODULES) > 40


@EACH_MODULE
def test_imports_point_only_to_the_right(path):
    package = path.relative_to(ROOT).parts[0]
    left = set(PACKAGES[: PACKAGES.index(package)])
    assert not left & set(imports(path))


@pytest.mark.parametrize("path", sorted((ROOT / "schemas").glob("*.py")), ids=lambda path: path.name)
def test_schemas_need_pydantic_and_arrow_only(path):
    allowed = {"pydantic", "pydantic_settings", "pyarrow", "schemas"} | set(sys.stdlib_module_names)
    assert set(imports(path)) <= allowed


@pytest.mark.parametrize("package", PACKAGES)
def test_our_packages_are_not_shadowed_by_installed_ones(package):
    assert Path(importlib.import_module(package).__file__) == ROOT / package / "__init__.py"


@EACH_MODULE
def test_every_module_has_its_twin_test(path):
    if path.name == "__init__.py":
        return
    place = path.relative_to(ROOT)
    twin = ROOT / "tests" / place.with_name(f"test_{place.name.replace('__main__', 'main')}")
    assert twin.is_file(), f"{place} has no {twin.relative_to(ROOT)}"


def test_every_test_file_is_named_after_what_it_tests():
    """test_<module>.py, or test_<module>_<what>.py for a part of it; a folder of marts counts as a module."""
    tests = [path for package in PACKAGES for path in (ROOT / "tests" / package).rglob("test_*.py")]
    assert len(tests) > 20
    for path in tests:
        place = path.relative_to(ROOT / "tests")
        known = [each.stem.strip("_") for each in (ROOT / place.parent).iterdir()]
        name = place.stem.removeprefix("test_")
        assert any(f"{name}_".startswith(f"{each}_") for each in known), f"tests/{place} tests no module"


def test_tests_are_no_package():
    assert not list((ROOT / "tests").rglob("__init__.py"))


@EACH_MODULE
def test_files_and_functions_are_short(path):
    if path.relative_to(ROOT).as_posix() in LONG:
        return
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= LONGEST_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno + 1 <= LONGEST_FUNCTION, f"line {node.lineno}: {node.name}"


def test_only_long_files_are_allowed_to_be_long():
    for name in LONG:
        assert len((ROOT / name).read_text("utf-8").splitlines()) > LONGEST_FILE, f"{name} needs no exception"


@EACH_MODULE
def test_names_of_modules_are_words_that_mean_something(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    assert not {word for part in parts for word in part.split("_")} & FORBIDDEN


@EACH_MODULE
def test_packages_are_packages_and_modules_say_what_they_are(path):
    assert (path.parent / "__init__.py").is_file()
    if path.name != "__init__.py":
        assert ast.get_docstring(ast.parse(path.read_text("utf-8"))), "no docstring"


@pytest.mark.parametrize("command", ["--help", "--version", "recipes"])
def test_commands_that_run_no_flow_do_not_import_prefect(command):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "flows", command], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr[-2000:]
    names = [line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "|" in line]
    imported = {name.partition(".")[0] for name in names}
    assert "schemas" in imported and "prefect" not in imported
