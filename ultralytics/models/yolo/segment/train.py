"""Trainer of instance segmentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.models.yolo.segment.val import SegmentationValidator
from ultralytics.nn.tasks import SegmentationModel

__all__ = ["SegmentationTrainer"]


class SegmentationTrainer(DetectionTrainer):
    """Train an instance segmentation network; arguments and errors are those of the base class.

    Label lines hold a class and a polygon. Masks are drawn `mask_ratio` times smaller than the input, all of an
    image into one map with `overlap_mask`, each into its own without.

    Attributes:
        loss_names: names of the terms of the loss, known once `get_validator` was called.
    """

    model_type = SegmentationModel
    validator_type = SegmentationValidator

    def __init__(
        self,
        cfg: Any = None,  # Any: as BaseTrainer
        overrides: dict[str, Any] | None = None,
        _callbacks: Mapping[str, list[Any]] | None = None,
    ) -> None:
        super().__init__(cfg, {**(overrides or {}), "task": "segment"}, _callbacks)
