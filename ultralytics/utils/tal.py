"""Anchors, distance coding and the task-aligned assigners under their public names."""

from __future__ import annotations

from ultralytics.geometry.anchors import (
    bbox2dist,
    dist2bbox,
    dist2rbox,
    make_anchors,
    rbox2dist,
)
from ultralytics.geometry.assign import RotatedTaskAlignedAssigner, TaskAlignedAssigner
from ultralytics.utils.publishing import publish

__all__ = [
    "RotatedTaskAlignedAssigner",
    "TaskAlignedAssigner",
    "bbox2dist",
    "dist2bbox",
    "dist2rbox",
    "make_anchors",
    "rbox2dist",
]

publish(__name__, ["RotatedTaskAlignedAssigner", "TaskAlignedAssigner"])
