"""Instance segmentation networks: detection networks whose head also predicts masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
