"""Self-attention on feature maps (YOLOv10, 11, 26) and the blocks that contain it.

Maps are (B, C, H, W); N = H * W tokens in row-major order.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ultralytics.nn.modules.block.bottleneck import Bottleneck
from ultralytics.nn.modules.block.csp import C2f, C3k
from ultralytics.nn.modules.conv import Conv

__all__ = ["C2PSA", "PSA", "Attention", "C2fPSA", "C3k2", "PSABlock"]

CHANNELS_PER_HEAD = 64


def _heads(channels: int) -> int:
    return max(channels // CHANNELS_PER_HEAD, 1)


def _feed_forward(channels: int) -> nn.Sequential:
    return nn.Sequential(
        Conv(channels, 2 * channels, 1), Conv(2 * channels, channels, 1, act=False)
    )


class Attention(nn.Module):
    """Multi-head attention whose queries and keys are narrower than its values, plus a 3x3 positional term."""

    def __init__(self, dim: int, num_heads: int = 8, attn_ratio: float = 0.5) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = dim // num_heads
        self.key_dim = int(self.head_dim * attn_ratio)
        self.scale = self.key_dim**-0.5
        self.qkv = Conv(dim, dim + 2 * self.key_dim * num_heads, 1, act=False)
        self.proj = Conv(dim, dim, 1, act=False)
        self.pe = Conv(dim, dim, 3, 1, g=dim, act=False)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        sizes = [self.key_dim, self.key_dim, self.head_dim]
        packed = self.qkv(x).view(batch, self.num_heads, sum(sizes), height * width)
        q, k, v = packed.split(sizes, dim=2)
        weights = ((q * self.scale).transpose(-2, -1) @ k).softmax(dim=-1)  # (B, heads, N, N)
        mixed = (v @ weights.transpose(-2, -1)).reshape(batch, channels, height, width)
        return self.proj(mixed + self.pe(v.reshape(batch, channels, height, width)))


class PSABlock(nn.Module):
    """Attention, then a feed-forward pair; each with a residual when `shortcut`."""

    def __init__(
        self, c: int, attn_ratio: float = 0.5, num_heads: int = 4, shortcut: bool = True
    ) -> None:
        super().__init__()
        self.attn = Attention(c, num_heads=num_heads, attn_ratio=attn_ratio)
        self.ffn = _feed_forward(c)
        self.add = shortcut

    def forward(self, x: Tensor) -> Tensor:
        for part in (self.attn, self.ffn):
            x = x + part(x) if self.add else part(x)
        return x


class PSA(nn.Module):
    """Partial self-attention: half of the channels are attended, half pass by (YOLOv10, arXiv 2405.14458)."""

    def __init__(self, c1: int, c2: int, e: float = 0.5) -> None:
        super().__init__()
        self.c = _equal(c1, c2, e)
        self.cv1 = Conv(c1, 2 * self.c, 1, 1)
        self.cv2 = Conv(2 * self.c, c1, 1)
        self.attn = Attention(self.c, num_heads=_heads(self.c), attn_ratio=0.5)
        self.ffn = _feed_forward(self.c)

    def forward(self, x: Tensor) -> Tensor:
        passed, attended = self.cv1(x).split((self.c, self.c), dim=1)
        attended = attended + self.attn(attended)
        attended = attended + self.ffn(attended)
        return self.cv2(torch.cat((passed, attended), dim=1))


class C2PSA(nn.Module):
    """`PSA` with n attention blocks."""

    def __init__(self, c1: int, c2: int, n: int = 1, e: float = 0.5) -> None:
        super().__init__()
        self.c = _equal(c1, c2, e)
        self.cv1 = Conv(c1, 2 * self.c, 1, 1)
        self.cv2 = Conv(2 * self.c, c1, 1)
        self.m = nn.Sequential(*(PSABlock(self.c, 0.5, _heads(self.c)) for _ in range(n)))

    def forward(self, x: Tensor) -> Tensor:
        passed, attended = self.cv1(x).split((self.c, self.c), dim=1)
        return self.cv2(torch.cat((passed, self.m(attended)), dim=1))


class C2fPSA(C2f):
    """`C2f` wiring with attention blocks."""

    def __init__(self, c1: int, c2: int, n: int = 1, e: float = 0.5) -> None:
        nn.Module.__init__(self)
        _equal(c1, c2, e)
        self._wire(c1, c2, n, e, lambda c: PSABlock(c, 0.5, _heads(c)))


class C3k2(C2f):
    """`C2f` wiring whose units are plain bottlenecks, `C3k` blocks, or a bottleneck followed by attention."""

    def __init__(
        self,
        c1: int,
        c2: int,
        n: int = 1,
        c3k: bool = False,
        e: float = 0.5,
        attn: bool = False,
        g: int = 1,
        shortcut: bool = True,
    ) -> None:
        nn.Module.__init__(self)

        def unit(c: int) -> nn.Module:
            if attn:
                return nn.Sequential(
                    Bottleneck(c, c, shortcut, g), PSABlock(c, 0.5, num_heads=_heads(c))
                )
            if c3k:
                return C3k(c, c, 2, shortcut, g)
            return Bottleneck(c, c, shortcut, g)

        self._wire(c1, c2, n, e, unit)


def _equal(c1: int, c2: int, e: float) -> int:
    """Attended channels of a block that must keep its width."""
    if c1 != c2:
        raise ValueError(f"this block keeps the number of channels, got c1={c1} and c2={c2}")
    return int(c1 * e)
