"""Convolution with normalisation and activation, and its direct relatives.

Maps are (B, C, H, W). An object read from a checkpoint never ran its constructor: `forward` uses stored children only.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd

import torch
from torch import Tensor, nn

from ultralytics.nn.modules.scope import current_scope

__all__ = [
    "Conv",
    "Conv2",
    "ConvTranspose",
    "DWConv",
    "DWConvTranspose2d",
    "Focus",
    "GhostConv",
    "LightConv",
    "autopad",
]

KernelSize = int | Sequence[int]


def autopad(k: KernelSize, p: KernelSize | None = None, d: int = 1) -> KernelSize:
    """Padding that keeps the map size at stride 1, unless `p` already says otherwise.

    The kernel counts with its dilation: d * (k - 1) + 1 cells, of which half are padded on each side.
    """
    if p is not None:
        return p
    if isinstance(k, int):
        return (d * (k - 1) + 1) // 2
    return [(d * (side - 1) + 1) // 2 for side in k]


class Conv(nn.Module):
    """Convolution without bias, batch normalisation, activation.

    `act` is True for the default activation, a module to use that one, anything else for none. The default is
    one object shared by all layers, which is what published layer counts assume.
    """

    default_act: nn.Module = nn.SiLU()

    def __init__(
        self,
        c1: int,
        c2: int,
        k: KernelSize = 1,
        s: KernelSize = 1,
        p: KernelSize | None = None,
        g: int = 1,
        d: int = 1,
        act: bool | nn.Module | None = True,
    ) -> None:
        super().__init__()
        padding = autopad(k, p, d)
        self.conv = nn.Conv2d(c1, c2, k, s, padding, groups=g, dilation=d, bias=False)  # type: ignore[arg-type]
        self.bn = nn.BatchNorm2d(c2)
        self.act = self._activation(act)

    @classmethod
    def _activation(cls, act: bool | nn.Module | None) -> nn.Module:
        if isinstance(act, nn.Module):
            return act
        if act is True:
            return current_scope().activation or cls.default_act
        return nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))

    def forward_fuse(self, x: Tensor) -> Tensor:
        """The same after `bn` has been folded into `conv`."""
        return self.act(self.conv(x))


class Conv2(Conv):
    """A 3x3 and a 1x1 convolution in parallel, before one normalisation (RepVGG without its identity path)."""

    def __init__(
        self,
        c1: int,
        c2: int,
        k: int = 3,
        s: int = 1,
        p: int | None = None,
        g: int = 1,
        d: int = 1,
        act: bool | nn.Module | None = True,
    ) -> None:
        super().__init__(c1, c2, k, s, p, g, d, act)
        padding = autopad(1, p, d)
        self.cv2 = nn.Conv2d(c1, c2, 1, s, padding, groups=g, dilation=d, bias=False)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        summed = self.conv(x)
        if "cv2" in self._modules:
            summed = summed + self.cv2(x)
        return self.act(self.bn(summed))

    def fuse_convs(self) -> None:
        """Add the 1x1 kernel to the centre of the large one and drop it. Works in place, once."""
        if "cv2" not in self._modules:
            return
        kernel = self.conv.weight.detach().clone()
        row, column = kernel.shape[2] // 2, kernel.shape[3] // 2
        kernel[:, :, row, column] += self.cv2.weight.detach()[:, :, 0, 0]
        self.conv.weight.data = kernel
        del self.cv2


class DWConv(Conv):
    """`Conv` with as many groups as both channel counts share."""

    def __init__(
        self,
        c1: int,
        c2: int,
        k: KernelSize = 1,
        s: KernelSize = 1,
        d: int = 1,
        act: bool | nn.Module | None = True,
    ) -> None:
        super().__init__(c1, c2, k, s, g=gcd(c1, c2), d=d, act=act)


class LightConv(nn.Module):
    """1x1 convolution without activation, then a depthwise one (PP-HGNetV2)."""

    def __init__(self, c1: int, c2: int, k: int = 1, act: nn.Module | None = None) -> None:
        super().__init__()
        self.conv1 = Conv(c1, c2, act=False)
        self.conv2 = DWConv(c2, c2, k, act=nn.ReLU() if act is None else act)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.conv1(x))


class DWConvTranspose2d(nn.ConvTranspose2d):
    """Transposed convolution with as many groups as both channel counts share."""

    def __init__(self, c1: int, c2: int, k: int = 1, s: int = 1, p1: int = 0, p2: int = 0) -> None:
        super().__init__(c1, c2, k, s, p1, p2, groups=gcd(c1, c2))


class ConvTranspose(nn.Module):
    """Transposed convolution, optional normalisation, activation. It has a bias only without normalisation."""

    default_act: nn.Module = nn.SiLU()

    def __init__(
        self,
        c1: int,
        c2: int,
        k: int = 2,
        s: int = 2,
        p: int = 0,
        bn: bool = True,
        act: bool | nn.Module | None = True,
    ) -> None:
        super().__init__()
        self.conv_transpose = nn.ConvTranspose2d(c1, c2, k, s, p, bias=not bn)
        self.bn: nn.Module = nn.BatchNorm2d(c2) if bn else nn.Identity()
        if act is True:
            act = self.default_act
        self.act = act if isinstance(act, nn.Module) else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv_transpose(x)))

    def forward_fuse(self, x: Tensor) -> Tensor:
        """The same after `bn` has been folded."""
        return self.act(self.conv_transpose(x))


class Focus(nn.Module):
    """Space to depth by 2, then a convolution: (B, C, 2h, 2w) -> (B, 4C, h, w) -> (B, c2, h, w)."""

    def __init__(
        self,
        c1: int,
        c2: int,
        k: int = 1,
        s: int = 1,
        p: int | None = None,
        g: int = 1,
        act: bool | nn.Module | None = True,
    ) -> None:
        super().__init__()
        self.conv = Conv(4 * c1, c2, k, s, p, g, act=act)

    def forward(self, x: Tensor) -> Tensor:
        # parity of (row, column), in this order: even/even, odd/even, even/odd, odd/odd
        parts = [x[..., row::2, column::2] for column in (0, 1) for row in (0, 1)]
        return self.conv(torch.cat(parts, dim=1))


class GhostConv(nn.Module):
    """Half of the channels from a convolution, the other half from a cheap 5x5 depthwise one (GhostNet)."""

    def __init__(
        self,
        c1: int,
        c2: int,
        k: int = 1,
        s: int = 1,
        g: int = 1,
        act: bool | nn.Module | None = True,
    ) -> None:
        super().__init__()
        half = c2 // 2
        self.cv1 = Conv(c1, half, k, s, None, g, act=act)
        self.cv2 = Conv(half, half, 5, 1, None, half, act=act)

    def forward(self, x: Tensor) -> Tensor:
        primary = self.cv1(x)
        return torch.cat((primary, self.cv2(primary)), dim=1)
