"""The public names of detection and of the shared parts, by module, as the specification lists them.

`manifest.json` holds two tables: `provides` must resolve; `later` belongs to the interface but not to this version.
Work that adds a name of `later` moves it to `provides`.
"""

from __future__ import annotations

import inspect
import json
from importlib import import_module
from pathlib import Path

import pytest

from ultralytics.errors import NotAvailable

MANIFEST = json.loads((Path(__file__).parent / "manifest.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("module", MANIFEST["provides"])
def test_names_resolve(module: str) -> None:
    home = import_module(module)
    missing = [name for name in MANIFEST["provides"][module] if not hasattr(home, name)]
    assert missing == []


@pytest.mark.parametrize("module", MANIFEST["provides"])
def test_published_functions_and_classes_are_documented(module: str) -> None:
    home = import_module(module)
    found = {name: getattr(home, name) for name in MANIFEST["provides"][module]}
    bare = [
        name
        for name, value in found.items()
        if (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__.startswith("ultralytics")
        and not value.__doc__
    ]
    assert bare == []


@pytest.mark.parametrize("module", MANIFEST["later"])
def test_what_is_provided_is_listed_so(module: str) -> None:
    for name in MANIFEST["later"][module]:
        with pytest.raises((AttributeError, ModuleNotFoundError, NotAvailable)):
            getattr(import_module(module), name)


def test_no_name_is_in_both_tables() -> None:
    for module, names in MANIFEST["later"].items():
        assert not set(names) & set(MANIFEST["provides"].get(module, ()))
