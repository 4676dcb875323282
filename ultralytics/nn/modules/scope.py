"""Choices that hold while one network is being built.

A model file may name another default activation, and decides which form of class branch its head gets. Both reach deep
constructors through a context variable, so that two threads building different models do not disturb each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

from torch import nn

__all__ = ["BuildScope", "build_scope", "current_scope"]


@dataclass(frozen=True)
class BuildScope:
    """Defaults in force; None leaves the decision to the class.

    Attributes:
        activation: default activation of the `Conv` family.
        legacy: whether a detection head uses full 3x3 convolutions in its class branch.
    """

    activation: nn.Module | None = None
    legacy: bool | None = None


_UNSET = BuildScope()
_SCOPE: ContextVar[BuildScope | None] = ContextVar("build_scope", default=None)


def current_scope() -> BuildScope:
    """The choices of the network under construction in this context."""
    return _SCOPE.get() or _UNSET


@contextmanager
def build_scope(
    activation: nn.Module | None = None, legacy: bool | None = None
) -> Iterator[BuildScope]:
    """Set choices for the duration of a block; a value of None keeps the one in force."""
    outer = current_scope()
    scope = replace(
        outer,
        activation=outer.activation if activation is None else activation,
        legacy=outer.legacy if legacy is None else legacy,
    )
    token = _SCOPE.set(scope)
    try:
        yield scope
    finally:
        _SCOPE.reset(token)
