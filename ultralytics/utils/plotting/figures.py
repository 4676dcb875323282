"""Shared start and end of every diagram: a figure that belongs to nobody else, and an atomic file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ultralytics.utils.files import atomic_path

__all__ = ["new_figure", "write_figure"]


def new_figure(width: float, height: float, **options: Any) -> Any:  # Any: matplotlib is untyped
    """A figure of a size in inches, outside matplotlib's global state."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="tight", **options)


def write_figure(figure: Any, file: str | Path, dpi: int = 250) -> Path:
    """Write a figure in the format of its suffix."""
    target = Path(file)
    with atomic_path(target) as temporary:
        figure.savefig(temporary, dpi=dpi)
    return target
