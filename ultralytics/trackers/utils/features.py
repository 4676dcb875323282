"""Appearance of tracks: smoothed feature vectors (specification chapter 75, section 3.6)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["smooth_feature"]

Array = NDArray[Any]
BLANK = 1e-12  # features shorter than this say nothing


def smooth_feature(
    feature: Array | None, smooth: Array | None, alpha: float
) -> tuple[Array | None, Array | None]:
    """The feature (s,) at unit length, and the running average it was mixed into.

    Args:
        feature: of the latest detection; a blank or missing one changes nothing.
        smooth: average so far.
        alpha: share of the average that stays.
    """
    if feature is None:
        return None, smooth
    current = np.asarray(feature, np.float32)
    length = float(np.linalg.norm(current))
    if length < BLANK:
        return None, smooth
    current = current / length
    if smooth is None:
        return current, current
    mixed = alpha * smooth + (1 - alpha) * current
    return current, np.asarray(mixed / np.linalg.norm(mixed), np.float32)
