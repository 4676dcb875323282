"""The training pipeline in one piece for label files with polygons: boxes follow the outlines, masks are drawn small.

Polygons stay flat arrays of their own vertices until it is known which of them the output can show; only those are
sampled evenly, so that masks equal those of the separate transforms. Chapter 80, 1.7.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from ultralytics.data.augment.affine import MIN_AREA_SHARE_POLYGON, RandomPerspective
from ultralytics.data.augment.fast import (
    FastDetectPipeline,
    Floats,
    Patch,
    Placing,
    boxes_on_canvas,
    label_entries,
    patch_places,
)
from ultralytics.data.augment.format import draw_masks
from ultralytics.geometry.outlines import Outlines
from ultralytics.geometry.segments import resample_segments

__all__ = [
    "FastSegmentPipeline",
    "outlines_on_canvas",
    "transform_points",
    "worth_keeping",
]

EVEN_POINTS = 1000


class FastSegmentPipeline(FastDetectPipeline):
    """Index to finished training sample of a data set with a polygon for every object.

    Samples also hold `masks` and `sem_masks`.
    """

    label_flags = frozenset({"use_segments"})

    def __init__(self, dataset: Any, imgsz: int, hyp: Any) -> None:
        """Read the settings; see the base class."""
        super().__init__(dataset, imgsz, hyp)
        self.mask_ratio, self.overlap_mask = hyp.mask_ratio, hyp.overlap_mask

    def objects(self, patches: list[Patch], placing: Placing) -> dict[str, Tensor]:
        """The label entries of a sample: `cls`, `bboxes`, `batch_idx`, `masks` and `sem_masks`."""
        side = self.imgsz
        rows, old = boxes_on_canvas(patches, placing.canvas)
        outlines, numbers = self._outlines(patches, placing)
        moved = outlines._replace(points=transform_points(outlines.points, placing.matrix))
        boxes = moved.visible_boxes(side, side)
        keep = worth_keeping(old[numbers], boxes, placing)
        moved, boxes, numbers = moved.pick(keep), boxes[keep], numbers[keep]
        # Only the polygons that reach the border leave their boxes.
        at_border = np.asarray(((boxes <= 0) | (boxes >= side)).any(axis=1))
        moved.clamp(at_border, boxes[:, :2], boxes[:, 2:])
        for axis, wanted in ((1, placing.flip[0]), (0, placing.flip[1])):
            if wanted:
                moved.points[:, axis] = side - moved.points[:, axis]
        entries = label_entries(rows[numbers, :1], boxes, placing.flip, side)
        masks, maps, order = draw_masks(
            moved.split(), entries["cls"], (side, side), self.mask_ratio, self.overlap_mask
        )
        entries["cls"], entries["bboxes"] = entries["cls"][order], entries["bboxes"][order]
        return {**entries, "masks": masks, "sem_masks": maps}

    def _outlines(
        self, patches: list[Patch], placing: Placing
    ) -> tuple[Outlines, npt.NDArray[np.int64]]:
        """Polygons in canvas pixels that may be visible, sampled evenly, and the numbers of their objects."""
        parts = [self.dataset.store.outlines(patch.number) for patch in patches]
        placed = outlines_on_canvas(parts, patches)
        seen = placed._replace(points=transform_points(placed.points, placing.matrix)).extents()
        may_be_seen = ((seen[:, 2:] >= 0) & (seen[:, :2] <= self.imgsz)).all(axis=1)
        ends = np.cumsum([len(part.counts) for part in parts])[:-1]
        chosen = [
            part.pick(mask) for part, mask in zip(parts, np.split(may_be_seen, ends), strict=True)
        ]
        even = outlines_on_canvas(_resampled(chosen), patches)
        if placing.canvas is not None:
            size = np.broadcast_to(np.array(placing.canvas, np.float32), (len(even.counts), 2))
            around = placed.extents()[may_be_seen]
            leaves = ((around[:, :2] < 0) | (around[:, 2:] > size)).any(axis=1)
            even.clamp(np.asarray(leaves), np.zeros_like(size), size)
        return even, np.flatnonzero(may_be_seen)


def _resampled(parts: list[Outlines]) -> list[Outlines]:
    """Every polygon with the same number of points, those of the longest one if it has more."""
    longest = max((int(part.counts.max(initial=0)) for part in parts), default=0)
    count = EVEN_POINTS if longest <= EVEN_POINTS else longest + 1
    even = []
    for part in parts:
        rows = resample_segments(part.split(), n=count)
        points = np.concatenate(rows) if rows else np.zeros((0, 2), np.float32)
        even.append(Outlines(points, np.arange(len(rows) + 1) * count))
    return even


def outlines_on_canvas(parts: list[Outlines], patches: list[Patch]) -> Outlines:
    """The polygons of all patches, in pixels of the canvas."""
    places = patch_places(patches).repeat([len(part.points) for part in parts], axis=0)
    points = np.concatenate([part.points for part in parts]) * places[:, :2] + places[:, 2:]
    counts = np.concatenate([part.counts for part in parts])
    return Outlines(points, np.concatenate(([0], np.cumsum(counts))))


def transform_points(points: Floats, matrix: npt.NDArray[np.float32]) -> Floats:
    """Points (P, 2) moved by the first two rows of a matrix."""
    moved: Floats = points @ matrix[:2, :2].T
    moved += matrix[:2, 2]
    return moved


def worth_keeping(old: Floats, new: Floats, placing: Placing) -> npt.NDArray[np.bool_]:
    """Objects of which enough is left; those outside a mosaic's canvas are not."""
    scaled = old * np.float32(placing.scale)
    keep = RandomPerspective.box_candidates(scaled.T, new.T, area_thr=MIN_AREA_SHARE_POLYGON)
    if placing.canvas is not None:
        keep &= ((old[:, 2:] - old[:, :2]) > 0).all(axis=1)
    return keep
