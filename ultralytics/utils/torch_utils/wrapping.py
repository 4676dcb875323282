"""Parallel and compiled wrappers around a network, and copying of plain attributes."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

__all__ = ["copy_attr", "is_parallel", "unwrap_model"]


def is_parallel(model: nn.Module) -> bool:
    """Whether a network is wrapped for data-parallel training."""
    return isinstance(model, (nn.parallel.DataParallel, nn.parallel.DistributedDataParallel))


def unwrap_model(model: nn.Module) -> nn.Module:
    """The network inside any stack of parallel and torch.compile wrappers."""
    while True:
        if is_parallel(model):
            model = model.module
        elif isinstance(getattr(model, "_orig_mod", None), nn.Module):
            model = model._orig_mod  # type: ignore[assignment]
        else:
            return model


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
