"""Anchor points of a feature pyramid and the distances that heads regress from them.

An anchor is the middle of a cell in units of its level's stride ("grid"); distances are (left, top,
right, bottom) in the same unit. A = anchors of all levels, finest level first, row by row inside
one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = ["bbox2dist", "dist2bbox", "dist2rbox", "make_anchors", "rbox2dist"]

CAP_MARGIN = 0.01  # clipped targets stay this far below the last bin


def make_anchors(
    feats: Sequence[Tensor] | Tensor,
    strides: Sequence[float] | Tensor,
    grid_cell_offset: float = 0.5,
) -> tuple[Tensor, Tensor]:
    """Anchor points (A, 2) as (x, y) in grid units and the stride (A, 1) of each.

    Args:
        feats: one (B, C, h, w) map per level, or a tensor with one (h, w) row per level.
        strides: pixels per cell of each level.
        grid_cell_offset: position of the point inside its cell.

    Returns:
        Both in the type and on the device of the first level.
    """
    like = feats[0]
    kind: dict[str, Any] = {"dtype": like.dtype, "device": like.device}  # Any: keywords
    points, steps = [], []
    for level, stride in zip(feats, strides, strict=True):
        h, w = level.shape[-2:] if isinstance(feats, (list, tuple)) else (int(n) for n in level)
        across_W = torch.arange(w, **kind) + grid_cell_offset
        down_H = torch.arange(h, **kind) + grid_cell_offset
        grid_y, grid_x = torch.meshgrid(down_H, across_W, indexing="ij")
        points.append(torch.stack((grid_x, grid_y), dim=-1).view(-1, 2))
        steps.append(torch.full((h * w, 1), stride, **kind))
    return torch.cat(points), torch.cat(steps)


def dist2bbox(distance: Tensor, anchor_points: Tensor, xywh: bool = True, dim: int = -1) -> Tensor:
    """Boxes around anchors from four distances; `dim` is the coordinate axis."""
    left_top, right_bottom = distance.chunk(2, dim)
    low, high = anchor_points - left_top, anchor_points + right_bottom
    if xywh:
        return torch.cat(((low + high) / 2, high - low), dim)
    return torch.cat((low, high), dim)


def bbox2dist(anchor_points: Tensor, bbox: Tensor, reg_max: int | None = None) -> Tensor:
    """Distances (..., 4) from anchors to the sides of xyxy boxes; the inverse of `dist2bbox`.

    Args:
        anchor_points: (..., 2) points.
        bbox: (..., 4) corners in the same unit.
        reg_max: when given, distances are limited to [0, reg_max - 0.01].
    """
    low, high = bbox.chunk(2, -1)
    return _capped(torch.cat((anchor_points - low, high - anchor_points), -1), reg_max)


def dist2rbox(
    pred_dist: Tensor, pred_angle: Tensor, anchor_points: Tensor, dim: int = -1
) -> Tensor:
    """Centre and size (cx, cy, w, h) of boxes whose distances are measured in their own frame.

    Args:
        pred_dist: four distances along `dim`.
        pred_angle: radians, length 1 along `dim`.
        anchor_points: two coordinates along `dim`.
        dim: the coordinate axis.
    """
    left_top, right_bottom = pred_dist.split(2, dim)
    u, v = ((right_bottom - left_top) / 2).split(1, dim)
    cos, sin = pred_angle.cos(), pred_angle.sin()
    centre = torch.cat((u * cos - v * sin, u * sin + v * cos), dim) + anchor_points
    return torch.cat((centre, left_top + right_bottom), dim)


def rbox2dist(
    target_bboxes: Tensor,
    anchor_points: Tensor,
    target_angle: Tensor,
    dim: int = -1,
    reg_max: int | None = None,
) -> Tensor:
    """Distances from anchors to the sides of rotated boxes; the inverse of `dist2rbox`.

    Args:
        target_bboxes: (cx, cy, w, h) along `dim`.
        anchor_points: points in the same unit.
        target_angle: radians, length 1 along `dim`.
        dim: the coordinate axis.
        reg_max: when given, distances are limited to [0, reg_max - 0.01].
    """
    centre, size = target_bboxes.split(2, dim)
    dx, dy = (centre - anchor_points).split(1, dim)
    cos, sin = target_angle.cos(), target_angle.sin()
    shift = torch.cat((dx * cos + dy * sin, dy * cos - dx * sin), dim)
    return _capped(torch.cat((size / 2 - shift, size / 2 + shift), dim), reg_max)


def _capped(distance: Tensor, reg_max: int | None) -> Tensor:
    return distance if reg_max is None else distance.clamp(0, reg_max - CAP_MARGIN)
