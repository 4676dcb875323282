"""Painting a result on its picture.

Pictures are (h, w, c) BGR uint8. Fields are painted from the background up: masks, boxes, class names, semantic map,
depth, keypoints; within a field the most confident entry is painted last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ultralytics.engine.results.base import host_list
from ultralytics.utils.plotting.annotator import Annotator
from ultralytics.utils.plotting.colors import colors, legend_entries

if TYPE_CHECKING:
    from ultralytics.engine.results.results import Results

__all__ = ["Style", "canvas_of", "paint"]

PANEL = (64, 64, 64, 128)  # RGBA behind class names


@dataclass(frozen=True)
class Style:
    """What is painted and how; fields as the arguments of `Results.plot`."""

    conf: bool = True
    labels: bool = True
    boxes: bool = True
    masks: bool = True
    probs: bool = True
    kpt_radius: int = 5
    kpt_line: bool = True
    color_mode: str = "class"
    txt_color: tuple[int, int, int] = (255, 255, 255)

    def __post_init__(self) -> None:
        if self.color_mode not in ("instance", "class"):
            raise AssertionError(f"color_mode={self.color_mode!r} must be 'instance' or 'class'")


def canvas_of(picture: Any) -> np.ndarray[Any, Any]:  # Any: array or tensor of a picture
    """A writable copy to draw on; the first item of an NCHW tensor of values 0-1 is taken as it is."""
    if isinstance(picture, Tensor):
        first = picture[0] if picture.ndim == 4 else picture
        pixels = (first.detach().permute(1, 2, 0) * 255).round().clamp(0, 255)
        return np.ascontiguousarray(pixels.to(torch.uint8).cpu().numpy())
    return np.array(picture, order="C", copy=True)


def paint(result: Results, annotator: Annotator, style: Style) -> None:
    """Paint every field of a result that the style asks for."""
    found = result.obb if result.obb is not None else result.boxes
    if result.semantic_mask is None and result.masks is not None and style.masks:
        _paint_masks(result, annotator, style)
    if found is not None and style.boxes:
        _paint_boxes(result, annotator, style)
    if result.probs is not None and style.probs:
        _paint_probs(result, annotator, style)
    if result.semantic_mask is not None and style.masks and len(result.semantic_mask):
        _paint_class_map(result, annotator, style)
    if result.depth is not None and style.masks and len(result.depth):
        annotator.depth_map(_host(result.depth.data), alpha=0.6)
    if result.keypoints is not None:
        _paint_keypoints(result, annotator, style)


def _host(data: Any) -> np.ndarray[Any, Any]:
    return data.detach().cpu().numpy() if isinstance(data, Tensor) else np.asarray(data)


def _shade(style: Style, cls: float, track: float | None, position: int) -> int:
    """Palette index: the class, or in instance mode the track id or the place counted from the last box."""
    if style.color_mode == "class":
        return int(cls)
    return int(track) if track is not None else position


def _paint_boxes(result: Results, annotator: Annotator, style: Style) -> None:
    rotated = result.obb is not None
    found: Any = result.obb if rotated else result.boxes
    shapes = host_list(found.xyxyxyxy if rotated else found.xyxy)
    tracks = host_list(found.id) if found.is_track else [None] * len(found)
    entries = zip(shapes, host_list(found.conf), host_list(found.cls), tracks, strict=True)
    for position, (shape, conf, cls, track) in enumerate(reversed(list(entries))):
        name = ("" if track is None else f"id:{int(track)} ") + str(result.names[int(cls)])
        words = [name] if style.labels else []
        if style.conf:
            words.append(f"{conf:.2f}")
        color = colors(_shade(style, cls, track, position), bgr=True)
        outline = np.asarray(shape) if rotated else shape
        annotator.box_label(outline, " ".join(words), color=color, txt_color=style.txt_color)


def _paint_masks(result: Results, annotator: Annotator, style: Style) -> None:
    assert result.masks is not None  # narrowed by the caller
    count = len(result.masks)
    if not count:
        return
    found = result.boxes
    known = found is not None and len(found) == count
    classes = host_list(found.cls) if known and found is not None else list(range(count))
    ids = found.id if known and found is not None else None
    tracks = [None] * count if ids is None else host_list(ids)
    shades = [
        colors(_shade(style, cls, track, count - 1 - index), bgr=True)
        for index, (cls, track) in enumerate(zip(classes, tracks, strict=True))
    ]
    annotator.masks(torch.as_tensor(result.masks.data), shades)


def _paint_class_map(result: Results, annotator: Annotator, style: Style) -> None:
    assert result.semantic_mask is not None  # narrowed by the caller
    annotator.semantic_mask(_host(result.semantic_mask.data), alpha=0.5)
    if style.labels:
        pixels = result.semantic_mask.counts()
        annotator.legend(legend_entries(pixels, result.names))


def _paint_probs(result: Results, annotator: Annotator, style: Style) -> None:
    assert result.probs is not None  # narrowed by the caller
    pairs = zip(result.probs.top5, host_list(result.probs.top5conf), strict=True)
    lines = [f"{result.names.get(index, index)} {value:.2f}" for index, value in pairs]
    margin = round(result.orig_shape[0] * 0.03)
    annotator.text((margin, margin), "\n".join(lines), txt_color=style.txt_color, box_color=PANEL)


def _paint_keypoints(result: Results, annotator: Annotator, style: Style) -> None:
    assert result.keypoints is not None  # narrowed by the caller
    for position, points in enumerate(reversed(list(_host(result.keypoints.data)))):
        color = colors(position, bgr=True) if style.color_mode == "instance" else None
        annotator.kpts(
            points,
            result.orig_shape,
            radius=style.kpt_radius,
            kpt_line=style.kpt_line,
            kpt_color=color,
        )
