"""Pixels of many rectangles of a grid as lists, so that mask arithmetic costs area instead of whole images.

Rectangles are handed out in parts of similar area; a part is padded to its largest member.
Shape suffixes: N = rectangles or labels; n = those of one part; T = pixels of the largest; H, W = grid.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ultralytics.geometry.assign import Labels
from ultralytics.geometry.pairs import group_sizes

__all__ = ["LabelMasks", "PixelPart", "in_groups", "pixel_corners", "pixel_parts"]

SMALL_AREA = 32  # rectangles up to this many pixels are never kept apart
SPREAD = 2  # largest area of a part over its smallest


@dataclass(frozen=True)
class PixelPart:
    """Some rectangles: their numbers (n,), and the place y * W + x of each pixel (n, T), 0 where not `valid`."""

    members: Tensor
    pixels: Tensor
    valid: Tensor


@dataclass(frozen=True)
class LabelMasks:
    """Masks of labels: pixel p belongs to label i where `planes[plane[i], p] == value[i]`.

    `planes` is (R, H, W). An index map of an image serves all its labels, a binary plane one.
    """

    planes: Tensor
    plane: Tensor
    value: Tensor

    @classmethod
    def from_dense(cls, masks_BMHW: Tensor, labels: Labels) -> LabelMasks:
        """From one binary mask per label slot."""
        plane_N = labels.images * masks_BMHW.shape[1] + labels.slots
        return cls(masks_BMHW.flatten(0, 1), plane_N, torch.ones_like(plane_N))

    def at(self, members: Tensor, pixels: Tensor) -> Tensor:
        """Whether pixels (n, T) belong to the labels (n,)."""
        values = self.planes.flatten(1)[self.plane[members][:, None], pixels]
        return values == self.value[members][:, None].to(values.dtype)

    def areas(self) -> Tensor:
        """Pixels of each label, (N,)."""
        flat, limit = self.planes.flatten(1).long(), int(self.value.max()) + 1 if len(self) else 1
        used = (flat > 0) & (flat < limit)
        place = torch.arange(len(flat), device=flat.device)[:, None] * limit + flat
        counts = torch.bincount(place[used], minlength=len(flat) * limit)
        return counts[self.plane * limit + self.value]

    def __len__(self) -> int:
        return len(self.plane)


def pixel_corners(boxes_N4: Tensor, height: int, width: int) -> Tensor:
    """First column and row, and those after the last, of the pixels that `crop_mask` keeps of each box."""
    x_N2 = boxes_N4[:, 0::2].ceil().clamp(0, width)
    y_N2 = boxes_N4[:, 1::2].ceil().clamp(0, height)
    return torch.stack((x_N2, y_N2), dim=2).flatten(1).long()


def pixel_parts(corners_N4: Tensor, width: int, limit: int) -> Iterator[PixelPart]:
    """All rectangles that are not empty, in parts of rising area.

    Args:
        corners_N4: integer x1, y1, x2, y2 inside the grid; column x2 and row y2 are not part of the rectangle.
        width: columns of the grid.
        limit: pixels of a part, padding included; a single rectangle may have more.
    """
    size_N2 = (corners_N4[:, 2:] - corners_N4[:, :2]).clamp(min=0)
    area_N, order_N = size_N2.prod(dim=1).sort()
    areas = area_N.tolist()
    for start, stop in _similar(areas, limit):
        members = order_N[start:stop]
        corner, across = corners_N4[members].int(), size_N2[members, :1].int()
        step = torch.arange(areas[stop - 1], device=corner.device, dtype=torch.int32)
        row = torch.div(step, across, rounding_mode="trunc")
        pixels = (corner[:, 1:2] + row) * width + corner[:, :1] + step - row * across
        valid = step < area_N[start:stop, None]
        yield PixelPart(members, pixels.masked_fill_(~valid, 0).long(), valid)


def in_groups(group_P: Tensor, groups: int) -> tuple[Tensor, Tensor]:
    """Place of each entry inside its group, in the order given, and the size of each group."""
    order_P = group_P.sort(stable=True).indices
    count = group_sizes(group_P, groups)
    first = count.cumsum(0) - count
    place_P = torch.empty_like(group_P)
    place_P[order_P] = torch.arange(len(group_P), device=group_P.device) - first[group_P[order_P]]
    return place_P, count


def _similar(areas: Sequence[int], limit: int) -> Iterator[tuple[int, int]]:
    """Ranges of rising areas."""
    start = next((i for i, area in enumerate(areas) if area), len(areas))
    for i in range(start, len(areas)):
        spread = areas[i] > max(SMALL_AREA, SPREAD * areas[start])
        if i > start and (spread or areas[i] * (i + 1 - start) > limit):
            yield start, i
            start = i
    if start < len(areas):
        yield start, len(areas)
