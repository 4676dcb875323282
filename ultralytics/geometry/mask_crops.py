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

from ultralytics.geometry.rle import RunMasks, runs_of_columns

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
Ints = NDArray[np.int64]

PROTO_STRIDE = 4  # network pixels per prototype cell
ROUNDING_BIAS = 0.1  # as in letterbox padding
CHUNK_CELLS = 1 << 20  # logits held at once


class MaskCrop(NamedTuple):
    """The pixels of a mask inside its box; all others are 0."""

    row: int
    column: int
    pixels: NDArray[np.bool_]


class _Window(NamedTuple):
    """The steps along an axis from prototype cells to some pixels of a mask."""

    first_cell: int
    last_cell: int  # one after it
    middle: int  # size these cells are resized to
    made: int  # size to which the part below is resized
    used_first: int  # part of the middle pixels
    used_last: int
    kept_first: int  # part of the pixels made
    kept_last: int


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

    def windows(self, wanted: Ints) -> list[_Window]:
        """What to take for some of the masks' pixels: (N, 2) extents, first and one after the last."""
        used, made = _windows(wanted, self.content, self.target)
        used = used + self.start
        cells, middle = _windows(used, self.cells, self.middle)
        inner = np.concatenate([used - middle[:, :1], wanted - made[:, :1]], axis=1)
        sizes = np.stack([middle[:, 1] - middle[:, 0], made[:, 1] - made[:, 0]], axis=1)
        return [_Window(*row) for row in np.concatenate([cells, sizes, inner], axis=1).tolist()]


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
    for (x1, y1), values in _decode(protos, coefficients, boxes, grid):
        yield MaskCrop(y1, x1, values > 0)


def _decode(
    protos: Floats, coefficients: Floats, boxes: Floats, grid: MaskGrid
) -> Iterator[tuple[tuple[int, int], NDArray[Any]]]:  # Any: float32
    """Left top pixel of each box, and the logits of its pixels."""
    proto_hw = protos.shape[1:]
    flat = protos.reshape(len(protos), -1)
    height, width = grid.size_hw
    edges = np.ceil(boxes.clip(0, np.array([width, height, width, height]))).astype(np.int64)
    edges[:, 2:] = np.maximum(edges[:, 2:], edges[:, :2])
    columns = grid.columns.windows(edges[:, 0::2])
    rows = grid.rows.windows(edges[:, 1::2])
    corners = [(x, y) for x, y in edges[:, :2].tolist()]
    step = max(1, CHUNK_CELLS // max(flat.shape[1], 1))
    for first in range(0, len(coefficients), step):
        part = slice(first, first + step)
        logits = (coefficients[part] @ flat).reshape(-1, *proto_hw)
        for one, corner, row, column in zip(
            logits, corners[part], rows[part], columns[part], strict=True
        ):
            yield corner, _interpolate(one, row, column)


def decode_runs(protos: Floats, coefficients: Floats, boxes: Floats, grid: MaskGrid) -> RunMasks:
    """Masks of detections as runs; arguments as for `decode_crops`."""
    turned = np.ascontiguousarray(protos.transpose(0, 2, 1))  # runs go down the columns
    parts = _decode(turned, coefficients, boxes[:, [1, 0, 3, 2]], grid.turned)
    return runs_of_columns(parts, grid.size_hw)


def resize_runs(masks: NDArray[Any], size_hw: tuple[int, int]) -> RunMasks:
    """Masks (N, h, w) of 0 and 1, interpolated to another size and cut at one half, as runs."""
    if masks.shape[1:] == size_hw:
        return RunMasks.from_masks(masks)
    grid = MaskGrid.resized(masks.shape[1:], size_hw)
    extents = np.zeros((len(masks), 2, 2), dtype=np.int64)  # of x and y
    for extent, mask in zip(extents, masks, strict=True):
        for axis, side in enumerate((grid.columns, grid.rows)):
            filled = np.flatnonzero(mask.any(axis=axis))
            if len(filled):
                extent[axis] = _reached(int(filled[0]), int(filled[-1]), side)
    columns, rows = grid.columns.windows(extents[:, 0]), grid.rows.windows(extents[:, 1])
    parts = (
        ((y, x), _interpolate(mask.T.astype(np.float32) - 0.5, column, row))
        for mask, (x, y), column, row in zip(
            masks, extents[..., 0].tolist(), columns, rows, strict=True
        )
    )
    return runs_of_columns(parts, size_hw)


def _reached(first: int, last: int, axis: _Axis) -> tuple[int, int]:
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


def _interpolate(logits: Floats, row: _Window, column: _Window) -> NDArray[Any]:  # Any: float32
    """Logits of some pixels of a mask, from those of the whole prototype grid."""
    if row.kept_first == row.kept_last or column.kept_first == column.kept_last:
        shape = (row.kept_last - row.kept_first, column.kept_last - column.kept_first)
        return np.zeros(shape, dtype=np.float32)
    part: NDArray[Any] = logits[
        row.first_cell : row.last_cell, column.first_cell : column.last_cell
    ]
    part = _resize(part, row.middle, column.middle)
    part = part[row.used_first : row.used_last, column.used_first : column.used_last]
    part = _resize(part, row.made, column.made)
    return part[row.kept_first : row.kept_last, column.kept_first : column.kept_last]


def _windows(wanted: Ints, source: int, target: int) -> tuple[Ints, Ints]:
    """Stretches of two grids between common borders, a source pixel or more beyond what is wanted of the target."""
    parts = math.gcd(source, target)
    small, large = source // parts, target // parts
    first = np.maximum(wanted[:, 0] // large - 1, 0)
    last = np.minimum(-(-wanted[:, 1] // large) + 1, parts)
    borders = np.stack([first, last], axis=1)
    return borders * small, borders * large


def _resize(part: NDArray[Any], height: int, width: int) -> NDArray[Any]:  # Any: float32
    import cv2

    if part.shape == (height, width):
        return part
    return cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR)
