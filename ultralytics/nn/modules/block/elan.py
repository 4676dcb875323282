"""Layer aggregation of YOLOv9, its auxiliary links, and the large-kernel units of YOLOv10. Maps are (B, C, H, W)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ultralytics.nn.modules.block.csp import C2f, RepCSP
from ultralytics.nn.modules.conv import Conv
from ultralytics.utils.torch_utils.fusion import folded_weights

__all__ = ["CIB", "ELAN1", "C2fCIB", "CBFuse", "CBLinear", "RepNCSPELAN4", "RepVGGDW"]


class RepNCSPELAN4(nn.Module):
    """Split in halves, two chained stages on the second, join all four (arXiv 2402.13616)."""

    def __init__(self, c1: int, c2: int, c3: int, c4: int, n: int = 1) -> None:
        super().__init__()
        self.c = c3 // 2
        self.cv1 = Conv(c1, c3, 1, 1)
        self.cv2: nn.Module = self._stage(self.c, c4, n)
        self.cv3: nn.Module = self._stage(c4, c4, n)
        self.cv4 = Conv(c3 + 2 * c4, c2, 1, 1)

    @staticmethod
    def _stage(c1: int, c2: int, n: int) -> nn.Module:
        return nn.Sequential(RepCSP(c1, c2, n), Conv(c2, c2, 3, 1))

    def _join(self, parts: list[Tensor]) -> Tensor:
        for stage in (self.cv2, self.cv3):
            parts.append(stage(parts[-1]))
        return self.cv4(torch.cat(parts, dim=1))

    def forward(self, x: Tensor) -> Tensor:
        return self._join(list(self.cv1(x).chunk(2, 1)))

    def forward_split(self, x: Tensor) -> Tensor:
        """The same with explicit sizes, for runtimes without chunking."""
        return self._join(list(self.cv1(x).split((self.c, self.c), 1)))


class ELAN1(RepNCSPELAN4):
    """The same wiring with single 3x3 convolutions as stages."""

    def __init__(self, c1: int, c2: int, c3: int, c4: int) -> None:
        super().__init__(c1, c2, c3, c4)

    @staticmethod
    def _stage(c1: int, c2: int, n: int) -> nn.Module:
        return Conv(c1, c2, 3, 1)


class CBLinear(nn.Module):
    """One 1x1 convolution whose output is handed on in pieces of given widths."""

    def __init__(
        self,
        c1: int,
        c2s: Sequence[int],
        k: int = 1,
        s: int = 1,
        p: int | None = None,
        g: int = 1,
    ) -> None:
        super().__init__()
        self.c2s = c2s
        padding = k // 2 if p is None else p
        self.conv = nn.Conv2d(c1, sum(c2s), k, s, padding, groups=g, bias=True)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return self.conv(x).split(list(self.c2s), dim=1)


class CBFuse(nn.Module):
    """Sum of chosen `CBLinear` pieces, resized to the last input, and that input."""

    def __init__(self, idx: Sequence[int]) -> None:
        super().__init__()
        self.idx = idx

    def forward(self, xs: Sequence[Sequence[Tensor] | Tensor]) -> Tensor:
        last = xs[-1]
        if not isinstance(last, Tensor):
            raise TypeError("the last input of CBFuse is a map, not a list of pieces")
        total = last
        for index, pieces in zip(self.idx, xs[:-1], strict=True):
            total = total + F.interpolate(pieces[index], size=last.shape[2:], mode="nearest")
        return total


class RepVGGDW(nn.Module):
    """Depthwise 7x7 and 3x3 convolutions in parallel, one kernel after `fuse`."""

    def __init__(self, ed: int) -> None:
        super().__init__()
        self.conv: nn.Module = Conv(ed, ed, 7, 1, 3, g=ed, act=False)
        self.conv1 = Conv(ed, ed, 3, 1, 1, g=ed, act=False)
        self.dim = ed
        self.act = nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        if "conv1" in self._modules:
            y = y + self.conv1(x)
        return self.act(y)

    def forward_fuse(self, x: Tensor) -> Tensor:
        """After `fuse`: one kernel."""
        return self.act(self.conv(x))

    @torch.no_grad()
    def fuse(self) -> None:
        """Fold both paths into one plain 7x7 convolution with a bias. In place; a second call does nothing."""
        if "conv1" not in self._modules or not isinstance(self.conv, Conv):
            return
        large, small = self.conv, self.conv1
        kernel, bias = folded_weights(large.conv.weight, None, large.bn)
        inner, inner_bias = folded_weights(small.conv.weight, None, small.bn)
        fused = nn.Conv2d(
            self.dim, self.dim, 7, 1, 3, groups=self.dim, device=kernel.device, dtype=kernel.dtype
        ).requires_grad_(False)
        fused.weight.copy_(kernel + F.pad(inner, [2, 2, 2, 2]))
        fused.bias.copy_(bias + inner_bias)  # type: ignore[union-attr]
        self.conv = fused
        del self.conv1


class CIB(nn.Module):
    """Compact inverted block: depthwise and 1x1 convolutions in turn (arXiv 2405.14458)."""

    def __init__(
        self, c1: int, c2: int, shortcut: bool = True, e: float = 0.5, lk: bool = False
    ) -> None:
        super().__init__()
        wide = 2 * int(c2 * e)
        self.cv1 = nn.Sequential(
            Conv(c1, c1, 3, g=c1),
            Conv(c1, wide, 1),
            RepVGGDW(wide) if lk else Conv(wide, wide, 3, g=wide),
            Conv(wide, c2, 1),
            Conv(c2, c2, 3, g=c2),
        )
        self.add = shortcut and c1 == c2

    def forward(self, x: Tensor) -> Tensor:
        y = self.cv1(x)
        return x + y if self.add else y


class C2fCIB(C2f):
    """`C2f` wiring with compact inverted blocks."""

    def __init__(
        self,
        c1: int,
        c2: int,
        n: int = 1,
        shortcut: bool = False,
        lk: bool = False,
        g: int = 1,
        e: float = 0.5,
    ) -> None:
        nn.Module.__init__(self)
        self._wire(c1, c2, n, e, lambda c: CIB(c, c, shortcut, e=1.0, lk=lk))
