"""The entry of the count task."""

from __future__ import annotations

from ultralytics import registry
from ultralytics.nn.tasks import register_module
from ultralytics.registry import Task

HERE = "tests.count_task"

COUNT = Task(
    name="count",
    suffix="-count",
    metric="metrics/mae",
    default_model="yolo26n-count.pt",
    default_data="shapes.yaml",
    calibration_data="shapes.yaml",
    heads=("Count",),
    model=f"{HERE}.network:CountModel",
    trainer=f"{HERE}.train:CountTrainer",
    validator=f"{HERE}.val:CountValidator",
    predictor=f"{HERE}.predict:CountPredictor",
    aliases=("counting",),
    labels="boxes",
)


def register() -> None:
    """Add the task and its head."""
    from tests.count_task.network import Count, row_of_count

    registry.register(COUNT)
    register_module(Count, rule=row_of_count)
