"""Wrappers around a network (parallel, compiled, with a teacher), and copying of plain attributes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn

__all__ = ["copy_attr", "is_parallel", "unwrap_model", "unwrap_parallel"]


def is_parallel(model: nn.Module) -> bool:
    """Whether a network is wrapped for data-parallel training."""
    return isinstance(model, (nn.parallel.DataParallel, nn.parallel.DistributedDataParallel))


def unwrap_model(model: nn.Module) -> Any:  # Any: a network with the attributes of its task
    """The network inside any stack of parallel and torch.compile wrappers; of a network with a teacher, the student."""
    inner = unwrap_parallel(model)
    student = getattr(inner, "student_model", None)
    return student if isinstance(student, nn.Module) else inner


def unwrap_parallel(model: nn.Module) -> Any:  # Any: as above
    """The module that holds all that is trained, without parallel and torch.compile wrappers."""
    inner: Any = model
    while True:
        if is_parallel(inner):
            inner = inner.module
        elif isinstance(getattr(inner, "_orig_mod", None), nn.Module):
            inner = inner._orig_mod
        else:
            return inner


def copy_attr(
    target: object, source: object, include: Iterable[str] = (), exclude: Iterable[str] = ()
) -> None:
    """Copy instance attributes from one object to another.

    Args:
        target: receives the values; it is changed.
        source: gives them. Names starting with an underscore are skipped.
        include: when not empty, only these names are copied.
        exclude: names that are never copied.
    """
    wanted, unwanted = set(include), set(exclude)
    for name, value in vars(source).items():
        if (wanted and name not in wanted) or name.startswith("_") or name in unwanted:
            continue
        setattr(target, name, value)
