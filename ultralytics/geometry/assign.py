"""Task-aligned label assignment (Feng et al. 2021, section 3.2) on index pairs.

A pair joins a labelled box with an anchor inside it. Its metric is score^alpha * overlap^beta; the best
`topk` anchors of each box become positive, and an anchor wanted by several boxes goes to the one it
overlaps most. Pairs whose metric is zero are never positive, except on tiny pyramids (below), where
they get a target score of zero.
Shape suffixes: B = images, A = anchors, M = label slots of an image, N = labels of the batch in one list,
P = pairs or positives. Boxes and points are in pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ultralytics.geometry.iou import bbox_iou
from ultralytics.geometry.pairs import (
    Level,
    PairSource,
    chosen_pairs,
    grid_source,
    group_ranks,
    group_sizes,
    grow_to,
    point_source,
)
from ultralytics.geometry.rotated import probiou

__all__ = [
    "Labels",
    "Positives",
    "Predictions",
    "RotatedTaskAlignedAssigner",
    "TaskAlignedAssigner",
    "inside_rotated",
]


# Below this many anchors per wanted one, zero metrics take part in the selection and `torch.topk` breaks
# their ties, as in the recorded results; on larger pyramids its order leaves them out by itself.
TINY_PYRAMID = 64
ENCLOSING_MARGIN = 0.01  # pixels, covers rounding


@dataclass(frozen=True)
class Labels:
    """Valid labels of a batch in one list, ordered by image, then slot."""

    images: Tensor
    slots: Tensor
    classes: Tensor
    boxes: Tensor

    @classmethod
    def from_padded(cls, classes: Tensor, boxes: Tensor, valid: Tensor) -> Labels:
        """From (B, M, 1) classes, (B, M, 4 or 5) boxes and (B, M) validity."""
        image_N, slot_N = valid.nonzero(as_tuple=True)
        class_N = classes[image_N, slot_N].flatten().long()
        return cls(image_N, slot_N, class_N, boxes[image_N, slot_N])

    def padded(self, images: int) -> tuple[Tensor, Tensor, Tensor]:
        """The inverse: classes (B, M, 1), boxes (B, M, 4 or 5) and validity (B, M, 1)."""
        slots = int(self.slots.max()) + 1 if len(self) else 0
        at = (self.images, self.slots)
        boxes = self.boxes.new_zeros((images, slots, self.boxes.shape[-1]))
        boxes[at] = self.boxes
        classes = self.boxes.new_zeros((images, slots, 1))
        classes[at] = self.classes[:, None].to(classes.dtype)
        valid = torch.zeros((images, slots, 1), dtype=torch.bool, device=boxes.device)
        valid[at] = True
        return classes, boxes, valid

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class Predictions:
    """What the network says about anchors, looked up only where it is needed.

    `scores(image_P, anchor_P, class_P)` gives probabilities (P,), `boxes(image_P, anchor_P)` pixel boxes.
    """

    images: int
    anchors: int
    scores: Callable[[Tensor, Tensor, Tensor], Tensor]
    boxes: Callable[[Tensor, Tensor], Tensor]

    @classmethod
    def from_dense(cls, scores_BAC: Tensor, boxes_BA4: Tensor) -> Predictions:
        """From complete (B, A, classes) probabilities and (B, A, 4 or 5) boxes."""
        images, anchors = scores_BAC.shape[:2]
        return cls(
            images,
            anchors,
            scores=lambda image, anchor, label: scores_BAC[image, anchor, label],
            boxes=lambda image, anchor: boxes_BA4[image, anchor],
        )


@dataclass(frozen=True)
class Positives:
    """Anchors that received a label, ordered by image, then anchor; `labels` indexes the list.

    In the form of fixed shapes the order is another, and entries that are not `valid` have a score of 0.
    """

    images: Tensor
    anchors: Tensor
    labels: Tensor
    scores: Tensor
    valid: Tensor | None = None

    @classmethod
    def from_dense(
        cls, labels: Labels, scores_BAC: Tensor, foreground_BA: Tensor, slot_BA: Tensor
    ) -> Positives:
        """From what an assigner returns in dense form."""
        image_P, anchor_P = foreground_BA.nonzero(as_tuple=True)
        number = torch.zeros(
            (len(slot_BA), int(labels.slots.max()) + 1 if len(labels) else 1),
            dtype=torch.long,
            device=slot_BA.device,
        )
        number[labels.images, labels.slots] = torch.arange(len(labels), device=slot_BA.device)
        label_P = number[image_P, slot_BA[image_P, anchor_P].long()]
        return cls(image_P, anchor_P, label_P, scores_BAC[image_P, anchor_P].sum(-1))

    def compact(self, anchors: int) -> Positives:
        """Without the entries that mean nothing, in order; `anchors` is their number in an image."""
        if self.valid is None:
            return self
        at = self.valid.nonzero()[:, 0]
        place = self.images[at] * anchors + self.anchors[at]
        at = at[place.argsort()]
        return Positives(self.images[at], self.anchors[at], self.labels[at], self.scores[at])

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class _Pairs:
    """Candidate pairs with their merit; `places` numbers anchors through the whole batch."""

    labels: Tensor
    places: Tensor
    overlaps: Tensor
    metrics: Tensor

    def __getitem__(self, index: Tensor) -> _Pairs:
        if index.dtype == torch.bool:  # its places are looked up once for all four
            index = index.nonzero()[:, 0]
        return _Pairs(
            self.labels[index], self.places[index], self.overlaps[index], self.metrics[index]
        )

    @staticmethod
    def join(parts: Sequence[_Pairs]) -> _Pairs:
        if len(parts) == 1:
            return parts[0]
        names = ("labels", "places", "overlaps", "metrics")
        return _Pairs(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


class TaskAlignedAssigner(nn.Module):
    """Chooses, for every labelled box, the anchors that shall learn it, and their target scores.

    Args:
        topk: anchors per box.
        num_classes: width of the dense target scores.
        alpha: exponent of the score.
        beta: exponent of the overlap.
        stride: strides of the pyramid; the second one (the first of a single level) is the least side
            with which a box looks for anchors, so that small boxes find some.
        eps: keeps a box whose metrics are all tiny finite.
        topk2: when it differs from `topk`, how many of its anchors a box finally keeps.
    """

    def __init__(
        self,
        topk: int = 13,
        num_classes: int = 80,
        alpha: float = 1.0,
        beta: float = 6.0,
        stride: Sequence[float] | None = None,
        eps: float = 1e-9,
        topk2: int | None = None,
    ) -> None:
        super().__init__()
        self.topk = topk
        self.topk2 = topk2 or topk
        self.num_classes = num_classes
        self.alpha = alpha
        self.beta = beta
        self.stride = [8, 16, 32] if stride is None else list(stride)
        self.stride_val = self.stride[1] if len(self.stride) > 1 else self.stride[0]
        self.eps = eps

    @torch.no_grad()
    def forward(
        self,
        pd_scores: Tensor,
        pd_bboxes: Tensor,
        anc_points: Tensor,
        gt_labels: Tensor,
        gt_bboxes: Tensor,
        mask_gt: Tensor,
        **extra: Any,  # Any: what the overlap of a subclass needs
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Targets of every anchor, in dense form.

        Args:
            pd_scores: (B, A, classes) probabilities.
            pd_bboxes: (B, A, 4) predicted corners.
            anc_points: (A, 2) points.
            gt_labels: (B, M, 1) classes.
            gt_bboxes: (B, M, 4) labelled corners.
            mask_gt: (B, M, 1) validity of each slot.
            extra: further predictions and labels for the overlap.

        Returns:
            Classes (B, A), boxes (B, A, 4), scores (B, A, classes), foreground (B, A) and label slot
            (B, A) of each anchor. Classes and boxes of background anchors are those of slot 0, or
            the number of classes and zeros when there is no slot at all.
        """
        labels = Labels.from_padded(gt_labels, gt_bboxes, mask_gt.squeeze(-1).bool())
        predictions = Predictions.from_dense(pd_scores, pd_bboxes)
        found = self.assign(labels, anc_points, predictions, **extra)
        batch, anchors = pd_scores.shape[:2]
        at = (found.images, found.anchors)
        slot_BA = torch.zeros((batch, anchors), dtype=torch.long, device=pd_scores.device)
        slot_BA[at] = labels.slots[found.labels]
        foreground_BA = torch.zeros_like(slot_BA, dtype=torch.bool)
        foreground_BA[at] = True
        scores_BAC = pd_scores.new_zeros((batch, anchors, self.num_classes))
        class_P = labels.classes[found.labels]
        scores_BAC[found.images, found.anchors, class_P] = found.scores.to(scores_BAC.dtype)
        if gt_bboxes.shape[1] == 0:
            class_BA = torch.full_like(slot_BA, self.num_classes)
            return class_BA, torch.zeros_like(pd_bboxes), scores_BAC, foreground_BA, slot_BA
        image_B1 = torch.arange(batch, device=slot_BA.device)[:, None]
        class_BA = gt_labels[image_B1, slot_BA].squeeze(-1).long().clamp(min=0)
        return class_BA, gt_bboxes[image_B1, slot_BA], scores_BAC, foreground_BA, slot_BA

    @torch.no_grad()
    def assign(
        self,
        labels: Labels,
        points_A2: Tensor,
        predictions: Predictions,
        levels: Sequence[Level] | None = None,
        **extra: Any,  # Any: what the overlap of a subclass needs
    ) -> Positives:
        """The positive anchors of a batch.

        Args:
            labels: the labelled boxes.
            points_A2: anchors.
            predictions: how to look up scores and boxes of anchors.
            levels: the pyramid the anchors come from; finding candidates is faster when it is given.
            extra: passed to `candidates` and `pair_overlaps`.
        """
        nobody = labels.images[:0]
        if len(labels) == 0:
            return Positives(nobody, nobody, nobody, labels.boxes.new_zeros(0))
        tiny = predictions.anchors < TINY_PYRAMID * self.topk
        select = _strongest_of_all if tiny else _strongest
        source = self.candidates(labels.boxes, points_A2, levels, **extra)
        chunks = source.chunks()
        seen: list[_Pairs] = []
        best: list[_Pairs] = []
        for chunk in chunks:
            pairs = self._measure(source.pairs(*chunk), labels, predictions, extra)
            if not tiny:
                pairs = pairs[pairs.metrics > 0]
            best.append(select(pairs, self.topk, len(labels), predictions.anchors))
            if len(chunks) == 1:
                seen.append(pairs)
        chosen = _Pairs.join(best)
        wanted = group_sizes(chosen.places, predictions.images * predictions.anchors)
        contested = wanted > 1
        if bool(contested.any()):
            for chunk in chunks if not seen else ():
                pairs = self._measure(source.pairs(*chunk), labels, predictions, extra)
                seen.append(pairs[contested[pairs.places]])
            chosen = _settle(chosen, _Pairs.join(seen), contested)
        if self.topk2 != self.topk:
            chosen = select(chosen, self.topk2, len(labels), predictions.anchors)
        return self._scored(chosen, labels, predictions.anchors)

    def candidates(
        self,
        boxes: Tensor,
        points_A2: Tensor,
        levels: Sequence[Level] | None,
        **extra: Any,  # Any: what a subclass needs
    ) -> PairSource:
        """Anchors strictly inside each box, whose short sides count as `stride_val`."""
        grown_N4 = grow_to(boxes, self.stride_val)
        if levels is None:
            return point_source(grown_N4, points_A2)
        return grid_source(grown_N4, levels, points_A2)

    def pair_overlaps(
        self,
        labels: Labels,
        predictions: Predictions,
        label_P: Tensor,
        anchor_P: Tensor,
        **extra: Any,  # Any: what a subclass needs
    ) -> Tensor:
        """Overlap of labels and predictions pair by pair, at least 0."""
        boxes = predictions.boxes(labels.images[label_P], anchor_P)
        return self.iou_calculation(labels.boxes[label_P], boxes)

    def iou_calculation(self, gt_bboxes: Tensor, pd_bboxes: Tensor) -> Tensor:
        """Overlap of two lists of boxes, row by row, at least 0."""
        return bbox_iou(gt_bboxes, pd_bboxes, xywh=False, CIoU=True).squeeze(-1).clamp_(min=0)

    def _measure(
        self,
        pairs: tuple[Tensor, ...],
        labels: Labels,
        predictions: Predictions,
        extra: dict[str, Any],  # Any: as in `pair_overlaps`
    ) -> _Pairs:
        """Candidate pairs with their merit."""
        label_P, anchor_P = pairs
        image_P = labels.images[label_P]
        score_P = predictions.scores(image_P, anchor_P, labels.classes[label_P])
        overlap_P = self.pair_overlaps(labels, predictions, label_P, anchor_P, **extra)
        metric_P = score_P.to(overlap_P.dtype).pow(self.alpha) * overlap_P.pow(self.beta)
        place_P = image_P * predictions.anchors + anchor_P
        return _Pairs(label_P, place_P, overlap_P, metric_P)

    def _scored(self, chosen: _Pairs, labels: Labels, anchors: int) -> Positives:
        """Target scores: metrics of a label scaled so that the best equals its best overlap."""
        chosen = chosen[chosen.places.argsort()]
        zeros_N = chosen.metrics.new_zeros(len(labels))
        top_metric_N = zeros_N.scatter_reduce(0, chosen.labels, chosen.metrics, "amax")
        top_overlap_N = zeros_N.scatter_reduce(0, chosen.labels, chosen.overlaps, "amax")
        scale_N = top_overlap_N / (top_metric_N + self.eps)
        image_P = labels.images[chosen.labels]
        return Positives(
            image_P,
            chosen.places - image_P * anchors,
            chosen.labels,
            chosen.metrics * scale_N[chosen.labels],
        )


