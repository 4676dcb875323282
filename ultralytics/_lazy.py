"""Lazy re-export for package `__init__` files.

A package lists its public names and the module each lives in; the module is imported when a name is first asked for.
That keeps `import ultralytics` and the light commands free of torch, OpenCV and matplotlib.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["attach"]


def attach(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Build `__getattr__`, `__dir__` and `__all__` for a package.

    Args:
        package: the package's `__name__`.
        homes: public name -> dotted module that defines it, or "module:attribute" when the names
            differ; a bare "module:" publishes the module object itself.

    Returns:
        The three objects, to be bound at module level in this order.
    """

    def load(name: str) -> Any:
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
