"""Losses of RT-DETR: every label is paired with one query per decoder layer (arXiv 2304.08069).

Boxes are centre, width and height as fractions of the image. Shapes: D decoder layers, B images, Q queries, G labels of
the batch, nc classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ultralytics.geometry.iou import bbox_iou
from ultralytics.utils.loss.basic import FocalLoss, VarifocalLoss
from ultralytics.utils.loss.hungarian import HungarianMatcher, Pairs

__all__ = ["DETRLoss", "RTDETRDetectionLoss"]

LOSS_GAIN = {"class": 1.0, "bbox": 5.0, "giou": 2.0}
MATCH_GAIN = {"class": 2.0, "bbox": 5.0, "giou": 2.0}
TERMS = ("class", "bbox", "giou")

Targets = Mapping[str, Any]  # Any: label tensors, and the number of labels per image


class DETRLoss(nn.Module):
    """Class and box terms of paired queries; the last layer alone, and the sum of all others as "_aux".

    Args:
        nc: classes.
        loss_gain: weights of "class", "bbox" and "giou".
        aux_loss: also teach the other layers.
        use_fl: focal loss for classes.
        use_vfl: graded class targets, by overlap, where there are labels.
        use_uni_match: pair once, in layer `uni_match_ind`, for all layers.
        uni_match_ind: see above.
        gamma, alpha: of the class losses.
    """

    def __init__(
        self,
        nc: int = 80,
        loss_gain: Mapping[str, float] | None = None,
        aux_loss: bool = True,
        use_fl: bool = True,
        use_vfl: bool = False,
        use_uni_match: bool = False,
        uni_match_ind: int = 0,
        gamma: float = 1.5,
        alpha: float = 0.25,
    ) -> None:
        super().__init__()
        self.nc = nc
        self.matcher = HungarianMatcher(cost_gain=MATCH_GAIN)
        self.loss_gain = dict(LOSS_GAIN if loss_gain is None else loss_gain)
        self.aux_loss = aux_loss
        self.fl = FocalLoss(gamma, alpha) if use_fl else None
        self.vfl = VarifocalLoss(gamma, alpha) if use_vfl else None
        self.use_uni_match = use_uni_match
        self.uni_match_ind = uni_match_ind

    def forward(
        self,
        pred_bboxes: Tensor,
        pred_scores: Tensor,
        batch: Targets,
        postfix: str = "",
        match_indices: Pairs | None = None,
    ) -> dict[str, Tensor]:
        """Terms by name: "loss_class", "loss_bbox", "loss_giou", and with "_aux" those of the other layers.

        Args:
            pred_bboxes: (D, B, Q, 4).
            pred_scores: (D, B, Q, nc) logits.
            batch: "cls" (G,), "bboxes" (G, 4), sorted by image, and "gt_groups", labels per image.
            postfix: ends every name.
            match_indices: pairs to use in all layers; found when absent.
        """
        with torch.autocast(pred_scores.device.type, enabled=False):
            boxes, scores = pred_bboxes.float(), pred_scores.float()
            layers = len(boxes) if self.aux_loss else 1
            boxes, scores = boxes[-layers:], scores[-layers:]
            pairs = self._pairs(boxes, scores, batch, match_indices)
            terms = torch.stack(
                [self._layer(*layer, batch) for layer in zip(boxes, scores, pairs, strict=True)]
            )
        found = {f"loss_{name}{postfix}": terms[-1, i] for i, name in enumerate(TERMS)}
        if self.aux_loss:
            others = terms[:-1].sum(0)
            found |= {f"loss_{name}_aux{postfix}": others[i] for i, name in enumerate(TERMS)}
        return found

    def _pairs(
        self, boxes: Tensor, scores: Tensor, batch: Targets, given: Pairs | None
    ) -> list[Pairs]:
        """Pairs of every layer."""
        labels = batch["bboxes"], batch["cls"], batch["gt_groups"]
        if given is None and self.use_uni_match:
            at = self.uni_match_ind
            given = self.matcher(boxes[at], scores[at], *labels)
        if given is None:
            return self.matcher.match_layers(boxes, scores, *labels)
        return [given] * len(boxes)

    def _layer(self, boxes: Tensor, scores: Tensor, pairs: Pairs, batch: Targets) -> Tensor:
        """The three terms of one layer."""
        counts = torch.tensor([len(queries) for queries, _ in pairs])
        image = torch.repeat_interleave(torch.arange(len(pairs)), counts).to(boxes.device)
        query = torch.cat([queries for queries, _ in pairs]).to(boxes.device)
        label = torch.cat([labels for _, labels in pairs]).to(boxes.device)
        found, wanted = boxes[image, query], batch["bboxes"][label].to(boxes)
        classes = batch["cls"].view(-1)[label].long()
        with torch.no_grad():
            overlap = bbox_iou(found, wanted, xywh=True).squeeze(-1)
        place = image, query, classes
        pairs_count = max(len(label), 1)
        terms = {
            "class": self._class_term(scores, place, overlap) / pairs_count,
            "bbox": (found - wanted).abs().sum() / pairs_count,
            "giou": (1 - bbox_iou(found, wanted, xywh=True, GIoU=True)).sum() / pairs_count,
        }
        return torch.stack([terms[name] * self.loss_gain[name] for name in TERMS])

    def _class_term(
        self, scores: Tensor, place: tuple[Tensor, Tensor, Tensor], overlap: Tensor
    ) -> Tensor:
        """Sum over all entries."""
        label = torch.zeros_like(scores)
        label[place] = 1.0
        queries = scores.shape[1]  # the loss modules average over these
        if self.vfl is not None and len(overlap):
            graded = torch.zeros_like(scores)
            graded[place] = overlap.to(graded)
            return self.vfl(scores, graded, label) * queries
        if self.fl is not None:
            return self.fl(scores, label) * queries
        return F.binary_cross_entropy_with_logits(scores, label, reduction="sum")


class RTDETRDetectionLoss(DETRLoss):
    """`DETRLoss` of ordinary queries, and with "_dn" of denoising queries; arguments as there.

    Attributes:
        items: what is reported of a step, by the name it is reported under -> the name of the term.
        loss_names: the reported names.
    """

    items: ClassVar[Mapping[str, str]] = {
        "giou_loss": "loss_giou",
        "cls_loss": "loss_class",
        "l1_loss": "loss_bbox",
    }
    loss_names = tuple(items)

    def forward(  # type: ignore[override]
        self,
        preds: tuple[Tensor, Tensor],
        batch: Targets,
        dn_bboxes: Tensor | None = None,
        dn_scores: Tensor | None = None,
        dn_meta: Mapping[str, Any] | None = None,
    ) -> dict[str, Tensor]:
        """Terms by name.

        Args:
            preds: boxes (D, B, Q, 4) and class logits (D, B, Q, nc).
            batch: labels as for `DETRLoss`.
            dn_bboxes, dn_scores: the same of denoising queries.
            dn_meta: what `get_cdn_group` says about them; without it their terms are zero.
        """
        terms = super().forward(*preds, batch)
        if dn_meta is None or dn_bboxes is None or dn_scores is None:
            return terms | {f"{name}_dn": torch.zeros_like(value) for name, value in terms.items()}
        groups = dn_meta["dn_num_group"]
        known = [
            (queries, labels.repeat(groups))
            for queries, labels in zip(dn_meta["dn_pos_idx"], dn_meta["dn_gt_idx"], strict=True)
        ]
        return terms | super().forward(
            dn_bboxes, dn_scores, batch, postfix="_dn", match_indices=known
        )
