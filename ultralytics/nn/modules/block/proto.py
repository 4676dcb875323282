"""Mask prototypes, and the expectation over distance bins that box branches share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ultralytics.nn.modules.conv import Conv

__all__ = ["DFL", "Proto", "Proto26"]


class DFL(nn.Module):
    """Distances from bin logits (arXiv 2006.04388, equation 6): (B, 4 * c1, A) -> (B, 4, A), range [0, c1 - 1].

    Channels are side-major (left, top, right, bottom), bins inside. The bin values sit in a frozen 1x1 kernel.
    """

    def __init__(self, c1: int = 16) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c1, 1, 1, bias=False).requires_grad_(False)
        self.conv.weight.data = torch.arange(c1, dtype=torch.float32).view(1, c1, 1, 1)
        self.c1 = c1

    def forward(self, x: Tensor) -> Tensor:
        batch, _, anchors = x.shape
        probabilities = x.view(batch, 4, self.c1, anchors).transpose(1, 2).softmax(dim=1)
        return self.conv(probabilities).view(batch, 4, anchors)


class Proto(nn.Module):
    """Prototype masks at twice the input resolution: (B, c1, h, w) -> (B, c2, 2h, 2w)."""

    def __init__(self, c1: int, c_: int = 256, c2: int = 32) -> None:
        super().__init__()
        self.cv1 = Conv(c1, c_, k=3)
        self.upsample = nn.ConvTranspose2d(c_, c_, 2, 2, 0, bias=True)
        self.cv2 = Conv(c_, c_, k=3)
        self.cv3 = Conv(c_, c2)

    def forward(self, x: Tensor) -> Tensor:
        return self.cv3(self.cv2(self.upsample(self.cv1(x))))


class Proto26(Proto):
    """Prototypes from all levels, with a semantic map as an additional training target.

    Training with `return_semantic` gives (prototypes, class logits (B, nc, h0, w0)), otherwise prototypes.
    """

    def __init__(self, ch: Sequence[int] = (), c_: int = 256, c2: int = 32, nc: int = 80) -> None:
        super().__init__(c_, c_, c2)
        self.feat_refine = nn.ModuleList(Conv(c, ch[0], k=1) for c in ch[1:])
        self.feat_fuse = Conv(ch[0], c_, k=3)
        self.semseg: nn.Module | None = nn.Sequential(
            Conv(ch[0], c_, k=3), Conv(c_, c_, k=3), nn.Conv2d(c_, nc, 1)
        )

    def forward(  # type: ignore[override]
        self, x: Sequence[Tensor], return_semantic: bool = True
    ) -> Tensor | tuple[Tensor, Tensor]:
        joined = x[0]
        for refine, level in zip(self.feat_refine, x[1:], strict=True):
            joined = joined + F.interpolate(refine(level), size=joined.shape[2:], mode="nearest")
        masks = super().forward(self.feat_fuse(joined))
        if self.training and return_semantic and self.semseg is not None:
            return masks, self.semseg(joined)
        return masks

    def fuse(self) -> None:
        """Drop the part that only training uses."""
        self.semseg = None
