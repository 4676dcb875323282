"""Validation of class maps: numbers that are known beforehand, files, tables, subclasses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.drawn import SIZES, drawn_map
from tests.models.semantic.conftest import ColourReader
from ultralytics.models.yolo.semseg import SemanticSegmentationValidator


def validate(
    tmp_path: Path, data: Path, model: Any = None, kind: Any = None, **settings: Any
) -> Any:
    given = {"imgsz": 64, "device": "cpu", "mode": "val", "batch": 2, "task": "semseg"}
    given |= {"verbose": True, "plots": False, "data": str(data), "workers": 0}
    made = (kind or SemanticSegmentationValidator)(
        args={**given, **settings}, save_dir=tmp_path / "val"
    )
    made(model=model or ColourReader())
    return made


@pytest.mark.parametrize("rect", [True, False])
def test_a_perfect_network(tmp_path: Path, drawn_set: Path, rect: bool) -> None:
    metrics = validate(tmp_path, drawn_set, rect=rect).metrics
    assert metrics.pixel_accuracy > 0.95  # maps of enlarged images are half a pixel off
    assert metrics.semseg.recall > 0.85
    assert metrics.results_dict["metrics/mIoU"] == metrics.semseg.IoU == metrics.fitness


def test_counts_are_those_of_the_network_input(tmp_path: Path, drawn_set: Path) -> None:
    class Red(ColourReader):
        def forward(self, im: Any, augment: bool = False, embed: object = None) -> Any:
            logits = super().forward(im)
            logits[:] = 0
            logits[:, 0] = 1
            return logits

    validator = validate(tmp_path, drawn_set, Red())
    dataset = validator.dataloader.dataset
    targets = np.concatenate([dataset[i]["semantic_mask"].numpy().ravel() for i in range(4)])
    counts = np.bincount(targets[targets != 255], minlength=3)
    matrix = validator.metrics.confusion_matrix.matrix
    assert matrix[0].tolist() == counts.tolist()
    assert matrix[1:].sum() == 0
    assert validator.metrics.pixel_accuracy == pytest.approx(counts[0] / counts.sum())
    assert validator.metrics.miou == pytest.approx(counts[0] / counts.sum() / 3)
    assert validator.seen == 4


def test_smaller_outputs_are_enlarged(tmp_path: Path, drawn_set: Path) -> None:
    metrics = validate(tmp_path, drawn_set, ColourReader(factor=4)).metrics
    assert 0.75 < metrics.pixel_accuracy < 1


def test_one_class_has_a_background_in_the_matrix(tmp_path: Path, drawn_set: Path) -> None:
    for mask in (drawn_set.parent / "masks").rglob("*.png"):
        ids = cv2.imread(str(mask), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(mask), (ids > 0).astype(np.uint8))
    drawn_set.write_text(drawn_set.read_text().replace("[red, green, blue]", "[thing]"))
    metrics = validate(tmp_path, drawn_set, ColourReader(classes=1)).metrics
    assert metrics.confusion_matrix.matrix.shape == (2, 2)
    assert list(metrics.confusion_matrix.names.values()) == ["background", "thing"]
    assert metrics.miou > 0.85


def test_maps_are_written_in_the_ids_of_the_files(tmp_path: Path, drawn_set: Path) -> None:
    raw = np.array([7, 9, 33], np.uint8)
    for mask in (drawn_set.parent / "masks").rglob("*.png"):
        cv2.imwrite(str(mask), raw[cv2.imread(str(mask), cv2.IMREAD_UNCHANGED)])
    with drawn_set.open("a") as file:
        file.write("label_mapping: {7: 0, 9: 1, 33: 2}\n")
    validate(tmp_path, drawn_set, save_json=True)
    for i, size in enumerate(SIZES):
        found = cv2.imread(str(tmp_path / "val" / "results" / f"{i}.png"), cv2.IMREAD_UNCHANGED)
        assert found.shape == size
        assert (found == raw[drawn_map(i, *size)]).mean() > 0.97


def test_plots(tmp_path: Path, drawn_set: Path) -> None:
    validator = validate(tmp_path, drawn_set, plots=True)
    names = {
        *("confusion_matrix.png", "confusion_matrix_normalized.png", "iou_bar_chart.png"),
        *(f"val_batch{n}_{kind}.jpg" for n in range(2) for kind in ("labels", "pred")),
    }
    assert names <= {file.name for file in (tmp_path / "val").iterdir()}
    assert names <= {path.name for path in validator.plots}


def test_the_table(tmp_path: Path, drawn_set: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        validator = validate(tmp_path, drawn_set)
    assert validator.get_desc().split() == ["Class", "Images", "Pixels", "mIoU", "PixAcc"]
    lines = [record.message for record in caplog.records]
    assert any(line.split()[:2] == ["all", "4"] for line in lines)
    for name in ("red", "green", "blue"):
        assert any(line.split()[:1] == [name] for line in lines)
    assert any(line.startswith("Means over classes: precision") for line in lines)


def test_classes_nobody_has_are_named(
    tmp_path: Path, drawn_set: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for mask in (drawn_set.parent / "masks").rglob("*.png"):
        ids = cv2.imread(str(mask), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(mask), np.where(ids == 2, 255, ids).astype(np.uint8))
    with caplog.at_level("INFO"):
        validator = validate(tmp_path, drawn_set, ColourReader(factor=2))
    assert validator.metrics.ap_class_index == [0, 1]
    strangers = int(validator.metrics.confusion_matrix.matrix[2].sum())
    if strangers:
        assert f"Predicted, but in no image of the split: blue ({strangers} pixels)" in caplog.text


def test_subclasses_see_maps(tmp_path: Path, drawn_set: Path) -> None:
    class Mine(SemanticSegmentationValidator):
        sizes: Any = ()

        def update_metrics(self, preds: Any, batch: Any) -> None:
            self.sizes = (*self.sizes, (tuple(preds.shape), tuple(batch["semantic_mask"].shape)))
            super().update_metrics(preds, batch)

    validator = validate(tmp_path, drawn_set, kind=Mine)
    assert len(validator.sizes) == 2
    assert all(pred == mask for pred, mask in validator.sizes)
