"""The list of training transforms as a whole."""

from __future__ import annotations

import logging
import random
from typing import Any

import numpy as np
import pytest
import torch

from ultralytics.data.augment import Albumentations, Format, v8_transforms
from ultralytics.errors import MissingExtra

DRAWS_AFTER_MOSAIC = 8 + 1 + 1 + 1 + 1 + 1  # affine, mixup, cutmix, two flips, bgr


def names(steps: Any) -> list[str]:
    return [type(step).__name__ for step in steps.transforms]


def test_order_of_the_steps(toy: Any, settings: Any) -> None:
    steps = v8_transforms(toy(), 64, settings())
    assert names(steps) == [
        "Compose",
        "MixUp",
        "CutMix",
        "Albumentations",
        "RandomHSV",
        "RandomFlip",
        "RandomFlip",
    ]
    assert names(steps[0]) == ["Mosaic", "CopyPaste", "RandomPerspective"]
    assert [steps[i].direction for i in (5, 6)] == ["vertical", "horizontal"]
    other = v8_transforms(toy(), 64, settings(copy_paste_mode="mixup"))
    assert names(other[0]) == ["Mosaic", "RandomPerspective", "CopyPaste"]
    assert names(other[0][2].pre_transform) == ["Mosaic", "RandomPerspective"]


def test_default_draws_are_those_of_the_specification(toy: Any, settings: Any) -> None:
    data = toy()
    steps = v8_transforms(data, data.imgsz, settings())
    steps.append(Format())
    if steps[3].transform is not None:
        pytest.skip("albumentations is installed and draws too")
    random.seed(2)
    np.random.seed(2)
    steps(data.get_image_and_label(0))
    after = random.random(), np.random.rand()
    random.seed(2)
    np.random.seed(2)
    random.uniform(0, 1)
    random.choices(data.buffer, k=3)
    for _ in range(2 + DRAWS_AFTER_MOSAIC):
        random.random()
    np.random.uniform(-1, 1, 3)
    assert after == (random.random(), np.random.rand())


@pytest.mark.parametrize("task", ["detect", "segment", "pose", "obb"])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_every_task_and_channel_count(toy: Any, settings: Any, task: str, channels: int) -> None:
    data = toy(task=task, channels=channels, side=64)
    everything = settings(
        degrees=20.0,
        shear=3.0,
        perspective=0.0005,
        flipud=0.5,
        mixup=0.5,
        cutmix=0.5,
        copy_paste=0.5,
    )
    steps = v8_transforms(data, 64, everything)
    steps.append(
        Format(
            return_mask=data.use_segments,
            return_keypoint=data.use_keypoints,
            return_obb=data.use_obb,
        )
    )
    for i in range(len(data)):
        labels = steps(data.get_image_and_label(i))
        count = len(labels["cls"])
        assert labels["img"].shape == (channels, 64, 64)
        assert labels["bboxes"].shape == (count, 5 if data.use_obb else 4)
        assert labels["batch_idx"].shape == (count,)
        assert torch.isfinite(labels["bboxes"]).all()


def test_pose_without_mirror_order_is_not_mirrored(
    toy: Any, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    data = toy(task="pose")
    data.data = {"kpt_shape": [3, 3]}
    with caplog.at_level(logging.WARNING, "ultralytics"):
        steps = v8_transforms(data, 64, settings())
    assert "flip_idx" in caplog.text
    assert steps[5].p == steps[6].p == 0
    data.data = {"kpt_shape": [3, 3], "flip_idx": [1, 0]}
    with pytest.raises(ValueError, match="2 entries for 3 keypoints"):
        v8_transforms(data, 64, settings())
    data.data = {"kpt_shape": [3, 3], "flip_idx": [1, 2, 0]}
    with pytest.raises(ValueError, match="exchange keypoints in pairs"):
        v8_transforms(data, 64, settings())


def test_own_transforms_without_the_package_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ultralytics.data.augment.albumentations.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="pip install albumentations"):
        Albumentations(transforms=[object()])
    random.seed(0)
    labels = {"img": np.zeros((2, 2, 3), np.uint8)}
    assert Albumentations()(labels) is labels
    after = random.random()
    random.seed(0)
    assert after == random.random()
