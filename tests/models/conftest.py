"""What tests of several tasks share: steps on one batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

STEPS = 25


@pytest.fixture(scope="session")
def learn() -> Callable[[Any, Any], list[dict[str, float]]]:
    """Takes steps on one batch and gives the losses of each, their sum among them."""

    def steps(model: Any, batch: Any) -> list[dict[str, float]]:
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.004)
        losses = []
        for _ in range(STEPS):
            vector, items = model.loss(batch)
            optimizer.zero_grad()
            vector.sum().backward()
            optimizer.step()
            losses.append({"sum": vector.sum().item(), **{k: v.item() for k, v in items.items()}})
        return losses

    return steps
