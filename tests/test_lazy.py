"""Lazy re-export: what a package publishes and when it loads it."""

from __future__ import annotations

import importlib
import re
import sys
import types
from pathlib import Path

import pytest

from ultralytics._lazy import attach

PACKAGE = Path(__file__).parents[1] / "ultralytics"
LAZY_PACKAGES = sorted(
    ".".join(path.parent.relative_to(PACKAGE.parent).parts)
    for path in PACKAGE.rglob("__init__.py")
    if "attach(" in path.read_text()
)


@pytest.fixture
def package() -> types.ModuleType:
    module = types.ModuleType("lazy_sample")
    sys.modules["lazy_sample"] = module
    homes = {"sqrt": "math", "root": "math:sqrt", "maths": "math:"}
    module.__getattr__, module.__dir__, module.__all__ = attach("lazy_sample", homes)  # type: ignore[attr-defined, method-assign]
    return module


@pytest.mark.parametrize(("name", "value"), [("sqrt", "sqrt"), ("root", "sqrt"), ("maths", None)])
def test_names_resolve_to_their_home(
    package: types.ModuleType, name: str, value: str | None
) -> None:
    math = importlib.import_module("math")
    assert getattr(package, name) is (getattr(math, value) if value else math)
    assert name in vars(package)  # kept: the second access does not come here again


def test_unknown_names_and_listing(package: types.ModuleType) -> None:
    with pytest.raises(AttributeError, match=r"'lazy_sample' has no attribute 'tan'"):
        _ = package.tan
    assert package.__all__ == ["maths", "root", "sqrt"]
    assert {"maths", "root", "sqrt", "__name__"} <= set(package.__dir__())


@pytest.mark.parametrize("name", LAZY_PACKAGES)
def test_type_checkers_see_the_names_that_exist(name: str) -> None:
    """The TYPE_CHECKING block is written by hand; it must name the same homes as the table."""
    text = (PACKAGE.parent / name.replace(".", "/") / "__init__.py").read_text()
    flat = re.sub(r"import \(\s*(.+?),?\s*\)", r"import \1", text, flags=re.DOTALL)
    declared = re.findall(r"^    from [\w.]+ import \w+ as (\w+)", flat, flags=re.MULTILINE)
    published = set(dir(importlib.import_module(name)))
    assert set(declared) <= published
