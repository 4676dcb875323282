"""Non-maximum suppression of raw head outputs.

Predictions are (B, 4 + nc + extra, A): box xywh in pixels of the network input, class scores, extras.
Boxes compete inside their class, in stable order of falling score (equal scores: lower anchor, then lower
class first). Work is bounded by looking at the best candidates first, never by a clock.
Shape suffixes: A = anchors of an image, K = candidates, D = detections, C = channels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ultralytics.geometry.boxes import xywh2xyxy
from ultralytics.geometry.iou import box_iou
from ultralytics.geometry.rotated import batch_probiou
from ultralytics.geometry.suppress import first_survivors, greedy, undominated_rotated

__all__ = ["TorchNMS", "non_max_suppression"]

END2END_COLUMNS = 6  # x1, y1, x2, y2, score, class
TILE = 1024  # rows of an overlap matrix formed at once


@dataclass(frozen=True)
class _Rules:
    """What decides about the candidates of one image."""

    conf: float
    iou: float
    classes: Sequence[int] | None
    agnostic: bool
    multi_label: bool
    max_det: int
    nc: int
    max_nms: int
    max_wh: float
    rotated: bool


class _Candidates:
    """Anchors of one image that passed the threshold, best first.

    The class of a candidate is looked up when it is first needed: only a prefix ever is.
    """

    def __init__(
        self, image_CA: Tensor, nc: int, anchors_K: Tensor, scores_K: Tensor, labels: Tensor | None
    ) -> None:
        self.image = image_CA
        self.nc = nc
        self.anchors = anchors_K
        self.scores = scores_K
        self._labels = labels

    def __len__(self) -> int:
        return len(self.anchors)

    def labels(self, length: int) -> Tensor:
        """Classes of the first candidates; of equally good ones the lowest."""
        if self._labels is None or len(self._labels) < length:
            scores = _columns(self.image[4 : 4 + self.nc], self.anchors[:length])
            self._labels = scores.argmax(dim=0)
        return self._labels[:length]


def non_max_suppression(
    prediction: Tensor | Sequence[Tensor],
    conf_thres: float = 0.25,
    iou_thres: float = 0.45,
    classes: Sequence[int] | None = None,
    agnostic: bool = False,
    multi_label: bool = False,
    max_det: int = 300,
    nc: int = 0,
    max_time_img: float = 0.05,
    max_nms: int = 30000,
    max_wh: int = 7680,
    rotated: bool = False,
    end2end: bool = False,
    return_idxs: bool = False,
) -> list[Tensor] | tuple[list[Tensor], list[Tensor]]:
    """Detections of each image as rows [box 4, confidence, class, extras], best first.

    Args:
        prediction: (B, 4 + nc + extra, A) raw output, or (B, N, 6 + extra) rows of an end-to-end head,
            recognised by `end2end` or a last axis of exactly 6. Of a list or tuple the first is used.
        conf_thres: scores must be above it.
        iou_thres: overlap above which the worse of two boxes goes.
        classes: keep only these classes.
        agnostic: let boxes of different classes compete.
        multi_label: one candidate per class above the threshold instead of the best class only.
        max_det: most rows per image.
        nc: number of classes; 0 means that there are no extras.
        max_time_img: accepted for compatibility; there is no time limit.
        max_nms: most candidates per image that are looked at.
        max_wh: smallest distance, in pixels, put between the boxes of different classes; 0 lets them compete.
        rotated: boxes are xywhr with the angle as last channel; they come back as xywh, angle last. A
            box then goes if any better one overlaps it, kept or not.
        end2end: rows are final already; only threshold, class filter and limit apply.
        return_idxs: also return the anchor (or row) numbers.

    Returns:
        One (n, 6 + extra) tensor per image: xyxy pixels, or xywh for rotated boxes; float32, or float64
        for float64 input. With `return_idxs` also a list of (n,) int64 numbers.

    Raises:
        AssertionError: a threshold outside [0, 1].
    """
    if not 0 <= conf_thres <= 1:
        raise AssertionError(f"Invalid Confidence threshold {conf_thres}, valid: 0.0 to 1.0")
    if not 0 <= iou_thres <= 1:
        raise AssertionError(f"Invalid IoU {iou_thres}, valid values are between 0.0 and 1.0")
    if not isinstance(prediction, Tensor):
        prediction = prediction[0]
    count = nc or prediction.shape[1] - 4
    rules = _Rules(
        conf=conf_thres,
        iou=iou_thres,
        classes=classes,
        agnostic=agnostic,
        multi_label=multi_label and count > 1,
        max_det=max_det,
        nc=count,
        max_nms=max_nms,
        max_wh=max_wh,
        rotated=rotated,
    )
    if end2end or prediction.shape[-1] == END2END_COLUMNS:
        found = [_final_rows(rows, rules) for rows in prediction]
    else:
        best = prediction[:, 4 : 4 + count].amax(dim=1)
        found = [_detect(image, top, rules) for image, top in zip(prediction, best, strict=True)]
    rows = [row for row, _ in found]
    return (rows, [index for _, index in found]) if return_idxs else rows


def _final_rows(rows: Tensor, rules: _Rules) -> tuple[Tensor, Tensor]:
    """Rows of an end-to-end head above the threshold, in their order, and their numbers."""
    keep = rows[:, 4] > rules.conf
    if rules.classes is not None:
        keep &= _is_one_of(rows[:, 5], rules.classes)
    index = keep.nonzero()[: rules.max_det, 0]
    return rows[index].float(), index


def _detect(image_CA: Tensor, best_A: Tensor, rules: _Rules) -> tuple[Tensor, Tensor]:
    """Rows and anchor numbers of one image's detections."""
    found = _candidates(image_CA, best_A, rules)
    kept_D = _survivors(found, rules)
    anchors_D, scores_D = found.anchors[kept_D], found.scores[kept_D]
    labels_D = found.labels(int(kept_D[-1]) + 1 if len(kept_D) else 0)[kept_D]
    boxes_D4 = _floats(_columns(image_CA[:4], anchors_D).T)
    rows = torch.cat(
        (
            boxes_D4 if rules.rotated else xywh2xyxy(boxes_D4),
            scores_D[:, None],
            labels_D[:, None].to(scores_D.dtype),
            _floats(_columns(image_CA[4 + rules.nc :], anchors_D).T),
        ),
        dim=1,
    )
    return rows, anchors_D


