"""Instance segmentation networks: detection networks whose head also predicts masks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from ultralytics.nn.modules import Segment26
from ultralytics.nn.tasks.base import Batch
from ultralytics.nn.tasks.detection import DetectionModel

__all__ = ["SegmentationModel"]


class SegmentationModel(DetectionModel):
    """Instance segmentation network of any generation.

    Args:
        cfg: name or path of a model file, or its content (used in place).
        ch: input channels.
        nc: classes, when other than the file's.
        verbose: log the rows and a summary.
    """

    def __init__(
        self,
        cfg: str | Path | dict[str, Any] = "yolo26n-seg.yaml",
        ch: int = 3,
        nc: int | None = None,
        verbose: bool = True,
    ) -> None:
        super().__init__(cfg, ch=ch, nc=nc, verbose=verbose)

    def init_criterion(self) -> Callable[[Any, Batch], tuple[Tensor, Any]]:
        """Loss of the head's generation, on one branch or on both."""
        from ultralytics.utils.loss import E2ELoss, SegmentLoss26, v8SegmentationLoss

        head = self.model[-1]
        criterion = SegmentLoss26 if isinstance(head, Segment26) else v8SegmentationLoss
        dual = getattr(head, "one2one_cv2", None) is not None
        return E2ELoss(self, criterion) if dual else criterion(self)
