"""`RTDETR`: the facade of RT-DETR."""

from __future__ import annotations

from pathlib import Path

from ultralytics.engine.facade.roles import Roles
from ultralytics.engine.model import ClassTable, Model

__all__ = ["RTDETR"]


class RTDETR(Model):
    """An RT-DETR model. See `Model` for what it can do.

    Args:
        model: weights, architecture, or another `Model`.
    """

    def __init__(self, model: str | Path | Model = "rtdetr-l.pt") -> None:
        super().__init__(model=model, task="detect")

    @property
    def task_map(self) -> ClassTable:
        """Classes of the one task, by role."""
        return {
            "detect": Roles(
                {
                    "model": "ultralytics.nn.tasks:RTDETRDetectionModel",
                    "trainer": "ultralytics.models.rtdetr:RTDETRTrainer",
                    "validator": "ultralytics.models.rtdetr:RTDETRValidator",
                    "predictor": "ultralytics.models.rtdetr:RTDETRPredictor",
                }
            )
        }