def _candidates(image_CA: Tensor, best_A: Tensor, rules: _Rules) -> _Candidates:
    """What passes the threshold and the class filter, best first, at most `max_nms`."""
    anchors_K = (best_A > rules.conf).nonzero()[:, 0]
    classes_NA = image_CA[4 : 4 + rules.nc]
    labels_K = None
    if rules.multi_label:
        scores_KN = _columns(classes_NA, anchors_K).T
        row, labels_K = (scores_KN > rules.conf).nonzero(as_tuple=True)
        anchors_K, scores_K = anchors_K[row], scores_KN[row, labels_K]
    else:
        scores_K = best_A[anchors_K]
        if rules.classes is not None:
            labels_K = _columns(classes_NA, anchors_K).argmax(dim=0)
    if labels_K is not None and rules.classes is not None:
        wanted = _is_one_of(labels_K, rules.classes)
        anchors_K, scores_K, labels_K = anchors_K[wanted], scores_K[wanted], labels_K[wanted]
    scores_K, order = _floats(scores_K).sort(descending=True, stable=True)
    order, scores_K = order[: rules.max_nms], scores_K[: rules.max_nms]
    labels_K = None if labels_K is None else labels_K[order]
    return _Candidates(image_CA, rules.nc, anchors_K[order], scores_K, labels_K)


