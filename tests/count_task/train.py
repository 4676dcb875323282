"""Trainer of the count task."""

from __future__ import annotations

from copy import copy
from typing import Any

import torch
from torch import nn

from tests.count_task.data import loader_of
from tests.count_task.network import CountLoss, CountModel
from tests.count_task.val import CountValidator
from ultralytics.engine.trainer import BaseTrainer


class CountTrainer(BaseTrainer):
    """Train a counter."""

    def get_model(self, cfg: Any = None, weights: Any = None, verbose: bool = True) -> nn.Module:
        model = CountModel(cfg, ch=self.data["channels"], verbose=verbose)
        if weights is not None:
            model.load(weights)
        return model

    def set_model_attributes(self) -> None:
        self.model.args = self.args

    def get_dataloader(
        self, dataset_path: Any, batch_size: int = 16, rank: int = 0, mode: str = "train"
    ) -> Any:
        return loader_of(self.args, dataset_path, self.data, batch_size, mode == "train")

    def preprocess_batch(self, batch: dict[str, Any]) -> dict[str, Any]:
        batch["img"] = batch["img"].to(self.device, torch.float32) / 255
        batch["count"] = batch["count"].to(self.device)
        return batch

    def get_validator(self) -> CountValidator:
        self.loss_names = CountLoss.loss_names
        return CountValidator(self.test_loader, self.save_dir, copy(self.args), self.callbacks)
