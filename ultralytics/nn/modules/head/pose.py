"""Box heads that also place K keypoints of D values per object: (x, y), or (x, y, visibility).

Channels of a position are keypoint-major. Raw coordinates are offsets from the anchor in units of the stride, decoded
ones are pixels of the network input; visibility is a logit while raw and a probability once decoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ultralytics.geometry.keypoints import keypoints_from_centre, keypoints_from_corner
from ultralytics.nn.modules.block import RealNVP
from ultralytics.nn.modules.conv import Conv
from ultralytics.nn.modules.head.detect import ONE_TO_ONE, Detect, Prediction, flatten_levels

__all__ = ["Pose", "Pose26"]

PERSON = (17, 3)  # keypoints of a COCO person


class Pose(Detect):
    """Detection head with one more branch, `cv4`, for keypoints.

    Outputs are those of `Detect` with K * D further columns after the scores; raw predictions gain "kpts"
    (B, K * D, A).

    Args:
        nc: classes.
        kpt_shape: (K, D).
        reg_max: bins per box side.
        end2end: add the one-to-one branch.
        ch: channels of each level.
    """

    branch_parts = {**Detect.branch_parts, "pose_head": "cv4"}

    place = staticmethod(keypoints_from_corner)  # points in cells from raw values and anchors

    if TYPE_CHECKING:
        one2one_cv4: nn.ModuleList | None

    def __init__(
        self,
        nc: int = 80,
        kpt_shape: Sequence[int] = PERSON,
        reg_max: int = 16,
        end2end: bool = False,
        ch: Sequence[int] = (),
    ) -> None:
        super().__init__(nc, reg_max, end2end, ch)
        self.kpt_shape = kpt_shape
        self.nk = kpt_shape[0] * kpt_shape[1]
        self._add_keypoint_branch(ch, with_twins=bool(end2end))

    def _add_keypoint_branch(self, ch: Sequence[int], with_twins: bool) -> None:
        width = max(ch[0] // 4, self.nk)
        self.cv4: nn.ModuleList | None = nn.ModuleList(
            nn.Sequential(Conv(c, width, 3), Conv(width, width, 3), nn.Conv2d(width, self.nk, 1))
            for c in ch
        )
        if with_twins:
            self._add_twins("cv4")

    def forward_head(
        self,
        x: Sequence[Tensor],
        box_head: nn.ModuleList | None = None,
        cls_head: nn.ModuleList | None = None,
        pose_head: nn.ModuleList | None = None,
    ) -> Prediction:
        """Raw predictions of one branch; empty when the branch was fused away."""
        preds = super().forward_head(x, box_head, cls_head)
        if preds and pose_head is not None:
            preds["kpts"] = flatten_levels(pose_head, x)
        return preds

    def _columns(self, x: Prediction) -> list[Tensor]:
        points, strides = self._anchor_grid(x["feats"])
        return [*super()._columns(x), self._decode_keypoints(x["kpts"], points, strides)]

    def _decode_keypoints(self, raw: Tensor, points: Tensor, strides: Tensor) -> Tensor:
        """Pixels and probabilities (B, K * D, A) from raw values, with points (2, A) and strides (1, A)."""
        values = raw.unflatten(1, (self.kpt_shape[0], self.kpt_shape[1]))
        places = self.place(values[:, :, :2], points) * strides
        return torch.cat((places, values[:, :, 2:].sigmoid()), dim=2).flatten(1, 2)


class Pose26(Pose):
    """The same with the spread of every coordinate as a training target, measured by a normalising flow.

    `cv4` ends in features that `cv4_kpts` and `cv4_sigma` read; raw coordinates are cells from the cell's centre. In
    training raw predictions gain "kpts_sigma" (B, 2 * K, A).
    """

    branch_parts = {**Pose.branch_parts, "kpts_head": "cv4_kpts", "kpts_sigma_head": "cv4_sigma"}

    place = staticmethod(keypoints_from_centre)

    if TYPE_CHECKING:
        one2one_cv4_kpts: nn.ModuleList | None
        one2one_cv4_sigma: nn.ModuleList | None

    def _add_keypoint_branch(self, ch: Sequence[int], with_twins: bool) -> None:
        count, values = self.kpt_shape
        self.nk_sigma = 2 * count
        width = max(ch[0] // 4, count * (values + 2))
        self.cv4 = nn.ModuleList(
            nn.Sequential(Conv(c, width, 3), Conv(width, width, 3)) for c in ch
        )
        if with_twins:
            self._add_twins("cv4")
        self.flow_model: RealNVP | None = RealNVP()
        self.cv4_kpts: nn.ModuleList | None = nn.ModuleList(
            nn.Conv2d(width, self.nk, 1) for _ in ch
        )
        self.cv4_sigma: nn.ModuleList | None = nn.ModuleList(
            nn.Conv2d(width, self.nk_sigma, 1) for _ in ch
        )
        if with_twins:
            self._add_twins("cv4_kpts", "cv4_sigma")

    def forward_head(
        self,
        x: Sequence[Tensor],
        box_head: nn.ModuleList | None = None,
        cls_head: nn.ModuleList | None = None,
        pose_head: nn.ModuleList | None = None,
        kpts_head: nn.ModuleList | None = None,
        kpts_sigma_head: nn.ModuleList | None = None,
    ) -> Prediction:
        """Raw predictions of one branch; empty when the branch was fused away."""
        preds = super().forward_head(x, box_head, cls_head)
        if not preds or pose_head is None or kpts_head is None:
            return preds
        features = [part(f) for part, f in zip(pose_head, x, strict=True)]
        preds["kpts"] = flatten_levels(kpts_head, features)
        if self.training and kpts_sigma_head is not None:
            preds["kpts_sigma"] = flatten_levels(kpts_sigma_head, features)
        return preds

    @property
    def has_training_parts(self) -> bool:
        """Whether parts are left that inference does not read."""
        return super().has_training_parts or self.flow_model is not None

    def fuse(self) -> None:
        """Also drop what only training uses: the flow and the spread of the branch that stays."""
        super().fuse()
        self.flow_model = None
        prefix = ONE_TO_ONE if self.end2end else ""
        setattr(self, f"{prefix}cv4_sigma", None)
