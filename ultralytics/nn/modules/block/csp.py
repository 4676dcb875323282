"""Cross-stage partial blocks: part of the channels goes through repeated units, part goes around them.

Maps are (B, C, H, W). Two wirings occur. C3: two separate inputs, joined at the end. C2f: one input split in halves,
every unit's output kept and joined. Variants differ in the unit they repeat.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ultralytics.nn.modules.block.bottleneck import Bottleneck, GhostBottleneck, RepBottleneck
from ultralytics.nn.modules.conv import Conv, RepConv
from ultralytics.nn.modules.transformer import TransformerBlock

__all__ = ["C1", "C2", "C3", "C3TR", "C2f", "C3Ghost", "C3f", "C3k", "C3x", "RepC3", "RepCSP"]

UnitFactory = Callable[[int], nn.Module]  # hidden channels -> one repeated unit


class C1(nn.Module):
    """A 1x1 convolution, n 3x3 convolutions, and the sum of both ends."""

    def __init__(self, c1: int, c2: int, n: int = 1) -> None:
        super().__init__()
        self.cv1 = Conv(c1, c2, 1, 1)
        self.m = nn.Sequential(*(Conv(c2, c2, 3) for _ in range(n)))

    def forward(self, x: Tensor) -> Tensor:
        y = self.cv1(x)
        return self.m(y) + y


class C2(nn.Module):
    """Split in halves, n bottlenecks on the first, join."""

    def __init__(
        self, c1: int, c2: int, n: int = 1, shortcut: bool = True, g: int = 1, e: float = 0.5
    ) -> None:
        super().__init__()
        self.c = int(c2 * e)
        self.cv1 = Conv(c1, 2 * self.c, 1, 1)
        self.cv2 = Conv(2 * self.c, c2, 1)
        units = (Bottleneck(self.c, self.c, shortcut, g, (3, 3), 1.0) for _ in range(n))
        self.m = nn.Sequential(*units)

    def forward(self, x: Tensor) -> Tensor:
        deep, plain = self.cv1(x).chunk(2, 1)
        return self.cv2(torch.cat((self.m(deep), plain), dim=1))


class C2f(nn.Module):
    """Split in halves, chain n units on the second, join both halves and every unit's output."""

    def __init__(
        self, c1: int, c2: int, n: int = 1, shortcut: bool = False, g: int = 1, e: float = 0.5
    ) -> None:
        super().__init__()
        self._wire(c1, c2, n, e, lambda c: Bottleneck(c, c, shortcut, g, (3, 3), 1.0))

    def _wire(self, c1: int, c2: int, n: int, e: float, unit: UnitFactory, extra: int = 0) -> None:
        """Create the children every variant shares; called after `nn.Module.__init__`.

        Args:
            c1, c2, n, e: as in the constructor.
            unit: makes one repeated unit.
            extra: further outputs of a variant's own that are joined.
        """
        self.c = int(c2 * e)
        self.cv1 = Conv(c1, 2 * self.c, 1, 1)
        self.cv2 = Conv((2 + n + extra) * self.c, c2, 1)
        self.m = nn.ModuleList(unit(self.c) for _ in range(n))

    def _chain(self, parts: list[Tensor]) -> Tensor:
        for unit in self.m:
            parts.append(unit(parts[-1]))
        return self.cv2(torch.cat(parts, dim=1))

    def forward(self, x: Tensor) -> Tensor:
        return self._chain(list(self.cv1(x).chunk(2, 1)))

    def forward_split(self, x: Tensor) -> Tensor:
        """The same with explicit sizes, for runtimes without chunking."""
        return self._chain(list(self.cv1(x).split((self.c, self.c), 1)))


class C3(nn.Module):
    """Two 1x1 inputs, units on the first, join."""

    def __init__(
        self, c1: int, c2: int, n: int = 1, shortcut: bool = True, g: int = 1, e: float = 0.5
    ) -> None:
        super().__init__()
        self._wire(c1, c2, n, e, lambda c: Bottleneck(c, c, shortcut, g, (1, 3), 1.0))

    def _wire(self, c1: int, c2: int, n: int, e: float, unit: UnitFactory) -> None:
        """Create the children every variant shares; called after `nn.Module.__init__`."""
        hidden = int(c2 * e)
        self.cv1 = Conv(c1, hidden, 1, 1)
        self.cv2 = Conv(c1, hidden, 1, 1)
        self.cv3 = Conv(2 * hidden, c2, 1)
        self.m: nn.Module = nn.Sequential(*(unit(hidden) for _ in range(n)))

    def forward(self, x: Tensor) -> Tensor:
        return self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), dim=1))


