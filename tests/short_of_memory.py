"""A trainer that pretends to run out of device memory, on a processor."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from ultralytics.engine.trainer import recovery
from ultralytics.models.yolo.detect import DetectionTrainer


def short_of_memory(
    kind: type[DetectionTrainer], images: int, monkeypatch: pytest.MonkeyPatch
) -> type[DetectionTrainer]:
    """A class whose training batches of more images fail, and a recovery that takes this for a lack of memory."""

    class Short(kind):  # any trainer class
        def preprocess_batch(self, batch: dict[str, Any]) -> dict[str, Any]:
            if self.model.training and len(batch["img"]) > images:
                raise torch.cuda.OutOfMemoryError("pretended")
            prepared: dict[str, Any] = super().preprocess_batch(batch)
            return prepared

    monkeypatch.setattr(
        recovery,
        "can_shrink_batch",
        lambda _, error: isinstance(error, torch.cuda.OutOfMemoryError),
    )
    return Short
