"""YOLO-World: a box head whose classes are embeddings of texts.

Shapes as in `detect`; K texts, D embedding width. Source: arXiv 2401.17270.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ultralytics.nn.modules.block import BNContrastiveHead, ContrastiveHead
from ultralytics.nn.modules.head.detect import Detect, Prediction, flatten_levels
from ultralytics.nn.modules.scope import build_scope

__all__ = ["WorldDetect", "embedding_branches"]


class WorldDetect(Detect):
    """Head that compares pixels with texts.

    Returns of `forward`, P = {"boxes" (B, 4R, A), "scores" (B, K, A) logits, "feats" L maps}: P in training,
    otherwise (y, P), and only y (B, 4 + K, A) when `export`. A one-to-one branch is kept but never used.

    Args:
        nc: classes until texts are given.
        embed: embedding width.
        with_bn: normalise pixels over the batch in place of giving them unit length.
        reg_max: bins per box side.
        end2end: add the one-to-one branch.
        ch: channels of each level.
    """

    def __init__(
        self,
        nc: int = 80,
        embed: int = 512,
        with_bn: bool = False,
        reg_max: int = 16,
        end2end: bool = False,
        ch: Sequence[int] = (),
    ) -> None:
        super().__init__(nc, reg_max, end2end, ch)
        with build_scope(legacy=True):
            self.cv3 = embedding_branches(self, nc, embed, ch)
        self.cv4 = nn.ModuleList(
            BNContrastiveHead(embed) if with_bn else ContrastiveHead() for _ in ch
        )

    @property
    def class_layers(self) -> list[str]:
        """None: classes are not stored."""
        return []

    def forward(self, x: Sequence[Tensor], text: Tensor) -> Any:  # type: ignore[override]  # Any: see the class
        """Compare the maps with the embeddings (B, K, D) of texts, which become the classes."""
        self._count_classes(text.shape[1])
        raw = self._compare(x, text)
        if self.training:
            return raw
        y = self._inference(raw)
        return y if self.export else (y, raw)

    def _compare(self, x: Sequence[Tensor], text: Tensor) -> Prediction:
        assert self.cv2 is not None  # this head never loses its only branch
        assert self.cv3 is not None
        levels = zip(self.cv3, self.cv4, x, strict=True)
        scores = [fit(branch(level), text).flatten(2) for branch, fit, level in levels]
        return {"boxes": flatten_levels(self.cv2, x), "scores": torch.cat(scores, -1), "feats": x}

    def bias_init(self) -> None:
        """Start boxes at one cell per side; scores have an initial state of their own."""
        branches: Any = self.cv2  # Any: sequences of layers that are indexed
        for branch in branches:
            branch[-1].bias.data[:] = 1.0


def embedding_branches(head: Detect, nc: int, embed: int, ch: Sequence[int]) -> nn.ModuleList:
    """Class branches that end in embeddings in place of class logits, one per level."""
    width = max(ch[0], min(nc, 100))
    return nn.ModuleList(head._class_branch(c, width, embed) for c in ch)
