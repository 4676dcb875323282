"""Anchors, distance coding and the task-aligned assigners under their public names."""

from __future__ import annotations

from ultralytics.geometry.anchors import (
    bbox2dist,
    dist2bbox,
    dist2rbox,
    make_anchors,
    rbox2dist,
)

__all__ = ["bbox2dist", "dist2bbox", "dist2rbox", "make_anchors", "rbox2dist"]
