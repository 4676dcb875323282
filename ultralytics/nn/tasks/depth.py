"""Distance networks: they can be built, run, folded and opened; training them is not part of this version."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

from ultralytics.errors import NotAvailable
from ultralytics.nn.tasks.detection import DetectionModel

__all__ = ["DepthModel"]


class DepthModel(DetectionModel):
    """Network with one distance per pixel; arguments as `DetectionModel`, and `nc` stays 1."""

    def __init__(
        self,
        cfg: str | Path | dict[str, Any] = "yolo26n-depth.yaml",  # Any: content of a model file
        ch: int = 3,
        nc: int | None = None,
        verbose: bool = True,
    ) -> None:
        super().__init__(cfg, ch, nc, verbose)

    def init_criterion(self) -> NoReturn:
        """Refused: this version has no loss for distances."""
        raise NotAvailable("training depth models is not part of this version")
