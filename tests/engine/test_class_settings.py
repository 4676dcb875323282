"""Rows that follow class names (`cls_remap`), all classes as one (`single_cls`), class weights (`cls_pw`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.multiprocess.parts import DETECT
from tests.painted import paint
from ultralytics import YOLO
from ultralytics.models.yolo.detect import DetectionTrainer

Args = dict[str, Any]


@pytest.fixture
def args(short_run: Args, tmp_path: Path) -> Args:
    """A run on {0: red, 1: blue} from weights whose classes are {0: Blue, 1: red}."""
    (tmp_path / "tiny.yaml").write_text(DETECT)
    source = YOLO(tmp_path / "tiny.yaml")
    source.model.names = {0: "Blue ", 1: "red"}
    source.save(tmp_path / "source.pt")
    kept = {k: v for k, v in short_run.items() if k != "pretrained"}
    return kept | {"model": str(tmp_path / "source.pt")}


def class_rows(network: Any) -> torch.Tensor:
    rows: torch.Tensor = network.model[-1].cv3[0][-1].weight.detach().flatten(1)
    return rows


@pytest.mark.parametrize("remap", [True, False])
def test_class_rows_follow_names_unless_told_otherwise(remap: bool, args: Args) -> None:
    source = class_rows(YOLO(args["model"]).model)
    trainer = DetectionTrainer(overrides=args | {"cls_remap": remap})
    trainer.setup_model()
    found = class_rows(trainer.model)
    assert torch.equal(found, source[[1, 0]] if remap else source)
    trainer._remove_empty_folder()


def test_all_classes_as_one(args: Args) -> None:
    trainer = DetectionTrainer(overrides=args | {"single_cls": True, "cls_pw": 1.0, "epochs": 1})
    trainer.train()
    assert trainer.data["names"] == {0: "item"}
    assert class_rows(trainer.model).shape[0] == 1
    assert set(trainer.train_loader.dataset.store.block[:, 0]) == {0}
    assert trainer.model.class_weights.tolist() == [1.0]
    assert YOLO(trainer.best).names == {0: "item"}


@pytest.mark.parametrize(("power", "expected"), [(0.5, [4 / 3, 2 / 3]), (1.0, [1.6, 0.4])])
def test_weights_reach_network_and_average(
    power: float, expected: list[float], args: Args, tmp_path: Path
) -> None:
    for split in ("train", "val"):
        paint(tmp_path, split, 1, seed=0)
    row = "0.5 0.5 0.2 0.2\n"
    (tmp_path / "labels" / "train" / "0.txt").write_text(
        f"0 {row}" + "".join(f"1 0.{i} {row[4:]}" for i in (2, 3, 6, 7))
    )
    data = tmp_path / "data.yaml"
    data.write_text("train: images/train\nval: images/val\nnames: {0: red, 1: blue}\n")
    trainer = DetectionTrainer(
        overrides=args | {"data": str(data), "cls_pw": power, "epochs": 1, "batch": 1}
    )
    trainer.train()
    assert trainer.get_class_counts().tolist() == [1, 4]
    assert trainer.model.class_weights.tolist() == pytest.approx(expected)
    assert torch.equal(trainer.ema.ema.class_weights, trainer.model.class_weights)
