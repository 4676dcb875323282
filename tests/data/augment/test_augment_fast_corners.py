"""The one-piece pipeline of rotated boxes against the separate transforms."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from shapely.geometry import Polygon

from ultralytics.data.augment import Format, v8_transforms
from ultralytics.data.augment.fast_corners import FastCornerPipeline
from ultralytics.data.augment.fused import choose_pipeline
from ultralytics.data.dataset import YOLODataset
from ultralytics.data.labels import LabelView, StoreBuilder
from ultralytics.geometry.rotated import xywhr2xyxyxyxy

SIDE = 96
SIZES_WH = [(96, 96), (96, 72), (72, 96), (96, 48)]
COUNTS = (4, 0, 2, 7, 3, 5, 1, 6)
ANGLES = np.linspace(-0.7, 2.2, 12)  # of all labels, in turn


@pytest.fixture(autouse=True)
def _without_optional_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rare blurs are not repeatable with the global generators."""
    monkeypatch.setattr("ultralytics.data.augment.albumentations.find_spec", lambda name: None)


class Data(SimpleNamespace):
    """A namespace with a length."""

    def __len__(self) -> int:
        return len(COUNTS)


def data(pixel_mode: str = "fast") -> Any:
    draw, builder, number = np.random.RandomState(5), StoreBuilder(), 0
    images = []
    for i, count in enumerate(COUNTS):
        size = np.array(SIZES_WH[i % 4])
        corners = []
        for _ in range(count):
            length = draw.uniform(14, 30)
            box = [*draw.uniform(0.15, 0.85, 2) * size, length, length * draw.uniform(0.3, 0.7)]
            box.append(ANGLES[number % len(ANGLES)])
            number += 1
            corners.append((xywhr2xyxyxyxy(np.array(box)) / size).astype(np.float32))
        low = [c.min(0) for c in corners]
        high = [c.max(0) for c in corners]
        rows = [
            [k % 3, *((a + b) / 2), *(b - a)]
            for k, (a, b) in enumerate(zip(low, high, strict=True))
        ]
        shape = (int(size[1]), int(size[0]))
        images.append(draw.randint(0, 255, (*shape, 3)).astype(np.uint8))
        builder.add(np.array(rows, np.float32).reshape(-1, 5), corners, shape=shape)
    store = builder.build()
    names = [f"{i}.jpg" for i in range(len(COUNTS))]
    view = LabelView(store, names)
    made = Data(
        im_files=names,
        buffer=list(range(len(COUNTS))),
        store=store,
        pixel_mode=pixel_mode,
        use_segments=False,
        use_obb=True,
        imgsz=SIDE,
    )

    def load_image(i: int) -> Any:
        return images[i].copy(), images[i].shape[:2], images[i].shape[:2]

    def get_image_and_label(i: int) -> Any:
        image, original, size = load_image(i)
        label = {**view.sample(i), "img": image, "ori_shape": original, "resized_shape": size}
        label["ratio_pad"] = (1.0, 1.0)
        return YOLODataset.update_labels_info(made, label)

    made.load_image, made.get_image_and_label = load_image, get_image_and_label
    return made


def sample_of(how: str, made: Any, settings: SimpleNamespace, seed: int) -> dict[str, Any]:
    steps = v8_transforms(made, SIDE, settings)
    steps.append(Format(return_obb=True))
    random.seed(seed)
    np.random.seed(seed)
    index = seed % len(COUNTS)
    sample: dict[str, Any]
    if how == "ordinary":
        sample = steps(made.get_image_and_label(index))
    else:
        sample = FastCornerPipeline(made, SIDE, settings)(index)
    sample["after"] = random.random(), np.random.rand()
    return sample


def polygons(sample: dict[str, Any]) -> list[Polygon]:
    boxes = sample["bboxes"] * torch.tensor([SIDE, SIDE, SIDE, SIDE, 1])
    return [Polygon(corners) for corners in xywhr2xyxyxyxy(boxes).tolist()]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"degrees": 20.0}, id="turned"),
        pytest.param({"degrees": 45.0, "shear": 6.0, "flipud": 0.5}, id="sheared"),
        pytest.param({"degrees": 5.0, "scale": (1.4, 1.8)}, id="cut-at-the-border"),
    ],
)
def test_the_same_draws_give_the_same_boxes(settings: Any, changes: Any) -> None:
    """A matrix that turns is not snapped to whole source pixels, so labels are equal."""
    seen = cut = 0
    for seed in range(24):
        given = settings(mosaic=0.0, **changes)
        plain, fast = (sample_of(how, data(), given, seed) for how in ("ordinary", "fast"))
        assert fast["after"] == plain["after"]
        assert fast["cls"].tolist() == plain["cls"].tolist()
        assert fast["bboxes"].dtype == plain["bboxes"].dtype
        for one, other in zip(polygons(fast), polygons(plain), strict=True):
            assert one.intersection(other).area > 0.995 * one.union(other).area
            seen += 1
            low_x, low_y, high_x, high_y = one.bounds
            cut += min(low_x, low_y) < 0.5 or max(high_x, high_y) > SIDE - 0.5
    assert seen > 30
    assert cut > 5


def test_scaled_boxes_keep_their_angles_at_every_border(settings: Any) -> None:
    seen = 0
    for seed in range(40):
        sample = sample_of("fast", data(), settings(fliplr=0.0, mosaic=1.0), seed)
        for _, _, w, h, angle in sample["bboxes"].tolist():
            gaps = np.abs((angle - ANGLES + np.pi / 4) % (np.pi / 2) - np.pi / 4)
            assert gaps.min() < (0.02 if min(w, h) * SIDE > 3 else 0.2)
            seen += 1
    assert seen > 150


def test_angles_are_those_of_labels(settings: Any) -> None:
    for seed in range(10):
        boxes = sample_of("fast", data(), settings(degrees=180.0, flipud=0.5), seed)["bboxes"]
        assert ((boxes[:, 4] >= -np.pi / 4) & (boxes[:, 4] < 3 * np.pi / 4)).all()
        assert (boxes[:, 2] >= boxes[:, 3]).all()


def test_labels_of_the_data_set_stay_as_they_are(settings: Any) -> None:
    made = data()
    points = made.store.points.copy()
    for seed in range(20):
        sample_of("fast", made, settings(flipud=0.5), seed)
    np.testing.assert_array_equal(made.store.points, points)


@pytest.mark.parametrize(
    ("mode", "changes", "kind"),
    [
        ("fast", {}, FastCornerPipeline),
        ("fast", {"mixup": 0.1}, None),
        ("exact", {}, None),
    ],
)
def test_the_pipeline_follows_the_labels(settings: Any, mode: str, changes: Any, kind: Any) -> None:
    assert choose_pipeline(data(mode), settings(**changes)) is kind
