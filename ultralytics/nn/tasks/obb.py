"""Networks of rotated boxes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from ultralytics.nn.tasks.base import Batch
from ultralytics.nn.tasks.detection import DetectionModel

__all__ = ["OBBModel"]


class OBBModel(DetectionModel):
    """Network of rotated boxes of any generation; arguments as for `DetectionModel`."""

    def __init__(
        self,
        cfg: str | Path | dict[str, Any] = "yolo26n-obb.yaml",
        ch: int = 3,
        nc: int | None = None,
        verbose: bool = True,
    ) -> None:
        super().__init__(cfg, ch=ch, nc=nc, verbose=verbose)

    def init_criterion(self) -> Callable[[Any, Batch], tuple[Tensor, Any]]:
        """Loss on one branch, or on both for heads that have two."""
        from ultralytics.utils.loss import E2ELoss, v8OBBLoss

        dual = getattr(self.model[-1], "one2one_cv2", None) is not None
        return E2ELoss(self, v8OBBLoss) if dual else v8OBBLoss(self)
