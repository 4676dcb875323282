"""Validation end to end: a detector that reads colours off painted images, and a real network inside training."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ultralytics.data import build_dataloader, build_yolo_dataset
from ultralytics.data.utils import check_det_dataset
from ultralytics.errors import DatasetNotFound
from ultralytics.events import EventBus
from ultralytics.models.yolo.detect.val import DetectionValidator
from ultralytics.nn.tasks import DetectionModel

RED, BLUE = (30, 30, 230), (230, 30, 30)
SIDE = 64
# class and pixel box of the one rectangle in each image; the last image is empty
PAINTED = [(0, (8, 8, 40, 32)), (1, (16, 20, 60, 60)), (0, (4, 30, 30, 62)), None]


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("painted")
    for part in ("images/val", "labels/val"):
        (folder / part).mkdir(parents=True)
    for i, painting in enumerate(PAINTED):
        canvas = np.full((SIDE, SIDE, 3), 120, np.uint8)
        rows = ""
        if painting:
            kind, (x1, y1, x2, y2) = painting
            canvas[y1:y2, x1:x2] = (RED, BLUE)[kind]
            centre = ((x1 + x2) / 2 / SIDE, (y1 + y2) / 2 / SIDE)
            rows = f"{kind} {centre[0]} {centre[1]} {(x2 - x1) / SIDE} {(y2 - y1) / SIDE}\n"
        cv2.imwrite(str(folder / f"images/val/{i}.png"), canvas)
        (folder / f"labels/val/{i}.txt").write_text(rows)
    file = folder / "set.yaml"
    file.write_text("train: images/val\nval: images/val\nnames: {0: red, 1: blue}\n")
    return file


class ColourDetector(nn.Module):
    """Finds the extent of red and of blue; rows are final, as those of an end-to-end head."""

    names = {0: "red", 1: "blue"}
    task = "detect"

    def __init__(self, shift: float = 0.0) -> None:
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(1))
        self.shift = shift

    def forward(self, im: Tensor, augment: bool = False) -> Tensor:
        rows = torch.zeros(len(im), 2, 6)
        for i, (red, _, blue) in enumerate(im):
            for kind, mask in enumerate(((red > 0.7) & (blue < 0.3), (blue > 0.7) & (red < 0.3))):
                y, x = torch.nonzero(mask, as_tuple=True)
                if len(x):
                    box = torch.stack([x.min(), y.min(), x.max() + 1, y.max() + 1]) + self.shift
                    rows[i, kind] = torch.cat([box, torch.tensor([0.9, float(kind)])])
        return rows


Make = Callable[..., DetectionValidator]


@pytest.fixture
def validator(painted: Path, tmp_path: Path) -> Make:
    def make(**settings: Any) -> DetectionValidator:
        args = {
            "data": str(painted),
            "imgsz": SIDE,
            "batch": 2,
            "device": "cpu",
            "workers": 0,
            "plots": False,
            "mode": "val",
        }
        return DetectionValidator(args=args | settings, save_dir=tmp_path / "run")

    return make


def test_a_perfect_detector(validator: Make) -> None:
    one = validator()
    stats = one(model=ColourDetector())
    assert stats is not None
    assert stats["metrics/mAP50-95(B)"] == pytest.approx(0.995)
    assert stats["fitness"] == stats["metrics/mAP50-95(B)"]
    assert one.seen == 4
    assert one.metrics.coco.ap == pytest.approx(1)
    assert one.metrics.nt_per_class.tolist() == [2, 1]
    assert one.confusion_matrix.matrix.tolist() == [[2, 0, 0], [0, 1, 0], [0, 0, 0]]
    assert one.metrics.box.image_metrics["3.png"]["f1"] == 1
    assert set(one.metrics.speed) == {"preprocess", "inference", "loss", "postprocess"}


def test_boxes_a_few_pixels_off_lose_the_strict_thresholds(validator: Make) -> None:
    stats = validator()(model=ColourDetector(shift=3))
    assert stats is not None
    assert stats["metrics/mAP50(B)"] == pytest.approx(0.995)
    assert 0.3 < stats["metrics/mAP50-95(B)"] < 0.8


def test_a_second_call_starts_afresh(validator: Make) -> None:
    one = validator(save_json=True)
    first = one(model=ColourDetector())
    rows = len(one.jdict)
    assert one(model=ColourDetector()) == first
    assert (one.seen, len(one.jdict)) == (4, rows)


def test_the_model_that_is_given_stays_as_it_was(validator: Make) -> None:
    model = DetectionModel("yolo11n.yaml", nc=2, verbose=False)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    validator()(model=model)
    assert list(model.state_dict()) == list(before)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert model.training


def test_files_of_a_validation(validator: Make, tmp_path: Path) -> None:
    one = validator(plots=True, visualize=True, save_json=True, save_txt=True, save_conf=True)
    stats = one(model=ColourDetector())
    run = tmp_path / "run"
    expected = {
        *(f"Box{kind}_curve.png" for kind in ("PR", "F1", "P", "R")),
        "confusion_matrix.png",
        "confusion_matrix_normalized.png",
        "predictions.json",
        *(f"val_batch{i}_{kind}.jpg" for i in (0, 1) for kind in ("labels", "pred")),
    }
    assert {p.name for p in run.iterdir() if p.is_file()} == expected
    assert {p.name for p in (run / "visualizations").iterdir()} == {f"{i}.png" for i in range(4)}
    assert one.plots.keys() >= {run / "BoxPR_curve.png", run / "val_batch0_pred.jpg"}
    rows = {row["image_id"]: row for row in json.loads((run / "predictions.json").read_text())}
    assert rows[0] == {
        "image_id": 0,
        "file_name": "0.png",
        "category_id": 1,
        "bbox": [8.0, 8.0, 32.0, 24.0],
        "score": 0.9,
    }
    assert (run / "labels" / "1.txt").read_text() == "1 0.59375 0.625 0.6875 0.625 0.9\n"
    assert not (run / "labels" / "3.txt").exists()
    assert stats is not None
    assert stats["metrics/mAP_medium(B)"] == pytest.approx(1)


def test_an_annotation_file_decides_for_coco(validator: Make, tmp_path: Path) -> None:
    one = validator(save_json=True)
    stats = one(model=ColourDetector())
    assert stats is not None
    boxes = [(i, kind + 1, box) for i, (kind, box) in enumerate(p for p in PAINTED if p)]
    annotations = {
        "images": [{"id": i} for i in range(len(PAINTED))],
        "categories": [{"id": 1}, {"id": 2}],
        "annotations": [
            {
                "image_id": image,
                "category_id": category,
                "bbox": [x1, y1, x2 - x1 + 8 * (image == 2), y2 - y1],
                "area": 100.0,
                "iscrowd": 0,
            }
            for image, category, (x1, y1, x2, y2) in boxes
        ],
    }
    file = tmp_path / "annotations.json"
    file.write_text(json.dumps(annotations))
    one.is_coco = True
    stats = one.coco_evaluate(stats, one.jdict, file)
    assert stats["metrics/mAP50(B)"] == pytest.approx(1)
    # the third box has IoU 26/34 = 0.76 with its target: found at six of the ten thresholds
    strict = one.metrics.coco.ap
    assert stats["metrics/mAP50-95(B)"] == strict
    assert 0.7 < strict < 1
    assert stats["fitness"] == pytest.approx(0.9 * strict + 0.1)
    assert stats["metrics/mAP_small(B)"] == pytest.approx(strict)
    assert stats["metrics/mAP_large(B)"] == -1


def test_one_class_mode_ignores_what_was_predicted(validator: Make) -> None:
    one = validator(single_cls=True)
    one(model=ColourDetector())
    assert one.metrics.nt_per_class.tolist() == [3, 0]
    assert one.metrics.box.map == pytest.approx(0.995)


def test_report_names_the_confidence_and_the_coco_numbers(
    validator: Make, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ultralytics.utils.logging.LOGGER.propagate", True)
    with caplog.at_level("INFO", logger="ultralytics"):
        validator(verbose=True)(model=ColourDetector())
    text = caplog.text
    assert "P and R hold at confidence" in text
    assert "AP 1.000  AP50 1.000" in text
    assert "Speed:" in text
    assert [line.split()[-7] for line in text.splitlines() if "0.995" in line] == [
        "all",
        "red",
        "blue",
    ]


def test_a_missing_split_is_named(validator: Make) -> None:
    with pytest.raises(DatasetNotFound, match="'test'"):
        validator(split="test")(model=ColourDetector())


def test_faint_boxes_enter_the_matrix_only_if_asked_for(validator: Make) -> None:
    default, chosen = validator(), validator(conf=0.001)
    assert default.args.conf == chosen.args.conf == 0.001
    faint = {
        "bboxes": torch.tensor([[0.0, 0, 9, 9]]),
        "conf": torch.tensor([0.1]),
        "cls": torch.tensor([0.0]),
    }
    target = {"bboxes": torch.zeros(0, 4), "cls": torch.zeros(0), "im_file": "x.png"}
    for one, count in ((default, 0), (chosen, 1)):
        one.data, one.dataloader = {}, SimpleNamespace(dataset=SimpleNamespace(im_files=[]))
        one.init_metrics(SimpleNamespace(names={0: "red", 1: "blue"}))
        one._count_confusion(faint, target, torch.zeros(3, 8, 8))
        assert one.confusion_matrix.matrix.sum() == count


def test_repeated_file_names_keep_their_folders(validator: Make) -> None:
    one = validator()
    files = ["/a/x.png", "/b/x.png", "/b/y.png"]
    one.data = {}
    one.dataloader = SimpleNamespace(dataset=SimpleNamespace(im_files=files))
    one.init_metrics(SimpleNamespace(names={0: "red"}))
    assert [one._names_of_images(f) for f in files] == ["/a/x.png", "/b/x.png", "y.png"]


@pytest.mark.parametrize(
    ("max_det", "expected"),
    [pytest.param(300, 400, id="default"), pytest.param(100, 100, id="chosen")],
)
def test_more_objects_than_boxes(max_det: int, expected: int) -> None:
    args = SimpleNamespace(max_det=max_det)
    dataset = SimpleNamespace(labels=[{"cls": np.zeros((400, 1))}])
    DetectionValidator._check_max_det(args, {"val": dataset})
    assert args.max_det == expected


def trainer_for(painted: Path, args: Any) -> Any:
    """What a validator reads from a trainer, with a network of two classes."""
    torch.manual_seed(0)
    network = DetectionModel("yolo11n.yaml", nc=2, verbose=False)
    network.args = args
    network.names = {0: "red", 1: "blue"}
    return SimpleNamespace(
        ema=SimpleNamespace(ema=network.eval()),
        device=torch.device("cpu"),
        amp=False,
        data=check_det_dataset(str(painted)),
        args=args,
        epoch=0,
        epochs=3,
        stopper=SimpleNamespace(possible_stop=False),
        label_loss_items=lambda items, prefix: {
            f"{prefix}/{k}": float(v) for k, v in items.items()
        },
    )


def attributes(network: Any) -> dict[str, Any]:
    parts = {**vars(network), **{f"head.{k}": v for k, v in vars(network.model[-1]).items()}}
    return {k: id(v) for k, v in parts.items()}


def test_inside_training(validator: Make, painted: Path, tmp_path: Path) -> None:
    maker = validator(plots=True)
    trainer = trainer_for(painted, maker.args)
    dataset = build_yolo_dataset(maker.args, trainer.data["val"], 2, trainer.data, mode="val")
    loader = build_dataloader(dataset, 2, 0, shuffle=False)
    bus = EventBus()
    fired: list[str] = []
    for event in ("on_val_start", "on_val_batch_start", "on_val_batch_end", "on_val_end"):
        bus.subscribe(event, lambda _, event=event: fired.append(event))
    one = DetectionValidator(loader, tmp_path / "train", maker.args, bus.callbacks)
    assert one.callbacks is bus.callbacks

    network = trainer.ema.ema
    weights = {k: v.clone() for k, v in network.state_dict().items()}
    before = attributes(network)
    results = one(trainer)

    assert results is not None
    assert {"val/box_loss", "val/cls_loss", "val/dfl_loss", "fitness"} < set(results)
    assert all(value == round(value, 5) for value in results.values())
    assert results["val/box_loss"] > 0
    assert fired[0] == "on_val_start"
    assert fired[-1] == "on_val_end"
    assert fired.count("on_val_batch_start") == fired.count("on_val_batch_end") == 2
    assert attributes(network) == before
    assert all(torch.equal(v, weights[k]) for k, v in network.state_dict().items())
    assert not list((tmp_path / "train").glob("*.png")), "pictures only in the last epoch"
    assert one.metrics.coco is None

    again = one(trainer)
    assert again == results


def test_callbacks_given_as_a_mapping_are_copied(painted: Path, tmp_path: Path) -> None:
    given: dict[str, Any] = {"on_val_start": [print]}
    one = DetectionValidator(None, tmp_path, {"data": str(painted)}, given)
    one.add_callback("on_val_start", repr)
    assert given == {"on_val_start": [print]}
    assert one.callbacks["on_val_start"] == [print, repr]


def test_values_of_a_callback_are_logged(
    validator: Make, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ultralytics.utils.logging.LOGGER.propagate", True)
    with caplog.at_level("INFO", logger="ultralytics"):
        validator().log({"share": 0.5, "count": 3})
    assert "share=0.5, count=3" in caplog.text
