"""COCO class ids, and joining the parts of an object into one outline.

COCO numbers its 80 classes with gaps from 1 to 90 (the paper lists 91); models number them 0 to 79.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "coco80_to_coco91_class",
    "coco91_to_coco80_class",
    "merge_multi_segment",
    "min_index",
]

Points = npt.NDArray[Any]  # Any: coordinates of every number type
IDS_WITHOUT_CLASS = frozenset({12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91})
PAPER_IDS = range(1, 92)


def coco80_to_coco91_class() -> list[int]:
    """Paper id of every one of the 80 classes."""
    return [number for number in PAPER_IDS if number not in IDS_WITHOUT_CLASS]


def coco91_to_coco80_class() -> list[int | None]:
    """Class index of every paper id minus 1, None for ids without a class."""
    index = {number: i for i, number in enumerate(coco80_to_coco91_class())}
    return [index.get(number) for number in PAPER_IDS]


def min_index(arr1: Points, arr2: Points) -> tuple[int, int]:
    """Positions of the closest pair of points of two (N, 2) arrays; the first one of equals."""
    squared = ((arr1[:, None, :] - arr2[None, :, :]) ** 2).sum(-1)
    first, second = np.unravel_index(int(np.argmin(squared)), squared.shape)
    return int(first), int(second)


def merge_multi_segment(segments: Sequence[Any]) -> list[Points]:  # Any: nested lists or arrays
    """Join polygons into one outline by walking over the shortest links between neighbours and back.

    Args:
        segments: polygons of one object, flat or (P, 2); consecutive ones are linked.

    Returns:
        Arrays (P, 2) that make the outline when concatenated.
    """
    parts = [np.asarray(segment).reshape(-1, 2) for segment in segments]
    if len(parts) < 2:
        return parts
    links: list[list[int]] = [[] for _ in parts]
    for i in range(1, len(parts)):
        leaving, entering = min_index(parts[i - 1], parts[i])
        links[i - 1].append(leaving)
        links[i].append(entering)
    there: list[Points] = []
    back: list[Points] = []
    for i, (part, link) in enumerate(zip(parts, links, strict=True)):
        if len(link) == 2 and link[0] > link[1]:
            part, link = part[::-1], [len(part) - 1 - position for position in link]
        ring = np.roll(part, -link[0], axis=0)
        ring = np.concatenate((ring, ring[:1]))
        if i in (0, len(parts) - 1):
            there.append(ring)
            continue
        out = link[1] - link[0]
        there.append(ring[: out + 1])
        back.append(ring[out:])
    return there + back[::-1]
