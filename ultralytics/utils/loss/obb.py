"""The loss of rotated boxes: the detection loss on probiou, and a term for the angle.

Labels and predictions are xywhr; only the four lengths change with the unit, the angle never does.
Shape suffixes as in `detect`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ultralytics.errors import ConfigTypeError
from ultralytics.geometry.anchors import dist2rbox
from ultralytics.geometry.assign import Labels, Positives, RotatedTaskAlignedAssigner
from ultralytics.utils.loss.boxes import RotatedBboxLoss
from ultralytics.utils.loss.detect import Batch, Grid, Outputs, v8DetectionLoss

__all__ = ["v8OBBLoss"]

COLUMNS = 5  # xywhr
LEAST_SIDE_PX = 2.0  # thinner labels have no usable angle
ASPECT_RANGE = 3.0  # e-folding of the angle term's weight, in the logarithm of the aspect ratio
SMALL = 1e-9


class v8OBBLoss(v8DetectionLoss):
    """Criterion of one branch of a rotated head; arguments as for `v8DetectionLoss`.

    The angle term weighs sin^2(2 d), d the difference of angles, by how close to a square the label is: an angle of
    a long box is learnt through its overlap already.
    """

    fixed_form = True
    assigner_type = RotatedTaskAlignedAssigner
    bbox_loss_type = RotatedBboxLoss

    def __init__(self, model: nn.Module, tal_topk: int = 10, tal_topk2: int | None = None) -> None:
        super().__init__(model, tal_topk, tal_topk2)
        self.loss_names = [*self.loss_names, "angle_loss"]

    def preprocess(self, targets: Tensor, batch_size: int, scale_tensor: Tensor) -> Tensor:
        """Labels (n, 7) as [image, class, fractions xywh, angle] -> (B, M, 6) as [class, pixels xywh, angle].

        Labels thinner than 2 px are dropped. M is the largest count that is left; free slots are zero.

        Args:
            targets: the labels.
            batch_size: number of images.
            scale_tensor: width, height, width, height of the network input.
        """
        size_n2 = targets[:, 4:6] * scale_tensor[2:4]
        targets = targets[(size_n2 >= LEAST_SIDE_PX).all(dim=1)]
        image_n, order = targets[:, 0].long().sort(stable=True)
        padded = self._in_slots(image_n, targets[order, 1:], batch_size)
        padded[..., 1:5] *= scale_tensor
        return padded

    def bbox_decode(  # type: ignore[override]  # the interface passes the angle apart
        self, anchor_points: Tensor, pred_dist: Tensor, pred_angle: Tensor
    ) -> Tensor:
        """Rotated boxes (B, A, 5) in cells from raw distances (B, A, 4 R) and angles (B, A, 1)."""
        size_A4 = dist2rbox(self._distances(pred_dist), pred_angle, anchor_points)
        return torch.cat((size_A4, pred_angle), dim=-1)

    def _boxes_px(self, fractions: Tensor, scale_tensor: Tensor) -> Tensor:
        size_n2 = fractions[:, 2:4] * scale_tensor[2:4]
        usable_n1 = (size_n2 >= LEAST_SIDE_PX).all(dim=1, keepdim=True)
        boxes = torch.cat((fractions[:, :4] * scale_tensor, fractions[:, 4:]), dim=1)
        return boxes * usable_n1

    @staticmethod
    def _rows(batch: Batch, grid: Grid) -> Tensor:
        boxes = batch["bboxes"]
        if boxes.numel() and boxes.shape[-1] != COLUMNS:
            raise ConfigTypeError(
                f"the labels of this batch have {boxes.shape[-1]} columns where rotated boxes have {COLUMNS} "
                "(centre, size, angle): OBB dataset incorrectly formatted or not a OBB dataset. "
                "Label lines of this task hold a class and four corners; try data=dota8.yaml."
            )
        return v8DetectionLoss._rows({**batch, "bboxes": boxes.view(-1, COLUMNS)}, grid)

    def _gains(self) -> tuple[float, ...]:
        return (*super()._gains(), self.hyp.angle)

    def _raw_boxes(self, preds: Outputs) -> Tensor:
        return torch.cat((preds["boxes"], preds["angle"].to(preds["boxes"])), dim=1)

    def _decode(self, points: Tensor, raw: Tensor) -> Tensor:
        return self.bbox_decode(points, raw[..., :-1], raw[..., -1:])

    @staticmethod
    def _scaled(boxes: Tensor, factor: Tensor) -> Tensor:
        return torch.cat((boxes[..., :4] * factor, boxes[..., 4:]), dim=-1)

    def _regression(
        self, raw_BRA: Tensor, grid: Grid, found: Positives, labels: Labels, total: Tensor
    ) -> tuple[Tensor, ...]:
        terms = super()._regression(raw_BRA, grid, found, labels, total)
        angle_P = raw_BRA[found.images, -1, found.anchors]
        loss_P = angle_loss(angle_P, labels.boxes[found.labels]) * found.scores
        return (*terms, loss_P.sum() / total)


def angle_loss(predicted_P: Tensor, target_P5: Tensor) -> Tensor:
    """Angle term (P,) in [0, 1] of each pair: 1 for a square turned by 45 degrees.

    It has a period of 90 degrees, so width and height may be exchanged.

    Args:
        predicted_P: angles in radians.
        target_P5: labels xywhr.
    """
    gap_P = predicted_P - target_P5[:, 4]
    gap_P = gap_P - (gap_P / math.pi).round() * math.pi
    aspect_P = ((target_P5[:, 2] + SMALL) / (target_P5[:, 3] + SMALL)).log()
    return (-(aspect_P / ASPECT_RANGE).square()).exp() * (2 * gap_P).sin().square()
