"""Losses of pose heads: the detection loss, and terms for the keypoints of the positive anchors.

Keypoints are compared in cells of the positive's level. All arithmetic is float32, also under autocast.
Shape suffixes: B = images, A = anchors, M = label slots of an image, P = positives, K = keypoints, D = values of a
keypoint, V = visible keypoints of the positives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ultralytics.geometry.assign_tasks import PoseTaskAlignedAssigner
from ultralytics.geometry.keypoints import (
    keypoints_from_centre,
    keypoints_from_corner,
    oks_sigmas,
    rle_weights,
)
from ultralytics.utils.loss.detect import Batch, Outputs, v8DetectionLoss
from ultralytics.utils.loss.keypoints import SMALL, KeypointLoss, RLELoss

__all__ = ["PoseLoss26", "v8PoseLoss"]

ERROR_LIMIT = 100.0  # cells per predicted deviation; keeps a stray point from drowning the batch


@dataclass(frozen=True)
class Matched:
    """Predicted and labelled keypoints of the positives, in cells."""

    guessed: Tensor  # (P, K, D) x, y and, if the head has it, the visibility logit
    labelled: Tensor  # (P, K, 3) x, y and the visibility flag
    visible: Tensor  # (P, K)
    area: Tensor  # (P, 1) of the labelled box
    images: Tensor  # (P,)
    anchors: Tensor  # (P,)

    def __len__(self) -> int:
        return len(self.images)


class v8PoseLoss(v8DetectionLoss):
    """Criterion of one branch of a v8 or 11 pose head.

    Args:
        model: as for the detection loss; `kpt_oks_sigmas` is read if it is set.
        tal_topk: positive anchors per label.
        tal_topk2: how many of them are kept after conflicts; all when not given.

    Raises:
        ValueError: the model's `kpt_oks_sigmas` are not one positive number per keypoint.
    """

    place = staticmethod(keypoints_from_corner)

    def __init__(self, model: nn.Module, tal_topk: int = 10, tal_topk2: int | None = None) -> None:
        super().__init__(model, tal_topk, tal_topk2)
        head: Any = model.model[-1]  # type: ignore[index]  # Any: every pose head
        self.kpt_shape = tuple(head.kpt_shape)
        self._terms_of_boxes = box, cls, distance = tuple(self.loss_names)
        self.loss_names = [box, "pose_loss", "kobj_loss", cls, distance]
        sigmas = oks_sigmas(self.kpt_shape, getattr(model, "kpt_oks_sigmas", None))
        self.sigmas = torch.as_tensor(sigmas, dtype=torch.float32, device=self.device)
        self.keypoint_loss = KeypointLoss(self.sigmas)
        self.bce_pose = nn.BCEWithLogitsLoss()

    def loss(self, preds: Outputs, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss vector in the order of `loss_names`, multiplied by gains and batch size, and its items.

        Args:
            preds: as for the detection loss, and "kpts" (B, K * D, A).
            batch: as for the detection loss, and "keypoints" (n, K, 2 or 3) as fractions of the image.
        """
        images = preds["boxes"].shape[0]
        with torch.autocast(preds["boxes"].device.type, enabled=False):
            known_BMK3 = self._labelled(batch, images, preds)
            targets, vector, items = self.get_assigned_targets_and_loss(
                preds, batch, **self._assigner_inputs(preds, known_BMK3)
            )
            terms = self._terms(self._match(preds, targets, known_BMK3), preds)
        found = {**dict(zip(self._term_names(), vector.unbind(), strict=True)), **terms}
        vector = torch.stack([found[name] for name in self.loss_names])
        items = {name: items.get(name, found[name].detach()) for name in self.loss_names}
        return vector * images, items

    def _labelled(self, batch: Batch, images: int, preds: Outputs) -> Tensor:
        """Labelled keypoints (B, M, K, 3) in pixels; without flags all of them count as visible."""
        grid = self._grid(preds["feats"])
        points = batch["keypoints"].to(grid.points)
        points = points.reshape(len(points), self.kpt_shape[0], points.shape[-1])
        if points.shape[-1] == 2:
            points = torch.cat((points, torch.ones_like(points[..., :1])), dim=-1)
        height, width = grid.size_hw
        scale = torch.stack((width, height, torch.ones_like(width))).to(points)
        image_n, order = batch["batch_idx"].view(-1).to(points.device).long().sort(stable=True)
        return self._in_slots(image_n, (points * scale)[order], images)

    def _term_names(self) -> Sequence[str]:
        return self._terms_of_boxes

    def _assigner_inputs(
        self, preds: Outputs, known_BMK3: Tensor
    ) -> dict[str, Any]:  # Any: further inputs of the assigner
        return {}

    def _match(self, preds: Outputs, targets: tuple[Tensor, ...], known_BMK3: Tensor) -> Matched:
        foreground_BA, slot_BA, boxes_BA4, points_A2, stride_A1 = targets
        image_P, anchor_P = foreground_BA.nonzero(as_tuple=True)
        stride_P1 = stride_A1.view(-1, 1)[anchor_P]
        raw_PKD = preds["kpts"].float()[image_P, :, anchor_P].unflatten(-1, self.kpt_shape)
        place_PK2 = self.place(raw_PKD[..., :2], points_A2[anchor_P][:, None])
        known_PK3 = known_BMK3[image_P, slot_BA[image_P, anchor_P]]
        corners_P4 = boxes_BA4[image_P, anchor_P] / stride_P1
        return Matched(
            guessed=torch.cat((place_PK2, raw_PKD[..., 2:]), dim=-1),
            labelled=torch.cat(
                (known_PK3[..., :2] / stride_P1[:, None], known_PK3[..., 2:]), dim=-1
            ),
            visible=known_PK3[..., 2] != 0,
            area=(corners_P4[:, 2:] - corners_P4[:, :2]).prod(dim=1, keepdim=True),
            images=image_P,
            anchors=anchor_P,
        )

    def _terms(self, matched: Matched, preds: Outputs) -> dict[str, Tensor]:
        """Terms of the keypoints with their gains; zeros that keep the graph when nothing is positive."""
        nothing = matched.guessed[:0].sum()
        if not len(matched):
            return {"pose_loss": nothing, "kobj_loss": nothing}
        visible_PK = matched.visible.float()
        place = self.keypoint_loss(matched.guessed, matched.labelled, visible_PK, matched.area)
        seen = nothing
        if matched.guessed.shape[-1] > 2:
            seen = self.bce_pose(matched.guessed[..., 2], visible_PK)
        return {"pose_loss": place * self.hyp.pose, "kobj_loss": seen * self.hyp.kobj}


