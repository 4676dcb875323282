"""Assignment for pose and instance masks: the overlap of a pair also looks at points or pixels.

Shape suffixes as in `assign`; K = keypoints, H, W = prototype grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ultralytics.geometry.assign import Labels, Predictions, TaskAlignedAssigner
from ultralytics.geometry.keypoints import AREA_SHARE
from ultralytics.geometry.pairs import Level, PairSource, chosen_pairs, group_ranks
from ultralytics.geometry.windows import LabelMasks, in_groups, pixel_corners, pixel_parts

__all__ = ["PoseTaskAlignedAssigner", "SegTaskAlignedAssigner"]

SMALL = 1e-9
SHORTLIST = 3  # pairs per wanted anchor whose masks are compared
VALUES_AT_ONCE = 2**23


class PoseTaskAlignedAssigner(TaskAlignedAssigner):
    """Overlap is the keypoint similarity, and labels keep to levels that fit their size.

    `level_range` bounds the side of a label in strides; the finest level takes all smaller ones, the
    coarsest all larger ones. A label that would lose all its anchors keeps them.

    Args:
        sigmas: K fall-off constants.
        kwargs: arguments of `TaskAlignedAssigner`.
    """

    level_range = (2.0, 12.0)

    def __init__(self, sigmas: Tensor, **kwargs: Any) -> None:  # Any: the base class checks them
        super().__init__(**kwargs)
        self.sigmas = sigmas

    def candidates(
        self,
        boxes: Tensor,
        points_A2: Tensor,
        levels: Sequence[Level] | None,
        **extra: Any,  # Any: "anc_strides" (A,) is used
    ) -> PairSource:
        """Anchors inside each box on levels that fit it."""
        source = super().candidates(boxes, points_A2, levels)
        stride_A = extra["anc_strides"].flatten()
        side_N = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1).clamp(min=0).sqrt()
        low, high = self.level_range
        finest, coarsest = stride_A.min(), stride_A.max()

        def pairs(start: int, stop: int) -> tuple[Tensor, ...]:
            label_P, anchor_P = source.pairs(start, stop)
            side_P, stride_P = side_N[label_P], stride_A[anchor_P]
            fits = (side_P >= low * stride_P) | (stride_P == finest)
            fits &= (side_P <= high * stride_P) | (stride_P == coarsest)
            left_N = torch.zeros_like(source.counts).index_add(0, label_P, fits.to(source.counts))
            fits |= left_N[label_P] == 0
            return chosen_pairs(fits, label_P, anchor_P)

        return PairSource(source.counts, pairs)

    def pair_overlaps(
        self,
        labels: Labels,
        predictions: Predictions,
        label_P: Tensor,
        anchor_P: Tensor,
        **extra: Any,  # Any: "pd_kpts" (B, A, K, 2) and "gt_kpts" (B, M, K, 3), pixels
    ) -> Tensor:
        """Keypoint similarity; box overlap for labels without a visible keypoint."""
        boxes = super().pair_overlaps(labels, predictions, label_P, anchor_P)
        known_NK3 = extra["gt_kpts"][labels.images, labels.slots]
        guess_PK2 = extra["pd_kpts"][labels.images[label_P], anchor_P]
        visible_NK = known_NK3[..., 2] > 0
        squared_PK = (guess_PK2 - known_NK3[label_P][..., :2]).square().sum(dim=-1)
        size_N2 = labels.boxes[:, 2:] - labels.boxes[:, :2]
        area_N1 = AREA_SHARE * size_N2.prod(dim=1, keepdim=True)
        scale_NK = (2 * self.sigmas.to(area_N1)).square() * (area_N1 + SMALL) * 2
        score_PK = (-squared_PK / scale_NK[label_P]).exp() * visible_NK[label_P]
        count_N = visible_NK.sum(dim=1)
        similarity_P = score_PK.sum(dim=1) / count_N[label_P].clamp(min=1)
        return torch.where(count_N[label_P] > 0, similarity_P.to(boxes.dtype), boxes)


class SegTaskAlignedAssigner(TaskAlignedAssigner):
    """Overlap is the mean of box and mask overlap.

    Masks are compared only for the most promising pairs of each label; the rest count with a mask
    overlap of zero.
    """

    def pair_overlaps(
        self,
        labels: Labels,
        predictions: Predictions,
        label_P: Tensor,
        anchor_P: Tensor,
        **extra: Any,  # Any: "pd_coef", "mask_scale", "proto" and "gt_masks"
    ) -> Tensor:
        """Mean overlap of boxes and masks.

        Extra inputs: pd_coef (B, A, nm), mask_scale (B, 1) grid cells per pixel, proto (B, nm, H, W),
        gt_masks (B, at least M, H, W), or the same as `LabelMasks`.
        """
        image_P = labels.images[label_P]
        box_P = super().pair_overlaps(labels, predictions, label_P, anchor_P)
        score_P = predictions.scores(image_P, anchor_P, labels.classes[label_P]).to(box_P.dtype)
        promise_P = score_P.pow(self.alpha) * box_P.pow(self.beta) + SMALL
        order, rank = group_ranks(label_P, promise_P, len(labels))
        listed = order[rank < SHORTLIST * self.topk].sort().values
        mask_P = torch.zeros_like(box_P)
        mask_P[listed] = self._mask_overlaps(
            labels, predictions, label_P[listed], anchor_P[listed], extra
        ).to(mask_P.dtype)
        return (box_P + mask_P) / 2

    @staticmethod
    def _mask_overlaps(
        labels: Labels,
        predictions: Predictions,
        label_P: Tensor,
        anchor_P: Tensor,
        extra: dict[str, Any],  # Any: as in `pair_overlaps`
    ) -> Tensor:
        """Overlap of labelled masks and predicted ones, cut to the predicted boxes.

        All pairs of a label are compared on the rectangle that holds their predicted boxes.
        """
        proto, known = extra["proto"], extra["gt_masks"]
        if isinstance(known, Tensor):
            known = LabelMasks.from_dense(known, labels)
        height, width = proto.shape[2:]
        image_P = labels.images[label_P]
        boxes_P4 = predictions.boxes(image_P, anchor_P) * extra["mask_scale"].view(-1, 1)[image_P]
        corner_P4 = pixel_corners(boxes_P4, height, width)
        place_P, count_N = in_groups(label_P, len(labels))
        most = int(count_N.max())
        corner_NK4 = corner_P4.new_zeros((len(labels), most, 4))
        corner_NK4[label_P, place_P] = corner_P4
        weight_NKC = proto.new_zeros((len(labels), most, proto.shape[1]))
        weight_NKC[label_P, place_P] = extra["pd_coef"][image_P, anchor_P].to(proto.dtype)
        around_N4 = _rectangles_around(corner_NK4)
        rows_RC = proto.permute(0, 2, 3, 1).flatten(0, 2)
        counts_NK2 = proto.new_zeros(
            (len(labels), most, 2)
        )  # pixels found, and shared with the label
        for part in pixel_parts(around_N4, width, VALUES_AT_ONCE // (proto.shape[1] + most)):
            row_nT = labels.images[part.members][:, None] * (height * width) + part.pixels
            mask_nKT = weight_NKC[part.members] @ rows_RC[row_nT].transpose(1, 2) > 0
            mask_nKT &= _inside_corners(part.pixels.int(), width, corner_NK4[part.members].int())
            known_nT = known.at(part.members, part.pixels) & part.valid
            wanted_nT2 = torch.stack((part.valid, known_nT), dim=2)
            counts_NK2[part.members] = mask_nKT.to(proto.dtype) @ wanted_nT2.to(proto.dtype)
        found_NK, shared_NK = counts_NK2.unbind(dim=2)
        total_NK = found_NK + known.areas().to(proto.dtype)[:, None] - shared_NK
        return (shared_NK / total_NK.clamp(min=1))[label_P, place_P]


def _rectangles_around(corner_NK4: Tensor) -> Tensor:
    """The smallest rectangle (N, 4) that holds K rectangles each, of which empty ones do not count."""
    low_NK2, high_NK2 = corner_NK4.split(2, dim=-1)
    empty_NK1 = (high_NK2 <= low_NK2).any(dim=-1, keepdim=True)
    far = torch.iinfo(corner_NK4.dtype).max
    low_N2 = low_NK2.masked_fill(empty_NK1, far).amin(dim=1)
    high_N2 = high_NK2.masked_fill(empty_NK1, 0).amax(dim=1)
    return torch.cat((torch.minimum(low_N2, high_N2), high_N2), dim=1)


def _inside_corners(pixel_nT: Tensor, width: int, corner_nK4: Tensor) -> Tensor:
    """Whether pixels lie in rectangles, (n, K, T)."""
    y_n1T = torch.div(pixel_nT, width, rounding_mode="trunc")[:, None]
    x_n1T = pixel_nT[:, None] - y_n1T * width
    x1, y1, x2, y2 = (side[:, :, None] for side in corner_nK4.unbind(dim=-1))
    inside_nKT = x_n1T >= x1
    inside_nKT &= x_n1T < x2
    inside_nKT &= y_n1T >= y1
    inside_nKT &= y_n1T < y2
    return inside_nKT
