"""Losses of semantic segmentation: cross-entropy of pixels with dice, or with a second look at hard pixels.

Targets are class ids (B, H, W); 255 is not counted. Logits of another size are enlarged to the target. The arithmetic
runs in float32 also under autocast.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["IGNORE_INDEX", "SemSegLoss", "SemanticSegmentationLoss"]

IGNORE_INDEX = 255
AUXILIARY_GAIN = 0.4
SMOOTH = 1.0  # added to both sides of the dice fraction

# Weights that publications on Cityscapes use for its nineteen classes.
CITYSCAPES_FILES = ("cityscapes", "cityscapes8")
CITYSCAPES_WEIGHT = (
    *(0.8373, 0.918, 0.866, 1.0345, 1.0166, 0.9969, 0.9754, 1.0489, 0.8786, 1.0023),
    *(0.9539, 0.9843, 1.1116, 0.9037, 1.0865, 1.0955, 1.0865, 1.1529, 1.0507),
)

# Any: a batch holds tensors, paths and shapes; a model is a network of either design
Batch = Mapping[str, Any]
Raw = Tensor | tuple[Tensor, Tensor] | list[Tensor]


class SemanticSegmentationLoss:
    """Cross-entropy and dice of the main output, and cross-entropy of an auxiliary one.

    Args:
        model: its head's `nc`, its `class_weights` (nc,) if it has any, and `args.data` are read.
    """

    loss_names = ("ce_loss", "dice_loss", "aux_loss")

    def __init__(self, model: Any) -> None:
        self.nc: int = model.model[-1].nc
        self.class_weight = _class_weights(model, self.nc)

    def __call__(self, preds: Raw, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss times the batch size, and its parts by name.

        Args:
            preds: logits (B, nc, h, w), or (logits, auxiliary logits).
            batch: holds the targets under "semantic_mask".
        """
        logits, auxiliary = preds if isinstance(preds, (tuple, list)) else (preds, None)
        target = batch["semantic_mask"].to(logits.device).long()
        with torch.autocast(logits.device.type, enabled=False):
            ce, dice = self._main(_fitted(logits, target), target)
            aux = torch.zeros_like(ce)
            if auxiliary is not None:
                aux = AUXILIARY_GAIN * self._entropy(_fitted(auxiliary, target), target)
        parts = dict(zip(self.loss_names, (ce, dice, aux), strict=True))
        total = (ce + dice + aux) * len(target)
        return total, {name: value.detach() for name, value in parts.items()}

    def _main(self, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        if self.nc == 1:
            return self._entropy(logits, target), _binary_dice(logits, target)
        log_chance = logits.log_softmax(dim=1)
        return self._mean_entropy(log_chance, target), _dice(log_chance.exp(), target)

    def _entropy(self, logits: Tensor, target: Tensor) -> Tensor:
        if self.nc == 1:
            valid = target != IGNORE_INDEX
            return _binary_entropy(logits, target).sum() / valid.sum().clamp(min=1)
        return self._mean_entropy(logits.log_softmax(dim=1), target)

    def _mean_entropy(self, log_chance: Tensor, target: Tensor) -> Tensor:
        """Sum over counted pixels, divided by their number or by the sum of their class weights."""
        weight = self.class_weight
        if weight is not None:
            weight = weight.to(log_chance)
        total = F.nll_loss(log_chance, target, weight, ignore_index=IGNORE_INDEX, reduction="sum")
        counts = _pixels_of(target, self.nc)
        share = counts.sum() if weight is None else (counts * weight).sum()
        return total / share.clamp(min=1)


class SemSegLoss:
    """Cross-entropy of both outputs, with the pixels above a gate counted once more (spec 10, section 5.3).

    Args:
        model: not needed; taken because losses are made from models.
        alpha: share of the auxiliary output.
        beta: share of the main output.
        gamma: weight of the second look at hard pixels.
        gate: least cross-entropy of a hard pixel.
        dice: weight of the dice term of the main output, which the older interface lacks; it helps small classes.
    """

    loss_names = ("loss",)

    def __init__(
        self,
        model: Any = None,
        alpha: float = 0.3,
        beta: float = 0.7,
        gamma: float = 0.2,
        gate: float = 0.05,
        dice: float = 0.0,
    ) -> None:
        self.alpha = alpha
        self.beta = beta
        self.gamma = gamma
        self.gate = gate
        self.dice = dice
        self.class_weight = getattr(model, "class_weights", None)

    def __call__(self, preds: Raw, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss times the batch size, and its value by name.

        Args:
            preds: (auxiliary logits, logits) while training, else logits, all (B, nc, h, w).
            batch: holds the targets under "semantic_mask", or under "masks" as the older interface did.
        """
        pair = preds if isinstance(preds, (tuple, list)) else (preds,)
        found = batch["masks"] if "semantic_mask" not in batch else batch["semantic_mask"]
        target = found.to(pair[0].device).long()
        shares = (self.alpha, self.beta) if len(pair) == 2 else (1.0,)
        loss = pair[0].new_zeros((), dtype=torch.float32)
        with torch.autocast(pair[0].device.type, enabled=False):
            for share, logits in zip(shares, pair, strict=True):
                fitted = _fitted(logits, target)
                loss = loss + share * self._entropy(fitted, target)
            if self.dice:
                loss = loss + self.dice * _dice_of_logits(fitted, target)
        return loss * len(target), {"loss": loss.detach()}

    def _entropy(self, logits: Tensor, target: Tensor) -> Tensor:
        """Mean over the counted pixels, and `gamma` times the mean over the hard ones; 0 where there are none."""
        each = self._of_pixels(logits, target)
        counted = (target != IGNORE_INDEX).sum().clamp(min=1)
        hard = each > self.gate
        gated = (each * hard).sum() / hard.sum().clamp(min=1)
        return each.sum() / counted + self.gamma * gated

    def _of_pixels(self, logits: Tensor, target: Tensor) -> Tensor:
        if logits.shape[1] == 1:
            return _binary_entropy(logits, target)
        weight = None if self.class_weight is None else self.class_weight.to(logits)
        return F.cross_entropy(logits, target, weight, ignore_index=IGNORE_INDEX, reduction="none")


def _class_weights(model: Any, nc: int) -> Tensor | None:
    """Weights set by the trainer, else those of Cityscapes for its own description; none for one class."""
    if nc == 1:
        return None
    given = getattr(model, "class_weights", None)
    if given is not None:
        return torch.as_tensor(given, dtype=torch.float32)
    args = getattr(model, "args", None)
    data = args.get("data") if isinstance(args, Mapping) else getattr(args, "data", None)
    if data and Path(str(data)).stem in CITYSCAPES_FILES and nc == len(CITYSCAPES_WEIGHT):
        return torch.tensor(CITYSCAPES_WEIGHT)
    return None


def _fitted(logits: Tensor, target: Tensor) -> Tensor:
    """Float32 logits at the size of the target."""
    logits = logits.float()
    size = target.shape[1:]
    if logits.shape[2:] == size:
        return logits
    return F.interpolate(logits, size=size, mode="bilinear", align_corners=False)


def _pixels_of(target: Tensor, nc: int) -> Tensor:
    """Number of pixels of each class, (nc,) float."""
    return torch.bincount(target.flatten(), minlength=IGNORE_INDEX + 1)[:nc].float()


def _dice_of_logits(logits: Tensor, target: Tensor) -> Tensor:
    if logits.shape[1] == 1:
        return _binary_dice(logits, target)
    return _dice(logits.softmax(dim=1), target)


def _dice(chance: Tensor, target: Tensor) -> Tensor:
    """Mean over classes of one minus the dice coefficient, pooled over the batch."""
    nc = chance.shape[1]
    valid = (target != IGNORE_INDEX)[:, None]
    known = target[:, None].clamp(max=nc - 1)
    own = (chance.gather(1, known) * valid).flatten()
    shared = own.new_zeros(nc).index_add(0, known.flatten(), own)
    expected = (chance * valid).sum(dim=(0, 2, 3))
    total = expected + _pixels_of(target, nc)
    return (1 - (2 * shared + SMOOTH) / (total + SMOOTH)).mean()


def _binary_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of every pixel (B, H, W), 0 where it is not counted."""
    each = F.binary_cross_entropy_with_logits(logits[:, 0], (target == 1).float(), reduction="none")
    return each * (target != IGNORE_INDEX)


def _binary_dice(logits: Tensor, target: Tensor) -> Tensor:
    valid = target != IGNORE_INDEX
    chance, hit = logits[:, 0].sigmoid() * valid, (target == 1) & valid
    total = chance.sum() + hit.sum()
    return 1 - (2 * (chance * hit).sum() + SMOOTH) / (total + SMOOTH)
