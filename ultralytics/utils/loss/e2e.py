"""Losses of heads with two branches: many anchors per label for learning, one for inference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from ultralytics.utils.loss.detect import v8DetectionLoss

__all__ = ["E2EDetectLoss", "E2ELoss"]

MANY_TOPK = 10
ONE_TOPK = 7  # anchors per label that compete for the single place
Outputs = Mapping[str, Any] | tuple[Any, Any]  # Any: nested dictionaries of tensors
Loss = Callable[[Outputs, Mapping[str, Any]], tuple[Tensor, dict[str, Tensor]]]


class E2ELoss:
    """Weighted sum of the two branches; the weight moves from many to one over the epochs.

    Args:
        model: a model with a dual head.
        loss_fn: criterion class of one branch.
    """

    def __init__(
        self,
        model: nn.Module,
        loss_fn: Callable[..., Any] = v8DetectionLoss,  # Any: every criterion class
    ) -> None:
        self.one2many = loss_fn(model, tal_topk=MANY_TOPK)
        self.one2one = loss_fn(model, tal_topk=ONE_TOPK, tal_topk2=1)
        self.updates = 0
        self.total = 1.0
        self.o2m = 0.8
        self.o2o = self.total - self.o2m
        self.o2m_copy = self.o2m
        self.final_o2m = 0.1

    def __call__(
        self, preds: Outputs, batch: Mapping[str, Any]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss vector of both branches and the items of the one-to-one branch, unweighted."""
        branches = self.one2many.parse_output(preds)
        many, _ = self.one2many.loss(branches["one2many"], batch)
        one, items = self.one2one.loss(branches["one2one"], batch)
        return many * self.o2m + one * self.o2o, items

    def update(self) -> None:
        """Move on by one epoch."""
        self.updates += 1
        self.o2m = self.decay(self.updates)
        self.o2o = max(self.total - self.o2m, 0)

    def decay(self, x: int) -> float:
        """Weight of the one-to-many branch after x epochs; falls linearly to `final_o2m`."""
        left = max(1 - x / max(self.one2one.hyp.epochs - 1, 1), 0)
        return left * (self.o2m_copy - self.final_o2m) + self.final_o2m


class E2EDetectLoss:
    """Plain sum of both branches, as in the first generation of dual heads.

    Args:
        model: a model with a dual head.
    """

    def __init__(self, model: nn.Module) -> None:
        self.one2many = v8DetectionLoss(model, tal_topk=MANY_TOPK)
        self.one2one = v8DetectionLoss(model, tal_topk=1)

    def __call__(
        self, preds: Outputs, batch: Mapping[str, Any]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Sum of the loss vectors, and of the items by name."""
        branches = self.one2many.parse_output(preds)
        many, items_many = self.one2many.loss(branches["one2many"], batch)
        one, items_one = self.one2one.loss(branches["one2one"], batch)
        return many + one, {name: items_many[name] + items_one[name] for name in items_many}
