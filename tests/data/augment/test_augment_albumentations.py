"""Needs the optional package."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from ultralytics.data.augment import Albumentations, FastDetectPipeline, RandomFlip
from ultralytics.errors import NotAvailable

A = pytest.importorskip("albumentations")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("task", ["detect", "segment", "pose"])
@pytest.mark.parametrize("serialised", [False, True])
def test_a_mirror_of_the_package_is_a_mirror(toy: Any, task: str, serialised: bool) -> None:
    data = toy(task=task)
    near = 1e-4 if task == "detect" else 1.01 / 72  # points are mirrored at pixel centres
    flip = A.HorizontalFlip(p=1)
    step = Albumentations(transforms=[A.to_dict(flip) if serialised else flip], flip_idx=[1, 0, 2])
    for i in range(len(data)):
        ours = RandomFlip(p=1, flip_idx=[1, 0, 2])(data.get_image_and_label(i))
        labels = step(data.get_image_and_label(i))
        assert (labels["img"] == ours["img"]).all()
        assert (labels["cls"] == ours["cls"]).all()
        labels["instances"].convert_bbox("xywh")
        assert labels["instances"].normalized
        assert_allclose(labels["instances"].bboxes, ours["instances"].bboxes, atol=near)
        assert_allclose(labels["instances"].segments, ours["instances"].segments, atol=near)
        if task == "pose":
            assert_allclose(labels["instances"].keypoints, ours["instances"].keypoints, atol=near)


def test_objects_outside_the_crop_are_dropped_or_the_sample_stays(toy: Any) -> None:
    data = toy()
    step = Albumentations(transforms=[A.Crop(0, 0, 10, 10, p=1)])
    labels = step(data.get_image_and_label(0))
    assert labels["img"].shape == data.images[0].shape
    assert len(labels["cls"]) == len(data.blocks[0])
    empty = step(data.get_image_and_label(1))
    assert empty["img"].shape == (10, 10, 3)


@pytest.mark.parametrize("channels", [1, 5])
def test_channel_counts(toy: Any, channels: int) -> None:
    labels = toy(channels=channels).get_image_and_label(0)
    before = labels["img"].copy()
    after = Albumentations(transforms=[A.VerticalFlip(p=1)])(labels)["img"]
    assert (after == (before[::-1] if channels == 1 else before)).all()


def test_default_list_changes_pixels_only(toy: Any) -> None:
    step = Albumentations()
    assert not step.contains_spatial
    random.seed(0)
    torch.manual_seed(0)
    data = toy()
    changed = [step(data.get_image_and_label(0))["img"] for _ in range(200)]
    apart = sum(bool((image != data.images[0]).any()) for image in changed)
    assert 0 < apart < 40


def test_shuffled_outlines_are_refused(toy: Any) -> None:
    step = Albumentations(transforms=[A.OneOf([A.RandomGridShuffle(grid=(2, 2), p=1)], p=1)])
    step(toy().get_image_and_label(0))
    with pytest.raises(NotAvailable, match="RandomGridShuffle"):
        step(toy(task="segment").get_image_and_label(0))


def test_own_generators_repeat_a_sample(toy: Any, settings: Any) -> None:
    pipeline = FastDetectPipeline(toy(), 96, settings())
    pipeline.albumentations = Albumentations(transforms=[A.GaussNoise(p=1)])

    def draw() -> Any:
        return pipeline(0, random.Random(3), np.random.RandomState(3))["img"]

    assert (draw() == draw()).all()
