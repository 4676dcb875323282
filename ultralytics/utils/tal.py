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
from ultralytics.geometry.assign_tasks import PoseTaskAlignedAssigner, SegTaskAlignedAssigner
from ultralytics.utils.publishing import publish

__all__ = [
    "PoseTaskAlignedAssigner",
    "RotatedTaskAlignedAssigner",
    "SegTaskAlignedAssigner",
    "TaskAlignedAssigner",
    "bbox2dist",
    "dist2bbox",
    "dist2rbox",
    "make_anchors",
    "rbox2dist",
]

publish(__name__, [name for name in __all__ if name.endswith("Assigner")])
