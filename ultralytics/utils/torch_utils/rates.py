"""Smooth ramps between two values, used for learning rates."""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["one_cycle"]


def one_cycle(y1: float = 0.0, y2: float = 1.0, steps: int = 100) -> Callable[[float], float]:
    """Half a cosine wave from `y1` at step 0 to `y2` at step `steps`."""
    return lambda x: max((1 - math.cos(x * math.pi / steps)) / 2, 0) * (y2 - y1) + y1
