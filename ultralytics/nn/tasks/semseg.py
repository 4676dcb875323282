"""Semantic segmentation networks: the plain head of YOLO26, and the object-context head of YOLO11.

Both are one task. Which class a model file belongs to follows from the arguments of its last row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ultralytics.nn.tasks.base import Batch
from ultralytics.nn.tasks.detection import PROBE_HEIGHT, DetectionModel

__all__ = ["SemanticModel", "SemanticSegmentationModel"]

PLAIN_ARGUMENTS = 1  # of the last row of a file with the plain head


class SemanticSegmentationModel(DetectionModel):
    """Semantic segmentation network with the plain head.

    Args:
        cfg: name or path of a model file, or its content (used in place).
        ch: input channels.
        nc: classes, when other than the file's.
        verbose: log the rows and a summary.
    """

    def __init__(
        self,
        cfg: str | Path | dict[str, Any] = "yolo26n-sem.yaml",
        ch: int = 3,
        nc: int | None = None,
        verbose: bool = True,
    ) -> None:
        super().__init__(cfg, ch, nc, verbose)

    @classmethod
    def suited_to(cls, content: Mapping[str, Any]) -> type[DetectionModel]:
        """The object-context class for a file whose last row has its arguments, else this class."""
        return SemanticModel if len(content["head"][-1][-1]) > PLAIN_ARGUMENTS else cls

    def _measure_strides(self, ch: int) -> None:
        """Run a blank image; the stride is that of the smallest map met anywhere."""
        heights: list[int] = []

        def note(row: nn.Module, inputs: Any, output: Any) -> None:  # Any: maps of a row
            if isinstance(output, Tensor) and output.ndim == 4:
                heights.append(output.shape[2])

        handles = [row.register_forward_hook(note) for row in self.model]
        self.eval()
        self._run_blank(ch)
        for handle in handles:
            handle.remove()
        self.train()
        self.stride = torch.tensor([PROBE_HEIGHT / min(heights)], device="cpu")
        self.model[-1].stride = self.stride

    def init_criterion(self) -> Callable[[Any, Batch], tuple[Tensor, Any]]:
        """Cross-entropy and dice."""
        from ultralytics.utils.loss import SemanticSegmentationLoss

        return SemanticSegmentationLoss(self)


class SemanticModel(DetectionModel):
    """Semantic segmentation network with the object-context head. Arguments as the plain one's."""

    def __init__(
        self,
        cfg: str | Path | dict[str, Any] = "yolo11n-semseg.yaml",
        ch: int = 3,
        nc: int | None = None,
        verbose: bool = True,
    ) -> None:
        super().__init__(cfg, ch, nc, verbose)

    def init_criterion(self) -> Callable[[Any, Batch], tuple[Tensor, Any]]:
        """Cross-entropy of both outputs, hard pixels counted once more, and dice."""
        from ultralytics.utils.loss import SemSegLoss

        return SemSegLoss(self, dice=1.0)
