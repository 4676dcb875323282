"""The training pipeline in one piece for label files with keypoints: points move with their boxes.

Points that leave the canvas of a mosaic or the output are hidden (flag 0) and moved to its border.
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
    label_entries,
    moved_boxes,
    patch_places,
)
from ultralytics.data.augment.fast_segment import transform_points
from ultralytics.utils.instance import clip_keypoints

__all__ = ["FastKeypointPipeline"]


class FastKeypointPipeline(FastDetectPipeline):
    """Index to finished training sample of a data set with keypoints.

    Samples also hold `keypoints` (N, K, 3): fractions of the image and the visibility flag. Without `flip_idx` in the
    description they are not mirrored.
    """

    label_flags = frozenset({"use_keypoints"})

    def __init__(self, dataset: Any, imgsz: int, hyp: Any) -> None:
        """Read the settings; see the base class."""
        super().__init__(dataset, imgsz, hyp)
        self.mirrored = dataset.data.get("flip_idx")
        self.count = int(dataset.data["kpt_shape"][0])
        if not self.mirrored:
            self.flipud = self.fliplr = 0.0

    def objects(self, patches: list[Patch], placing: Placing) -> dict[str, Tensor]:
        """The label entries of a sample: `cls`, `bboxes`, `batch_idx` and `keypoints`."""
        side = self.imgsz
        rows, old = boxes_on_canvas(patches, placing.canvas)
        keep, new = moved_boxes(old, placing, side)
        points = self._points(patches)
        if placing.canvas is not None:
            clip_keypoints(points, *placing.canvas)
        points = points[keep]
        places = transform_points(points[..., :2].reshape(-1, 2), placing.matrix)
        points[..., :2] = places.reshape(*points.shape[:2], 2)
        clip_keypoints(points, side, side)
        points[..., :2] /= side
        for axis, wanted in ((1, placing.flip[0]), (0, placing.flip[1])):
            if wanted:
                points[..., axis] = 1 - points[..., axis]
                points = points[:, self.mirrored]
        entries = label_entries(rows[keep, :1], new[keep], placing.flip, side)
        return {**entries, "keypoints": torch.from_numpy(np.ascontiguousarray(points))}

    def _points(self, patches: list[Patch]) -> Floats:
        """Keypoints (N, K, 3) of all patches, in pixels of the canvas."""
        known = [self.dataset.store.keypoints_of(patch.number) for patch in patches]
        parts = [np.zeros((0, self.count, 3), np.float32) if k is None else k for k in known]
        places = patch_places(patches).repeat([len(part) for part in parts], axis=0)[:, None]
        points: Floats = np.concatenate(parts)
        points[..., :2] = points[..., :2] * places[..., :2] + places[..., 2:]
        return points
