"""Spatial pyramid pooling and blocks that shrink maps by pooling. Maps are (B, C, H, W)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ultralytics.nn.modules.conv import Conv

__all__ = ["SPP", "SPPELAN", "SPPF", "AConv", "ADown", "SCDown"]


def _same_pool(k: int) -> nn.MaxPool2d:
    return nn.MaxPool2d(kernel_size=k, stride=1, padding=k // 2)


class SPP(nn.Module):
    """Max pools of several sizes side by side (arXiv 1406.4729)."""

    def __init__(self, c1: int, c2: int, k: Sequence[int] = (5, 9, 13)) -> None:
        super().__init__()
        half = c1 // 2
        self.cv1 = Conv(c1, half, 1, 1)
        self.cv2 = Conv(half * (len(k) + 1), c2, 1, 1)
        self.m = nn.ModuleList(_same_pool(size) for size in k)

    def forward(self, x: Tensor) -> Tensor:
        x = self.cv1(x)
        return self.cv2(torch.cat([x, *(pool(x) for pool in self.m)], dim=1))


class SPPF(nn.Module):
    """The same pool n times in a row, all results joined.

    `cv1` has no activation here; the model builder gives it one for the generations that had it.
    """

    n = 3  # files older than these attributes lack them
    add = False

    def __init__(self, c1: int, c2: int, k: int = 5, n: int = 3, shortcut: bool = False) -> None:
        super().__init__()
        half = c1 // 2
        self.cv1 = Conv(c1, half, 1, 1, act=False)
        self.cv2 = Conv(half * (n + 1), c2, 1, 1)
        self.m = _same_pool(k)
        self.n = n
        self.add = shortcut and c1 == c2

    def forward(self, x: Tensor) -> Tensor:
        parts = [self.cv1(x)]
        for _ in range(self.n):
            parts.append(self.m(parts[-1]))
        y = self.cv2(torch.cat(parts, dim=1))
        return x + y if self.add else y


class SPPELAN(nn.Module):
    """Three chained max pools, all results joined (YOLOv9)."""

    def __init__(self, c1: int, c2: int, c3: int, k: int = 5) -> None:
        super().__init__()
        self.c = c3
        self.cv1 = Conv(c1, c3, 1, 1)
        self.cv2, self.cv3, self.cv4 = (_same_pool(k) for _ in range(3))
        self.cv5 = Conv(4 * c3, c2, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        parts = [self.cv1(x)]
        for pool in (self.cv2, self.cv3, self.cv4):
            parts.append(pool(parts[-1]))
        return self.cv5(torch.cat(parts, dim=1))


def _soften(x: Tensor) -> Tensor:
    """Mean of every 2x2 neighbourhood; one row and column fewer."""
    return F.avg_pool2d(x, kernel_size=2, stride=1, padding=0)


class AConv(nn.Module):
    """Average pool, then a 3x3 convolution of stride 2."""

    def __init__(self, c1: int, c2: int) -> None:
        super().__init__()
        self.cv1 = Conv(c1, c2, 3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.cv1(_soften(x))


class ADown(nn.Module):
    """Average pool, then one half by convolution and one by max pool, both of stride 2 (YOLOv9)."""

    def __init__(self, c1: int, c2: int) -> None:
        super().__init__()
        self.c = c2 // 2
        self.cv1 = Conv(c1 // 2, self.c, 3, 2, 1)
        self.cv2 = Conv(c1 // 2, self.c, 1, 1, 0)

    def forward(self, x: Tensor) -> Tensor:
        first, second = _soften(x).chunk(2, 1)
        pooled = F.max_pool2d(second, kernel_size=3, stride=2, padding=1)
        return torch.cat((self.cv1(first), self.cv2(pooled)), dim=1)


class SCDown(nn.Module):
    """1x1 convolution, then a depthwise one that carries the stride (YOLOv10)."""

    def __init__(self, c1: int, c2: int, k: int, s: int) -> None:
        super().__init__()
        self.cv1 = Conv(c1, c2, 1, 1)
        self.cv2 = Conv(c2, c2, k=k, s=s, g=c2, act=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.cv2(self.cv1(x))
