"""Validator of the count task: mean absolute error."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tests.count_task.data import loader_of
from ultralytics.engine.validator import BaseValidator, Batch


class CountMetrics:
    """Mean absolute error of the counts."""

    keys = ("metrics/mae",)

    def __init__(self) -> None:
        self.mae = 0.0
        self.speed: dict[str, float] = {}

    @property
    def fitness(self) -> float:
        """Falls from 1 as errors grow."""
        return 1 / (1 + self.mae)

    @property
    def results_dict(self) -> dict[str, float]:
        """The error, and "fitness"."""
        return {"metrics/mae": self.mae, "fitness": self.fitness}


class CountValidator(BaseValidator):
    """Measures a counter."""

    def __init__(
        self, dataloader: Any = None, save_dir: Any = None, args: Any = None, _callbacks: Any = None
    ) -> None:
        super().__init__(dataloader, save_dir, args, _callbacks)
        self.args.task = "count"
        self.metrics = CountMetrics()
        self.errors: list[Tensor] = []

    def get_dataloader(self, dataset_path: Any, batch_size: int) -> Any:
        return loader_of(self.args, dataset_path, self.data, batch_size, is_train=False)

    def preprocess(self, batch: Batch) -> Batch:
        batch["img"] = batch["img"].to(self.device, torch.float32) / 255
        batch["count"] = batch["count"].to(self.device)
        return batch

    def init_metrics(self, model: Any) -> None:
        self.errors = []

    def update_metrics(self, preds: Tensor, batch: Batch) -> None:
        self.errors.append((preds.round() - batch["count"]).abs().cpu())
        self.seen += len(preds)

    def get_stats(self) -> dict[str, float]:
        self.metrics.mae = float(torch.cat(self.errors).mean())
        return self.metrics.results_dict

    def finalize_metrics(self) -> None:
        self.metrics.speed = self.speed

    def get_desc(self) -> str:
        return f"{'pictures':>22}{'MAE':>11}"
