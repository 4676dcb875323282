"""Losses of classifications: focal variants, dice, and whole-image cross-entropy.

Predictions are logits. The arithmetic runs in float32 also under autocast.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = [
    "BCEDiceLoss",
    "FocalLoss",
    "MultiChannelDiceLoss",
    "VarifocalLoss",
    "v8ClassificationLoss",
]


class VarifocalLoss(nn.Module):
    """Cross-entropy against graded scores, weighted by them on positives (Zhang et al. 2021, eq. 2).

    Args:
        gamma: focusing exponent of negatives.
        alpha: weight of negatives.
    """

    def __init__(self, gamma: float = 2.0, alpha: float = 0.75) -> None:
        super().__init__()
        self.gamma = gamma
        self.alpha = alpha

    def forward(self, pred_score: Tensor, gt_score: Tensor, label: Tensor) -> Tensor:
        """Sum over rows of the mean over axis 1.

        Args:
            pred_score: logits, at least two axes.
            gt_score: target scores in [0, 1].
            label: 1 where there is an object of that class.
        """
        with torch.autocast(pred_score.device.type, enabled=False):
            logits, scores = pred_score.float(), gt_score.float()
            weight = self.alpha * logits.sigmoid().pow(self.gamma) * (1 - label) + scores * label
            loss = F.binary_cross_entropy_with_logits(logits, scores, reduction="none") * weight
        return loss.mean(1).sum()


class FocalLoss(nn.Module):
    """Cross-entropy that fades on easy entries (Lin et al. 2017, eq. 5).

    Args:
        gamma: focusing exponent.
        alpha: weight of positives, 1 - alpha that of negatives; 0 switches the weighting off.
    """

    def __init__(self, gamma: float = 1.5, alpha: float = 0.25) -> None:
        super().__init__()
        self.gamma = gamma
        self.alpha = alpha

    def forward(self, pred: Tensor, label: Tensor) -> Tensor:
        """Sum over rows of the mean over axis 1; logits and labels of equal shape."""
        loss = F.binary_cross_entropy_with_logits(pred, label, reduction="none")
        chance = pred.sigmoid()
        hit = label * chance + (1 - label) * (1 - chance)
        loss = loss * (1 - hit).pow(self.gamma)
        if torch.as_tensor(self.alpha).gt(0).any():
            alpha = torch.as_tensor(self.alpha, dtype=pred.dtype, device=pred.device)
            loss = loss * (label * alpha + (1 - label) * (1 - alpha))
        return loss.mean(1).sum()


class MultiChannelDiceLoss(nn.Module):
    """One minus the dice coefficient of each channel (Milletari et al. 2016, section 3).

    Args:
        smooth: added to both sides of the fraction.
        reduction: how images are combined: "mean", "sum" or "none".
    """

    def __init__(self, smooth: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__()
        self.smooth = smooth
        self.reduction = reduction

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        """Loss of (B, C, H, W) logits against a target of the same shape."""
        if pred.shape != target.shape:
            message = f"the shapes of prediction and target differ: {pred.shape}, {target.shape}"
            raise AssertionError(message)  # the class that callers of this interface know
        chance = pred.sigmoid()
        shared = (chance * target).sum(dim=(2, 3))
        total = chance.sum(dim=(2, 3)) + target.sum(dim=(2, 3))
        loss = (1 - (2 * shared + self.smooth) / (total + self.smooth)).mean(dim=1)
        if self.reduction == "mean":
            return loss.mean()
        return loss.sum() if self.reduction == "sum" else loss


class BCEDiceLoss(nn.Module):
    """Weighted sum of binary cross-entropy and dice; targets are resized to the prediction.

    Args:
        weight_bce: weight of the cross-entropy.
        weight_dice: weight of the dice loss.
    """

    def __init__(self, weight_bce: float = 0.5, weight_dice: float = 0.5) -> None:
        super().__init__()
        self.weight_bce = weight_bce
        self.weight_dice = weight_dice
        self.bce = nn.BCEWithLogitsLoss()
        self.dice = MultiChannelDiceLoss(smooth=1)

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        """Loss of (B, C, H, W) logits against a (B, C, h, w) target."""
        if target.shape[-2:] != pred.shape[-2:]:
            target = F.interpolate(target, size=pred.shape[-2:], mode="nearest")
        return self.weight_bce * self.bce(pred, target) + self.weight_dice * self.dice(pred, target)


class v8ClassificationLoss:
    """Mean cross-entropy of whole-image classification."""

    def __call__(
        self,
        preds: Tensor | tuple[Tensor, Tensor] | list[Tensor],
        batch: Mapping[str, Any],  # Any: a batch holds tensors, paths and shapes
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss and its value by name.

        Args:
            preds: (B, classes) logits, or (probabilities, logits).
            batch: holds the class ids (B,) under "cls".
        """
        logits = preds[1] if isinstance(preds, (list, tuple)) else preds
        loss = F.cross_entropy(logits, batch["cls"], reduction="mean")
        return loss, {"loss": loss.detach()}
