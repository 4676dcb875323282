"""The one-piece pipeline against the separate transforms, and against the picture itself."""

from __future__ import annotations

import pickle
import random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from ultralytics.data.augment import FastDetectPipeline, Format, v8_transforms
from ultralytics.data.augment.fast import snap, visible_part
from ultralytics.data.collate import collate_fn


@pytest.fixture(autouse=True)
def _without_optional_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rare blurs are not repeatable with the global generators."""
    monkeypatch.setattr("ultralytics.data.augment.albumentations.find_spec", lambda name: None)


VARIANTS = [
    {},
    {"mosaic": 0.0},
    {"mosaic": 0.5, "flipud": 0.5, "bgr": 0.5},
    {"scale": 0.9},
    {"degrees": 30.0, "shear": 8.0},
    {"hsv_h": 0.0, "hsv_s": 0.0, "hsv_v": 0.0},
    {"translate": 0.5, "scale": (0.2, 0.3)},
]


def both(
    data: Any, settings: SimpleNamespace, seed: int, **options: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same sample from the separate transforms and from the pipeline."""
    steps = v8_transforms(data, data.imgsz, settings)
    steps.append(Format(bgr=settings.bgr))
    random.seed(seed)
    np.random.seed(seed)
    ordinary = steps(data.get_image_and_label(seed % len(data)))
    ordinary["after"] = random.random(), np.random.rand()
    random.seed(seed)
    np.random.seed(seed)
    fast = FastDetectPipeline(data, data.imgsz, settings)(seed % len(data), **options)
    fast["after"] = random.random(), np.random.rand()
    return ordinary, fast


@pytest.mark.parametrize("changes", VARIANTS)
def test_exact_mode_gives_the_ordinary_sample(toy: Any, settings: Any, changes: Any) -> None:
    data = toy()
    data.pixel_mode = "exact"
    for seed in range(12):
        ordinary, exact = both(data, settings(**changes), seed)
        assert exact["after"] == ordinary["after"]
        assert set(exact) == set(ordinary)
        for key in ("im_file", "ori_shape", "resized_shape", "ratio_pad"):
            assert exact[key] == ordinary[key]
        for key in ("cls", "bboxes", "batch_idx"):
            torch.testing.assert_close(exact[key], ordinary[key], atol=2e-6, rtol=0)
        apart = (exact["img"].int() - ordinary["img"].int()).abs()
        assert (apart > 0).float().mean() < 0.002
        assert apart.max() <= 8  # one level before the colour change


@pytest.mark.parametrize("changes", VARIANTS)
def test_fast_mode_moves_labels_by_half_a_source_pixel_at_most(
    toy: Any, settings: Any, changes: Any
) -> None:
    data = toy()
    for seed in range(12):
        ordinary, fast = both(data, settings(**changes), seed)
        assert fast["after"] == ordinary["after"]
        largest = 1.0 if "degrees" in changes else 0.52 * 1.5
        for some, others in ((fast, ordinary), (ordinary, fast)):
            found, known = corners(some["bboxes"]), corners(others["bboxes"])
            for box in found:
                nearest = (known - box).abs().amax(dim=1).min().item() if len(known) else 1.0
                at_edge = box.min() < 0.01 or box.max() > 0.99
                # only what the frame cuts may be kept on one side and dropped on the other
                assert nearest * data.imgsz <= largest or at_edge


def corners(boxes: torch.Tensor) -> torch.Tensor:
    return torch.cat((boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2), dim=1)


@given(
    scale=st.floats(0.45, 1.9),
    tx=st.floats(-900, 300),
    ty=st.floats(-900, 300),
    side=st.sampled_from([32, 96, 320, 640]),
)
def test_snapped_matrix(scale: float, tx: float, ty: float, side: int) -> None:
    matrix = np.array([[scale, 0, tx], [0, scale, ty], [0, 0, 1]], np.float32)
    part, snapped = snap(matrix, side)
    s = float(matrix[0, 0])
    assert np.abs(snapped[:2, 2] - matrix[:2, 2]).max() <= s / 2 + 1e-3
    assert round(part.width * s) >= side
    # the last output pixel is sampled inside the part
    assert (side - 0.5) / s - 0.5 <= part.width - 1 + 1e-6
    # and the matrix says where: source of output pixel 0
    first = -snapped[0, 2] / s
    assert first == pytest.approx(part.x + 0.5 / s - 0.5, abs=2e-3)


