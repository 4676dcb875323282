"""A base class whose text form lists what an object holds, and whose misses say what it offers."""

from __future__ import annotations

from typing import Any

__all__ = ["SimpleClass"]


class SimpleClass:
    """Object that prints its public data attributes; nested ones of this kind by type only."""

    def __str__(self) -> str:
        cls = type(self)
        shown = []
        for name in dir(self):
            if name.startswith("_"):
                continue
            value = getattr(self, name)
            if callable(value):
                continue
            nested = isinstance(value, SimpleClass)
            text = f"{_path(type(value))} object" if nested else repr(value)
            shown.append(f"{name}: {text}")
        return "\n".join([f"{_path(cls)} object with attributes:\n", *shown])

    __repr__ = __str__

    def __getattr__(self, attr: str) -> Any:  # the value never exists, so it has no type
        cls = type(self)
        raise AttributeError(
            f"{cls.__name__!r} object has no attribute {attr!r}. See valid attributes below.\n"
            f"{cls.__doc__}"
        )


def _path(cls: type) -> str:
    return f"{cls.__module__}.{cls.__name__}"