class PoseLoss26(v8PoseLoss):
    """Criterion of one branch of a YOLO26 pose head.

    Anchors are assigned by keypoint similarity. Heads with a flow add the likelihood of the error of every visible
    keypoint (Li et al. 2021), which needs the predicted deviations and is therefore 0 in validation.
    """

    place = staticmethod(keypoints_from_centre)

    def __init__(self, model: nn.Module, tal_topk: int = 10, tal_topk2: int | None = None) -> None:
        super().__init__(model, tal_topk, tal_topk2)
        head: Any = model.model[-1]  # type: ignore[index]  # Any: every pose head
        self.assigner = PoseTaskAlignedAssigner(
            self.sigmas,
            topk=tal_topk,
            num_classes=self.nc,
            alpha=0.5,
            beta=6.0,
            stride=[float(s) for s in self.stride],
            topk2=tal_topk2,
        )
        self.flow_model = getattr(head, "flow_model", None)
        if self.flow_model is None:
            return
        self.loss_names.append("rle_loss")
        self.rle_loss = RLELoss(use_target_weight=True)
        self.target_weights = torch.as_tensor(
            rle_weights(self.kpt_shape), dtype=torch.float32, device=self.device
        )

    def _assigner_inputs(
        self, preds: Outputs, known_BMK3: Tensor
    ) -> dict[str, Any]:  # Any: further inputs of the assigner
        grid = self._grid(preds["feats"])
        raw_BAKD = preds["kpts"].detach().float().transpose(1, 2).unflatten(-1, self.kpt_shape)
        cells_BAK2 = self.place(raw_BAKD[..., :2], grid.points[:, None])
        return {
            "pd_kpts": cells_BAK2 * grid.strides[:, None],
            "gt_kpts": known_BMK3,
            "anc_strides": grid.strides,
        }

    def _terms(self, matched: Matched, preds: Outputs) -> dict[str, Tensor]:
        terms = super()._terms(matched, preds)
        if self.flow_model is None:
            return terms
        likelihood = matched.guessed[:0].sum()
        if "kpts_sigma" in preds and len(matched):
            spread = preds["kpts_sigma"].float()[matched.images, :, matched.anchors]
            likelihood = likelihood + self._likelihood(matched, spread.unflatten(-1, (-1, 2)))
        return {**terms, "rle_loss": likelihood * self.hyp.rle}

    def _likelihood(self, matched: Matched, spread_PK2: Tensor) -> Tensor:
        """Negative log-likelihood of the errors of visible points, at least 0."""
        sigma_PK2 = spread_PK2.sigmoid().clamp(min=torch.finfo(torch.float32).tiny)
        error_PK2 = (matched.guessed[..., :2] - matched.labelled[..., :2]) / (sigma_PK2 + SMALL)
        usable_PK = matched.visible & error_PK2.isfinite().all(dim=-1)
        error_V2 = error_PK2[usable_PK].clamp(-ERROR_LIMIT, ERROR_LIMIT)
        if not len(error_V2):
            return error_V2.sum()
        weight_V = self.target_weights.expand_as(usable_PK)[usable_PK]
        assert self.flow_model is not None  # the caller's condition
        density_V = self.flow_model.log_prob(error_V2)
        return self.rle_loss(sigma_PK2[usable_PK], density_V, error_V2, weight_V).clamp(min=0)