class C3x(C3):
    """`C3` with crossed 1x3 and 3x1 kernels."""

    def __init__(
        self, c1: int, c2: int, n: int = 1, shortcut: bool = True, g: int = 1, e: float = 0.5
    ) -> None:
        nn.Module.__init__(self)
        kernels = ((1, 3), (3, 1))
        self._wire(c1, c2, n, e, lambda c: Bottleneck(c, c, shortcut, g, kernels, 1.0))
        self.c_ = int(c2 * e)


class C3k(C3):
    """`C3` with square kernels of a chosen size."""

    def __init__(
        self,
        c1: int,
        c2: int,
        n: int = 1,
        shortcut: bool = True,
        g: int = 1,
        e: float = 0.5,
        k: int = 3,
    ) -> None:
        nn.Module.__init__(self)
        self._wire(c1, c2, n, e, lambda c: Bottleneck(c, c, shortcut, g, (k, k), 1.0))


class C3Ghost(C3):
    """`C3` with ghost bottlenecks; `shortcut` and `g` have no effect."""

    def __init__(
        self, c1: int, c2: int, n: int = 1, shortcut: bool = True, g: int = 1, e: float = 0.5
    ) -> None:
        nn.Module.__init__(self)
        self._wire(c1, c2, n, e, lambda c: GhostBottleneck(c, c))


class C3TR(C3):
    """`C3` with transformer layers; `shortcut` and `g` have no effect."""

    def __init__(
        self, c1: int, c2: int, n: int = 1, shortcut: bool = True, g: int = 1, e: float = 0.5
    ) -> None:
        nn.Module.__init__(self)
        self._wire(c1, c2, 0, e, nn.Identity)
        hidden = int(c2 * e)
        self.m = TransformerBlock(hidden, hidden, 4, n)


class RepCSP(C3):
    """`C3` with re-parameterised bottlenecks (YOLOv9)."""

    def __init__(
        self, c1: int, c2: int, n: int = 1, shortcut: bool = True, g: int = 1, e: float = 0.5
    ) -> None:
        nn.Module.__init__(self)
        self._wire(c1, c2, n, e, lambda c: RepBottleneck(c, c, shortcut, g, e=1.0))


class C3f(nn.Module):
    """Two 1x1 inputs; a chain on the first of which every link is kept; join."""

    def __init__(
        self, c1: int, c2: int, n: int = 1, shortcut: bool = False, g: int = 1, e: float = 0.5
    ) -> None:
        super().__init__()
        hidden = int(c2 * e)
        self.cv1 = Conv(c1, hidden, 1, 1)
        self.cv2 = Conv(c1, hidden, 1, 1)
        self.cv3 = Conv((2 + n) * hidden, c2, 1)
        self.m = nn.ModuleList(
            Bottleneck(hidden, hidden, shortcut, g, (3, 3), 1.0) for _ in range(n)
        )

    def forward(self, x: Tensor) -> Tensor:
        parts = [self.cv2(x), self.cv1(x)]
        for unit in self.m:
            parts.append(unit(parts[-1]))
        return self.cv3(torch.cat(parts, dim=1))


class RepC3(nn.Module):
    """Two 1x1 inputs summed after re-parameterised convolutions on the first (RT-DETR)."""

    def __init__(self, c1: int, c2: int, n: int = 3, e: float = 1.0) -> None:
        super().__init__()
        hidden = int(c2 * e)
        self.cv1 = Conv(c1, hidden, 1, 1)
        self.cv2 = Conv(c1, hidden, 1, 1)
        self.m = nn.Sequential(*(RepConv(hidden, hidden) for _ in range(n)))
        self.cv3: nn.Module = Conv(hidden, c2, 1, 1) if hidden != c2 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.cv3(self.m(self.cv1(x)) + self.cv2(x))
