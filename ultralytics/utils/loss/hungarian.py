"""One-to-one matching of predictions with labels (arXiv 2005.12872, section 3.1).

Boxes are centre, width and height as fractions of the image. Shapes: B images, Q queries, G labels of the batch, nc
classes; L = further leading axes, such as decoder layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ultralytics.geometry.iou import bbox_iou
from ultralytics.utils.ops import linear_sum_assignment

__all__ = ["HungarianMatcher", "Pairs"]

COST_GAIN = {"class": 1.0, "bbox": 5.0, "giou": 2.0}
TINY = 1e-8

Pairs = list[
    tuple[Tensor, Tensor]
]  # of every image: query numbers, ascending, and label numbers in the batch


class HungarianMatcher(nn.Module):
    """Finds the pairs of least total cost, image by image.

    Args:
        cost_gain: weights of "class", "bbox" (absolute differences) and "giou".
        use_fl: cost of a class from the focal loss; else minus its softmax probability.
        alpha, gamma: of the focal loss.
    """

    def __init__(
        self,
        cost_gain: Mapping[str, float] | None = None,
        use_fl: bool = True,
        alpha: float = 0.25,
        gamma: float = 2.0,
    ) -> None:
        super().__init__()
        self.cost_gain = dict(COST_GAIN if cost_gain is None else cost_gain)
        self.use_fl = use_fl
        self.alpha = alpha
        self.gamma = gamma

    def forward(
        self,
        pred_bboxes: Tensor,
        pred_scores: Tensor,
        gt_bboxes: Tensor,
        gt_cls: Tensor,
        gt_groups: Sequence[int],
    ) -> Pairs:
        """Pairs of every image, on the CPU.

        Args:
            pred_bboxes: (B, Q, 4).
            pred_scores: (B, Q, nc) logits.
            gt_bboxes: (G, 4), sorted by image.
            gt_cls: (G,).
            gt_groups: number of labels of every image.
        """
        boxes, scores = pred_bboxes[None], pred_scores[None]
        return self.match_layers(boxes, scores, gt_bboxes, gt_cls, gt_groups)[0]

    @torch.no_grad()
    def match_layers(
        self,
        pred_bboxes: Tensor,
        pred_scores: Tensor,
        gt_bboxes: Tensor,
        gt_cls: Tensor,
        gt_groups: Sequence[int],
    ) -> list[Pairs]:
        """The same for predictions (L, B, Q, ...) of several layers; costs travel to the CPU once."""
        cost = self.costs(pred_bboxes, pred_scores, gt_bboxes, gt_cls, gt_groups).cpu()
        return [_solve(layer, gt_groups) for layer in cost]

    def costs(
        self,
        pred_bboxes: Tensor,
        pred_scores: Tensor,
        gt_bboxes: Tensor,
        gt_cls: Tensor,
        gt_groups: Sequence[int],
    ) -> Tensor:
        """Cost (L, G, Q) of pairing each label with each query of its image; what is no number counts as 0."""
        counts = torch.as_tensor(gt_groups, device=pred_scores.device)
        image = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)
        with torch.autocast(pred_scores.device.type, enabled=False):
            boxes = pred_bboxes[:, image].float()  # (L, G, Q, 4)
            wanted = gt_bboxes[:, None].float()
            cost = (
                self._class_cost(pred_scores.float(), image, gt_cls.long())
                * self.cost_gain["class"]
            )
            cost += (boxes - wanted).abs().sum(-1) * self.cost_gain["bbox"]
            overlap = bbox_iou(boxes, wanted, xywh=True, GIoU=True).squeeze(-1)
            cost += (1.0 - overlap) * self.cost_gain["giou"]
        return torch.where(cost.isfinite(), cost, 0.0)

    def _class_cost(self, logits: Tensor, image: Tensor, classes: Tensor) -> Tensor:
        if not self.use_fl:
            return -logits.softmax(-1)[:, image, :, classes].transpose(0, 1)
        chance = logits[:, image, :, classes].transpose(0, 1).sigmoid()
        missed = (1 - self.alpha) * chance**self.gamma * -(1 - chance + TINY).log()
        found = self.alpha * (1 - chance) ** self.gamma * -(chance + TINY).log()
        return found - missed


def _solve(cost: Tensor, groups: Sequence[int]) -> Pairs:
    """Assignment of every image from costs (G, Q)."""
    pairs, start = [], 0
    for part in cost.split(list(groups)):
        queries, labels = linear_sum_assignment(part.T.numpy())
        pairs.append((torch.as_tensor(queries).long(), torch.as_tensor(labels).long() + start))
        start += len(part)
    return pairs
