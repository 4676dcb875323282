"""Metric object of classification: top-1 and top-5 accuracy."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ultralytics.utils.export_mixin import DataExportMixin
from ultralytics.utils.simple_class import SimpleClass

__all__ = ["ClassifyMetrics"]


class ClassifyMetrics(SimpleClass, DataExportMixin):
    """Accuracy of the best guess (`top1`) and of the listed guesses, at most five (`top5`)."""

    def __init__(self) -> None:
        self.top1: float = 0
        self.top5: float = 0
        self.speed = {"preprocess": 0.0, "inference": 0.0, "loss": 0.0, "postprocess": 0.0}

    def process(self, targets: list[Tensor], pred: list[Tensor]) -> None:
        """Compute both accuracies.

        Args:
            targets: true classes, one (B,) tensor per batch.
            pred: guessed classes by falling probability, one (B, up to 5) tensor per batch.
        """
        hits = torch.cat(pred) == torch.cat(targets)[:, None]
        self.top1, self.top5 = torch.stack([hits[:, 0], hits.any(1)]).float().mean(1).tolist()

    @property
    def fitness(self) -> float:
        """Mean of both accuracies."""
        return (self.top1 + self.top5) / 2

    @property
    def keys(self) -> list[str]:
        """Names of the two accuracies."""
        return ["metrics/accuracy_top1", "metrics/accuracy_top5"]

    @property
    def results_dict(self) -> dict[str, float]:
        """Accuracies by key, and "fitness"."""
        values = (self.top1, self.top5, self.fitness)
        return dict(zip([*self.keys, "fitness"], values, strict=True))

    @property
    def curves(self) -> list[str]:
        """No curves belong to this task."""
        return []

    @property
    def curves_results(self) -> list[list[Any]]:
        """No curves belong to this task."""
        return []

    def summary(self, normalize: bool = True, decimals: int = 5) -> list[dict[str, float]]:
        """One row with both accuracies."""
        return [{"top1_acc": round(self.top1, decimals), "top5_acc": round(self.top5, decimals)}]
