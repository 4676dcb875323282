"""The detection loss of v8 and later heads: box overlap, classification, distances.

Only what the loss depends on is computed: boxes are decoded for anchors inside a label, and the dense
target scores are never formed. All arithmetic is float32, also under autocast.
Shape suffixes: B = images, A = anchors, M = label slots of an image, n = labels of the batch, R = bins of
a box side, C = classes, P = positives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ultralytics.geometry.anchors import dist2bbox, make_anchors
from ultralytics.geometry.assign import Labels, Positives, Predictions, TaskAlignedAssigner
from ultralytics.geometry.assign_fixed import assign_fixed, has_fixed_form, prefers_fixed_shapes
from ultralytics.geometry.boxes import xywh2xyxy
from ultralytics.geometry.pairs import Level, group_sizes
from ultralytics.utils.loss.boxes import BboxLoss, score_sum
from ultralytics.utils.loss.entropy import sparse_binary_cross_entropy

__all__ = ["v8DetectionLoss"]

Batch = Mapping[str, Any]  # Any: a batch holds tensors, paths and shapes
Outputs = Mapping[str, Any]  # Any: tensors, and the list of feature maps under "feats"
GRIDS_KEPT = 16  # multi-scale training visits a handful of sizes


@dataclass(frozen=True)
class Grid:
    """Everything that follows from the sizes of the feature maps."""

    levels: tuple[Level, ...]
    points: Tensor  # (A, 2) in cells
    strides: Tensor  # (A, 1) pixels per cell
    size_hw: Tensor  # network input in pixels


@dataclass(frozen=True)
class Assigned:
    """Which anchors learn which labels."""

    grid: Grid
    labels: Labels
    positives: Positives


class v8DetectionLoss:
    """Criterion of one detection branch.

    Args:
        model: supplies the gains (`args`), the head (`model[-1]`) and, if set, `class_weights`.
        tal_topk: positive anchors per label.
        tal_topk2: how many of them are kept after conflicts; all when not given.
    """

    fixed_form = (
        True  # asked of the class itself: what a subclass replaces, the fixed form may bypass
    )
    assigner_type: type[TaskAlignedAssigner] = TaskAlignedAssigner
    bbox_loss_type: type[BboxLoss] = BboxLoss

    def __init__(self, model: nn.Module, tal_topk: int = 10, tal_topk2: int | None = None) -> None:
        head: Any = model.model[-1]  # type: ignore[index]  # Any: every detection head
        self.device = next(model.parameters()).device
        self.hyp: Any = model.args  # Any: the settings namespace
        self.bce = nn.BCEWithLogitsLoss(reduction="none")
        self.stride = head.stride
        self.nc = head.nc
        self.no = head.no
        self.reg_max = head.reg_max
        self.use_dfl = self.reg_max > 1
        self.loss_names = ["box_loss", "cls_loss", "dfl_loss" if self.use_dfl else "l1_loss"]
        weights = getattr(model, "class_weights", None)
        self.class_weights = None if weights is None else weights.to(self.device).view(1, 1, -1)
        self.assigner = self.assigner_type(
            topk=tal_topk,
            num_classes=self.nc,
            alpha=0.5,
            beta=6.0,
            stride=[float(s) for s in self.stride],
            topk2=tal_topk2,
        )
        self.bbox_loss = self.bbox_loss_type(self.reg_max).to(self.device)
        self.proj = torch.arange(self.reg_max, dtype=torch.float, device=self.device)
        self._grids: dict[Any, Grid] = {}  # Any: sizes and device

    def __getstate__(self) -> dict[str, Any]:
        """What a checkpoint may hold: everything but the cached anchors."""
        return {name: value for name, value in vars(self).items() if name != "_grids"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _grids={})

    def __call__(self, preds: Any, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss vector, multiplied by gains and batch size, and its items with gains only.

        Args:
            preds: what the model returned in training, or in evaluation (then the second member).
            batch: "batch_idx" (n,), "cls" (n, 1) and "bboxes" (n, 4) fractions xywh.
        """
        return self.loss(self.parse_output(preds), batch)

    def parse_output(self, preds: Any) -> Any:
        """The dictionary of raw outputs, from training or evaluation outputs of a model."""
        return preds[1] if isinstance(preds, tuple) else preds

    def loss(self, preds: Outputs, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The same as a call, on the dictionary of raw outputs."""
        images = preds["boxes"].shape[0]
        if self._takes_fixed_shapes(preds, batch):
            with torch.autocast(preds["boxes"].device.type, enabled=False):
                labels = self._flat_labels(batch, images, self._grid(preds["feats"]))
                _, terms = self._assigned_losses(preds, labels, {}, is_fixed=True)
            vector = torch.stack(terms)
            items = dict(zip(self._term_names(), vector.detach().unbind(), strict=True))
            return vector * images, items
        _, vector, items = self.get_assigned_targets_and_loss(preds, batch)
        return vector * images, items

    def _takes_fixed_shapes(self, preds: Outputs, batch: Batch) -> bool:
        """Whether nothing of this loss may make the host wait for the device; parts that were replaced may."""
        boxes = preds["boxes"]
        return bool(
            vars(type(self)).get("fixed_form")
            and prefers_fixed_shapes(boxes.device, len(batch["batch_idx"]), boxes.shape[-1])
            and has_fixed_form(self.assigner)
            and type(self.bbox_loss) is self.bbox_loss_type
        )

    def get_assigned_targets_and_loss(
        self,
        preds: Outputs,
        batch: Batch,
        **assign_kwargs: Any,  # Any: passed to the assigner
    ) -> tuple[tuple[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor, dict[str, Tensor]]:
        """Targets and losses, for criteria that add terms.

        Args:
            preds: "boxes" (B, 4 R, A), "scores" (B, C, A) logits, "feats" (feature maps).
            batch: labels as for a call.
            assign_kwargs: further inputs of the assigner's overlap.

        Returns:
            Foreground (B, A), label slot (B, A), target boxes (B, A, 4) in pixels (zeros in the
            background), anchors (A, 2) and strides (A, 1); the loss vector without the batch size; its
            items.
        """
        with torch.autocast(preds["boxes"].device.type, enabled=False):
            labels = self._labels(batch, len(preds["scores"]), self._grid(preds["feats"]))
            found, terms = self._assigned_losses(preds, labels, assign_kwargs)
        vector = torch.stack(terms)
        items = dict(zip(self._term_names(), vector.detach().unbind(), strict=True))
        dense = self._dense(found.positives, labels, preds["scores"])
        return (*dense, found.grid.points, found.grid.strides), vector, items

    def _assigned_losses(
        self,
        preds: Outputs,
        labels: Labels,
        extra: Mapping[str, Any],  # Any: further inputs of the assigner's overlap
        is_fixed: bool = False,
    ) -> tuple[Assigned, list[Tensor]]:
        """The positives, and the terms multiplied by their gains; float32 whatever comes in."""
        raw_BRA, logits_BCA = self._raw_boxes(preds).float(), preds["scores"].float()
        grid = self._grid(preds["feats"])
        known = raw_BRA.detach(), logits_BCA.detach(), grid, labels
        found = self._assign_fixed(*known) if is_fixed else self._assign(*known, extra)
        total = score_sum(found.scores)
        cls_loss = self._classification(logits_BCA, found, labels) / total
        box_loss, *others = self._regression(raw_BRA, grid, found, labels, total)
        parts = zip((box_loss, cls_loss, *others), self._gains(), strict=True)
        return Assigned(grid, labels, found), [part * gain for part, gain in parts]

    def preprocess(self, targets: Tensor, batch_size: int, scale_tensor: Tensor) -> Tensor:
        """Labels (n, 6) as [image, class, fractions xywh] -> (B, M, 5) as [class, pixels xyxy].

        M is the largest count of an image; free slots are zero. Labels of an image keep their order,
        wherever in the batch they stand.

        Args:
            targets: the labels.
            batch_size: number of images.
            scale_tensor: width, height, width, height of the network input.
        """
        image_n, order = targets[:, 0].long().sort(stable=True)
        padded = self._in_slots(image_n, targets[order, 1:], batch_size)
        padded[..., 1:5] = xywh2xyxy(padded[..., 1:5] * scale_tensor)
        return padded

    @staticmethod
    def _in_slots(image_n: Tensor, rows: Tensor, images: int) -> Tensor:
        """Rows (n, ...) sorted by image -> (B, M, ...), zeros behind the rows of each image."""
        counts = group_sizes(image_n, images)
        padded = rows.new_zeros((images, int(counts.max()), *rows.shape[1:]))
        slot_n = torch.arange(len(rows), device=rows.device) - (counts.cumsum(0) - counts)[image_n]
        padded[image_n, slot_n] = rows
        return padded

    def bbox_decode(self, anchor_points: Tensor, pred_dist: Tensor) -> Tensor:
        """Corner boxes (B, A, 4) in cells from raw distances (B, A, 4 R)."""
        return dist2bbox(self._distances(pred_dist), anchor_points, xywh=False)

    def _distances(self, pred_dist: Tensor) -> Tensor:
        """Distances (..., 4) in cells from raw ones (..., 4 R)."""
        if not self.use_dfl:
            return pred_dist
        bins = pred_dist.unflatten(-1, (4, self.reg_max)).softmax(dim=-1)
        return bins @ self.proj.to(bins)

    def _term_names(self) -> Sequence[str]:
        """Names of the terms computed here; criteria that add terms have more `loss_names`."""
        return self.loss_names

    def _gains(self) -> tuple[float, ...]:
        """Weights of the terms computed here."""
        return self.hyp.box, self.hyp.cls, self.hyp.dfl

    def _raw_boxes(self, preds: Outputs) -> Tensor:
        """Everything boxes are decoded from, (B, 4 R or more, A)."""
        boxes: Tensor = preds["boxes"]
        return boxes

    def _decode(self, points: Tensor, raw: Tensor) -> Tensor:
        """Boxes (..., A, 4 or 5) in cells from rows of `_raw_boxes`."""
        return self.bbox_decode(points, raw)

    @staticmethod
    def _scaled(boxes: Tensor, factor: Tensor) -> Tensor:
        """Boxes in another unit of length."""
        return boxes * factor

    def _grid(self, feats: Sequence[Tensor]) -> Grid:
        """Anchors of the given maps, built once per size and device."""
        sizes = tuple((int(f.shape[-2]), int(f.shape[-1])) for f in feats)
        key = (sizes, feats[0].device)
        grid = self._grids.get(key)
        if grid is None:
            strides = [float(s) for s in self.stride]
            shells = [torch.empty((1, 1, *size), device=feats[0].device) for size in sizes]
            points, steps = make_anchors(shells, strides)
            size_hw = torch.tensor(sizes[0], device=points.device) * strides[0]
            levels = tuple(Level(*s, step) for s, step in zip(sizes, strides, strict=True))
            grid = Grid(levels, points, steps, size_hw)
            while len(self._grids) >= GRIDS_KEPT:
                self._grids.pop(next(iter(self._grids)))
            self._grids[key] = grid
        return grid

    def _labels(self, batch: Batch, images: int, grid: Grid) -> Labels:
        """The labels of a batch in one list, in pixels."""
        targets = self._rows(batch, grid)
        padded = self.preprocess(targets, images, grid.size_hw.flip(0).repeat(2))
        classes, boxes = padded[..., :1], padded[..., 1:]
        return Labels.from_padded(classes, boxes, boxes.sum(dim=-1) > 0)

    @staticmethod
    def _rows(batch: Batch, grid: Grid) -> Tensor:
        """Labels (n, 6) or more as [image, class, box in fractions]."""
        columns = (batch["batch_idx"].view(-1, 1), batch["cls"].view(-1, 1), batch["bboxes"])
        return torch.cat(columns, dim=1).to(grid.points)

    def _flat_labels(self, batch: Batch, images: int, grid: Grid) -> Labels:
        """The same without looking at values: boxes of labels that cannot be used are zeros."""
        image_n, order = batch["batch_idx"].view(-1).to(grid.points.device).long().sort(stable=True)
        rows = self._rows(batch, grid)[order, 1:]
        counts = group_sizes(image_n, images)
        first = counts.cumsum(0) - counts
        slot_n = torch.arange(len(image_n), device=image_n.device) - first[image_n]
        boxes = self._boxes_px(rows[:, 1:], grid.size_hw.flip(0).repeat(2))
        return Labels(image_n, slot_n, rows[:, 0].long(), boxes)

    def _boxes_px(self, fractions: Tensor, scale_tensor: Tensor) -> Tensor:
        """Boxes of labels in pixels, as the assigner wants them."""
        return xywh2xyxy(fractions * scale_tensor)

    def _assign_fixed(
        self, raw_BRA: Tensor, logits_BCA: Tensor, grid: Grid, labels: Labels
    ) -> Positives:
        """The positive anchors, in tensors of fixed shapes."""
        decoded = self._scaled(self._decode(grid.points, raw_BRA.permute(0, 2, 1)), grid.strides)
        points = grid.points * grid.strides
        return assign_fixed(self.assigner, labels, points, logits_BCA.sigmoid(), decoded)

    def _assign(
        self,
        raw_BRA: Tensor,
        logits_BCA: Tensor,
        grid: Grid,
        labels: Labels,
        extra: Mapping[str, Any],  # Any: further inputs of the assigner's overlap
    ) -> Positives:
        """The positive anchors; a replaced assigner is given complete tensors."""
        points = grid.points * grid.strides
        images, _, anchors = logits_BCA.shape

        def boxes(image_P: Tensor, anchor_P: Tensor) -> Tensor:
            place_P = image_P * anchors + anchor_P
            used = torch.zeros(images * anchors, dtype=torch.bool, device=place_P.device)
            used[place_P] = True
            place = used.nonzero()[:, 0]
            image, anchor = place // anchors, place % anchors
            decoded = self._decode(grid.points[anchor], raw_BRA[image, :, anchor][None])[0]
            row = used.cumsum(0)[place_P] - 1
            return self._scaled(decoded, grid.strides[anchor])[row]

        def scores(image_P: Tensor, anchor_P: Tensor, class_P: Tensor) -> Tensor:
            return logits_BCA[image_P, class_P, anchor_P].sigmoid()

        if prefers_fixed_shapes(points.device, len(labels), anchors) and (
            has_fixed_form(self.assigner) and not extra
        ):
            return self._assign_fixed(raw_BRA, logits_BCA, grid, labels).compact(anchors)
        if isinstance(self.assigner, TaskAlignedAssigner):
            predictions = Predictions(images, anchors, scores, boxes)
            return self.assigner.assign(labels, points, predictions, grid.levels, **extra)
        decoded = self._scaled(self._decode(grid.points, raw_BRA.permute(0, 2, 1)), grid.strides)
        padded = labels.padded(images)
        targets = self.assigner(
            logits_BCA.permute(0, 2, 1).sigmoid(), decoded, points, *padded, **extra
        )
        return Positives.from_dense(labels, *targets[2:])

    def _classification(self, logits_BCA: Tensor, found: Positives, labels: Labels) -> Tensor:
        """Sum of the classification losses of all entries; a replaced `bce` gets dense targets."""
        weights = self.class_weights
        index = (found.images, labels.classes[found.labels], found.anchors)
        if type(self.bce) is nn.BCEWithLogitsLoss and self.bce.pos_weight is None:
            weight_C = None if weights is None else weights.view(-1)
            repeats = found.valid is not None
            return sparse_binary_cross_entropy(logits_BCA, index, found.scores, weight_C, repeats)
        targets_BCA = torch.zeros_like(logits_BCA).index_put(index, found.scores, accumulate=True)
        dense = self.bce(logits_BCA.permute(0, 2, 1), targets_BCA.permute(0, 2, 1))
        return (dense if weights is None else dense * weights).sum()

    def _regression(
        self, raw_BRA: Tensor, grid: Grid, found: Positives, labels: Labels, total: Tensor
    ) -> tuple[Tensor, ...]:
        """Box and distance loss of the positives; subclasses append terms."""
        raw_PR = raw_BRA[found.images, :, found.anchors]
        points_P2, stride_P1 = grid.points[found.anchors], grid.strides[found.anchors]
        target_P = self._scaled(labels.boxes[found.labels], 1 / stride_P1)
        decoded_P = self._decode(points_P2, raw_PR[None])[0]
        if found.valid is not None:  # entries without meaning must not bring in NaN, even times 0
            decoded_P = torch.where(found.valid[:, None], decoded_P, target_P)
        rows = raw_PR[:, : 4 * self.reg_max], decoded_P, points_P2, target_P, found.scores[:, None]
        if type(self.bbox_loss) is self.bbox_loss_type:
            return self.bbox_loss.of_positives(*rows, total, grid.size_hw, stride_P1)
        raw_P, decoded_P, points_P2, target_P, score_P1 = rows
        everyone = torch.ones((1, len(found)), dtype=torch.bool, device=total.device)
        box, distance = self.bbox_loss(
            *(raw_P[None], decoded_P[None], points_P2, target_P[None], score_P1[None]),
            *(total, everyone, grid.size_hw, stride_P1),
        )
        return box, distance

    @staticmethod
    def _dense(found: Positives, labels: Labels, like_BCA: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Foreground, label slots and target boxes of every anchor."""
        shape = (like_BCA.shape[0], like_BCA.shape[2])
        at = (found.images, found.anchors)
        foreground_BA = torch.zeros(shape, dtype=torch.bool, device=like_BCA.device)
        foreground_BA[at] = True
        slot_BA = torch.zeros(shape, dtype=torch.long, device=like_BCA.device)
        slot_BA[at] = labels.slots[found.labels]
        boxes_BA4 = labels.boxes.new_zeros((*shape, labels.boxes.shape[-1]))
        boxes_BA4[at] = labels.boxes[found.labels]
        return foreground_BA, slot_BA, boxes_BA4
