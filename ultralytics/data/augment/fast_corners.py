"""The training pipeline in one piece for label files with corners: boxes turn with the picture and keep their angle.

Corners stay flat arrays. A box that leaves the output, or the canvas of a mosaic, becomes the rectangle around its
visible part along its own axes; the separate transforms lose the angle at the border of a mosaic.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ultralytics.data.augment.fast import (
    FastDetectPipeline,
    Floats,
    Patch,
    Placing,
    boxes_on_canvas,
)
from ultralytics.data.augment.fast_segment import (
    outlines_on_canvas,
    transform_points,
    worth_keeping,
)
from ultralytics.geometry.outlines import Outlines
from ultralytics.geometry.rotated import cut_rotated, xyxyxyxy2xywhr

__all__ = ["FastCornerPipeline"]


class FastCornerPipeline(FastDetectPipeline):
    """Index to finished training sample of a data set of rotated boxes.

    The entry `bboxes` of samples is (N, 5): centre and size as fractions, angle in radians.
    """

    label_flags = frozenset({"use_obb"})

    @classmethod
    def supports(cls, dataset: Any, hyp: Any) -> bool:
        """As for boxes; "exact" pixel mode is left to the separate transforms."""
        exact = getattr(dataset, "pixel_mode", "fast") == "exact"
        return not exact and super().supports(dataset, hyp)

    def objects(self, patches: list[Patch], placing: Placing) -> dict[str, Tensor]:
        """The label entries of a sample: `cls`, `bboxes` and `batch_idx`."""
        side = self.imgsz
        rows, old = boxes_on_canvas(patches, placing.canvas)
        stored = [self.dataset.store.outlines(patch.number) for patch in patches]
        outlines = outlines_on_canvas(stored, patches)
        if placing.canvas is not None:
            outlines = _cut(outlines, *placing.canvas)
        moved = outlines._replace(points=transform_points(outlines.points, placing.matrix))
        keep = worth_keeping(old, moved.visible_boxes(side, side), placing)
        corners = _cut(moved.pick(keep), side, side).split()
        boxes = _rotated_boxes(corners, placing.flip, side)
        return {
            "cls": torch.from_numpy(rows[keep, :1]),
            "bboxes": torch.from_numpy(boxes),
            "batch_idx": torch.zeros(len(boxes)),
        }


def _cut(outlines: Outlines, width: int, height: int) -> Outlines:
    """The polygons; those that leave the frame as the rectangles around their visible parts."""
    around = outlines.extents()
    frame = np.array([width, height, width, height], np.float32)
    leaving = np.flatnonzero(((around < 0) | (around > frame)).any(axis=1)).tolist()
    if not leaving:
        return outlines
    polygons = outlines.split()
    for number in leaving:
        polygons[number] = cut_rotated(polygons[number], width, height)[1]
    counts = [len(polygon) for polygon in polygons]
    return Outlines(np.concatenate(polygons), np.concatenate(([0], np.cumsum(counts))))


def _rotated_boxes(polygons: list[Floats], flip: tuple[bool, bool], side: int) -> Floats:
    """Boxes (N, 5) around polygons in pixels, mirrored, centre and size as fractions."""
    boxes = np.zeros((len(polygons), 5), np.float32)
    for box, polygon in zip(boxes, polygons, strict=True):
        for axis, wanted in ((1, flip[0]), (0, flip[1])):
            if wanted:
                polygon[:, axis] = side - polygon[:, axis]
        box[:] = xyxyxyxy2xywhr(polygon[None])[0]
    boxes[:, :4] /= side
    return boxes