class RotatedTaskAlignedAssigner(TaskAlignedAssigner):
    """The same for rotated boxes (xywhr): overlap is probiou, and the border of a box belongs to it."""

    def candidates(
        self,
        boxes: Tensor,
        points_A2: Tensor,
        levels: Sequence[Level] | None,
        **extra: Any,  # Any: unused here
    ) -> PairSource:
        """Anchors inside each rotated box, whose short sides count as `stride_val`."""
        size_N2 = boxes[:, 2:4].clamp(min=self.stride_val)
        grown_N5 = torch.cat((boxes[:, :2], size_N2, boxes[:, 4:]), dim=1)
        if levels is None:
            return point_source(grown_N5, points_A2, inside_rotated)
        around = grid_source(_enclosing(grown_N5), levels, points_A2)

        def pairs(start: int, stop: int) -> tuple[Tensor, ...]:
            label_P, anchor_P = around.pairs(start, stop)
            inside_P = inside_rotated(points_A2[anchor_P], grown_N5[label_P])
            return chosen_pairs(inside_P, label_P, anchor_P)

        return PairSource(around.counts, pairs)

    def iou_calculation(self, gt_bboxes: Tensor, pd_bboxes: Tensor) -> Tensor:
        """Overlap of two lists of rotated boxes, row by row, at least 0."""
        return probiou(gt_bboxes, pd_bboxes).squeeze(-1).clamp_(min=0)


