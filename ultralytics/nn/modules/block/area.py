"""Area attention of YOLO12 (arXiv 2502.12524): attention inside contiguous runs of tokens.

Maps are (B, C, H, W); tokens are taken row-major, so an area is a band of rows. H * W must be divisible by `area`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ultralytics.nn.modules.block.csp import C3k
from ultralytics.nn.modules.conv import Conv

__all__ = ["A2C2f", "AAttn", "ABlock"]

CHANNELS_PER_HEAD = 32


class AAttn(nn.Module):
    """Multi-head attention within areas, plus a 7x7 positional term on the values."""

    def __init__(self, dim: int, num_heads: int, area: int = 1) -> None:
        super().__init__()
        self.area = area
        self.num_heads = num_heads
        self.head_dim = dim // num_heads
        self.all_head_dim = self.head_dim * num_heads
        self.qkv = Conv(dim, 3 * self.all_head_dim, 1, act=False)
        self.proj = Conv(self.all_head_dim, dim, 1, act=False)
        self.pe = Conv(self.all_head_dim, dim, 7, 1, 3, g=dim, act=False)

    def forward(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        dim, tokens = self.num_heads * self.head_dim, height * width
        sizes = (batch, self.num_heads, 3 * self.head_dim, self.area, tokens // self.area)
        q, k, v = self.qkv(x).reshape(sizes).split([self.head_dim] * 3, dim=2)
        q = (q * self.head_dim**-0.5).permute(0, 1, 3, 4, 2)  # (B, heads, area, n, d)
        k, inner = (part.permute(0, 1, 3, 2, 4) for part in (k, v))  # (B, heads, area, d, n)
        mixed = inner @ (q @ k).softmax(dim=-1).transpose(-2, -1)
        joined = mixed.permute(0, 1, 3, 2, 4).reshape(batch, dim, height, width)
        return self.proj(joined + self.pe(v.reshape(batch, dim, height, width)))


class ABlock(nn.Module):
    """Area attention and a feed-forward pair, both residual. Convolutions start truncated normal, std 0.02."""

    def __init__(self, dim: int, num_heads: int, mlp_ratio: float = 1.2, area: int = 1) -> None:
        super().__init__()
        hidden = int(dim * mlp_ratio)
        self.attn = AAttn(dim, num_heads=num_heads, area=area)
        self.mlp = nn.Sequential(Conv(dim, hidden, 1), Conv(hidden, dim, 1, act=False))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(x)
        return x + self.mlp(x)


class A2C2f(nn.Module):
    """Chain of area-attention pairs (or `C3k` blocks when not `a2`), every link kept and joined.

    With `a2` and `residual` the result is added to the input, scaled per channel by a learned `gamma`.
    """

    def __init__(
        self,
        c1: int,
        c2: int,
        n: int = 1,
        a2: bool = True,
        area: int = 1,
        residual: bool = False,
        mlp_ratio: float = 2.0,
        e: float = 0.5,
        g: int = 1,
        shortcut: bool = True,
    ) -> None:
        super().__init__()
        hidden = int(c2 * e)
        if hidden % CHANNELS_PER_HEAD:
            raise ValueError(
                f"A2C2f needs hidden channels divisible by {CHANNELS_PER_HEAD}, got {hidden}"
            )
        heads = hidden // CHANNELS_PER_HEAD
        self.cv1 = Conv(c1, hidden, 1, 1)
        self.cv2 = Conv((1 + n) * hidden, c2, 1)
        scaled = a2 and residual
        self.gamma = nn.Parameter(torch.full((c2,), 0.01)) if scaled else None

        def unit() -> nn.Module:
            if not a2:
                return C3k(hidden, hidden, 2, shortcut, g)
            return nn.Sequential(*(ABlock(hidden, heads, mlp_ratio, area) for _ in range(2)))

        self.m = nn.ModuleList(unit() for _ in range(n))

    def forward(self, x: Tensor) -> Tensor:
        parts = [self.cv1(x)]
        for unit in self.m:
            parts.append(unit(parts[-1]))
        y = self.cv2(torch.cat(parts, dim=1))
        return y if self.gamma is None else x + self.gamma.view(1, -1, 1, 1) * y