@given(st.integers(0, 5000))
@limits(max_examples=60, deadline=None)
def test_a_bright_rectangle_is_found_inside_its_box(seed: int) -> None:
    """The label of a white rectangle on black pictures is where the white is, within a pixel."""
    data = white_rectangles()
    settings = SimpleNamespace(**PLAIN)
    rng = random.Random(seed)
    sample = FastDetectPipeline(data, 96, settings)(seed % 4, rng, np.random.RandomState(0))
    levels = sample["img"][0].numpy()
    image = levels > 115
    sides = (corners(sample["bboxes"]) * 96).numpy()
    for x1, y1, x2, y2 in sides:
        if min(x1, y1) < 1 or max(x2, y2) > 95:
            continue
        inside = image[inside_rows(y1, y2), inside_rows(x1, x2)]
        assert abs(inside.any(axis=0).sum() - (x2 - x1)) <= 2.5
        assert abs(inside.any(axis=1).sum() - (y2 - y1)) <= 2.5
        weight = np.maximum(levels[inside_rows(y1, y2), inside_rows(x1, x2)] - 114.0, 0)
        grid = np.indices(weight.shape) + np.array([int(y1) - 0.5, int(x1) - 0.5])[:, None, None]
        centre = (grid * weight).sum(axis=(1, 2)) / weight.sum()
        assert_allclose(centre, ((y1 + y2) / 2, (x1 + x2) / 2), atol=0.6)


def inside_rows(low: float, high: float) -> slice:
    """Pixels of a box and one more on either side."""
    return slice(int(low) - 1, int(high) + 2)


PLAIN = {
    **dict.fromkeys(("hsv_h", "hsv_s", "hsv_v", "degrees", "shear", "perspective"), 0.0),
    **dict.fromkeys(("flipud", "fliplr"), 0.5),
    "translate": 0.1,
    "scale": 0.5,
    "bgr": 0.0,
    "mosaic": 0.7,
}


def white_rectangles() -> Any:
    images, blocks = [], []
    for k, (h, w) in enumerate([(96, 96), (72, 96), (96, 72), (48, 96)]):
        image = np.zeros((h, w, 3), np.uint8)
        x1, y1, x2, y2 = 20 + k, 12 + 2 * k, 50 + k, 30 + 2 * k
        image[y1:y2, x1:x2] = 255
        images.append(image)
        cx, cy = (x1 + x2) / 2 / w, (y1 + y2) / 2 / h
        blocks.append(np.array([[k, cx, cy, (x2 - x1) / w, (y2 - y1) / h]], np.float32))
    return SimpleNamespace(
        im_files=list("abcd"),
        buffer=[0, 1, 2, 3],
        store=SimpleNamespace(rows=blocks.__getitem__),
        load_image=lambda i: (images[i], images[i].shape[:2], images[i].shape[:2]),
    )


def test_a_seed_of_its_own_makes_a_sample_repeatable(toy: Any, settings: Any) -> None:
    pipeline = FastDetectPipeline(toy(), 96, settings())

    def draw() -> dict[str, Any]:
        return pipeline(2, random.Random(5), np.random.RandomState(5), (1, 2, 3))

    first = draw()
    random.seed(1)
    pipeline(0)
    second = draw()
    assert (first["img"] == second["img"]).all()
    assert (first["bboxes"] == second["bboxes"]).all()


def test_samples_do_not_share_memory(toy: Any, settings: Any) -> None:
    pipeline = FastDetectPipeline(toy(), 96, settings(fliplr=0.0))
    first = pipeline(0)
    kept = first["img"].clone(), first["bboxes"].clone()
    pipeline(1)
    assert (first["img"] == kept[0]).all()
    assert (first["bboxes"] == kept[1]).all()


