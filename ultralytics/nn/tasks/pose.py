"""Networks that detect objects and place keypoints on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from ultralytics.nn import tasks
from ultralytics.nn.modules import Pose26
from ultralytics.nn.tasks.base import Batch
from ultralytics.nn.tasks.detection import DetectionModel
from ultralytics.utils.logging import LOGGER

__all__ = ["PoseModel"]


class PoseModel(DetectionModel):
    """Pose network of any generation.

    Args:
        cfg: name or path of a model file, or its content (used in place).
        ch: input channels.
        nc: classes, when other than the file's.
        data_kpt_shape: (keypoints, 2 or 3 values each) of the data set, when other than the file's.
        verbose: log the rows and a summary.
    """

    def __init__(
        self,
        cfg: str | Path | dict[str, Any] = "yolo26n-pose.yaml",
        ch: int = 3,
        nc: int | None = None,
        data_kpt_shape: Sequence[int | None] = (None, None),
        verbose: bool = True,
    ) -> None:
        content = cfg if isinstance(cfg, dict) else tasks.yaml_model_load(cfg)
        known = content.get("kpt_shape")
        if any(data_kpt_shape) and list(data_kpt_shape) != list(known or ()):
            LOGGER.info(f"Overriding model.yaml kpt_shape={known} with kpt_shape={data_kpt_shape}")
            content["kpt_shape"] = data_kpt_shape
        super().__init__(content, ch=ch, nc=nc, verbose=verbose)
        self.kpt_shape = self.yaml["kpt_shape"]

    def init_criterion(self) -> Callable[[Any, Batch], tuple[Tensor, Any]]:
        """Loss of the head's generation on one branch, or on both for heads that have two."""
        from ultralytics.utils.loss import E2ELoss, PoseLoss26, v8PoseLoss

        head: Any = self.model[-1]  # Any: every pose head
        kind = PoseLoss26 if isinstance(head, Pose26) else v8PoseLoss
        return E2ELoss(self, kind) if head.is_dual else kind(self)
