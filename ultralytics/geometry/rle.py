"""Run-length masks: the form in which COCO stores them, and exact overlaps without pixels.

A mask is the rising positions at which its runs begin and end, in turn, counted down the columns
from the left top pixel. N masks of one size lie behind each other in a flat array, so that a step
works on all of them at once. COCO's "counts" are the distances of these positions; its strings hold
counts in groups of five bits (spec chapter 45, 6).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["RunMasks", "mask_edges", "runs_of_columns"]

Ints = NDArray[np.int64]
Array = NDArray[Any]  # Any: every dtype whose non-zero values are the mask

GROUP_BITS = 5
FIRST_LETTER = 48  # letters start at "0"


def mask_edges(mask: Array) -> Ints:
    """Edges of one (h, w) mask."""
    flat = np.ascontiguousarray(mask.T).reshape(-1) != 0
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts = [0] if len(flat) and flat[0] else []
    ends = [len(flat)] if len(flat) and flat[-1] else []
    return np.concatenate(
        [np.array(starts, dtype=np.int64), changes, np.array(ends, dtype=np.int64)]
    )


@dataclass(frozen=True)
class RunMasks:
    """N masks of one size.

    Attributes:
        size_hw: height and width.
        edges: (E,) positions of all masks, one mask after the other.
        offsets: (N + 1,) where each mask's part of `edges` begins.
    """

    size_hw: tuple[int, int]
    edges: Ints
    offsets: Ints

    @classmethod
    def joined(cls, size_hw: tuple[int, int], parts: Sequence[Ints]) -> RunMasks:
        """Masks from the edges of each."""
        offsets = np.cumsum([0, *map(len, parts)], dtype=np.int64)
        edges = np.concatenate([np.zeros(0, dtype=np.int64), *parts])
        return cls(size_hw, edges, offsets)

    @classmethod
    def from_masks(cls, masks: Array) -> RunMasks:
        """Masks from (N, h, w) pixels."""
        return cls.joined((masks.shape[1], masks.shape[2]), [mask_edges(mask) for mask in masks])

    @classmethod
    def from_counts(cls, size_hw: tuple[int, int], counts: Sequence[Sequence[int]]) -> RunMasks:
        """Masks from lengths of runs, of background first, as in uncompressed COCO masks.

        Raises:
            ValueError: the runs of a mask do not fill it.
        """
        pixels = size_hw[0] * size_hw[1]
        parts = []
        for one in counts:
            ends = np.cumsum(np.asarray(one, dtype=np.int64))
            if (ends[-1] if len(ends) else 0) != pixels:
                raise ValueError(
                    f"the runs of a mask of {size_hw[0]} x {size_hw[1]} pixels cover {ends[-1:]} of them"
                )
            edges = ends if len(ends) % 2 == 0 else ends[:-1]
            parts.append(_without_empty_runs(edges))
        return cls.joined(size_hw, parts)

    @classmethod
    def from_strings(cls, size_hw: tuple[int, int], strings: Sequence[str | bytes]) -> RunMasks:
        """Masks from compressed COCO strings."""
        return cls.from_counts(size_hw, [_counts_of(text) for text in strings])

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def areas(self) -> Ints:
        """(N,) pixels of each mask."""
        signed = self.edges.copy()
        signed[::2] *= -1
        return _segment_sums(signed, self.offsets)

    @property
    def extents(self) -> Ints:
        """(N, 4) left, top, right, bottom in pixels, the last two exclusive; zeros for an empty mask."""
        height = self.size_hw[0]
        found = np.zeros((len(self), 4), dtype=np.int64)
        full = np.diff(self.offsets) > 0
        if not full.any():
            return found
        parts = self.offsets[:-1][full] // 2  # every mask has an even number of edges
        column, row = np.divmod(self.edges[::2], height)
        last_column, last_row = np.divmod(self.edges[1::2] - 1, height)
        turns = last_column > column  # a run over two columns touches head and foot
        found[full, 0] = np.minimum.reduceat(column, parts)
        found[full, 1] = np.minimum.reduceat(np.where(turns, 0, row), parts)
        found[full, 2] = np.maximum.reduceat(last_column, parts) + 1
        found[full, 3] = np.maximum.reduceat(np.where(turns, height - 1, last_row), parts) + 1
        return found

    def counts(self) -> list[list[int]]:
        """Lengths of the runs of each mask, of background first."""
        lengths, offsets = self._lengths()
        listed = lengths.tolist()
        return [listed[a:b] for a, b in pairwise(offsets.tolist())]

    def strings(self) -> list[str]:
        """Compressed COCO string of each mask."""
        lengths, offsets = self._lengths()
        values = lengths.copy()  # from the fourth on, the difference to the one before the last
        place = np.arange(len(values)) - np.repeat(offsets[:-1], np.diff(offsets))
        later = np.flatnonzero(place > 2)
        values[later] -= lengths[later - 2]
        letters, ends = _letters_of(values)
        text = letters.tobytes().decode("ascii")
        bounds = np.concatenate([[0], ends])[offsets].tolist()
        return [text[a:b] for a, b in pairwise(bounds)]

    def masks(self) -> NDArray[np.uint8]:
        """(N, h, w) pixels, 0 or 1."""
        height, width = self.size_hw
        steps = np.zeros((len(self), height * width + 1), dtype=np.int8)
        owner = np.repeat(np.arange(len(self)), np.diff(self.offsets))
        steps[owner, self.edges] = np.where(np.arange(len(self.edges)) % 2, -1, 1)
        pixels = steps[:, :-1].cumsum(axis=1, dtype=np.int8).view(np.uint8)
        return pixels.reshape(len(self), width, height).transpose(0, 2, 1)

    def pick(self, rows: Ints) -> RunMasks:
        """Some of the masks, in the given order."""
        lengths = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], lengths.cumsum()])
        places = np.repeat(self.offsets[rows] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return RunMasks(self.size_hw, self.edges[places], offsets)

    def intersections(self, others: RunMasks, wanted: Array | None = None) -> Ints:
        """(N, M) pixels that each mask shares with each of the others.

        Args:
            others: M masks of the same size.
            wanted: (N, M) pairs that matter; the rest stays 0.
        """
        if len(self) > len(others):
            return others.intersections(self, None if wanted is None else wanted.T).T
        pairs = self._near(others) if wanted is None else self._near(others) & wanted
        shared = np.zeros((len(self), len(others)), dtype=np.int64)
        for row in np.flatnonzero(pairs.any(axis=1)).tolist():
            columns = np.flatnonzero(pairs[row])
            near = others.pick(columns)
            before = _covered_before(self.own(row), near.edges)
            before[::2] *= -1
            shared[row, columns] = _segment_sums(before, near.offsets)
        return shared

    def own(self, row: int) -> Ints:
        """Edges of one mask."""
        return self.edges[self.offsets[row] : self.offsets[row + 1]]

    def _near(self, others: RunMasks) -> NDArray[np.bool_]:
        """(N, M) pairs whose extents touch."""
        a, b = self.extents[:, None], others.extents[None]
        touching: NDArray[np.bool_] = np.all(
            (a[..., :2] < b[..., 2:]) & (b[..., :2] < a[..., 2:]), axis=-1
        )
        return touching

    def overlap(
        self, others: RunMasks, wanted: Array | None = None, crowd: Array | None = None
    ) -> NDArray[np.float64]:
        """(N, M) intersection over union with each of the others.

        Args:
            others: M masks of the same size.
            wanted: (N, M) pairs that matter; the rest is 0.
            crowd: (N,) masks that stand for a group; with these the union is the other mask alone.
        """
        shared = self.intersections(others, wanted).astype(np.float64)
        union = self.areas[:, None] + others.areas - shared
        if crowd is not None:
            union = np.where(np.asarray(crowd, dtype=bool)[:, None], others.areas, union)
        return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)

    def _lengths(self) -> tuple[Ints, Ints]:
        """Runs of all masks, and where those of each begin; a mask ends with its last run of either kind."""
        pixels = self.size_hw[0] * self.size_hw[1]
        bounds = []
        for a, b in pairwise(self.offsets.tolist()):
            tail = [] if b > a and self.edges[b - 1] == pixels else [pixels]
            bounds.append(np.concatenate([[0], self.edges[a:b], tail]))
        lengths = [np.diff(bound).astype(np.int64) for bound in bounds]
        offsets = np.cumsum([0, *map(len, lengths)], dtype=np.int64)
        return np.concatenate([np.zeros(0, dtype=np.int64), *lengths]), offsets


def runs_of_columns(
    parts: Iterable[tuple[tuple[int, int], Array]], size_hw: tuple[int, int]
) -> RunMasks:
    """Masks whose pixels are all inside a rectangle each.

    Args:
        parts: row and column of a rectangle's first pixel, and its (w, h) values, a row per column of the rectangle
            from left to right; values above 0 are the mask.
        size_hw: height and width of the masks.
    """
    corners, heights, changes = [], [], []
    for corner, columns in parts:
        width, height = columns.shape
        framed = np.zeros((width, height + 2), dtype=bool)  # with the pixels above and below
        np.greater(columns, 0, out=framed[:, 1:-1])
        changes.append((framed[:, 1:] != framed[:, :-1]).ravel().nonzero()[0])
        corners.append(corner)
        heights.append(height + 1)
    counts = np.array([len(change) for change in changes], dtype=np.int64)
    owner = np.repeat(np.arange(len(counts)), counts)
    place = np.concatenate([np.zeros(0, dtype=np.int64), *changes])
    first = np.array(corners, dtype=np.int64).reshape(-1, 2)[owner]
    column, row = np.divmod(place, np.array(heights, dtype=np.int64)[owner])
    edges = (column + first[:, 1]) * size_hw[0] + row + first[:, 0]
    # a run goes on from the foot of a column to the top of the next
    joint = np.flatnonzero((edges[1:] == edges[:-1]) & (owner[1:] == owner[:-1]))
    if len(joint):
        gone = np.concatenate([joint, joint + 1])
        edges, owner = np.delete(edges, gone), np.delete(owner, gone)
        counts = np.bincount(owner, minlength=len(counts))
    return RunMasks(size_hw, edges, np.concatenate([[0], counts.cumsum()]))


def _covered_before(edges: Ints, positions: Ints) -> Ints:
    """Pixels of one mask before each position."""
    passed = np.searchsorted(edges, positions, side="right")
    lengths = np.where(np.arange(len(edges)) % 2, edges, -edges).cumsum()
    finished = np.concatenate(
        [[0], lengths]
    )  # at odd numbers a run is open: add the position to it
    covered: Ints = finished[passed] + np.where(passed % 2, positions, 0)
    return covered


def _segment_sums(values: Ints, offsets: Ints) -> Ints:
    """Sum of each part of a flat array."""
    running = np.concatenate([[0], values.cumsum()])
    sums: Ints = running[offsets[1:]] - running[offsets[:-1]]
    return sums


def _without_empty_runs(edges: Ints) -> Ints:
    """Edges of which no two are equal; runs without pixels vanish."""
    while len(edges):
        same = np.flatnonzero(edges[1:] == edges[:-1])
        if not len(same):
            break
        edges = np.delete(edges, [same[0], same[0] + 1])
    return edges


def _letters_of(values: Ints) -> tuple[NDArray[np.uint8], Ints]:
    """Letters of signed numbers, five bits each from the lowest, and where those of each number end."""
    rest, groups, alive = values, [], np.ones(len(values), dtype=bool)
    kept = []
    while alive.any():
        low = rest & 31
        rest = rest >> GROUP_BITS
        more = np.where(low & 16, rest != -1, rest != 0)
        groups.append(low + np.where(more, 32, 0) + FIRST_LETTER)
        kept.append(alive)
        alive = alive & more
    if not groups:
        return np.zeros(0, dtype=np.uint8), np.zeros(0, dtype=np.int64)
    table, chosen = np.stack(groups, axis=1), np.stack(kept, axis=1)
    return table[chosen].astype(np.uint8), chosen.sum(axis=1).cumsum()


def _counts_of(text: str | bytes) -> list[int]:
    """Lengths of runs from a compressed string."""
    counts: list[int] = []
    value = shift = 0
    for letter in text.encode("ascii") if isinstance(text, str) else text:
        bits = letter - FIRST_LETTER
        value |= (bits & 31) << shift
        shift += GROUP_BITS
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    return counts
