"""Self-attention between all positions of a map, with and without positions (RT-DETR; early transformer blocks).

Maps are (B, C, H, W); tokens are their positions in row-major order, N = H * W.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ultralytics.nn.modules.conv import Conv

__all__ = ["AIFI", "TransformerBlock", "TransformerEncoderLayer", "TransformerLayer"]

BASE = 10000.0  # longest wave length of the position code, in units of 2 pi


class TransformerEncoderLayer(nn.Module):
    """Attention and a feed-forward pair with residuals; normalised after each, or before with `normalize_before`."""

    def __init__(
        self,
        c1: int,
        cm: int = 2048,
        num_heads: int = 8,
        dropout: float = 0.0,
        act: nn.Module | None = None,
        normalize_before: bool = False,
    ) -> None:
        super().__init__()
        self.ma = nn.MultiheadAttention(c1, num_heads, dropout=dropout, batch_first=True)
        self.fc1 = nn.Linear(c1, cm)
        self.fc2 = nn.Linear(cm, c1)
        self.norm1 = nn.LayerNorm(c1)
        self.norm2 = nn.LayerNorm(c1)
        self.dropout = nn.Dropout(dropout)
        self.dropout1 = nn.Dropout(dropout)
        self.dropout2 = nn.Dropout(dropout)
        self.act = nn.GELU() if act is None else act
        self.normalize_before = normalize_before

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        pos: Tensor | None = None,
    ) -> Tensor:
        """Tokens after attention.

        Args:
            src: (B, N, C) tokens.
            src_mask: what each token may not see, as in `torch.nn.MultiheadAttention`.
            src_key_padding_mask: (B, N), true where there is no token.
            pos: position code, added to queries and keys only.
        """
        masks = {"attn_mask": src_mask, "key_padding_mask": src_key_padding_mask}
        if self.normalize_before:
            src = src + self.dropout1(self._attend(self.norm1(src), pos, masks))
            return src + self.dropout2(self._feed_forward(self.norm2(src)))
        src = self.norm1(src + self.dropout1(self._attend(src, pos, masks)))
        return self.norm2(src + self.dropout2(self._feed_forward(src)))

    def _attend(self, x: Tensor, pos: Tensor | None, masks: dict[str, Tensor | None]) -> Tensor:
        placed = x if pos is None else x + pos
        return self.ma(placed, placed, value=x, need_weights=False, **masks)[0]

    def _feed_forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.dropout(self.act(self.fc1(x))))


class AIFI(TransformerEncoderLayer):
    """Encoder layer on a map, with sine and cosine codes of row and column (RT-DETR, arXiv 2304.08069)."""

    def __init__(
        self,
        c1: int,
        cm: int = 2048,
        num_heads: int = 8,
        dropout: float = 0,
        act: nn.Module | None = None,
        normalize_before: bool = False,
    ) -> None:
        super().__init__(c1, cm, num_heads, dropout, act, normalize_before)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """(B, C, H, W) to the same shape; C must be a multiple of 4."""
        channels, height, width = x.shape[1:]
        pos = self.build_2d_sincos_position_embedding(width, height, channels, device=x.device)
        tokens = super().forward(x.flatten(2).transpose(1, 2), pos=pos.to(x.dtype))
        return tokens.transpose(1, 2).reshape(-1, channels, height, width)

    @staticmethod
    def build_2d_sincos_position_embedding(
        w: int,
        h: int,
        embed_dim: int = 256,
        temperature: float = BASE,
        device: torch.device | None = None,
    ) -> Tensor:
        """Position codes (1, h * w, embed_dim) in float32.

        Quarters of the channels: sine and cosine of the row, sine and cosine of the column, times the frequencies
        temperature^(-i / d), d = embed_dim / 4.

        Raises:
            ValueError: `embed_dim` is no multiple of 4.
        """
        if embed_dim % 4:
            raise ValueError(f"position codes need a multiple of 4 channels, got {embed_dim}")
        quarter = embed_dim // 4
        steps = torch.arange(quarter, dtype=torch.float32, device=device)
        frequencies = temperature ** (-steps / quarter)
        rows = torch.arange(h, dtype=torch.float32, device=device)[:, None] * frequencies
        columns = torch.arange(w, dtype=torch.float32, device=device)[:, None] * frequencies
        by_row = torch.cat((rows.sin(), rows.cos()), dim=1)[:, None].expand(-1, w, -1)
        by_column = torch.cat((columns.sin(), columns.cos()), dim=1)[None].expand(h, -1, -1)
        return torch.cat((by_row, by_column), dim=2).reshape(1, h * w, embed_dim)


class TransformerLayer(nn.Module):
    """Attention and two linear layers with residuals and without normalisation (arXiv 2010.11929, simplified)."""

    def __init__(self, c: int, num_heads: int) -> None:
        super().__init__()
        self.q = nn.Linear(c, c, bias=False)
        self.k = nn.Linear(c, c, bias=False)
        self.v = nn.Linear(c, c, bias=False)
        self.ma = nn.MultiheadAttention(embed_dim=c, num_heads=num_heads)
        self.fc1 = nn.Linear(c, c, bias=False)
        self.fc2 = nn.Linear(c, c, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, B, C) tokens to the same shape."""
        x = x + self.ma(self.q(x), self.k(x), self.v(x), need_weights=False)[0]
        return x + self.fc2(self.fc1(x))


class TransformerBlock(nn.Module):
    """Transformer layers on a map, with a learned position term; a convolution first where the width changes."""

    def __init__(self, c1: int, c2: int, num_heads: int, num_layers: int) -> None:
        super().__init__()
        self.conv = Conv(c1, c2) if c1 != c2 else None
        self.linear = nn.Linear(c2, c2)
        self.tr = nn.Sequential(*(TransformerLayer(c2, num_heads) for _ in range(num_layers)))
        self.c2 = c2

    def forward(self, x: Tensor) -> Tensor:
        if self.conv is not None:
            x = self.conv(x)
        height, width = x.shape[2:]
        tokens = x.flatten(2).permute(2, 0, 1)
        tokens = self.tr(tokens + self.linear(tokens))
        return tokens.permute(1, 2, 0).reshape(-1, self.c2, height, width)
