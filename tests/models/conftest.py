"""What tests of several tasks share: model files with few channels, and steps on one batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import yaml

from ultralytics.nn.tasks import yaml_model_load

STEPS = 25


@pytest.fixture(scope="session")
def narrow_file(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Writes the model file of a generation with few channels."""

    def make(name: str) -> str:
        content = yaml_model_load(name)
        content["scales"] = {"n": [0.33, 0.125, 64]}
        del content["yaml_file"]
        file = tmp_path_factory.mktemp("models") / name
        file.write_text(yaml.safe_dump(content))
        return str(file)

    return make


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
