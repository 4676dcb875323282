"""Detections of one frame as plain arrays, whatever they came as.

N = detections. Rotated boxes are kept in the form whose width is the longer side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

__all__ = ["Detections"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Detections:
    """Boxes with score and class.

    Attributes:
        xywh: (N, 4) centre boxes in pixels, or (N, 5) with an angle in radians.
        conf: (N,) scores.
        cls: (N,) class numbers.
        rows: (N,) places in the array they came in.
        feats: (N, s) appearance, or None.
    """

    xywh: Array
    conf: Array
    cls: Array
    rows: Array
    feats: Array | None = None

    @classmethod
    def of(cls, results: Any, feats: Array | None = None) -> Self:  # Any: Boxes, OBB or rows
        """From a result object on any device, or from rows of numbers.

        Raises:
            ValueError: rows that are neither 6 nor 7 numbers wide.
        """
        if isinstance(results, cls):
            return results
        if hasattr(results, "conf"):
            is_rotated = hasattr(results, "xywhr")
            box = _array(results.xywhr if is_rotated else results.xywh)
            conf, classes = _array(results.conf), _array(results.cls)
        else:
            table = _array(results)
            table = table.reshape(0, 6) if table.size == 0 else table
            if table.ndim != 2 or table.shape[1] not in (6, 7):
                raise ValueError(
                    f"detections of shape {table.shape} are neither (N, 6) boxes nor (N, 7) rotated boxes"
                )
            is_rotated = table.shape[1] == 7
            box, conf, classes = table[:, :-2], table[:, -2], table[:, -1]
            box = box if is_rotated else _centred(box)
        if is_rotated:
            box = _long_edge(box)
        return cls(box, conf, classes, np.arange(len(conf)), feats)

    def __len__(self) -> int:
        return len(self.conf)

    def __getitem__(self, chosen: Array) -> Self:
        feats = None if self.feats is None else self.feats[chosen]
        return type(self)(
            self.xywh[chosen], self.conf[chosen], self.cls[chosen], self.rows[chosen], feats
        )

    @property
    def xyxy(self) -> Array:
        """Corners (N, 4); of rotated boxes those of the box before it was turned."""
        half = self.xywh[:, 2:4] / 2
        return np.concatenate((self.xywh[:, :2] - half, self.xywh[:, :2] + half), axis=1)

    def boxes_with_rows(self) -> Array:
        """(N, 5) or (N, 6): the boxes, then their rows."""
        return np.concatenate((self.xywh, self.rows[:, None]), axis=1)


def _array(values: Any) -> Array:
    """Values on the host as an array."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    return np.asarray(values)


def _centred(corners: Array) -> Array:
    return np.concatenate(
        ((corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]), axis=1
    )


def _long_edge(boxes: Array) -> Array:
    """Rotated boxes whose width is at least their height."""
    tall = boxes[:, 2] < boxes[:, 3]
    boxes = boxes.copy()
    boxes[tall, 2:4] = boxes[tall, 3:1:-1]
    boxes[tall, 4] += np.pi / 2
    return boxes
