"""Attribute-style configuration object.

`vars(ns)` holds only configuration keys. Which of them the user set by hand is remembered beside the
dictionary: copies keep it, pickles (and therefore checkpoints) do not.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

__all__ = ["IterableSimpleNamespace", "explicit_keys"]


class IterableSimpleNamespace(SimpleNamespace):
    """Namespace that iterates over (key, value), prints as lines `key=value` and has `get`."""

    __slots__ = ("_explicit",)
    _explicit: frozenset[str]

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return iter(vars(self).items())

    def __str__(self) -> str:
        return "\n".join(f"{key}={value}" for key, value in self)

    def __getattr__(self, name: str) -> Any:  # Any: values are whatever the configuration holds
        raise AttributeError(
            f"{type(self).__name__!r} object has no attribute {name!r}. A modified or outdated "
            f"configuration file (default.yaml) may lack this key; create a fresh one with "
            f"'yolo copy-cfg' or pass the key as an argument."
        )

    def __copy__(self) -> IterableSimpleNamespace:
        return self._with_marks(type(self)(**vars(self)))

    def __deepcopy__(self, memo: dict[int, Any]) -> IterableSimpleNamespace:
        duplicate = type(self)()
        memo[id(self)] = duplicate
        vars(duplicate).update(copy.deepcopy(vars(self), memo))
        return self._with_marks(duplicate)

    def get(self, key: str, default: Any = None) -> Any:
        """Value of a key, or the default when it is absent."""
        return vars(self).get(key, default)

    def _with_marks(self, other: IterableSimpleNamespace) -> IterableSimpleNamespace:
        other._explicit = explicit_keys(self)
        return other


# Stored in checkpoints: every reader of the format knows the class under this path.
IterableSimpleNamespace.__module__ = "ultralytics.utils"


def explicit_keys(namespace: SimpleNamespace) -> frozenset[str]:
    """Names that the user set, as opposed to defaults; empty when nothing was recorded."""
    return getattr(namespace, "_explicit", frozenset())
