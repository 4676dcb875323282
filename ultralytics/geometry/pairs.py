"""Which anchors lie inside which boxes, as lists of index pairs.

Nothing here has the size boxes x anchors x images: memory follows the number of pairs found, and
`chunks` lets callers bound even that. Boxes and points are in pixels.
Shape suffixes: N = boxes, A = anchors, L = levels, T = pairs before the exact test, P = pairs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = [
    "Level",
    "PairSource",
    "chosen_pairs",
    "grid_source",
    "group_ranks",
    "group_sizes",
    "grow_to",
    "inside_corners",
    "point_source",
    "reads_are_free",
]

PAIRS_AT_ONCE = 2_000_000
EDGE = 1e-9  # an anchor must be further than this from every side


@dataclass(frozen=True)
class Level:
    """One level of a feature pyramid: cells down, cells across, pixels per cell."""

    height: int
    width: int
    stride: float


@dataclass(frozen=True)
class PairSource:
    """Candidate pairs (box, anchor) of consecutive boxes, ordered by box, then anchor.

    `counts` bounds the pairs of each box; `pairs(start, stop)` finds those of a range of boxes.
    """

    counts: Tensor
    pairs: Callable[[int, int], tuple[Tensor, ...]]

    def chunks(self, limit: int = PAIRS_AT_ONCE) -> list[tuple[int, int]]:
        """Ranges of boxes whose pairs stay below the limit, single boxes above it excepted."""
        ends = self.counts.cumsum(0).tolist()
        return list(_ranges(ends, limit))


def grid_source(boxes_N4: Tensor, levels: Sequence[Level], points_A2: Tensor) -> PairSource:
    """Pairs of boxes with the anchors of a regular pyramid, found by arithmetic on cell numbers.

    The cell range of a box is taken one cell too wide and then tested exactly, so rounding in the
    division cannot change the result.

    Args:
        boxes_N4: corners.
        levels: the pyramid, in the order of the anchors.
        points_A2: the anchors themselves.
    """
    device = boxes_N4.device
    stride_L, width_L, height_L = _level_table(tuple(levels), device)
    offset_L = (height_L * width_L).cumsum(0) - height_L * width_L
    cells_NL4 = boxes_N4[:, None, :] / stride_L[:, None] - 0.5
    last_L2 = torch.stack((width_L, height_L), dim=1) - 1
    low_NL2 = cells_NL4[..., :2].floor().long().clamp(min=0)
    high_NL2 = torch.minimum(cells_NL4[..., 2:].ceil().long(), last_L2)
    across_NL, down_NL = (high_NL2 - low_NL2 + 1).clamp(min=0).unbind(-1)
    counts_NL = across_NL * down_NL

    def pairs(start: int, stop: int) -> tuple[Tensor, ...]:
        counts = counts_NL[start:stop].flatten()
        owner_T = torch.repeat_interleave(counts)
        first_T = (counts.cumsum(0) - counts)[owner_T]
        within_T = torch.arange(len(owner_T), device=device) - first_T
        across_T = across_NL[start:stop].flatten()[owner_T]
        row_T = torch.div(within_T, across_T, rounding_mode="floor")
        low_T2 = low_NL2[start:stop].flatten(0, 1)[owner_T]
        level_T = owner_T % len(levels)
        column_T = low_T2[:, 0] + within_T - row_T * across_T
        anchor_T = offset_L[level_T] + (low_T2[:, 1] + row_T) * width_L[level_T] + column_T
        box_T = start + torch.div(owner_T, len(levels), rounding_mode="floor")
        inside_T = inside_corners(points_A2[anchor_T], boxes_N4[box_T])
        return chosen_pairs(inside_T, box_T, anchor_T)

    return PairSource(counts_NL.sum(dim=1), pairs)


def point_source(
    boxes: Tensor, points_A2: Tensor, inside: Callable[[Tensor, Tensor], Tensor] | None = None
) -> PairSource:
    """Pairs of boxes with arbitrary anchors, by testing all of them in chunks.

    Args:
        boxes: (N, 4) corners, or whatever `inside` takes.
        points_A2: the anchors.
        inside: tests points (1, A, 2) against boxes (n, 1, ...) and gives (n, A); the default wants
            the point strictly between the sides.
    """
    test = inside or inside_corners

    def pairs(start: int, stop: int) -> tuple[Tensor, Tensor]:
        box, anchor = test(points_A2[None], boxes[start:stop, None]).nonzero(as_tuple=True)
        return start + box, anchor

    return PairSource(torch.full((len(boxes),), len(points_A2), device=boxes.device), pairs)


def grow_to(boxes_N4: Tensor, least: float) -> Tensor:
    """Corner boxes with every side shorter than `least` widened to it about the centre."""
    size_N2 = boxes_N4[:, 2:] - boxes_N4[:, :2]
    centre_N2 = (boxes_N4[:, :2] + boxes_N4[:, 2:]) / 2
    grown_N4 = torch.cat((centre_N2 - least / 2, centre_N2 + least / 2), dim=1)
    return torch.where((size_N2 < least).repeat(1, 2), grown_N4, boxes_N4)


def group_ranks(group_P: Tensor, value_P: Tensor, groups: int) -> tuple[Tensor, Tensor]:
    """Order of pairs by (group, falling value) and the rank of each inside its group.

    Args:
        group_P: group number of each pair.
        value_P: positive values; of equal ones the earlier pair comes first.
        groups: how many groups there are.

    Returns:
        Positions in that order, and for each of them its rank from 0.
    """
    falling_P = 0x7FFFFFFF - value_P.float().view(torch.int32).long()  # monotonic for floats >= 0
    order_P = ((group_P << 32) | falling_P).sort(stable=True).indices
    count = group_sizes(group_P, groups)
    first = count.cumsum(0) - count
    rank_P = torch.arange(len(group_P), device=group_P.device) - first[group_P[order_P]]
    return order_P, rank_P


def group_sizes(group_P: Tensor, groups: int) -> Tensor:
    """How many entries each group has; the faster function would make the host wait for an accelerator."""
    if reads_are_free(group_P.device):
        return torch.bincount(group_P, minlength=groups)
    return group_P.new_zeros(groups).scatter_add(0, group_P, torch.ones_like(group_P))


def reads_are_free(device: torch.device) -> bool:
    """Whether looking at a value costs nothing, as no work is queued elsewhere."""
    return device.type == "cpu"


def chosen_pairs(chosen_P: Tensor, *columns: Tensor) -> tuple[Tensor, ...]:
    """The chosen rows of columns; their number is found once for all of them."""
    at = chosen_P.nonzero()[:, 0]
    return tuple(column[at] for column in columns)


@functools.lru_cache(maxsize=64)
def _level_table(levels: tuple[Level, ...], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Strides, widths and heights of a pyramid; a device is told them once."""
    stride_L = torch.tensor([level.stride for level in levels], device=device)
    width_L = torch.tensor([level.width for level in levels], device=device)
    height_L = torch.tensor([level.height for level in levels], device=device)
    return stride_L, width_L, height_L


def inside_corners(points: Tensor, boxes: Tensor) -> Tensor:
    """Whether points lie strictly inside corner boxes."""
    x, y = points.unbind(-1)
    x1, y1, x2, y2 = boxes.unbind(-1)
    return (x - x1 > EDGE) & (y - y1 > EDGE) & (x2 - x > EDGE) & (y2 - y > EDGE)


def _ranges(ends: list[int], limit: int) -> Iterator[tuple[int, int]]:
    start, base = 0, 0
    for stop, end in enumerate(ends):
        if end - base > limit and stop > start:
            yield start, stop
            start, base = stop, ends[stop - 1]
    if start < len(ends):
        yield start, len(ends)
