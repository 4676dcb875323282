"""Rotated boxes: corner conversions and the probabilistic overlap of their Gaussians.

xywhr = centre, size, rotation in radians (positive turns +x towards +y). The overlap ("probiou") is
one minus the Hellinger distance of two Gaussians with the boxes' covariances (Llerena et al. 2021,
eqs. 3-9). Shape suffixes: N, M = boxes; X = any leading shape; 5 = xywhr.
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "batch_probiou",
    "cut_rotated",
    "probiou",
    "regularize_rboxes",
    "wrap_angles",
    "xywhr2xyxyxyxy",
    "xyxyxyxy2xywhr",
]

# Any: arrays of every float dtype are accepted
Boxes = TypeVar("Boxes", Tensor, "np.ndarray[Any, Any]")
FAR = 100.0  # Bhattacharyya distance beyond which the overlap is zero in float32
LOW_ANGLE = -math.pi / 4  # label angles lie in [-pi/4, 3 pi/4)


def probiou(
    obb1: Tensor, obb2: Tensor, CIoU: bool = False, eps: float = 1e-7, floor: float = 0.0
) -> Tensor:
    """Overlap of rotated boxes pair by pair, with a last axis of length 1.

    Args:
        obb1: (..., 5) xywhr boxes.
        obb2: (..., 5) xywhr boxes that broadcast against the first.
        CIoU: subtract the aspect ratio term; its weight carries no gradient.
        eps: numerical guard; identical boxes score a little below 1 because of it.
        floor: added to both variances, which keeps thin boxes apart from degenerate ones.
    """
    iou = _similarity(obb1, obb2, eps, floor)
    if CIoU:
        w1, h1 = obb1[..., 2:3], obb1[..., 3:4]
        w2, h2 = obb2[..., 2:3], obb2[..., 3:4]
        v = (4 / math.pi**2) * ((w2 / h2).atan() - (w1 / h1).atan()) ** 2
        with torch.no_grad():
            weight = v / (v - iou + (1 + eps))
        iou = iou - v * weight
    return iou


def batch_probiou(
    obb1: Tensor | np.ndarray[Any, Any], obb2: Tensor | np.ndarray[Any, Any], eps: float = 1e-7
) -> Tensor:
    """Overlap of every rotated box with every other, as (N, M); arrays become tensors."""
    a_N5 = torch.from_numpy(obb1) if isinstance(obb1, np.ndarray) else obb1
    b_M5 = torch.from_numpy(obb2) if isinstance(obb2, np.ndarray) else obb2
    return _similarity(a_N5[:, None], b_M5[None], eps, 0.0).squeeze(-1)


def xywhr2xyxyxyxy(x: Boxes) -> Boxes:
    """Corners (..., 4, 2) of xywhr boxes, in the order +w+h, +w-h, -w-h, -w+h of the box frame."""
    if isinstance(x, Tensor):
        return _corners_of_tensor(x)
    centre_X2 = x[..., :2]
    half_w, half_h = x[..., 2:3] / 2, x[..., 3:4] / 2
    cos, sin = np.cos(x[..., 4:5]), np.sin(x[..., 4:5])
    along = np.concatenate((half_w * cos, half_w * sin), axis=-1)
    across = np.concatenate((-half_h * sin, half_h * cos), axis=-1)
    signs = ((1, 1), (1, -1), (-1, -1), (-1, 1))
    return np.stack([centre_X2 + s * along + t * across for s, t in signs], axis=-2)


def xyxyxyxy2xywhr(x: Boxes) -> Boxes:
    """Smallest rotated rectangle (N, 5) around each set of points, longer side first.

    Args:
        x: (N, 8) or (N, P, 2) points in pixels.

    Returns:
        Angles in [-pi/4, 3 pi/4). A tensor keeps its type and device, an array becomes float64. The
        angle of an exact square is one of two equivalent values.
    """
    import cv2

    points = x.detach().cpu().numpy() if isinstance(x, Tensor) else np.asarray(x)
    rows = []
    for polygon in points.reshape(len(points), -1, 2).astype(np.float32) if len(points) else ():
        (cx, cy), (w, h), degrees = cv2.minAreaRect(polygon)
        angle = math.radians(degrees)
        if w < h:
            w, h, angle = h, w, angle + math.pi / 2
        rows.append((cx, cy, w, h, (angle - LOW_ANGLE) % math.pi + LOW_ANGLE))
    boxes = np.asarray(rows, dtype=np.float64).reshape(-1, 5)
    if isinstance(x, Tensor):
        return torch.as_tensor(boxes, dtype=x.dtype, device=x.device)
    return boxes


def cut_rotated(
    polygon_P2: np.ndarray[Any, Any], width: float, height: float
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """What a width x height frame shows of a polygon: corner box (4,), and corners (4, 2) of a rectangle around it.

    The rectangle has the angle of the smallest one around the whole polygon, so its corners may lie outside. Of the
    polygon the convex hull counts. Both are zero when nothing is visible.
    """
    import cv2

    nothing = np.zeros(4, polygon_P2.dtype), np.zeros((4, 2), polygon_P2.dtype)
    frame = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    points = np.ascontiguousarray(polygon_P2, np.float32)
    hull = cv2.convexHull(points)
    if len(hull) < 3:
        return nothing
    area, visible = cv2.intersectConvexConvex(hull, frame)
    if not area > 0 or visible is None:
        return nothing
    visible = visible.reshape(-1, 2)
    _, (w, h), degrees = cv2.minAreaRect(points)
    angle = math.radians(degrees + 90 if w < h else degrees)
    axes = np.array([(math.cos(angle), -math.sin(angle)), (math.sin(angle), math.cos(angle))])
    along = visible @ axes
    (u0, v0), (u1, v1) = along.min(axis=0), along.max(axis=0)
    corners = np.array([(u1, v1), (u1, v0), (u0, v0), (u0, v1)]) @ axes.T
    box = np.concatenate((visible.min(axis=0), visible.max(axis=0)))
    return box, corners.astype(np.float32)


def regularize_rboxes(rboxes: Tensor) -> Tensor:
    """The same rectangles with angles in [0, pi/2); width and height swap where needed."""
    centre_X2, size_X2, angle_X1 = rboxes.split((2, 2, 1), dim=-1)
    swap_X1 = angle_X1 % math.pi >= math.pi / 2
    size_X2 = torch.where(swap_X1, size_X2.flip(-1), size_X2)
    return torch.cat((centre_X2, size_X2, angle_X1 % (math.pi / 2)), dim=-1)


def wrap_angles(boxes_N5: Tensor) -> Tensor:
    """The same rectangles with angles in [-pi/4, 3 pi/4); those that are there already are not touched."""
    angle_N = boxes_N5[..., 4]
    turns_N = ((angle_N - LOW_ANGLE) / math.pi).floor()
    return torch.cat((boxes_N5[..., :4], (angle_N - turns_N * math.pi)[..., None]), dim=-1)


def _get_covariance_matrix(boxes: Tensor, floor: float = 0.0) -> tuple[Tensor, Tensor, Tensor]:
    """Entries xx, yy, xy (..., 1) of the Gaussian that stands for each xywhr box."""
    variance_w = boxes[..., 2:3].square() / 12 + floor
    variance_h = boxes[..., 3:4].square() / 12 + floor
    cos, sin = boxes[..., 4:5].cos(), boxes[..., 4:5].sin()
    cos2, sin2 = cos.square(), sin.square()
    return (
        variance_w * cos2 + variance_h * sin2,
        variance_w * sin2 + variance_h * cos2,
        (variance_w - variance_h) * cos * sin,
    )


def _similarity(obb1: Tensor, obb2: Tensor, eps: float, floor: float) -> Tensor:
    """One minus the Hellinger distance of boxes that broadcast against each other."""
    xx1, yy1, xy1 = _get_covariance_matrix(obb1, floor)
    xx2, yy2, xy2 = _get_covariance_matrix(obb2, floor)
    dx, dy = obb1[..., 0:1] - obb2[..., 0:1], obb1[..., 1:2] - obb2[..., 1:2]
    xx, yy, xy = xx1 + xx2, yy1 + yy2, xy1 + xy2
    det = xx * yy - xy.square()
    det1 = (xx1 * yy1 - xy1.square()).clamp(min=0)
    det2 = (xx2 * yy2 - xy2.square()).clamp(min=0)
    centres = (xx * dy.square() + yy * dx.square()) / (det + eps) / 4
    centres = centres - xy * dx * dy / (det + eps) / 2
    shapes = (det / (4 * (det1 * det2).sqrt() + eps) + eps).log() / 2
    distance = (centres + shapes).clamp(eps, FAR)
    return 1 - (1 - (-distance).exp() + eps).sqrt()


def _corners_of_tensor(x: Tensor) -> Tensor:
    centre_X2 = x[..., :2]
    half_w, half_h = x[..., 2:3] / 2, x[..., 3:4] / 2
    cos, sin = x[..., 4:5].cos(), x[..., 4:5].sin()
    along = torch.cat((half_w * cos, half_w * sin), dim=-1)
    across = torch.cat((-half_h * sin, half_h * cos), dim=-1)
    plus, minus = centre_X2 + along, centre_X2 - along
    return torch.stack((plus + across, plus - across, minus - across, minus + across), dim=-2)
