"""Classification head: one score per class for the whole picture.

Shapes: B images, C channels, nc classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ultralytics.nn.modules.conv import Conv

__all__ = ["Classify"]

HIDDEN = 1280  # channels before the last layer, as in EfficientNet-B0


class Classify(nn.Module):
    """Convolution, global average, dropout, linear layer.

    A list of (B, C_i, H, W) maps is joined along the channels first.

    Returns of `forward`, z = (B, nc) logits:
        training: z; otherwise (softmax(z), z), and only the softmax when `export`.
    """

    export = False

    def __init__(
        self, c1: int, c2: int, k: int = 1, s: int = 1, p: int | None = None, g: int = 1
    ) -> None:
        super().__init__()
        self.conv = Conv(c1, HIDDEN, k, s, p, g)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.drop = nn.Dropout(p=0.0, inplace=True)
        self.linear = nn.Linear(HIDDEN, c2)

    def forward(self, x: Tensor | list[Tensor]) -> Tensor | tuple[Tensor, Tensor]:
        if isinstance(x, list):
            x = torch.cat(x, 1)
        logits = self.linear(self.drop(self.pool(self.conv(x)).flatten(1)))
        if self.training:
            return logits
        probs = logits.softmax(1)
        return probs if self.export else (probs, logits)
