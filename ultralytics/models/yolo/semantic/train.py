"""Trainer of semantic segmentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ultralytics.data.dataset.semantic import add_polygon_background, has_mask_files
from ultralytics.engine.trainer import BaseTrainer
from ultralytics.errors import NotAvailable
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.models.yolo.semantic.val import SemanticSegmentationValidator
from ultralytics.nn.tasks import SemanticSegmentationModel

__all__ = ["SemanticSegmentationTrainer"]

FREQUENCY_OFFSET = 1.02  # bounds the weight of rare classes (Paszke et al. 2016, section 5.2)


class SemanticSegmentationTrainer(DetectionTrainer):
    """Train a network of semantic segmentation; arguments and errors are those of the base class.

    The class map of every image comes from a mask file of ids or of colours, or from polygons. Whether the network is
    of the plain or of the object-context design follows from the model file.
    """

    val_batch_factor = 1
    can_distill = False
    model_type = SemanticSegmentationModel
    validator_type = SemanticSegmentationValidator

    def __init__(
        self,
        cfg: Any = None,  # Any: as BaseTrainer
        overrides: dict[str, Any] | None = None,
        _callbacks: Mapping[str, list[Any]] | None = None,
    ) -> None:
        super().__init__(cfg, {**(overrides or {}), "task": "semantic"}, _callbacks)

    def get_dataset(self) -> dict[str, Any]:
        """As the base class; sets of polygons get a background class.

        Raises:
            NotAvailable: `single_cls`, which means nothing for class maps.
        """
        if self.args.single_cls:
            raise NotAvailable("single_cls=True means nothing for class maps; leave it out")
        data = super().get_dataset()
        return data if has_mask_files(data) else add_polygon_background(data)

    def get_class_counts(self) -> np.ndarray:
        """Training pixels of every class, as (nc,) numbers."""
        counts: np.ndarray = self.train_loader.dataset.pixel_counts()
        return counts

    def set_class_weights(self) -> None:
        """Weights `(1 / ln(1.02 + share of pixels)) ** cls_pw` with mean one; off at 0 and for one class."""
        if self.data["nc"] > 1:
            super().set_class_weights()

    def _class_weights(self, counts: np.ndarray, power: float) -> np.ndarray:
        weights = (1 / np.log(FREQUENCY_OFFSET + counts / counts.sum())) ** power
        normed: np.ndarray = weights / weights.mean()
        return normed

    def auto_batch(self, max_num_obj: int = 0, dataset_size: int = 0) -> int:
        """Largest batch that fits."""
        dataset = self.build_dataset(self.data["train"], mode="train", batch=16)
        return BaseTrainer.auto_batch(self, dataset_size=len(dataset))

    def plot_training_labels(self) -> None:
        """Draw the pixels of every class as labels.jpg."""
        from ultralytics.utils.plotting.labels import plot_pixel_counts

        plot_pixel_counts(
            self.get_class_counts(), self.data["names"], self.save_dir, on_plot=self.on_plot
        )
