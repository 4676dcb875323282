"""Classes by role, named but not imported until one is taken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

__all__ = ["Roles"]


class Roles(Mapping[str, Any]):  # Any: classes
    """The classes of one task.

    Args:
        named: role -> "module:attribute".
    """

    def __init__(self, named: Mapping[str, str]) -> None:
        self._named = dict(named)

    def __getitem__(self, role: str) -> Any:
        module, _, attribute = self._named[role].partition(":")
        return getattr(import_module(module), attribute)

    def __iter__(self) -> Iterator[str]:
        return iter(self._named)

    def __len__(self) -> int:
        return len(self._named)
