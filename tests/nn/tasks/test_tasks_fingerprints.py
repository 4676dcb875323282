"""Outputs of every family for defined weights and images, in float64, against recorded fingerprints; and folding.

Weights follow from the names and shapes of the state: no weights file is needed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from ultralytics.nn import tasks
from ultralytics.nn.modules import Detect
from ultralytics.nn.tasks import ClassificationModel, RTDETRDetectionModel, WorldModel, YOLOEModel

FOLDER = Path(__file__).parent
NETWORKS: dict[str, dict[str, Any]] = json.loads((FOLDER / "fingerprints.json").read_text())[
    "networks"
]
FILES: dict[str, Any] = json.loads((FOLDER / "architectures.json").read_text())["files"]
IMAGE = torch.from_numpy(np.random.RandomState(12345).random_sample((1, 3, 128, 192)))
TEXTS = torch.from_numpy(np.random.RandomState(54321).standard_normal((1, 80, 512)))
TEXTS = TEXTS / TEXTS.norm(dim=-1, keepdim=True)
QUICK = {
    "yolov5/n",
    "yolov6/n",
    "yolov8-seg/n",
    "yolov8-ghost/n",
    "yolov9t/",
    "yolov10n/n",
    "yolo11-pose/n",
    "yolo12/n",
    "yolo26-obb/n",
    "yolo26-cls/n",
    "yolo26-depth/n",
    "yolo26-sem/n",
}
RAW = ("dec_bboxes", "dec_scores", "enc_bboxes", "enc_scores")


def cases() -> list[Any]:
    return [
        pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in NETWORKS
    ]


def fill(model: nn.Module) -> None:
    """Set every tensor from its name's position and its shape."""
    state = model.state_dict()
    for seed, name in enumerate(sorted(state)):
        value = state[name]
        drawn = np.random.RandomState(seed).standard_normal(tuple(value.shape))
        if "dfl.conv" in name or "flow_model" in name or not value.is_floating_point():
            continue
        if name.endswith("running_var"):
            drawn = 1 + 0.1 * abs(drawn)
        elif value.ndim >= 2:
            drawn = drawn * np.sqrt(2 / np.prod(value.shape[1:]))
        elif value.ndim == 1 and name.endswith(".weight"):
            drawn = 1 + 0.1 * drawn
        else:
            drawn = 0.1 * drawn
        value.copy_(torch.as_tensor(drawn))


def build(name: str) -> Any:
    from tests.nn.tasks.test_tasks_architectures import scaled_name

    stem, _, letter = name.partition("/")
    file = scaled_name(stem, letter)
    model = getattr(tasks, FILES[stem]["model"])(file, verbose=False).double().eval()
    fill(model)
    return model


def run(model: Any) -> Any:
    """Output for the image, and the texts where the network takes them."""
    if isinstance(model, WorldModel):
        return model.predict(IMAGE, txt_feats=TEXTS)
    if isinstance(model, YOLOEModel):
        return model.predict(IMAGE, tpe=TEXTS)
    return model(IMAGE)


def named(value: Any, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """Tensors of nested dictionaries and lists by their path."""
    if isinstance(value, Tensor):
        yield prefix, value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from named(part, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(value, (list, tuple)):
        for index, part in enumerate(value):
            yield from named(part, f"{prefix}[{index}]")


def final(model: Any) -> Tensor:
    """What inference gives first: boxes, scores or maps."""
    y = run(model)
    while isinstance(y, tuple):
        y = y[0]
    found: Tensor = y
    return found


def observed(model: Any) -> dict[str, Tensor]:
    """Everything that has a fingerprint."""
    head = model.model[-1]
    if isinstance(model, ClassificationModel):
        return {"logits": model(IMAGE)[1]}
    if isinstance(model, RTDETRDetectionModel):
        y, raw = model(IMAGE)
        return {"pred": y, **dict(zip(RAW, raw, strict=False))}
    seen = {"eval": final(model)}
    head.training = True  # of the head alone: its layers keep their statistics
    raw = run(model)
    head.training = False
    if isinstance(head, Detect):
        return seen | dict(named(raw))
    if isinstance(raw, tuple):
        return seen | dict(zip(("main", "aux"), raw, strict=True))
    return seen


@torch.no_grad()
@pytest.mark.parametrize("name", cases())
def test_outputs_are_the_recorded_ones_folded_or_not(name: str) -> None:
    model = build(name)
    found = observed(model)
    for key, (shape, mean, middle) in NETWORKS[name].items():
        if key == "vpe":
            continue
        value = found[key]
        assert list(value.shape) == shape, key
        assert value.abs().mean().item() == pytest.approx(mean, rel=1e-6), key
        element = value.flatten()[value.numel() // 2].item()
        assert element == pytest.approx(middle, rel=1e-6, abs=1e-7 * mean), key
    before = final(model)
    model.fuse(verbose=False)
    assert model.is_fused()
    size = before.abs().mean().item()
    assert_close(final(model), before, rtol=1e-8, atol=1e-9 * size)


@torch.no_grad()
@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NETWORKS if "vpe" in NETWORKS[name]])
def test_embeddings_of_marked_regions(name: str) -> None:
    model = build(name).float()
    marks = torch.zeros(1, 2, 16, 24)
    marks[0, 0, 4:10, 5:15] = 1
    marks[0, 1, 0:3, 0:3] = 1
    found = model.predict(IMAGE.float(), vpe=marks, return_vpe=True)
    shape, mean, middle = NETWORKS[name]["vpe"]
    assert list(found.shape) == shape
    assert found.abs().mean().item() == pytest.approx(mean, rel=1e-3)
    assert found.flatten()[found.numel() // 2].item() == pytest.approx(middle, rel=1e-2, abs=1e-4)
