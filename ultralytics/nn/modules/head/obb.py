"""Heads of rotated boxes: a box head whose distances are measured in the frame of a predicted angle.

Shapes as in `detect`; ne = angle channels (1). Angles are radians, positive turns +x towards +y.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor, nn

from ultralytics.geometry.anchors import dist2rbox
from ultralytics.nn.modules.conv import Conv
from ultralytics.nn.modules.head.detect import Detect, Prediction, flatten_levels

__all__ = ["OBB", "OBB26"]


class OBB(Detect):
    """Head of rotated boxes, with angles in (-pi/4, 3 pi/4).

    P of `Detect` gains "angle" (B, ne, A), decoded already. Decoded boxes are always centre and size in pixels
    with the angle as last channel: y is (B, 4 + nc + ne, A), or with `end2end` (B, k, 6 + ne) rows
    cx, cy, w, h, score, class, angle.

    Args:
        nc: classes.
        ne: angle channels.
        reg_max: bins per box side.
        end2end: add the one-to-one branch.
        ch: channels of each level.
    """

    branch_parts = {**Detect.branch_parts, "angle_head": "cv4"}

    if TYPE_CHECKING:
        one2one_cv4: nn.ModuleList | None

    def __init__(
        self,
        nc: int = 80,
        ne: int = 1,
        reg_max: int = 16,
        end2end: bool = False,
        ch: Sequence[int] = (),
    ) -> None:
        super().__init__(nc, reg_max, end2end, ch)
        self.ne = ne
        width = max(ch[0] // 4, ne)
        self.cv4: nn.ModuleList | None = nn.ModuleList(
            nn.Sequential(Conv(c, width, 3), Conv(width, width, 3), nn.Conv2d(width, ne, 1))
            for c in ch
        )
        if end2end:
            self._add_twins("cv4")

    def forward_head(
        self,
        x: Sequence[Tensor],
        box_head: nn.ModuleList | None = None,
        cls_head: nn.ModuleList | None = None,
        angle_head: nn.ModuleList | None = None,
    ) -> Prediction:
        """Raw boxes and scores of one branch, and its angles in radians; empty when it was fused away."""
        preds = super().forward_head(x, box_head, cls_head)
        if preds and angle_head is not None:
            preds["angle"] = self.decode_angles(flatten_levels(angle_head, x))
        return preds

    def decode_angles(self, raw: Tensor) -> Tensor:
        """Radians from the outputs of the angle branch."""
        return (raw.sigmoid() - 0.25) * math.pi

    def _columns(self, x: Prediction) -> list[Tensor]:
        return [*super()._columns(x), x["angle"]]

    def _get_decode_boxes(self, x: Prediction) -> Tensor:
        points, strides = self._anchor_grid(x["feats"])
        return dist2rbox(self.dfl(x["boxes"]), x["angle"], points.unsqueeze(0), dim=1) * strides


class OBB26(OBB):
    """The same with unbounded angles: the output of the angle branch is the angle."""

    def decode_angles(self, raw: Tensor) -> Tensor:
        """The outputs themselves, in radians."""
        return raw
