"""Losses of instance segmentation: the detection loss, masks inside the labelled boxes, and a semantic map.

Masks live on a grid of their own, `mask_ratio` times coarser than the network input. Shape suffixes as in `detect`;
N = labels of the batch in one list.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ultralytics.geometry.assign import Labels
from ultralytics.geometry.assign_tasks import SegTaskAlignedAssigner
from ultralytics.geometry.windows import LabelMasks
from ultralytics.utils.loss.basic import BCEDiceLoss
from ultralytics.utils.loss.detect import Assigned, Batch, Outputs, v8DetectionLoss
from ultralytics.utils.loss.masks import mask_cross_entropy

__all__ = ["SegmentLoss26", "v8SegmentationLoss"]

OWN_TERMS = ("seg_loss", "sem_loss")


class v8SegmentationLoss(v8DetectionLoss):
    """Criterion of one branch of a segmentation head; arguments as for `v8DetectionLoss`.

    The batch also holds "masks": with `overlap_mask` (B, h, w), where j + 1 marks the j-th label of an image, else
    (n, h, w) binary in the order of the labels; and for heads with a semantic map "sem_masks" (B, h, w) class ids.
    """

    def __init__(self, model: nn.Module, tal_topk: int = 10, tal_topk2: int | None = None) -> None:
        super().__init__(model, tal_topk, tal_topk2)
        self.overlap: bool = self.hyp.overlap_mask
        self.bcedice_loss = BCEDiceLoss(weight_bce=0.5, weight_dice=0.5)
        box, *others = self.loss_names
        self.loss_names = [box, OWN_TERMS[0], *others, OWN_TERMS[1]]

    def loss(self, preds: Outputs, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The same as a call, on the dictionary of raw outputs."""
        proto, semantic = preds["proto"], None
        if isinstance(proto, tuple):
            proto, semantic = proto
        with torch.autocast(proto.device.type, enabled=False):
            proto, masks = proto.float(), batch["masks"].to(proto.device)
            labels = self._labels(batch, len(proto), self._grid(preds["feats"]))
            known = self._label_masks(masks, labels, batch)
            extra = self._assign_inputs(preds, proto, known)
            found, terms = self._assigned_losses(preds, labels, extra)
            seg = self._mask_loss(preds["mask_coefficient"].float(), proto, found, known)
            sem = proto.new_zeros(())
            if semantic is not None:
                sem = self._semantic_loss(semantic.float(), masks, batch, len(found.positives) > 0)
        gain = self.hyp.box
        vector = torch.stack([terms[0], seg * gain, *terms[1:], sem * gain])
        items = dict(zip(self.loss_names, vector.detach().unbind(), strict=True))
        return vector * len(proto), items

    def _term_names(self) -> list[str]:
        return [name for name in self.loss_names if name not in OWN_TERMS]

    def _assign_inputs(
        self, preds: Outputs, proto: Tensor, known: LabelMasks
    ) -> dict[str, Any]:  # Any: what the assigner's overlap wants
        return {}

    def _label_masks(self, masks: Tensor, labels: Labels, batch: Batch) -> LabelMasks:
        """Where each label finds its pixels."""
        if self.overlap:
            return LabelMasks(masks, labels.images, labels.slots + 1)
        image_n, order_n = batch["batch_idx"].to(masks.device).long().flatten().sort(stable=True)
        first = torch.searchsorted(image_n, labels.images)
        return LabelMasks(masks, order_n[first + labels.slots], torch.ones_like(first))

    @staticmethod
    def _mask_loss(
        coefficients_BCA: Tensor, proto: Tensor, found: Assigned, known: LabelMasks
    ) -> Tensor:
        """Mean over positives of the cross-entropy per pixel of the grid, over the share of the box."""
        height, width = known.planes.shape[-2:]
        if proto.shape[-2:] != (height, width):
            proto = F.interpolate(proto, (height, width), mode="bilinear", align_corners=False)
        at, labels = found.positives, found.labels
        share_N4 = labels.boxes / found.grid.size_hw.flip(0).repeat(2)
        area_N = (share_N4[:, 2:] - share_N4[:, :2]).prod(dim=1)
        weight_N = torch.where(area_N > 0, 1 / area_N, 0.0)
        total = mask_cross_entropy(
            proto,
            coefficients_BCA[at.images, :, at.anchors],
            at.labels,
            labels.images,
            torch.stack((share_N4[:, 0::2] * width, share_N4[:, 1::2] * height), dim=2).flatten(1),
            weight_N,
            known,
        )
        return total / (height * width * max(len(at), 1))

    def _semantic_loss(
        self, semantic: Tensor, masks: Tensor, batch: Batch, has_positives: bool
    ) -> Tensor:
        """Agreement of the semantic map with the classes of labelled pixels."""
        if not has_positives:
            return semantic.sum() * 0
        ids = batch["sem_masks"].to(semantic.device).long()
        target = torch.where(self._covered(masks, batch, len(ids)), ids, self.nc)
        # choosing nearest pixels first gives the same target as resizing all its channels
        small = F.interpolate(target[:, None].float(), semantic.shape[-2:], mode="nearest").long()
        channels = semantic.new_zeros((len(ids), self.nc + 1, *semantic.shape[-2:]))
        return self.bcedice_loss(semantic, channels.scatter_(1, small, 1)[:, :-1])

    def _covered(self, masks: Tensor, batch: Batch, images: int) -> Tensor:
        """Pixels (B, h, w) that belong to any label."""
        if self.overlap:
            return masks != 0
        image_n = batch["batch_idx"].to(masks.device).long().flatten()
        total = torch.zeros((images, *masks.shape[1:]), device=masks.device)
        return total.index_add_(0, image_n, masks.float()) > 0

    @staticmethod
    def single_mask_loss(
        gt_mask: Tensor, pred: Tensor, proto: Tensor, xyxy: Tensor, area: Tensor
    ) -> Tensor:
        """Sum over the positives of one image of their cross-entropy per pixel of the grid, over their area.

        Args:
            gt_mask: (N, h, w) binary masks.
            pred: (N, nm) coefficients.
            proto: (nm, h, w) prototypes.
            xyxy: (N, 4) boxes in pixels of the grid, outside which nothing counts.
            area: (N,) areas as shares of the image.
        """
        each = torch.arange(len(pred), device=pred.device)
        known = LabelMasks(gt_mask, each, torch.ones_like(each))
        total = mask_cross_entropy(
            proto[None], pred, each, torch.zeros_like(each), xyxy, 1 / area, known
        )
        return total / proto[0].numel()


class SegmentLoss26(v8SegmentationLoss):
    """The same with anchors chosen by the overlap of masks as well as of boxes."""

    assigner_type = SegTaskAlignedAssigner

    def _assign_inputs(
        self, preds: Outputs, proto: Tensor, known: LabelMasks
    ) -> dict[str, Any]:  # Any: see SegTaskAlignedAssigner
        size = proto.shape[-2:]
        planes = known.planes
        if planes.shape[-2:] != size:
            planes = F.interpolate(planes[:, None].float(), size, mode="nearest")[:, 0]
        input_height = preds["feats"][0].shape[-2] * float(self.stride[0])
        return {
            "pd_coef": preds["mask_coefficient"].detach().float().transpose(1, 2),
            "mask_scale": proto.new_full((len(proto), 1), size[0] / input_height),
            "proto": proto.detach(),
            "gt_masks": LabelMasks(planes, known.plane, known.value),
        }
