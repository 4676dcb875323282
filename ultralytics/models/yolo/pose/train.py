"""Trainer of boxes with keypoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ultralytics.data.keypoints import check_keypoints, keypoint_names
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.models.yolo.pose.val import PoseValidator
from ultralytics.nn.tasks import PoseModel

__all__ = ["PoseTrainer"]


class PoseTrainer(DetectionTrainer):
    """Train a pose network; arguments and errors are those of the base class.

    Label lines hold a class, a box, and K keypoints of 2 or 3 values, as `kpt_shape` of the data set says.

    Raises:
        DescriptionKeyError: the data set has no `kpt_shape`; a KeyError.
        DescriptionValueError: what it says about keypoints is unusable; a ValueError.
    """

    skips_parameters = True  # the flow module of YOLO26 learns from labelled points only
    model_type = PoseModel
    validator_type = PoseValidator

    def __init__(
        self,
        cfg: Any = None,  # Any: as BaseTrainer
        overrides: dict[str, Any] | None = None,
        _callbacks: Mapping[str, list[Any]] | None = None,
    ) -> None:
        super().__init__(cfg, {**(overrides or {}), "task": "pose"}, _callbacks)

    def get_dataset(self) -> dict[str, Any]:
        """Check the data set and what it says about keypoints."""
        data = super().get_dataset()
        check_keypoints(data)
        return data

    def set_model_attributes(self) -> None:
        """Also shape, names and tolerances of the keypoints; without names they are numbered."""
        super().set_model_attributes()
        self.model.kpt_shape = self.data["kpt_shape"]
        self.model.kpt_names = keypoint_names(self.data)
        self.model.kpt_oks_sigmas = self.data.get("kpt_oks_sigmas")

    def _model_arguments(self) -> dict[str, Any]:
        return {
            **super()._model_arguments(),
            "data_kpt_shape": self.data.get("kpt_shape", (None, None)),
        }
