"""What the engine knows about a runtime: it takes an NCHW batch of RGB values 0-1 and says what it holds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

__all__ = ["BaseBackend"]


class BaseBackend(nn.Module, ABC):
    """One loaded network.

    Args:
        device: where it runs.
        fp16: run in half precision.

    Attributes:
        stride: largest stride; input sides are multiples of it.
        names: class index -> name.
        task: what the network does.
        nc: number of classes.
        channels: of the input.
        imgsz: (height, width) the network is fixed to, or None.
        batch: batch size the network is fixed to.
        dynamic: whether sides and batch may change from call to call.
        end2end: whether the output needs no suppression.
    """

    name: ClassVar[str]

    def __init__(self, device: torch.device, fp16: bool = False) -> None:
        super().__init__()
        self.device = device
        self.fp16 = fp16
        self.stride = 32
        self.names: dict[int, str] = {}
        self.task = ""
        self.nc = 0
        self.channels = 3
        self.imgsz: tuple[int, int] | None = None
        self.batch = 1
        self.dynamic = False
        self.end2end = False
        self.metadata: dict[str, Any] = {}  # Any: values as the exporter wrote them

    @abstractmethod
    def forward(self, im: Tensor, **kwargs: Any) -> Any:  # Any: outputs differ by task
        """Run the network on an NCHW batch."""
