"""Losses of prompts that are image regions (YOLOE): only how well classes are told apart is taught."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ultralytics.utils.loss.detect import Batch, Outputs, v8DetectionLoss
from ultralytics.utils.loss.segment import v8SegmentationLoss

__all__ = ["TVPDetectLoss", "TVPSegmentLoss"]

SUFFIX = "_loss"
NOT_TAUGHT = ("sem_loss",)


class TVPDetectLoss:
    """Class loss of one branch, for as many classes as a batch has prompts; arguments as for `v8DetectionLoss`.

    Where the predictions have the model's own number of classes, no prompt was given, and the loss is zero.
    """

    criterion_type: type[v8DetectionLoss] = v8DetectionLoss

    def __init__(self, model: nn.Module, tal_topk: int = 10, tal_topk2: int | None = None) -> None:
        self.vp_criterion = self.criterion_type(model, tal_topk, tal_topk2)
        self.hyp: Any = self.vp_criterion.hyp  # Any: the settings namespace
        self.ori_nc = self.vp_criterion.nc
        self.loss_names = [
            name.removesuffix(SUFFIX)
            for name in self.vp_criterion.loss_names
            if name not in NOT_TAUGHT
        ]

    def __call__(self, preds: Any, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Class loss, multiplied by its gain and the batch size, and all items with gains only."""
        return self.loss(self.parse_output(preds), batch)

    def parse_output(self, preds: Any) -> Any:  # Any: as `v8DetectionLoss`
        """The dictionary of raw outputs, from training or evaluation outputs of a model."""
        return self.vp_criterion.parse_output(preds)

    def loss(self, preds: Outputs, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The same as a call, on the dictionary of raw outputs."""
        scores = preds["scores"]
        if scores.shape[1] == self.ori_nc:
            nothing = scores.new_zeros(len(self.loss_names), requires_grad=True)
            return nothing, dict(zip(self.loss_names, nothing.detach().unbind(), strict=True))
        criterion = self.vp_criterion
        criterion.nc = criterion.assigner.num_classes = scores.shape[1]
        vector, items = criterion.loss(preds, batch)
        named = dict(zip(items, vector, strict=True))
        kept = {name.removesuffix(SUFFIX): items[name] for name in items if name not in NOT_TAUGHT}
        return named["cls_loss"], kept


class TVPSegmentLoss(TVPDetectLoss):
    """The same for heads with masks; arguments as for `v8SegmentationLoss`."""

    criterion_type = v8SegmentationLoss
