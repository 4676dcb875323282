"""Every test checks something, and says why when it does not run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1]
FILES = sorted(FOLDER.rglob("test_*.py"))
CHECKS = ("raises", "warns", "fail", "check_layer")


def call_name(node: ast.AST) -> str:
    """Last part of what is called: "raises" for `pytest.raises(...)`."""
    function = node.func if isinstance(node, ast.Call) else None
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def checks(body: ast.AST, helpers: dict[str, ast.AST], seen: frozenset[str] = frozenset()) -> bool:
    """Whether an assertion or an expected error is in the code, or in a helper of the file it calls."""
    for node in ast.walk(body):
        name = call_name(node)
        if isinstance(node, ast.Assert) or name in CHECKS or name.startswith("assert_"):
            return True
        if name in helpers and name not in seen and checks(helpers[name], helpers, seen | {name}):
            return True
    return False


def functions(file: Path) -> dict[str, ast.AST]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name: node for node in ast.walk(tree) if isinstance(node, kinds)}


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.relative_to(FOLDER).as_posix())
def test_every_test_checks_something(file: Path) -> None:
    found = functions(file)
    tests = {name: body for name, body in found.items() if name.startswith("test_")}
    assert tests
    assert [name for name, body in tests.items() if not checks(body, found)] == []


def skips(file: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and call_name(node) in ("skip", "skipif", "xfail"):
            yield node


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.relative_to(FOLDER).as_posix())
def test_what_is_skipped_says_why(file: Path) -> None:
    for call in skips(file):
        named = {word.arg for word in call.keywords}
        is_positional = call_name(call) == "skip" and bool(call.args)
        assert "reason" in named or is_positional, f"{file.name}:{call.lineno}"
