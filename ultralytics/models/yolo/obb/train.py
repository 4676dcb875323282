"""Trainer of rotated boxes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.models.yolo.obb.val import OBBValidator
from ultralytics.nn.tasks import OBBModel

__all__ = ["OBBTrainer"]


class OBBTrainer(DetectionTrainer):
    """Train a network of rotated boxes; arguments and errors are those of the base class.

    Label lines hold a class and four corners.
    """

    val_batch_factor = 1
    model_type = OBBModel
    validator_type = OBBValidator

    def __init__(
        self,
        cfg: Any = None,  # Any: as BaseTrainer
        overrides: dict[str, Any] | None = None,
        _callbacks: Mapping[str, list[Any]] | None = None,
    ) -> None:
        super().__init__(cfg, {**(overrides or {}), "task": "obb"}, _callbacks)
