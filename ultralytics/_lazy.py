"""Lazy re-export for package `__init__` files.

A package lists its public names and the module each lives in; the module is imported when a name is first asked for.
That keeps `import ultralytics` and the light commands free of torch, OpenCV and matplotlib.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, NoReturn

from ultralytics.errors import NotAvailable

__all__ = ["attach", "refuse"]


def attach(
    package: str, homes: Mapping[str, str], later: Mapping[str, str] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Build `__getattr__`, `__dir__` and `__all__` for a package.

    Args:
        package: the package's `__name__`.
        homes: public name -> dotted module that defines it, or "module:attribute" when the names
            differ; a bare "module:" publishes the module object itself.
        later: names of the interface that this version lacks -> what they are. Asking for one raises
            `NotAvailable`; they are in neither listing.

    Returns:
        The three objects, to be bound at module level in this order.
    """
    missing = later or {}

    def load(name: str) -> Any:
        if name in missing:
            raise NotAvailable(f"{package}.{name}: {missing[name]} not part of this version")
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module_name, separator, attribute = homes[name].partition(":")
        module = import_module(module_name)
        if separator and not attribute:
            value: Any = module
        else:
            value = getattr(module, attribute or name)
        setattr(sys.modules[package], name, value)
        return value

    def listing() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return load, listing, sorted(homes)


def refuse(module: str, what: str) -> Callable[[str], NoReturn]:
    """`__getattr__` of a module of the interface that this version lacks: its names say so, whatever they are.

    Args:
        module: the module's `__name__`.
        what: subject and verb of the message, such as "benchmarks are".
    """

    def load(name: str) -> NoReturn:
        if name.startswith("__"):  # asked for by the import system and by inspection
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        raise NotAvailable(f"{module}.{name}: {what} not part of this version")

    return load
