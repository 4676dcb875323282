"""Random affine and perspective transform.

Matrices are 3 x 3 float32 and map input pixels to output pixels as column vectors. Sizes are
(width, height) here, as in the public signature. Chapter 30, 5.6.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ultralytics.data.augment.compose import Array, BaseTransform, Labels, Params
from ultralytics.data.augment.mosaic import FILL, IGNORE
from ultralytics.geometry.segments import segment2box
from ultralytics.utils.instance import Instances

__all__ = ["RandomPerspective", "draw_matrix", "warp"]

Matrix = npt.NDArray[np.float32]
Draw = Callable[[float, float], float]

MIN_SIDE_PX = 2
MAX_ASPECT = 100
MIN_AREA_SHARE = 0.10
MIN_AREA_SHARE_POLYGON = 0.01  # polygons say what is left of an object, boxes only guess


class RandomPerspective(BaseTransform):
    """Rotate, scale, shear, tilt and move a sample onto a canvas of the given size.

    `rect_shape` of the sample replaces `size`. Boxes come out as pixel corners; objects of which too
    little is left are dropped.
    """

    def __init__(
        self,
        degrees: float = 0.0,
        translate: float = 0.1,
        scale: float | tuple[float, float] = 0.5,
        shear: float = 0.0,
        perspective: float = 0.0,
        size: tuple[int, int] | None = None,
        preserve_obb: bool = False,
    ) -> None:
        """Store the ranges.

        Args:
            degrees: rotation is drawn from +-degrees.
            translate: share of the output size by which the centre moves at most.
            scale: factor is drawn from 1 +- scale, or from a (low, high) pair.
            shear: shear angles in degrees.
            perspective: entries of the third row.
            size: output (width, height); the input size when None.
            preserve_obb: keep the angle of rotated boxes that leave the canvas.
        """
        self.degrees = degrees
        self.translate = translate
        self.scale = scale
        self.shear = shear
        self.perspective = perspective
        self.size = size
        self.preserve_obb = preserve_obb

    def get_params(self, labels: Labels) -> Params:
        """The matrix, the drawn scale, and input and output size."""
        height, width = labels["img"].shape[:2]
        rect = labels.get("rect_shape")
        if rect is not None:
            size = int(rect[1]), int(rect[0])
        else:
            size = tuple(self.size or (width, height))
        matrix, scale = self.affine_matrix((width, height), size)
        return {"M": matrix, "scale": scale, "from": (width, height), "size": size}

    def affine_matrix(
        self, from_wh: tuple[int, int], to_wh: tuple[int, int], draw: Draw | None = None
    ) -> tuple[Matrix, float]:
        """Draw a matrix for the given input and output size; also returns the scale."""
        return draw_matrix(self, from_wh, to_wh, draw or random.uniform)

    def apply_image(self, labels: Labels, params: Params) -> Labels:
        """Warp the pixels, gray outside."""
        labels["img"] = warp(labels["img"], params["M"], params["size"], FILL)
        labels["resized_shape"] = params["size"][::-1]
        return labels

    def apply_instances(self, labels: Labels, params: Params) -> Labels:
        """Move the objects, cut them at the canvas and drop those of which too little is left."""
        old = labels["instances"]
        old.convert_bbox("xyxy")
        old.denormalize(*params["from"])
        matrix, size = params["M"], params["size"]
        boxes = self.apply_bboxes(old.bboxes, matrix)
        segments, keypoints = old.segments, old.keypoints
        if len(segments):
            boxes, segments = self.apply_segments(segments, matrix, size)
        if keypoints is not None:
            keypoints = self.apply_keypoints(keypoints, matrix, size)
        new = Instances(boxes, segments, keypoints, bbox_format="xyxy", normalized=False)
        new.clip(size[0], size[1], preserve_obb=self.preserve_obb)
        old.scale(params["scale"], params["scale"], bbox_only=True)
        share = MIN_AREA_SHARE_POLYGON if len(segments) else MIN_AREA_SHARE
        keep = self.box_candidates(old.bboxes.T, new.bboxes.T, area_thr=share)
        labels["instances"] = new[keep]
        labels["cls"] = labels["cls"][keep]
        return labels

    def apply_semantic(self, labels: Labels, params: Params) -> Labels:
        """Warp the class map without mixing classes; outside is ignored."""
        return self._apply_map("semantic_mask", labels, params, IGNORE)

    def apply_depth(self, labels: Labels, params: Params) -> Labels:
        """Warp the depth map without mixing values; outside is unknown."""
        return self._apply_map("depth", labels, params, 0)

    def apply_bboxes(self, bboxes: Array, M: Array) -> Array:
        """Corner boxes (N, 4) around the four transformed corners."""
        if len(bboxes) == 0:
            return bboxes
        corners = bboxes[:, [0, 1, 2, 3, 0, 3, 2, 1]].reshape(-1, 2)
        moved = _transform(corners, M, divide=bool(self.perspective)).reshape(-1, 4, 2)
        return np.concatenate((moved.min(axis=1), moved.max(axis=1)), axis=1, dtype=bboxes.dtype)

    def apply_segments(
        self, segments: Array, M: Array, size: tuple[int, int] | None = None
    ) -> tuple[Array, Array]:
        """Boxes (N, 4) of the visible parts, and the transformed polygons (N, P, 2).

        Points are moved into their box, unless rotated boxes are preserved.
        """
        if len(segments) == 0:
            return np.zeros((0, 4), np.float32), segments
        width, height = size or self.size or (640, 640)
        moved = _transform(segments.reshape(-1, 2), M, divide=True).reshape(segments.shape)
        boxes = np.stack([segment2box(polygon, width, height) for polygon in moved])
        if not self.preserve_obb:
            moved = moved.clip(boxes[:, None, :2], boxes[:, None, 2:])
        return boxes, moved

    def apply_keypoints(
        self, keypoints: Array, M: Array, size: tuple[int, int] | None = None
    ) -> Array:
        """Transformed keypoints (N, K, 3); those that leave the canvas are hidden."""
        if len(keypoints) == 0:
            return keypoints
        width, height = size or self.size or (640, 640)
        moved = keypoints.copy()
        moved[..., :2] = _transform(keypoints[..., :2].reshape(-1, 2), M, divide=True).reshape(
            *keypoints.shape[:-1], 2
        )
        x, y = moved[..., 0], moved[..., 1]
        moved[..., 2][(x < 0) | (y < 0) | (x > width) | (y > height)] = 0
        return moved

    @staticmethod
    def box_candidates(
        box1: Array,
        box2: Array,
        wh_thr: float = MIN_SIDE_PX,
        ar_thr: float = MAX_ASPECT,
        area_thr: float = MIN_AREA_SHARE,
        eps: float = 1e-16,
    ) -> npt.NDArray[np.bool_]:
        """Which boxes are still worth learning from; all limits are strict.

        Args:
            box1: (4, N) corners before the transform, already scaled.
            box2: (4, N) corners after it.
            wh_thr: least width and height in pixels.
            ar_thr: largest ratio of the sides.
            area_thr: least share of the area.
            eps: keeps divisions finite.
        """
        w1, h1 = box1[2:] - box1[:2]
        w2, h2 = box2[2:] - box2[:2]
        large = np.minimum(w2, h2) > wh_thr
        compact = np.maximum(w2 / (h2 + eps), h2 / (w2 + eps)) < ar_thr
        visible = w2 * h2 / (w1 * h1 + eps) > area_thr
        return np.asarray(large & compact & visible, np.bool_)

    def _apply_map(self, key: str, labels: Labels, params: Params, fill: float) -> Labels:
        values = labels.get(key)
        moved = params["from"] != tuple(params["size"]) or (params["M"] != np.eye(3)).any()
        if values is not None and moved:
            labels[key] = warp(values, params["M"], params["size"], fill, cv2.INTER_NEAREST)
        return labels


def draw_matrix(
    ranges: Any,  # Any: everything with the attributes of RandomPerspective
    from_wh: tuple[int, int],
    to_wh: tuple[int, int],
    draw: Draw,
) -> tuple[Matrix, float]:
    """M = T S R P C and the scale, from eight draws that happen even when a range is zero.

    Order: perspective x, y, angle, scale, shear x, y, translation x, y.
    """
    tilt = [draw(-ranges.perspective, ranges.perspective) for _ in range(2)]
    angle = draw(-ranges.degrees, ranges.degrees)
    limits = ranges.scale
    low, high = limits if isinstance(limits, (tuple, list)) else (1 - limits, 1 + limits)
    scale = draw(low, high)
    slant = [math.tan(math.radians(draw(-ranges.shear, ranges.shear))) for _ in range(2)]
    shift = [draw(0.5 - ranges.translate, 0.5 + ranges.translate) * side for side in to_wh]

    cos, sin = (scale * f(math.radians(angle)) for f in (math.cos, math.sin))
    rotate = _matrix((cos, sin, 0), (-sin, cos, 0))
    centre = _matrix((1, 0, -from_wh[0] / 2), (0, 1, -from_wh[1] / 2))
    perspective = _matrix((1, 0, 0), (0, 1, 0), (tilt[0], tilt[1], 1))
    shear = _matrix((1, slant[0], 0), (slant[1], 1, 0))
    move = _matrix((1, 0, shift[0]), (0, 1, shift[1]))
    return np.asarray(move @ shear @ rotate @ perspective @ centre, np.float32), scale


def warp(
    image: Array, matrix: Array, size_wh: tuple[int, int], fill: float, how: int = cv2.INTER_LINEAR
) -> Array:
    """An image (H, W) or (H, W, C) moved onto a canvas of the given size."""
    image, border = np.ascontiguousarray(image), (fill,) * 4
    if (matrix[2] == (0, 0, 1)).all():
        moved = cv2.warpAffine(image, matrix[:2], size_wh, flags=how, borderValue=border)
    else:
        moved = cv2.warpPerspective(image, matrix, size_wh, flags=how, borderValue=border)
    return moved if moved.ndim == image.ndim else moved[..., None]


def _matrix(*rows: tuple[float, float, float]) -> Matrix:
    full = np.eye(3, dtype=np.float32)
    full[: len(rows)] = rows
    return full


def _transform(points: Array, matrix: Array, divide: bool) -> Array:
    """Points (N, 2) through a 3 x 3 matrix, with or without the homogeneous division."""
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    return moved[:, :2] / moved[:, 2:] if divide else moved[:, :2]
