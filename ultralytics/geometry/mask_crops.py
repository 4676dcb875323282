"""Masks of detections decoded inside their boxes only, one at a time: the pixels of whole maps, for less work.

A mask is zero outside its box, so logits are interpolated only around the box. Where the sizes of two grids have a
common divisor, a stretch between two common borders can be resized alone and gives the same values as the whole.
Works on the host. nm = prototypes; mh, mw = their grid; an extent is (first, one after the last) of an axis.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["MaskCrop", "MaskGrid", "decode_crops", "paste_crops"]

Floats = NDArray[np.float32]
Extent = tuple[int, int]

PROTO_STRIDE = 4  # network pixels per prototype cell
ROUNDING_BIAS = 0.1  # as in letterbox padding
CHUNK_CELLS = 1 << 20  # logits held at once


class MaskCrop(NamedTuple):
    """The pixels of a mask inside its box; all others are 0."""

    row: int
    column: int
    pixels: NDArray[np.bool_]


@dataclass(frozen=True)
class _Axis:
    """How an axis of the masks lies on the prototypes.

    The prototype cells are resized to `middle` pixels; `content` of these, from `start` on, are resized to the `target`
    pixels of the masks.
    """

    cells: int
    middle: int
    start: int
    content: int
    target: int

    def windows(self, wanted: Extent) -> tuple[Extent, Extent, Extent, Extent]:
        """What to take for some of the masks' pixels: cells, the middle pixels they become, those of them that are
        resized again, and the masks' pixels they become.
        """
        used, made = _window(wanted, self.content, self.target)
        used = (used[0] + self.start, used[1] + self.start)
        cells, middle = _window(used, self.cells, self.middle)
        return cells, middle, used, made


@dataclass(frozen=True)
class MaskGrid:
    """The pixels of masks, and where they lie on the prototypes."""

    rows: _Axis
    columns: _Axis

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the masks."""
        return self.rows.target, self.columns.target

    @classmethod
    def resized(cls, proto_hw: Sequence[int], size_hw: Sequence[int]) -> MaskGrid:
        """Masks that cover what the prototypes cover, in another number of pixels."""
        rows, columns = (
            _Axis(cells, cells, 0, cells, target)
            for cells, target in zip(proto_hw, size_hw, strict=True)
        )
        return cls(rows, columns)

    @classmethod
    def of_image(cls, proto_hw: Sequence[int], image_hw: Sequence[int]) -> MaskGrid:
        """Masks on an image that was letterboxed evenly into the network input.

        The prototypes are enlarged by the smallest factor at which the padding ends on whole pixels; the padding is cut
        off, and the rest is resized to the image.
        """
        factor = whole_pixel_factor(proto_hw, image_hw)
        middle = [cells * factor for cells in proto_hw]
        if tuple(middle) == tuple(image_hw):
            rows, columns = (
                _Axis(cells, size, 0, size, size)
                for cells, size in zip(proto_hw, middle, strict=True)
            )
            return cls(rows, columns)
        gain = min(size / target for size, target in zip(middle, image_hw, strict=True))
        axes = []
        for cells, size, target in zip(proto_hw, middle, image_hw, strict=True):
            start = round((size - round(target * gain)) / 2 - ROUNDING_BIAS)
            content = min(max(round(target * gain), 1), size - start)
            axes.append(_Axis(cells, size, start, content, target))
        return cls(*axes)


def whole_pixel_factor(proto_hw: Sequence[int], image_hw: Sequence[int]) -> int:
    """Smallest magnification (1, 2 or 4) of the prototypes at which the padding is a whole number of pixels."""
    network = [cells * PROTO_STRIDE for cells in proto_hw]
    gain = min(size / target for size, target in zip(network, image_hw, strict=True))
    spare_y, spare_x = (
        size - max(round(target * gain), 1) for size, target in zip(network, image_hw, strict=True)
    )
    spare = spare_y | spare_x
    return PROTO_STRIDE // math.gcd(PROTO_STRIDE, spare | (spare // 2))


def decode_crops(
    protos: Floats, coefficients: Floats, boxes: Floats, grid: MaskGrid
) -> Iterator[MaskCrop]:
    """Mask of each detection, inside its box.

    Args:
        protos: (nm, mh, mw) prototypes.
        coefficients: (N, nm) coefficients.
        boxes: (N, 4) corners in pixels of the masks; pixel (row y, column x) belongs to a box when x1 <= x < x2 and
            y1 <= y < y2.
        grid: pixels of the masks.
    """
    cells = protos.shape[1] * protos.shape[2]
    flat = protos.reshape(len(protos), cells)
    height, width = grid.size_hw
    limits = np.array([width, height, width, height])
    edges = np.ceil(boxes.clip(0, limits)).astype(int)
    step = max(1, CHUNK_CELLS // max(cells, 1))
    for first in range(0, len(coefficients), step):
        logits = (coefficients[first : first + step] @ flat).reshape(-1, *protos.shape[1:])
        for one, (x1, y1, x2, y2) in zip(logits, edges[first : first + step].tolist(), strict=True):
            yield MaskCrop(y1, x1, _decode(one, grid, (y1, max(y2, y1)), (x1, max(x2, x1))))


def paste_crops(crops: Iterable[MaskCrop], count: int, size_hw: Sequence[int]) -> NDArray[np.uint8]:
    """(count, H, W) masks of 0 and 1; memory that no mask touches is never written."""
    masks = np.zeros((count, *size_hw), dtype=np.uint8)
    for mask, (row, column, pixels) in zip(masks, crops, strict=True):
        height, width = pixels.shape
        mask[row : row + height, column : column + width] = pixels
    return masks


def _decode(logits: Floats, grid: MaskGrid, rows: Extent, columns: Extent) -> NDArray[np.bool_]:
    """Pixels of one box from the logits of the whole prototype grid."""
    if rows[0] == rows[1] or columns[0] == columns[1]:
        return np.zeros((rows[1] - rows[0], columns[1] - columns[0]), dtype=bool)
    vertical, horizontal = grid.rows.windows(rows), grid.columns.windows(columns)
    (cells_y, middle_y, used_y, made_y), (cells_x, middle_x, used_x, made_x) = vertical, horizontal
    part = logits[cells_y[0] : cells_y[1], cells_x[0] : cells_x[1]]
    part = _cut(_resize(part, middle_y, middle_x), middle_y, middle_x, used_y, used_x)
    part = _cut(_resize(part, made_y, made_x), made_y, made_x, rows, columns)
    positive: NDArray[np.bool_] = part > 0
    return positive


def _window(wanted: Extent, source: int, target: int) -> tuple[Extent, Extent]:
    """Stretches of two grids between common borders, at least a source pixel beyond what is wanted of the target."""
    parts = math.gcd(source, target)
    small, large = source // parts, target // parts
    first = max(wanted[0] // large - 1, 0)
    last = min(-(-wanted[1] // large) + 1, parts)
    return (first * small, last * small), (first * large, last * large)


def _resize(part: NDArray[Any], rows: Extent, columns: Extent) -> NDArray[Any]:  # Any: float32
    import cv2

    height, width = rows[1] - rows[0], columns[1] - columns[0]
    if part.shape == (height, width):
        return part
    return cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR)


def _cut(
    part: NDArray[Any], rows: Extent, columns: Extent, wanted_rows: Extent, wanted_columns: Extent
) -> NDArray[Any]:
    """The wanted stretches of an array that covers `rows` and `columns`."""
    return part[
        wanted_rows[0] - rows[0] : wanted_rows[1] - rows[0],
        wanted_columns[0] - columns[0] : wanted_columns[1] - columns[0],
    ]
