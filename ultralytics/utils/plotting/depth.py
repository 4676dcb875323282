"""Colour pictures of depth maps. Depths are metres; zero and below is not valid and painted black."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

__all__ = ["colorize_depth"]

COLORMAPS = {"jet": "COLORMAP_JET", "inferno": "COLORMAP_INFERNO"}


def colorize_depth(
    depth: np.ndarray[Any, Any],
    vmin: float | None = None,
    vmax: float | None = None,
    cmap: str = "jet",
    mode: str = "disparity",
) -> np.ndarray[Any, Any]:
    """Heat map of a depth map, (h, w, 3) BGR uint8.

    Args:
        depth: (h, w) metres.
        vmin: low end of the scale; the 2nd percentile of the valid values when not given.
        vmax: high end; the 98th percentile when not given.
        cmap: "jet", "inferno" or "spectral".
        mode: "disparity" colours 1/depth, "metric" the depth itself.

    Raises:
        ValueError: another colour map or mode.
    """
    if mode not in ("disparity", "metric"):
        raise ValueError(f"mode={mode!r} must be 'disparity' or 'metric'")
    if cmap not in (*COLORMAPS, "spectral"):
        raise ValueError(f"cmap={cmap!r} must be one of: {', '.join((*COLORMAPS, 'spectral'))}")
    depth = np.asarray(depth, dtype=np.float32)
    valid = depth > 0
    if not valid.any():
        return np.zeros((*depth.shape, 3), dtype=np.uint8)
    values = np.where(valid, depth, 1.0)
    if mode == "disparity":
        values = 1.0 / values
    low = float(np.percentile(values[valid], 2)) if vmin is None else vmin
    high = float(np.percentile(values[valid], 98)) if vmax is None else vmax
    level = ((values - low) / max(high - low, 1e-6)).clip(0, 1)
    picture = _colours((level * 255).astype(np.uint8), cmap)
    picture[~valid] = 0
    return picture


def _colours(level: np.ndarray[Any, Any], cmap: str) -> np.ndarray[Any, Any]:
    if cmap in COLORMAPS:
        return np.asarray(cv2.applyColorMap(level, getattr(cv2, COLORMAPS[cmap])))
    from matplotlib import colormaps

    table = (colormaps["Spectral"](np.arange(256))[:, 2::-1] * 255).astype(np.uint8)
    return np.asarray(table[level])
