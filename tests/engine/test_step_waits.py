"""How often a training step would make the host wait for a GPU, for every task; pinned here so that it only falls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.syncs import recorded
from ultralytics.engine.trainer import loop
from ultralytics.geometry import pairs
from ultralytics.registry import get
from ultralytics.utils.loss import detect

# What is left, and why:
# - masks are compared inside the boxes of labels, in parts whose sizes follow from the labels;
# - the assigners of YOLO26 for masks and points look at lists of pairs, as do the terms of points and the flow;
# - pixels of each class are counted by an operator that checks its input.
WAITS = {
    "yolo11.yaml": 0,
    "yolo26.yaml": 0,
    "yolo11-obb.yaml": 0,
    "yolo26-obb.yaml": 0,
    "yolo11-cls.yaml": 0,
    "yolo11-seg.yaml": 5,
    "yolo26-seg.yaml": 45,
    "yolo11-pose.yaml": 5,
    "yolo26-pose.yaml": 41,
    "yolo26-sem.yaml": 3,
}
TASK_OF = {"obb": "obb", "cls": "classify", "seg": "segment", "pose": "pose", "sem": "semantic"}


@pytest.mark.slow
@pytest.mark.parametrize("name", WAITS)
def test_waits_of_a_step(
    name: str,
    narrow_file: Callable[[str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(detect, "prefers_fixed_shapes", lambda *_: True)  # as on a GPU
    monkeypatch.setattr(pairs, "reads_are_free", lambda _: False)
    task = get(TASK_OF.get(name.removesuffix(".yaml").partition("-")[2], "detect"))
    trainer = task.load("trainer")(
        overrides={
            "model": narrow_file(name),
            "data": task.sample,
            "fraction": 0.1,
            "imgsz": 64,
            "batch": 4,
            "nbs": 4,
            "epochs": 1,
            "device": "cpu",
            "optimizer": "SGD",
            "plots": False,
            "project": str(tmp_path),
        }
    )
    trainer._setup_train()
    trainer._model_train()
    batches = iter(trainer.train_loader)
    loop.run_batch(trainer, next(batches), 0, 0)  # makes what is kept: anchors, the criterion
    batch = next(batches)
    assert len(batch["cls"]) if "cls" in batch else True
    before = trainer.ema.updates
    trainer.nonfinite = "not looked for in every batch, as on a GPU"
    with recorded() as seen:
        loop.run_batch(trainer, batch, 1, 1)
    trainer._close_loaders()
    assert trainer.ema.updates == before + 1  # the optimizer made its step
    assert sum(seen.values()) == WAITS[name], dict(seen)


def test_the_recorder_sees_every_kind_of_wait() -> None:
    import torch

    values = torch.tensor([1.0, 0.0, 2.0])
    waits: dict[str, Callable[[], object]] = {
        "_local_scalar_dense": lambda: values.sum().item(),
        "nonzero": lambda: values.nonzero(),
        "index by mask": lambda: values[values > 0],
        "masked_select": lambda: values.masked_select(values > 0),
        "bincount": lambda: values.long().bincount(),
        "repeat_interleave": lambda: torch.repeat_interleave(values.long()),
        "_unique2": lambda: values.unique(),
        "tolist": lambda: values.tolist(),
        "cpu": lambda: values.cpu(),
        "tensor": lambda: torch.tensor([1, 2]),
        "new_tensor": lambda: values.new_tensor([1, 2]),
    }
    for name, call in waits.items():
        with recorded() as seen:
            call()
        assert any(key.startswith(f"{name} at ") for key in seen), name
    with recorded() as seen:
        torch.where(values > 0, values, 0.0).sort(stable=True)
        values.new_zeros(3).scatter_add(0, values.long(), values)
        torch.cat((values, values))[torch.arange(2)]
    assert not seen