def _survivors(found: _Candidates, rules: _Rules) -> Tensor:
    """Positions of the first `max_det` candidates that suppression leaves."""
    apart = not rules.agnostic and rules.max_wh > 0

    def survivors(length: int) -> Tensor:
        anchors = found.anchors[:length]
        boxes_K4 = _floats(_columns(found.image[:4], anchors).T)
        if rules.rotated:
            boxes_K5 = torch.cat((boxes_K4, _columns(found.image[-1:], anchors).T), dim=1)
            return undominated_rotated(boxes_K5, rules.iou, found.labels(length) if apart else None)
        boxes_K4 = xywh2xyxy(boxes_K4)
        if apart:
            boxes_K4 = _spread(boxes_K4, found.labels(length), rules.max_wh)
        return greedy(boxes_K4, found.scores[:length].to(boxes_K4.dtype), rules.iou)

    if len(found) == 0:
        return found.anchors
    return first_survivors(len(found), rules.max_det, survivors)


def _spread(boxes_K4: Tensor, labels_K: Tensor, least: float) -> Tensor:
    """Boxes moved apart by class, in float64 so that no coordinate is rounded by the move."""
    boxes = boxes_K4.double()
    step = (boxes.max() - boxes.min() + 1).clamp(min=least)
    return boxes + (labels_K * step)[:, None]


def _is_one_of(labels: Tensor, wanted: Sequence[int]) -> Tensor:
    return torch.isin(labels, torch.as_tensor(wanted, device=labels.device).to(labels.dtype))


def _columns(block_CA: Tensor, index: Tensor) -> Tensor:
    return block_CA.index_select(1, index)


def _floats(values: Tensor) -> Tensor:
    return values if values.dtype == torch.float64 else values.float()


class TorchNMS:
    """Suppression of plain boxes: the greedy rule and the matrix rule."""

    @staticmethod
    def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
        """Indices of kept boxes by falling score: a box goes if a kept better one overlaps it too much.

        Args:
            boxes: (N, 4) corners.
            scores: (N,) scores; of equal ones the lower index comes first.
            iou_threshold: overlap above which a box is dropped; equal overlap stays.
        """
        if boxes.numel() == 0:
            return torch.empty(0, dtype=torch.int64, device=boxes.device)
        ranked, order = _floats(scores).sort(descending=True, stable=True)
        return order[greedy(_floats(boxes)[order], ranked.to(_floats(boxes).dtype), iou_threshold)]

    @staticmethod
    def fast_nms(
        boxes: Tensor,
        scores: Tensor,
        iou_threshold: float,
        use_triu: bool = True,
        iou_func: Callable[[Tensor, Tensor], Tensor] = box_iou,
        exit_early: bool = True,
    ) -> Tensor:
        """Indices of boxes that no better box, kept or not, overlaps too much; by falling score.

        Args:
            boxes: (N, 4) corners, or whatever `iou_func` takes.
            scores: (N,) scores.
            iou_threshold: overlap above which a box is dropped.
            use_triu: when off, scores of dropped boxes are set to 0 in the given tensor and the indices of
                all boxes come back; shapes then do not depend on values, as exported graphs need.
            iou_func: pairwise overlap of two sets of boxes.
            exit_early: return at once when there are no boxes.
        """
        if exit_early and boxes.numel() == 0:
            return torch.empty(0, dtype=torch.int64, device=boxes.device)
        order = torch.argsort(scores, descending=True, stable=True)
        ranked = boxes[order]
        if not use_triu:
            overlaps = iou_func(ranked, ranked)
            place = torch.arange(len(ranked), device=boxes.device)
            dropped = ((overlaps > iou_threshold) & (place[:, None] < place)).any(dim=0)
            scores[order] = scores[order].masked_fill(dropped, 0)
            return scores.topk(len(ranked)).indices
        if iou_func is batch_probiou:
            return order[undominated_rotated(ranked, iou_threshold)]
        dropped = torch.zeros(len(ranked), dtype=torch.bool, device=boxes.device)
        for start in range(0, len(ranked), TILE):
            overlaps = iou_func(ranked[start : start + TILE], ranked[start:])
            dropped[start:] |= (overlaps > iou_threshold).triu_(diagonal=1).any(dim=0)
        return order[~dropped]