def _strongest(pairs: _Pairs, count: int, labels: int, anchors: int) -> _Pairs:
    """The pairs of largest metric of each label."""
    order, rank = group_ranks(pairs.labels, pairs.metrics, labels)
    return pairs[order[rank < count]]


def _strongest_of_all(pairs: _Pairs, count: int, labels: int, anchors: int) -> _Pairs:
    """The same where all anchors compete, those that are no candidates with a metric of zero."""
    metric_NA = pairs.metrics.new_zeros((labels, anchors))
    metric_NA[pairs.labels, pairs.places % anchors] = pairs.metrics
    best_NK = metric_NA.topk(min(count, anchors), dim=1).indices
    chosen_NA = torch.zeros_like(metric_NA, dtype=torch.bool).scatter_(1, best_NK, value=True)
    return pairs[chosen_NA[pairs.labels, pairs.places % anchors]]


def _settle(chosen: _Pairs, seen: _Pairs, contested: Tensor) -> _Pairs:
    """Give each contested anchor to the label it overlaps most; the first label wins a tie.

    All candidate pairs of the anchor compete, also those that were not among the best of their label.
    """
    rivals = seen[contested[seen.places]]
    top = torch.zeros_like(contested, dtype=rivals.overlaps.dtype)
    top = top.scatter_reduce(0, rivals.places, rivals.overlaps, "amax")
    rivals = rivals[rivals.overlaps == top[rivals.places]]
    first = torch.zeros_like(contested, dtype=torch.long)
    first = first.scatter_reduce(0, rivals.places, rivals.labels, "amin", include_self=False)
    winners = rivals[rivals.labels == first[rivals.places]]
    return _Pairs.join([chosen[~contested[chosen.places]], winners])


def _enclosing(boxes_N5: Tensor) -> Tensor:
    """Corner boxes around rotated ones, a little too large."""
    half_N2, angle_N1 = boxes_N5[:, 2:4] / 2, boxes_N5[:, 4:]
    cos_N1, sin_N1 = angle_N1.cos().abs(), angle_N1.sin().abs()
    reach_N2 = torch.cat((cos_N1, sin_N1), 1) * half_N2[:, :1]
    reach_N2 = reach_N2 + torch.cat((sin_N1, cos_N1), 1) * half_N2[:, 1:] + ENCLOSING_MARGIN
    return torch.cat((boxes_N5[:, :2] - reach_N2, boxes_N5[:, :2] + reach_N2), dim=1)


def inside_rotated(points: Tensor, boxes: Tensor) -> Tensor:
    """Whether points lie inside rotated boxes, borders included."""
    dx, dy = points[..., 0] - boxes[..., 0], points[..., 1] - boxes[..., 1]
    cos, sin = boxes[..., 4].cos(), boxes[..., 4].sin()
    along, across = dx * cos + dy * sin, dy * cos - dx * sin
    return (along.abs() <= boxes[..., 2] / 2) & (across.abs() <= boxes[..., 3] / 2)
