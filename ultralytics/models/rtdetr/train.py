"""Trainer of RT-DETR."""

from __future__ import annotations

from typing import Any

from ultralytics.data import build_yolo_dataset
from ultralytics.models.rtdetr.val import RTDETRDataset, RTDETRValidator
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.nn.tasks import RTDETRDetectionModel

__all__ = ["RTDETRTrainer"]


class RTDETRTrainer(DetectionTrainer):
    """Train an RT-DETR network; arguments and errors are those of the base class.

    Sampling between pixels has no deterministic form on accelerators, so `deterministic` holds only approximately.
    """

    loss_is_sum = False
    can_distill = False
    model_type = RTDETRDetectionModel
    validator_type = RTDETRValidator

    def build_dataset(self, img_path: Any, mode: str = "train", batch: int | None = None) -> Any:
        """Data set of a split; images are stretched to a square."""
        return build_yolo_dataset(
            self.args,
            img_path,
            batch or int(self.batch_size),
            self.data,
            mode=mode,
            stride=self._grid(),
            kind=RTDETRDataset,
        )
