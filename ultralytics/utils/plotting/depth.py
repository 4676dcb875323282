"""Colour pictures of depth maps. Depths are metres; zero and below is not valid and painted black."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from torch import Tensor

from ultralytics.utils.files import atomic_write

__all__ = ["colorize_depth", "plot_depth_panels"]

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


def plot_depth_panels(
    imgs: Any,  # Any: tensor or array of pictures
    preds: Any,  # Any: tensor, array or a sequence of them
    fname: str | Path,
    gt: Any = None,
    titles: Sequence[str] | None = None,
    max_images: int = 4,
) -> None:
    """Write a grid with a row per picture: the picture, its target where given, and every set of predictions.

    All maps of a row share one scale, that of the target or else of the first prediction.

    Args:
        imgs: (B, 3, H, W) RGB, floats in [0, 1] or 0-255.
        preds: (B, H, W) metres, or a sequence of such sets, a column each.
        fname: file to write.
        gt: (B, H, W) metres; 0 is not valid.
        titles: of the columns; "image", "target" and "prediction" when not given.
        max_images: rows drawn.

    Raises:
        OSError: the picture cannot be encoded.
    """
    pictures = _host(imgs)[:max_images]
    scale = (
        255 if np.issubdtype(pictures.dtype, np.floating) and pictures.max(initial=0) <= 1 else 1
    )
    pictures = (pictures * scale).round().clip(0, 255).astype(np.uint8)
    sets = [_host(one) for one in (preds if isinstance(preds, (list, tuple)) else [preds])]
    maps = [one[:max_images].reshape(-1, *one.shape[-2:]) for one in sets]
    if gt is not None:
        target = _host(gt)[:max_images]
        maps.insert(0, target.reshape(-1, *target.shape[-2:]))
    heads = ["image", *["target"] * (gt is not None), *["prediction"] * len(sets)]
    rows = [
        np.hstack(
            [picture.transpose(1, 2, 0)[..., ::-1], *_heat_maps([m[i] for m in maps], picture)]
        )
        for i, picture in enumerate(pictures)
    ]
    grid = np.vstack([_headline(list(titles or heads), rows[0].shape[1]), *rows])
    done, data = cv2.imencode(Path(fname).suffix or ".jpg", grid)
    if not done:
        raise OSError(f"{fname} could not be encoded")
    atomic_write(Path(fname), data.tobytes())


def _host(data: Any) -> np.ndarray[Any, Any]:
    return data.detach().float().cpu().numpy() if isinstance(data, Tensor) else np.asarray(data)


def _heat_maps(
    maps: Sequence[np.ndarray[Any, Any]], picture: np.ndarray[Any, Any]
) -> list[np.ndarray[Any, Any]]:
    valid = maps[0][maps[0] > 0]
    low, high = np.percentile(1 / valid, (2, 98)) if valid.size else (0.0, 1.0)
    size = picture.shape[2], picture.shape[1]
    shown = [colorize_depth(one, float(low), float(high)) for one in maps]
    return [cv2.resize(one, size, interpolation=cv2.INTER_NEAREST) for one in shown]


def _headline(titles: Sequence[str], width: int) -> np.ndarray[Any, Any]:
    """A white strip with a title over every column."""
    column = width // len(titles)
    size = float(np.clip(column / 400, 0.4, 1.0))
    strip = np.full((int(40 * size), width, 3), 255, dtype=np.uint8)
    for i, title in enumerate(titles):
        place = (i * column + 6, int(28 * size))
        cv2.putText(strip, title, place, 0, size, (32, 32, 32), 1, cv2.LINE_AA)
    return strip
