"""Regression losses of boxes on positive anchors.

Boxes are in grid units of their anchor's level. A positive weighs as much as the sum of its target
scores, and sums are divided by the sum of all target scores of the batch.
Shape suffixes: B = images, A = anchors, P = positives, R = bins of a side, C = classes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ultralytics.geometry.anchors import bbox2dist, rbox2dist
from ultralytics.geometry.iou import bbox_iou
from ultralytics.geometry.rotated import probiou

__all__ = ["BboxLoss", "DFLoss", "RotatedBboxLoss"]

CAP_MARGIN = 0.01


class DFLoss(nn.Module):
    """Cross-entropy with the two bins next to a distance (Li et al. 2020, eq. 6).

    Args:
        reg_max: number of bins R of each side.
    """

    def __init__(self, reg_max: int = 16) -> None:
        super().__init__()
        self.reg_max = reg_max

    def __call__(self, pred_dist: Tensor, target: Tensor) -> Tensor:
        """Mean over the four sides, as (P, 1).

        Args:
            pred_dist: (4 P, R) logits, the sides of a positive in consecutive rows.
            target: (P, 4) distances in bins; moved into [0, R - 1.01].
        """
        wanted = target.clamp(0, self.reg_max - 1 - CAP_MARGIN)
        lower = wanted.long()
        share = wanted - lower
        log_chance = pred_dist.log_softmax(dim=-1).view(*target.shape, pred_dist.shape[-1])
        below = log_chance.gather(-1, lower.unsqueeze(-1)).squeeze(-1)
        above = log_chance.gather(-1, lower.unsqueeze(-1) + 1).squeeze(-1)
        return -(below * (1 - share) + above * share).mean(-1, keepdim=True)


class BboxLoss(nn.Module):
    """Overlap loss (1 - CIoU) and distance loss of the positives.

    Args:
        reg_max: bins per side; with 1 the distances are regressed directly.
    """

    def __init__(self, reg_max: int = 16) -> None:
        super().__init__()
        self.dfl_loss = DFLoss(reg_max) if reg_max > 1 else None

    def forward(
        self,
        pred_dist: Tensor,
        pred_bboxes: Tensor,
        anchor_points: Tensor,
        target_bboxes: Tensor,
        target_scores: Tensor,
        target_scores_sum: Tensor,
        fg_mask: Tensor,
        imgsz: Tensor,
        stride: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """The two losses, without gains.

        Args:
            pred_dist: (B, A, 4 R) logits, or distances for R = 1.
            pred_bboxes: (B, A, 4) decoded boxes.
            anchor_points: (A, 2) anchors.
            target_bboxes: (B, A, 4) targets.
            target_scores: (B, A, C) target scores.
            target_scores_sum: what the sums are divided by.
            fg_mask: (B, A) positives.
            imgsz: height and width of the network input in pixels; used for R = 1 only.
            stride: (A, 1) pixels per cell; used for R = 1 only.
        """
        image_P, anchor_P = fg_mask.nonzero(as_tuple=True)
        at = (image_P, anchor_P)
        return self.of_positives(
            pred_dist[at],
            pred_bboxes[at],
            anchor_points[anchor_P],
            target_bboxes[at],
            target_scores[at].sum(-1, keepdim=True),
            target_scores_sum,
            imgsz,
            stride.view(-1, 1)[anchor_P],
        )

    def of_positives(
        self,
        dist_P: Tensor,
        predicted_P: Tensor,
        anchor_P2: Tensor,
        target_P: Tensor,
        weight_P1: Tensor,
        total: Tensor,
        imgsz: Tensor,
        stride_P1: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """The two losses of positives in a list, without gains; arguments as of `forward`, row by row."""
        box = ((1 - self._overlap(predicted_P, target_P)) * weight_P1).sum() / total
        distance = self._distance_loss(dist_P, target_P, anchor_P2, imgsz, stride_P1)
        return box, (distance * weight_P1).sum() / total

    def _distance_loss(
        self, dist_P: Tensor, target_P: Tensor, anchor_P2: Tensor, imgsz: Tensor, stride_P1: Tensor
    ) -> Tensor:
        """Loss (P, 1) of the distances from anchors to the sides."""
        if self.dfl_loss is not None:
            bins = self.dfl_loss.reg_max
            wanted_P4 = self._distances(anchor_P2, target_P, bins - 1)
            return self.dfl_loss(dist_P.reshape(-1, bins), wanted_P4)
        wanted_P4 = self._distances(anchor_P2, target_P, None)
        scale_P4 = stride_P1 / imgsz.flip(0).repeat(
            2
        )  # left and right by width, the others by height
        return F.l1_loss(dist_P * scale_P4, wanted_P4 * scale_P4, reduction="none").mean(
            -1, keepdim=True
        )

    def _overlap(self, predicted: Tensor, target: Tensor) -> Tensor:
        return bbox_iou(predicted, target, xywh=False, CIoU=True)

    def _distances(self, anchor_P2: Tensor, target: Tensor, reg_max: int | None) -> Tensor:
        return bbox2dist(anchor_P2, target, reg_max)


class RotatedBboxLoss(BboxLoss):
    """The same for xywhr boxes: 1 - probiou, and distances in the frame of the target box.

    `floor` keeps the overlap of thin boxes differentiable.
    """

    floor = 0.01

    def __init__(self, reg_max: int) -> None:
        super().__init__(reg_max)

    def _overlap(self, predicted: Tensor, target: Tensor) -> Tensor:
        return probiou(predicted, target, floor=self.floor)

    def _distances(self, anchor_P2: Tensor, target: Tensor, reg_max: int | None) -> Tensor:
        return rbox2dist(target[:, :4], anchor_P2, target[:, 4:5], reg_max=reg_max)


def score_sum(scores: Tensor) -> Tensor:
    """Sum of target scores, at least 1."""
    return torch.clamp(scores.sum(), min=1)
