"""Telling edited transforms from those that were built, and ending the mixing of images in them."""

from __future__ import annotations

from typing import Any

__all__ = ["fingerprint", "stop_mixing"]


def fingerprint(transform: Any) -> Any:  # Any: nested tuples
    """Types and plain settings of a transform and the transforms inside it."""
    values = getattr(transform, "__dict__", {})
    plain = {
        k: v for k, v in values.items() if isinstance(v, (bool, int, float, str, tuple, type(None)))
    }
    inner = values.get("transforms")
    parts = [values.get("pre_transform"), *(inner if isinstance(inner, list) else [])]
    return (
        type(transform),
        tuple(sorted((key, repr(value)) for key, value in plain.items())),
        tuple(fingerprint(part) for part in parts if part is not None),
    )


def stop_mixing(transform: Any) -> None:  # Any: a callable, maybe with others inside
    """Let steps that join several images pass a sample on as it is, in place; all other steps stay."""
    from ultralytics.data.augment.compose import BaseMixTransform

    if isinstance(transform, BaseMixTransform):
        transform.p = 0.0
    inner = getattr(transform, "transforms", None)
    parts = [getattr(transform, "pre_transform", None)]
    for part in (*parts, *(inner if isinstance(inner, (list, tuple)) else ())):
        if part is not None:
            stop_mixing(part)
