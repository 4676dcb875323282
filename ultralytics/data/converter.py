"""COCO class ids, and joining the parts of an object into one outline.

COCO numbers its 80 classes with gaps from 1 to 90 (the paper lists 91); models number them 0 to 79.
"""

from __future__ import annotations

from ultralytics.geometry.segments import merge_multi_segment, min_index

__all__ = [
    "coco80_to_coco91_class",
    "coco91_to_coco80_class",
    "merge_multi_segment",
    "min_index",
]

IDS_WITHOUT_CLASS = frozenset({12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91})
PAPER_IDS = range(1, 92)


def coco80_to_coco91_class() -> list[int]:
    """Paper id of every one of the 80 classes."""
    return [number for number in PAPER_IDS if number not in IDS_WITHOUT_CLASS]


def coco91_to_coco80_class() -> list[int | None]:
    """Class index of every paper id minus 1, None for ids without a class."""
    index = {number: i for i, number in enumerate(coco80_to_coco91_class())}
    return [index.get(number) for number in PAPER_IDS]
