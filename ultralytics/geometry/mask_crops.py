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

from ultralytics.geometry.rle import RunMasks, column_edges

__all__ = [
    "MaskCrop",
    "MaskGrid",
    "decode_crops",
    "decode_runs",
    "paste_crops",
    "resize_runs",
    "whole_pixel_factor",
]

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

    @property
    def turned(self) -> MaskGrid:
        """The same with rows and columns exchanged."""
        return MaskGrid(self.columns, self.rows)

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

    @classmethod
    def letterboxed(
        cls,
        proto_hw: Sequence[int],
        image_hw: Sequence[int],
        ratio_pad: Sequence[Sequence[float]],
    ) -> MaskGrid:
        """Masks on an image of which it is known how it lies in the network input.

        Args:
            proto_hw: height and width of the prototypes.
            image_hw: height and width of the image.
            ratio_pad: ((gain_y, gain_x), (pad_x, pad_y)) from the image to the network input.
        """
        gains, pads = ratio_pad[0], ratio_pad[1][::-1]
        spans = [max(round(size * gain), 1) for size, gain in zip(image_hw, gains, strict=True)]
        starts = [round(pad) for pad in pads]
        factor = PROTO_STRIDE // math.gcd(PROTO_STRIDE, *spans, *starts)
        axes = []
        for cells, start, span, target in zip(proto_hw, starts, spans, image_hw, strict=True):
            middle, offset = cells * factor, start * factor // PROTO_STRIDE
            content = min(span * factor // PROTO_STRIDE, middle - offset)
            axes.append(_Axis(cells, middle, offset, content, target))
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
    edges[:, 2:] = np.maximum(edges[:, 2:], edges[:, :2])
    step = max(1, CHUNK_CELLS // max(cells, 1))
    for first in range(0, len(coefficients), step):
        logits = (coefficients[first : first + step] @ flat).reshape(-1, *protos.shape[1:])
        for one, (x1, y1, x2, y2) in zip(logits, edges[first : first + step].tolist(), strict=True):
            yield MaskCrop(y1, x1, _interpolate(one, grid, (y1, y2), (x1, x2)) > 0)


def decode_runs(protos: Floats, coefficients: Floats, boxes: Floats, grid: MaskGrid) -> RunMasks:
    """Masks of detections as runs; arguments as for `decode_crops`."""
    turned = np.ascontiguousarray(protos.transpose(0, 2, 1))  # runs go down the columns
    crops = decode_crops(turned, coefficients, boxes[:, [1, 0, 3, 2]], grid.turned)
    height = grid.size_hw[0]
    parts = [_crop_edges(pixels, (top, left), height) for left, top, pixels in crops]
    return RunMasks.joined(grid.size_hw, parts)


def resize_runs(masks: NDArray[Any], size_hw: tuple[int, int]) -> RunMasks:
    """Masks (N, h, w) of 0 and 1, interpolated to another size and cut at one half, as runs."""
    if masks.shape[1:] == size_hw:
        return RunMasks.from_masks(masks)
    grid = MaskGrid.resized(masks.shape[1:], size_hw).turned
    parts = []
    for mask in masks:
        columns = np.flatnonzero(mask.any(axis=0))
        rows = np.flatnonzero(mask.any(axis=1))
        if not len(columns):
            parts.append(np.zeros(0, dtype=np.int64))
            continue
        extent_x = _reached(columns[0], columns[-1], grid.rows)
        extent_y = _reached(rows[0], rows[-1], grid.columns)
        values = _interpolate(mask.T.astype(np.float32) - 0.5, grid, extent_x, extent_y)
        parts.append(_crop_edges(values > 0, (extent_y[0], extent_x[0]), size_hw[0]))
    return RunMasks.joined(size_hw, parts)


def _crop_edges(
    columns: NDArray[np.bool_], corner: tuple[int, int], height: int
) -> NDArray[np.int64]:
    framed = np.zeros((columns.shape[0], columns.shape[1] + 2), dtype=bool)
    framed[:, 1:-1] = columns
    return column_edges(framed, corner, height)


def _reached(first: int, last: int, axis: _Axis) -> Extent:
    """Pixels of a resized mask that can be affected by some of its cells."""
    scale = axis.target / axis.cells
    return max(math.floor((first - 1) * scale), 0), min(math.ceil((last + 2) * scale), axis.target)


def paste_crops(crops: Iterable[MaskCrop], count: int, size_hw: Sequence[int]) -> NDArray[np.uint8]:
    """(count, H, W) masks of 0 and 1; memory that no mask touches is never written."""
    masks = np.zeros((count, *size_hw), dtype=np.uint8)
    for mask, (row, column, pixels) in zip(masks, crops, strict=True):
        height, width = pixels.shape
        mask[row : row + height, column : column + width] = pixels
    return masks


def _interpolate(
    logits: Floats, grid: MaskGrid, rows: Extent, columns: Extent
) -> NDArray[Any]:  # Any: float32
    """Logits of some pixels of the masks, from those of the whole prototype grid."""
    if rows[0] == rows[1] or columns[0] == columns[1]:
        return np.zeros((rows[1] - rows[0], columns[1] - columns[0]), dtype=np.float32)
    vertical, horizontal = grid.rows.windows(rows), grid.columns.windows(columns)
    (cells_y, middle_y, used_y, made_y), (cells_x, middle_x, used_x, made_x) = vertical, horizontal
    part = logits[cells_y[0] : cells_y[1], cells_x[0] : cells_x[1]]
    part = _cut(_resize(part, middle_y, middle_x), middle_y, middle_x, used_y, used_x)
    return _cut(_resize(part, made_y, made_x), made_y, made_x, rows, columns)


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
