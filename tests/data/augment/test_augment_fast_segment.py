"""The one-piece pipeline of polygons against the separate transforms, and against the picture itself."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from ultralytics.data.augment import FastDetectPipeline, Format, v8_transforms
from ultralytics.data.augment.fast_keypoints import FastKeypointPipeline
from ultralytics.data.augment.fast_segment import FastSegmentPipeline
from ultralytics.data.augment.fused import choose_pipeline
from ultralytics.data.dataset import YOLODataset
from ultralytics.data.labels import LabelStore, LabelView, StoreBuilder

SIDE = 96
COUNT = 8


@pytest.fixture(autouse=True)
def _without_optional_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rare blurs are not repeatable with the global generators."""
    monkeypatch.setattr("ultralytics.data.augment.albumentations.find_spec", lambda name: None)


def blob(draw: np.random.RandomState, size_wh: tuple[int, int]) -> np.ndarray:
    """A star-shaped outline in fractions."""
    vertices = draw.randint(3, 14)
    angles = np.sort(draw.uniform(0, 2 * np.pi, vertices))
    reach = draw.uniform(4, 22, vertices)
    around = np.stack((np.cos(angles), np.sin(angles)), 1) * reach[:, None]
    centre = draw.uniform(0.1, 0.9, 2) * size_wh
    return np.clip((around + centre) / size_wh, 0, 1).astype(np.float32)


def stored() -> tuple[list[np.ndarray], LabelStore]:
    """Pictures in which every object is a bright polygon, and their labels."""
    draw, builder, images = np.random.RandomState(3), StoreBuilder(), []
    for i in range(COUNT):
        height, width = [(96, 96), (72, 96), (96, 72), (48, 96)][i % 4]
        outlines = [blob(draw, (width, height)) for _ in range((4, 0, 2, 7)[i % 4])]
        image = np.zeros((height, width, 3), np.uint8)
        rows = []
        for k, outline in enumerate(outlines):
            cv2.fillPoly(image, [(outline * (width, height)).astype(np.int32)], (255,) * 3)
            low, high = outline.min(0), outline.max(0)
            rows.append([k % 3, *((low + high) / 2), *(high - low)])
        images.append(image)
        builder.add(np.array(rows, np.float32).reshape(-1, 5), outlines, shape=(height, width))
    return images, builder.build()


class Data(SimpleNamespace):
    """A namespace with a length."""

    def __len__(self) -> int:
        return COUNT


def data(pixel_mode: str = "exact") -> Any:
    images, store = stored()
    view = LabelView(store, [f"{i}.jpg" for i in range(COUNT)])
    made = Data(
        im_files=[f"{i}.jpg" for i in range(COUNT)],
        buffer=list(range(COUNT)),
        store=store,
        pixel_mode=pixel_mode,
        use_segments=True,
        use_obb=False,
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


def ordinary(made: Any, settings: SimpleNamespace, seed: int) -> dict[str, Any]:
    steps = v8_transforms(made, SIDE, settings)
    steps.append(
        Format(return_mask=True, mask_ratio=settings.mask_ratio, mask_overlap=settings.overlap_mask)
    )
    random.seed(seed)
    np.random.seed(seed)
    sample: dict[str, Any] = steps(made.get_image_and_label(seed % COUNT))
    sample["after"] = random.random(), np.random.rand()
    return sample


def fused(made: Any, settings: SimpleNamespace, seed: int) -> dict[str, Any]:
    random.seed(seed)
    np.random.seed(seed)
    sample = FastSegmentPipeline(made, SIDE, settings)(seed % COUNT)
    sample["after"] = random.random(), np.random.rand()
    return sample


VARIANTS = [
    {},
    {"mosaic": 0.0},
    {"mosaic": 0.5, "flipud": 0.5},
    {"degrees": 30.0, "shear": 8.0},
    {"overlap_mask": False},
    {"mask_ratio": 1},
    {"mask_ratio": 3, "scale": (0.2, 0.4)},
    {"mask_ratio": 5, "overlap_mask": False},
]


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_exact_mode_gives_the_ordinary_sample(settings: Any, changes: Any) -> None:
    made, seen = data(), 0
    for seed in range(16):
        plain = ordinary(made, settings(**changes), seed)
        exact = fused(made, settings(**changes), seed)
        assert exact["after"] == plain["after"]
        assert set(exact) == set(plain)
        for key in ("masks", "sem_masks"):
            assert exact[key].dtype == plain[key].dtype
            assert_array_equal(exact[key], plain[key])
        for key in ("cls", "bboxes", "batch_idx"):
            torch.testing.assert_close(exact[key], plain[key], atol=3e-6, rtol=0)
        seen += len(exact["cls"])
    assert seen > 20


@pytest.mark.parametrize("changes", [{"degrees": 10.0}, {"scale": 0.0, "translate": 0.0}])
def test_fast_mode_is_exact_where_the_warp_is_not_snapped(settings: Any, changes: Any) -> None:
    """A matrix that turns is kept, and one that moves by whole pixels already does."""
    for seed in range(12):
        plain = ordinary(data(), settings(**changes), seed)
        fast = fused(data("fast"), settings(**changes), seed)
        assert fast["after"] == plain["after"]
        assert_array_equal(fast["masks"], plain["masks"])
        torch.testing.assert_close(fast["bboxes"], plain["bboxes"], atol=3e-6, rtol=0)


@pytest.mark.parametrize("changes", [{}, {"mosaic": 0.0, "flipud": 0.5}, {"degrees": 20.0}])
def test_masks_lie_where_the_pixels_are_bright(settings: Any, changes: Any) -> None:
    plain = {"hsv_h": 0.0, "hsv_s": 0.0, "hsv_v": 0.0, "mask_ratio": 1, **changes}
    shared, total = 0, 0
    for seed in range(30):
        sample = fused(data("fast"), settings(**plain), seed)
        bright = sample["img"][0] > 150
        masked = sample["masks"][0] > 0
        shared += int((bright & masked).sum())
        total += int((bright | masked).sum())
    assert shared / total > 0.88  # every pixel that an outline touches counts


def test_objects_that_leave_the_picture_lose_their_masks_with_their_labels(settings: Any) -> None:
    for seed in range(20):
        sample = fused(data("fast"), settings(overlap_mask=False, scale=(1.5, 1.9)), seed)
        assert len(sample["masks"]) == len(sample["cls"]) == len(sample["bboxes"])
        corners = sample["bboxes"][:, :2] - sample["bboxes"][:, 2:] / 2
        assert (corners >= -1e-6).all()


def test_labels_of_the_data_set_stay_as_they_are(settings: Any) -> None:
    made = data("fast")
    points = made.store.points.copy()
    for seed in range(20):
        fused(made, settings(), seed)
    assert_array_equal(made.store.points, points)


@pytest.mark.parametrize(
    ("flags", "changes", "kind"),
    [
        ({}, {}, FastDetectPipeline),
        ({"use_segments": True}, {}, FastSegmentPipeline),
        ({"use_segments": True}, {"copy_paste": 0.1}, None),
        ({"use_keypoints": True}, {}, FastKeypointPipeline),
    ],
)
def test_the_pipeline_follows_the_labels(
    toy: Any, settings: Any, flags: Any, changes: Any, kind: Any
) -> None:
    made = toy()
    vars(made).update(flags)
    assert choose_pipeline(made, settings(**changes)) is kind