def test_slots_of_a_batch_are_joined_without_a_copy(toy: Any, settings: Any) -> None:
    pipeline = FastDetectPipeline(toy(), 96, settings())
    block = torch.empty(3, 96, 96, 3, dtype=torch.uint8)
    batch = collate_fn([pipeline(i, out=slot) for i, slot in enumerate(block)])
    assert batch["img"].data_ptr() == block.data_ptr()
    assert batch["img"].shape == (3, 3, 96, 96)
    assert batch["img"].is_contiguous(memory_format=torch.channels_last)


def test_pictures_and_labels_of_the_data_set_stay_as_they_are(toy: Any, settings: Any) -> None:
    data = toy()
    images, blocks = ([x.copy() for x in part] for part in (data.images, data.blocks))
    pipeline = FastDetectPipeline(data, 96, settings(scale=(0.9, 1.5), mosaic=0.5))
    for i in range(30):
        pipeline(i % len(data))
    for kept, now in zip(images + blocks, data.images + data.blocks, strict=True):
        assert (kept == now).all()


@pytest.mark.parametrize("size", [(1, 96), (96, 1), (5, 9)])
@pytest.mark.parametrize("mosaic", [0.0, 1.0])
def test_tiny_pictures_without_objects(
    toy: Any, settings: Any, size: tuple[int, int], mosaic: float
) -> None:
    data = toy(count=2)
    data.images = [np.full((*size, 3), 50, np.uint8)] * 2
    data.blocks = [np.zeros((0, 5), np.float32)] * 2
    sample = FastDetectPipeline(data, 96, settings(mosaic=mosaic))(0)
    assert sample["img"].shape == (3, 96, 96)
    assert sample["cls"].shape == (0, 1)
    assert sample["bboxes"].shape == (0, 4)
    assert sample["batch_idx"].shape == (0,)


def test_partners_come_from_the_pool(toy: Any, settings: Any) -> None:
    data = toy()
    seen: list[int] = []
    load = data.load_image

    def spy(i: int) -> Any:
        seen.append(i)
        return load(i)

    data.load_image = spy
    FastDetectPipeline(data, 96, settings())(0, pool=(4,))
    assert seen == [0, 4, 4, 4]
    data.cache = "ram"
    FastDetectPipeline(data, 96, settings())(0, pool=(4,))
    assert all(0 <= i < len(data) for i in seen)


def test_a_pipeline_can_travel_to_a_worker(toy: Any, settings: Any) -> None:
    pipeline = FastDetectPipeline(toy(), 96, settings())
    pipeline(0)
    data, pipeline.dataset = pipeline.dataset, None
    copy = pickle.loads(pickle.dumps(pipeline))
    copy.dataset = data
    assert copy(0)["img"].shape == (3, 96, 96)


@pytest.mark.parametrize(
    ("changes", "flags", "expected"),
    [
        ({}, {}, True),
        ({"mosaic": 0.0, "degrees": 10.0}, {}, True),
        ({"mixup": 0.1}, {}, False),
        ({"cutmix": 0.1}, {}, False),
        ({"copy_paste": 0.1}, {}, False),
        ({"perspective": 0.001}, {}, False),
        ({"augmentations": [1]}, {}, False),
        ({}, {"rect": True}, False),
        ({}, {"use_segments": True}, False),
        ({}, {"data": {"channels": 1}}, False),
    ],
)
def test_what_is_supported(
    toy: Any, settings: Any, changes: Any, flags: Any, expected: bool
) -> None:
    data = toy()
    vars(data).update(flags)
    assert FastDetectPipeline.supports(data, settings(**changes)) is expected


def test_a_matrix_that_sees_nothing_reads_nothing() -> None:
    far = np.array([[1, 0, 5000], [0, 1, 0], [0, 0, 1]], np.float32)
    assert visible_part(far, 96, (192, 192)).width <= 0
