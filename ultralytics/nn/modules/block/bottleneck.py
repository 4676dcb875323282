"""Bottlenecks: the smallest repeated units. Maps are (B, C, H, W); residuals apply only when shapes allow (`add`)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ultralytics.nn.modules.conv import Conv, DWConv, GhostConv, RepConv

__all__ = [
    "Bottleneck",
    "BottleneckCSP",
    "GhostBottleneck",
    "RepBottleneck",
    "ResNetBlock",
    "ResNetLayer",
]

Kernels = Sequence[int | Sequence[int]]


class Bottleneck(nn.Module):
    """Two convolutions with a narrower middle, and the input added when `shortcut` and the shapes allow."""

    def __init__(
        self,
        c1: int,
        c2: int,
        shortcut: bool = True,
        g: int = 1,
        k: Kernels = (3, 3),
        e: float = 0.5,
    ) -> None:
        super().__init__()
        hidden = int(c2 * e)
        self.cv1: nn.Module = self._first(c1, hidden, k[0])
        self.cv2 = Conv(hidden, c2, k[1], 1, g=g)
        self.add = shortcut and c1 == c2

    @staticmethod
    def _first(c1: int, hidden: int, k: int | Sequence[int]) -> nn.Module:
        return Conv(c1, hidden, k, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.cv2(self.cv1(x))
        return x + y if self.add else y


class RepBottleneck(Bottleneck):
    """`Bottleneck` that starts with a re-parameterised convolution (YOLOv9)."""

    @staticmethod
    def _first(c1: int, hidden: int, k: int | Sequence[int]) -> nn.Module:
        return RepConv(c1, hidden, k, 1)  # type: ignore[arg-type]


class BottleneckCSP(nn.Module):
    """Cross-stage partial block with its own normalisation of the joined halves (arXiv 1911.11929)."""

    def __init__(
        self, c1: int, c2: int, n: int = 1, shortcut: bool = True, g: int = 1, e: float = 0.5
    ) -> None:
        super().__init__()
        hidden = int(c2 * e)
        self.cv1 = Conv(c1, hidden, 1, 1)
        self.cv2 = nn.Conv2d(c1, hidden, 1, 1, bias=False)
        self.cv3 = nn.Conv2d(hidden, hidden, 1, 1, bias=False)
        self.cv4 = Conv(2 * hidden, c2, 1, 1)
        self.bn = nn.BatchNorm2d(2 * hidden)
        self.act = nn.SiLU()
        self.m = nn.Sequential(*(Bottleneck(hidden, hidden, shortcut, g, e=1.0) for _ in range(n)))

    def forward(self, x: Tensor) -> Tensor:
        deep, plain = self.cv3(self.m(self.cv1(x))), self.cv2(x)
        return self.cv4(self.act(self.bn(torch.cat((deep, plain), dim=1))))


class GhostBottleneck(nn.Module):
    """Two ghost convolutions with a depthwise step between them when the stride is 2 (GhostNet)."""

    def __init__(self, c1: int, c2: int, k: int = 3, s: int = 1) -> None:
        super().__init__()
        half = c2 // 2
        shrinks = s == 2
        self.conv = nn.Sequential(
            GhostConv(c1, half, 1, 1),
            DWConv(half, half, k, s, act=False) if shrinks else nn.Identity(),
            GhostConv(half, c2, 1, 1, act=False),
        )
        self.shortcut: nn.Module = nn.Identity()
        if shrinks:
            self.shortcut = nn.Sequential(
                DWConv(c1, c1, k, s, act=False), Conv(c1, c2, 1, 1, act=False)
            )

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) + self.shortcut(x)


class ResNetBlock(nn.Module):
    """Residual block of three convolutions; the output has e * c2 channels (arXiv 1512.03385)."""

    def __init__(self, c1: int, c2: int, s: int = 1, e: int = 4) -> None:
        super().__init__()
        wide = e * c2
        self.cv1 = Conv(c1, c2, k=1, s=1)
        self.cv2 = Conv(c2, c2, k=3, s=s, p=1)
        self.cv3 = Conv(c2, wide, k=1, act=False)
        self.shortcut: nn.Module = nn.Identity()
        if s != 1 or c1 != wide:
            self.shortcut = nn.Sequential(Conv(c1, wide, k=1, s=s, act=False))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.cv3(self.cv2(self.cv1(x))) + self.shortcut(x))


class ResNetLayer(nn.Module):
    """One stage of a residual network, or with `is_first` its stem (7x7 convolution and pooling)."""

    def __init__(
        self, c1: int, c2: int, s: int = 1, is_first: bool = False, n: int = 1, e: int = 4
    ) -> None:
        super().__init__()
        self.is_first = is_first
        if is_first:
            parts: list[nn.Module] = [Conv(c1, c2, k=7, s=2, p=3), nn.MaxPool2d(3, 2, 1)]
        else:
            parts = [ResNetBlock(c1, c2, s, e=e)]
            parts += [ResNetBlock(e * c2, c2, 1, e=e) for _ in range(n - 1)]
        self.layer = nn.Sequential(*parts)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)
