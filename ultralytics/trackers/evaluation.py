"""Measuring a tracked sequence while it is tracked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ultralytics.utils.logging import LOGGER
from ultralytics.utils.metrics.tracking import TrackMetrics, read_mot

__all__ = ["evaluated", "report"]


def evaluated(model: Any, results: Iterable[Any], gt: str | Path) -> Iterator[Any]:
    """Pass results on; after the last one the numbers are logged and become `model.metrics`.

    Args:
        model: the facade that tracks.
        results: one per frame, from the first.
        gt: MOTChallenge file of the true tracks; its frames count from 1.
    """
    truth, metrics = read_mot(gt), TrackMetrics()
    for number, result in enumerate(results, 1):
        ids, boxes = truth.get(number, (np.zeros(0, int), np.zeros((0, 4))))
        found = result.boxes if result.obb is None else result.obb
        numbers = [] if found.id is None else found.id.int().tolist()
        corners = found.xyxy.cpu().numpy() if numbers else np.zeros((0, 4))
        metrics.update_boxes(ids, boxes, numbers, corners)
        yield result
    model.metrics = metrics
    for line in report(metrics.results):
        LOGGER.info(line)


def report(numbers: dict[str, float]) -> list[str]:
    """The numbers as two lines of text: shares, then counts."""
    shares = {name: value for name, value in numbers.items() if not isinstance(value, int)}
    counts = {name: value for name, value in numbers.items() if isinstance(value, int)}
    return [
        "  ".join(f"{name} {value:.3f}" for name, value in shares.items()),
        "  ".join(f"{name} {value}" for name, value in counts.items()),
    ]
