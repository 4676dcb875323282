"""Label files that results write are labels of a data set with the same objects, for every task with such files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import Tensor

from ultralytics.cfg import get_cfg
from ultralytics.data import build_yolo_dataset
from ultralytics.data.utils import check_det_dataset
from ultralytics.engine.results import Results
from ultralytics.geometry.rotated import xywhr2xyxyxyxy

NAMES = {0: "a", 1: "b", 2: "c"}
SIZES_HW = ((97, 131), (120, 67), (64, 200))
COUNT = 9


def random_boxes(rng: np.random.Generator, size_hw: tuple[int, int]) -> Tensor:
    """Rows [x1, y1, x2, y2, confidence, class] inside a picture."""
    height, width = size_hw
    low = rng.uniform(0, 0.6, (COUNT, 2)) * (width, height)
    high = low + rng.uniform(0.1, 0.4, (COUNT, 2)) * (width, height)
    rest = np.stack((rng.uniform(0.3, 1, COUNT), rng.integers(0, 3, COUNT)), 1)
    return torch.from_numpy(np.hstack((low, high, rest)).astype(np.float32))


def random_rotated(rng: np.random.Generator, size_hw: tuple[int, int]) -> Tensor:
    """Rows [x, y, w, h, angle, confidence, class] whose corners are inside a picture."""
    height, width = size_hw
    middle = rng.uniform(0.4, 0.6, (COUNT, 2)) * (width, height)
    sides = np.sort(rng.uniform(4, 0.35 * min(size_hw), (COUNT, 2)), 1)[:, ::-1] + (2, 0)
    angle = rng.uniform(-np.pi / 4, 3 * np.pi / 4, (COUNT, 1))
    rest = np.stack((rng.uniform(0.3, 1, COUNT), rng.integers(0, 3, COUNT)), 1)
    return torch.from_numpy(np.hstack((middle, sides, angle, rest)).astype(np.float32))


def reread(
    folder: Path, results: list[Results], task: str, extra: str = "", **settings: Any
) -> Any:
    """The data set whose label files the results wrote."""
    for part in ("images/val", "labels/val"):
        (folder / part).mkdir(parents=True)
    for i, result in enumerate(results):
        cv2.imwrite(str(folder / f"images/val/{i}.png"), result.orig_img)
        result.save_txt(folder / f"labels/val/{i}.txt")
    file = folder / "set.yaml"
    file.write_text(
        f"path: {folder}\ntrain: images/val\nval: images/val\nnames: [a, b, c]\n{extra}"
    )
    description = check_det_dataset(file)
    cfg = get_cfg(overrides={"task": task, "imgsz": 64, **settings})
    dataset = build_yolo_dataset(cfg, description["val"], 1, description, mode="val")
    assert len(dataset) == len(results)
    return dataset


def picture(size_hw: tuple[int, int]) -> np.ndarray:
    return np.full((*size_hw, 3), 90, np.uint8)


def test_boxes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    given = [random_boxes(rng, size) for size in SIZES_HW]
    results = [
        Results(picture(size), path=f"{i}.png", names=NAMES, boxes=rows)
        for i, (size, rows) in enumerate(zip(SIZES_HW, given, strict=True))
    ]
    dataset = reread(tmp_path, results, "detect")
    for label, rows, (height, width) in zip(dataset.labels, given, SIZES_HW, strict=True):
        assert_array_equal(label["cls"].reshape(-1), rows[:, 5])
        xywh = label["bboxes"] * (width, height, width, height)
        low, high = xywh[:, :2] - xywh[:, 2:] / 2, xywh[:, :2] + xywh[:, 2:] / 2
        assert_allclose(np.hstack((low, high)), rows[:, :4], atol=2e-3)


def test_keypoints(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    results, points = [], []
    for i, size in enumerate(SIZES_HW):
        rows = random_boxes(rng, size)
        span = rows[:, None, 2:4] - rows[:, None, :2]
        places = rows[:, None, :2] + torch.from_numpy(rng.uniform(0.1, 0.9, (COUNT, 4, 2))) * span
        seen = torch.from_numpy(rng.uniform(0.6, 1, (COUNT, 4, 1)))
        points.append(torch.cat((places, seen), -1).float())
        results.append(
            Results(
                picture(size),
                path=f"{i}.png",
                names=NAMES,
                boxes=rows,
                keypoints=points[-1].clone(),
            )
        )
    dataset = reread(tmp_path, results, "pose", "kpt_shape: [4, 3]\nflip_idx: [0, 1, 2, 3]\n")
    for label, truth, (height, width) in zip(dataset.labels, points, SIZES_HW, strict=True):
        assert_allclose(label["keypoints"][..., :2] * (width, height), truth[..., :2], atol=2e-3)
        assert (label["keypoints"][..., 2] > 0.5).all()


def test_rotated_boxes(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    given = [random_rotated(rng, size) for size in SIZES_HW]
    results = [
        Results(picture(size), path=f"{i}.png", names=NAMES, obb=rows)
        for i, (size, rows) in enumerate(zip(SIZES_HW, given, strict=True))
    ]
    dataset = reread(tmp_path, results, "obb")
    for label, rows, (height, width) in zip(dataset.labels, given, SIZES_HW, strict=True):
        assert_array_equal(label["cls"].reshape(-1), rows[:, 6])
        corners = np.stack([outline * (width, height) for outline in label["segments"]])
        assert_allclose(corners, xywhr2xyxyxyxy(rows[:, :5]), atol=2e-2)


@pytest.mark.parametrize("hollow", [False, True])
def test_masks(tmp_path: Path, hollow: bool) -> None:
    """Outlines are those of the mask; a ring is joined to one outline, as labels hold one per object."""
    size = SIZES_HW[0]
    masks = np.zeros((2, *size), np.uint8)
    cv2.circle(masks[0], (40, 48), 25, 1, 6 if hollow else -1)
    cv2.ellipse(masks[1], (95, 40), (30, 18), 30, 0, 360, 1, -1)
    rows = torch.tensor([[10.0, 15, 70, 80, 0.9, 2], [60, 10, 130, 75, 0.8, 0]])
    result = Results(
        picture(size), path="0.png", names=NAMES, boxes=rows, masks=torch.from_numpy(masks)
    )
    (label,) = reread(tmp_path, [result], "segment").labels
    assert_array_equal(label["cls"].reshape(-1), [2, 0])
    for outline, mask, is_ring in zip(label["segments"], masks, (hollow, False), strict=True):
        drawn = np.zeros(size, np.uint8)
        cv2.fillPoly(drawn, [np.round(outline * size[::-1]).astype(np.int32)], 1)
        truth = mask.copy()
        if is_ring:
            cv2.floodFill(truth, None, (40, 48), 1)
        assert (drawn & truth).sum() / (drawn | truth).sum() > 0.93
