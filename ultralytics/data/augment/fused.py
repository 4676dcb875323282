"""Which one-piece pipeline makes the training samples of a data set."""

from __future__ import annotations

from typing import Any

from ultralytics.data.augment.fast import FastDetectPipeline
from ultralytics.data.augment.fast_corners import FastCornerPipeline
from ultralytics.data.augment.fast_keypoints import FastKeypointPipeline
from ultralytics.data.augment.fast_segment import FastSegmentPipeline
from ultralytics.data.augment.fast_semantic import FastSemanticPipeline

__all__ = ["PIPELINES", "choose_pipeline"]

PIPELINES: tuple[type[FastDetectPipeline], ...] = (
    FastDetectPipeline,
    FastSegmentPipeline,
    FastCornerPipeline,
    FastKeypointPipeline,
    FastSemanticPipeline,
)


def choose_pipeline(dataset: Any, hyp: Any) -> type[FastDetectPipeline] | None:
    """The pipeline that does all that the settings and the data set ask for, if there is one.

    Args:
        dataset: see `FastDetectPipeline`.
        hyp: settings with the attributes of the augmentation table.
    """
    return next((cls for cls in PIPELINES if cls.supports(dataset, hyp)), None)
