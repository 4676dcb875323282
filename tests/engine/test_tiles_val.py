"""Validation in tiles, with networks whose answers are known: metrics, files, and images of one window."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from pycocotools import mask as coco

from tests.tiled import (
    OBJECTS,
    OVERLAP,
    SIZE_HW,
    TILE,
    RectangleReader,
    RimlessMapper,
    ShareTeller,
    picture,
    tilted_picture,
)
from ultralytics.engine.validator import BaseValidator
from ultralytics.errors import ConfigValueError
from ultralytics.models.yolo.classify import ClassificationValidator
from ultralytics.models.yolo.detect import DetectionValidator
from ultralytics.models.yolo.obb import OBBPredictor, OBBValidator
from ultralytics.models.yolo.pose import PoseValidator
from ultralytics.models.yolo.segment import SegmentationValidator
from ultralytics.models.yolo.semantic import (
    SemanticSegmentationPredictor,
    SemanticSegmentationValidator,
)

VALIDATORS: dict[str, type[Any]] = {
    "detect": DetectionValidator,
    "segment": SegmentationValidator,
    "pose": PoseValidator,
    "obb": OBBValidator,
}
SMALL = (slice(0, 48), slice(0, 96))  # of the picture; holds the first two objects


def corners_of(box: Any) -> np.ndarray:
    x1, y1, x2, y2 = box
    return np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], float)


def numbers_of(task: str, box: Any, size_hw: Any) -> list[float]:
    corners = corners_of(box) / (size_hw[1], size_hw[0])
    if task in ("segment", "obb"):
        return corners.ravel().tolist()
    low, high = corners[0], corners[2]
    head = [*((low + high) / 2).tolist(), *(high - low).tolist()]
    return head if task == "detect" else [*head, *low.tolist(), 2, *high.tolist(), 2]


def write_set(folder: Path, task: str, small: bool = True) -> Path:
    """A set of the large picture and, if wanted, of a small part of it; returns the YAML."""
    for part in ("images", "labels"):
        (folder / part / "val").mkdir(parents=True)
    for name, image, objects in (
        ("large", picture(), OBJECTS),
        ("small", picture()[SMALL], OBJECTS[:2]),
    )[: 1 + small]:
        cv2.imwrite(str(folder / f"images/val/{name}.png"), image)
        lines = [[label, *numbers_of(task, box, image.shape[:2])] for label, *box in objects]
        text = "".join(" ".join(f"{v:.8g}" for v in line) + "\n" for line in lines)
        (folder / f"labels/val/{name}.txt").write_text(text)
    extra = "kpt_shape: [2, 3]\n" if task == "pose" else ""
    file = folder / "set.yaml"
    file.write_text(
        f"train: images/val\nval: images/val\nnames: {{0: red, 1: blue}}\n{extra}", "utf-8"
    )
    return file


def validate(kind: type[Any], network: Any, data: Any, folder: Path, **settings: Any) -> Any:
    given = {"data": str(data), "task": network.task, "imgsz": TILE, "batch": 2, "device": "cpu"}
    quiet = {"workers": 0, "plots": False, "verbose": False, "nms": False, "mode": "val"}
    one = kind(args={**given, **quiet, **settings}, save_dir=folder)
    stats = one(model=network)
    return one, stats


@pytest.mark.parametrize("task", VALIDATORS)
def test_every_object_of_a_large_image_counts(task: str, tmp_path: Path) -> None:
    small = (
        task != "segment"
    )  # its plain masks need prototypes at stride 4, which the network has not
    data = write_set(tmp_path / "set", task, small)
    settings = {"tile": TILE, "overlap": OVERLAP, "save_json": True, "save_txt": True}
    settings["plots"] = task == "segment"
    one, stats = validate(
        VALIDATORS[task], RectangleReader(task), data, tmp_path / "run", **settings
    )
    for key in ("metrics/mAP50-95(B)", "metrics/mAP50-95(P)"):
        assert stats.get(key, 0.995) == pytest.approx(0.995), key
    assert "metrics/mAP50-95(B)" in stats
    assert one.seen == 1 + small
    assert all(one.speed[stage] > 0 for stage in ("preprocess", "inference", "postprocess"))
    rows = json.loads((tmp_path / "run" / "predictions.json").read_text())
    large = [row for row in rows if row["image_id"] == "large"]
    assert len(large) == len(OBJECTS)
    assert len((tmp_path / "run/labels/large.txt").read_text().splitlines()) == len(OBJECTS)
    if task != "obb":
        found = {(row["category_id"], *(round(v) for v in row["bbox"])) for row in large}
        truth = {(c, x1, y1, x2 - x1, y2 - y1) for c, x1, y1, x2, y2 in OBJECTS}
        first = min(row["category_id"] for row in large)
        assert {(c - first, *box) for c, *box in found} == truth
    if task == "segment":
        areas = sorted((x2 - x1) * (y2 - y1) for _, x1, y1, x2, y2 in OBJECTS)
        assert sorted(int(coco.area(row["segmentation"])) for row in large) == areas
        assert one.metrics.coco_seg.ap == pytest.approx(1)  # in pixels of the files
        assert (tmp_path / "run" / "val_batch0_pred.jpg").is_file()


@pytest.mark.parametrize("task", VALIDATORS)
def test_images_of_one_window_keep_their_numbers(task: str, tmp_path: Path) -> None:
    data = write_set(tmp_path / "set", task)
    kind, network = VALIDATORS[task], RectangleReader(task)
    runs = [
        validate(kind, network, data, tmp_path / name, save_json=True, **settings)[1]
        for name, settings in (("plain", {}), ("tiled", {"tile": list(SIZE_HW)}))
    ]
    assert runs[0] == runs[1]
    files = [(tmp_path / name / "predictions.json").read_bytes() for name in ("plain", "tiled")]
    assert files[0] == files[1]
    assert len(json.loads(files[0])) >= 2


def test_turned_boxes_come_from_tiles_as_they_are_predicted(tmp_path: Path) -> None:
    data = write_set(tmp_path / "set", "obb")
    image = tmp_path / "set/images/val/large.png"
    cv2.imwrite(str(image), tilted_picture())
    network, tiles = RectangleReader("obb"), {"tile": TILE, "overlap": OVERLAP}
    validate(OBBValidator, network, data, tmp_path / "run", save_json=True, **tiles)
    rows = json.loads((tmp_path / "run" / "predictions.json").read_text())
    found = sorted(row["rbox"] for row in rows if row["image_id"] == "large")
    run = OBBPredictor(
        overrides={"imgsz": TILE, "device": "cpu", "verbose": False, "nms": False, "save": False}
        | tiles
        | {"task": "obb", "mode": "predict", "save_dir": str(tmp_path)}
    )
    (result,) = run(str(image), network)
    assert np.array(found) == pytest.approx(np.array(sorted(result.obb.xywhr.tolist())), abs=2e-3)


def test_pixels_of_large_images_are_counted_from_tiles(tmp_path: Path) -> None:
    truth = np.zeros(SIZE_HW, np.uint8)
    for label, x1, y1, x2, y2 in OBJECTS:
        truth[y1:y2, x1:x2] = label + 1
    for kind, image in (("images", picture()), ("masks", truth)):
        (tmp_path / kind / "val").mkdir(parents=True)
        cv2.imwrite(str(tmp_path / kind / "val" / "large.png"), image)
    data = tmp_path / "set.yaml"
    data.write_text(
        "train: images/val\nval: images/val\nmasks_dir: masks\nnames: [ground, red, blue]\n"
    )
    tiles = {"tile": TILE, "overlap": 0.25}
    one, _ = validate(
        SemanticSegmentationValidator,
        RimlessMapper(),
        data,
        tmp_path / "run",
        save_json=True,
        **tiles,
    )
    run = SemanticSegmentationPredictor(
        overrides={
            "imgsz": TILE,
            "device": "cpu",
            "verbose": False,
            "save": False,
            "mode": "predict",
        }
        | tiles
        | {"task": "semantic", "save_dir": str(tmp_path)}
    )
    (result,) = run(picture(), RimlessMapper())
    whole = result.semantic_mask.data.numpy()
    saved = cv2.imread(str(tmp_path / "run/results/large.png"), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(saved, whole)
    size = (TILE, round(SIZE_HW[0] * TILE / SIZE_HW[1]))
    found = cv2.resize(whole, size, interpolation=cv2.INTER_NEAREST_EXACT)
    target = cv2.resize(truth, size, interpolation=cv2.INTER_NEAREST)
    counts = np.zeros((3, 3), int)
    np.add.at(counts, (target, found), 1)
    assert np.array_equal(one.metrics.confusion_matrix.matrix.T, counts)
    plain, _ = validate(SemanticSegmentationValidator, RimlessMapper(), data, tmp_path / "plain")
    assert one.metrics.pixel_accuracy > plain.metrics.pixel_accuracy


def test_a_classifier_is_judged_by_the_mean_of_the_tiles(tmp_path: Path) -> None:
    bands = np.zeros((TILE, 3 * TILE, 3), np.uint8)
    bands[..., 2] = 255
    bands[:, TILE : 2 * TILE] = (255, 0, 0)  # what the middle of the picture shows
    for split in ("train", "val"):
        for name, image in (("red", bands), ("blue", np.full((40, 40, 3), (255, 0, 0), np.uint8))):
            (tmp_path / "set" / split / name).mkdir(parents=True)
            cv2.imwrite(str(tmp_path / "set" / split / name / "x.png"), image)
    network = ShareTeller()
    where = (ClassificationValidator, network, tmp_path / "set")
    _, plain = validate(*where, tmp_path / "plain")
    _, tiled = validate(*where, tmp_path / "tiled", tile=TILE, overlap=0.0)
    assert plain["metrics/accuracy_top1"] == 0.5
    assert tiled["metrics/accuracy_top1"] == 1.0


def test_a_validator_without_a_predictor_refuses_tiles(tmp_path: Path) -> None:
    class Bare(DetectionValidator):
        tile_predictor = BaseValidator.tile_predictor

    data = write_set(tmp_path / "set", "detect")
    with pytest.raises(ConfigValueError, match="tile=96 does not work with Bare"):
        validate(Bare, RectangleReader("detect"), data, tmp_path / "run", tile=TILE)


def test_several_labels_of_one_box_count_in_tiles_as_in_a_validation() -> None:
    from ultralytics.models.yolo.detect import DetectionPredictor

    made = DetectionPredictor(overrides={"conf": 0.1, "mode": "predict", "verbose": False})
    made.model = torch.nn.Module()
    made.model.names, made.model.end2end = {0: "a", 1: "b"}, False
    raw = torch.tensor([[[50.0], [50], [20], [20], [0.6], [0.5]]])
    kept, _ = made._suppressed(raw, 0.7)
    made.multi_label = True
    both, _ = made._suppressed(raw, 0.7)
    assert (len(kept[0]), len(both[0])) == (1, 2)
