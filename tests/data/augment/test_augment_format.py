"""Tensors, classification pipelines and text prompts."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from torch.testing import assert_close
from torchvision import transforms as T

from ultralytics.data.augment import (
    CenterCrop,
    ClassifyLetterBox,
    Format,
    LoadVisualPrompt,
    RandomLoadText,
    ToTensor,
    classify_augmentations,
    classify_transforms,
)
from ultralytics.utils.instance import Instances

SQUARES = np.array([[(1, 1), (6, 1), (6, 6), (1, 6)], [(2, 2), (4, 2), (4, 4), (2, 4)]], np.float32)


def sample(count: int = 2, channels: int = 3, **parts: Any) -> Any:
    image = np.random.RandomState(0).randint(0, 255, (8, 8, channels)).astype(np.uint8)
    boxes = np.array([[1, 1, 6, 6], [2, 2, 4, 4]], np.float32)[:count]
    outlines = SQUARES[:count] if parts.pop("outlines", True) else None
    keypoints = parts.pop("keypoints", None)
    return {
        "img": image,
        "cls": np.array([[5.0], [7.0]], np.float32)[:count],
        "instances": Instances(boxes, outlines, keypoints, bbox_format="xyxy", normalized=False),
        "im_file": "x.jpg",
    }


def test_image_is_rgb_planes_and_boxes_are_fractions() -> None:
    labels = sample()
    image = labels["img"].copy()
    labels = Format()(labels)
    assert_array_equal(labels["img"], image[..., ::-1].transpose(2, 0, 1))
    assert labels["img"].is_contiguous()
    assert_close(labels["bboxes"], torch.tensor([[3.5, 3.5, 5, 5], [3, 3, 2, 2]]) / 8)
    assert_close(labels["cls"], torch.tensor([[5.0], [7.0]]))
    assert_close(labels["batch_idx"], torch.zeros(2))
    assert "instances" not in labels


@pytest.mark.parametrize(("bgr", "channels"), [(1.0, 3), (0.0, 1), (0.0, 4), (1.0, 5)])
def test_channel_order_that_stays(bgr: float, channels: int) -> None:
    labels = sample(channels=channels)
    image = labels["img"].copy()
    assert_array_equal(Format(bgr=bgr)(labels)["img"], image.transpose(2, 0, 1))


def test_flat_images_get_a_channel() -> None:
    labels = sample()
    labels["img"] = labels["img"][..., 0]
    assert Format()(labels)["img"].shape == (1, 8, 8)


def test_pixel_boxes_in_another_format() -> None:
    labels = Format(bbox_format="ltwh", normalize=False, batch_idx=False)(sample())
    assert labels["bboxes"].tolist() == [[1, 1, 5, 5], [2, 2, 2, 2]]
    assert "batch_idx" not in labels


@pytest.mark.parametrize("overlap", [True, False])
def test_nothing_in_the_image(overlap: bool) -> None:
    form = Format(return_mask=True, return_keypoint=True, mask_ratio=2, mask_overlap=overlap)
    labels = form(sample(0))
    assert labels["cls"].shape == (0, 1)
    assert labels["bboxes"].shape == (0, 4)
    assert labels["keypoints"].shape == (0, 3)
    assert labels["masks"].shape == (int(overlap), 4, 4)
    assert labels["sem_masks"].shape == (4, 4)
    assert Format(return_obb=True)(sample(0))["bboxes"].shape == (0, 5)


def test_overlap_map_orders_the_objects_by_area() -> None:
    labels = sample()
    labels["instances"] = labels["instances"][[1, 0]]
    labels["cls"] = labels["cls"][[1, 0]]
    labels = Format(return_mask=True, mask_ratio=1)(labels)
    assert labels["cls"].ravel().tolist() == [5, 7]
    masks = labels["masks"][0]
    assert (masks[3, 3], masks[1, 1], masks[0, 0]) == (2, 1, 0)
    assert (labels["sem_masks"][3, 3], labels["sem_masks"][1, 1]) == (7, 5)
    assert labels["sem_masks"][0, 0] == 7  # documented value of the background


def test_separate_masks_have_a_zero_background() -> None:
    labels = Format(return_mask=True, mask_ratio=1, mask_overlap=False)(sample())
    assert labels["masks"].sum(dim=(1, 2)).tolist() == [36, 9]
    assert (labels["sem_masks"][0, 0], labels["sem_masks"][3, 3]) == (0, 7)


def test_masks_cannot_be_smaller_than_a_pixel() -> None:
    with pytest.raises(ValueError, match="mask_ratio=16"):
        Format(return_mask=True, mask_ratio=16)(sample())


def test_rotated_boxes_are_fractions_with_an_angle() -> None:
    boxes = Format(return_obb=True)(sample())["bboxes"]
    assert_allclose(boxes[0, :4], [3.5 / 8, 3.5 / 8, 5 / 8, 5 / 8], rtol=1e-5)


def test_keypoints_are_fractions() -> None:
    points = np.array([[[4, 2, 1]], [[8, 8, 2]]], np.float32)
    labels = Format(return_keypoint=True)(sample(keypoints=points))
    assert labels["keypoints"].tolist() == [[[0.5, 0.25, 1]], [[1, 1, 2]]]


# classification -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [32, (24, 40)])
def test_validation_pipeline_equals_its_parts(size: Any) -> None:
    picture = Image.fromarray(
        np.random.RandomState(0).randint(0, 255, (50, 70, 3)).astype(np.uint8)
    )
    steps = [T.Resize(size), T.CenterCrop(size), T.ToTensor()]
    out = classify_transforms(size, mean=(0.5,) * 3, std=(0.25,) * 3)(picture)
    assert_close(out, (T.Compose(steps)(picture) - 0.5) / 0.25)


def names(pipeline: Any) -> list[str]:
    return [type(step).__name__ for step in pipeline.transforms]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, ["RandomHorizontalFlip", "ColorJitter"]),
        ({"auto_augment": "randaugment"}, ["RandomHorizontalFlip", "RandAugment"]),
        ({"auto_augment": "augmix", "hflip": 0, "vflip": 0.5}, ["RandomVerticalFlip", "AugMix"]),
        (
            {"auto_augment": "autoaugment", "hflip": 0, "force_color_jitter": True},
            ["AutoAugment", "ColorJitter"],
        ),
    ],
)
def test_training_pipeline(settings: Any, expected: list[str]) -> None:
    pipeline = classify_augmentations(32, erasing=1.0, **settings)
    ends = ["ToTensor", "Normalize", "RandomErasing"]
    assert names(pipeline) == ["RandomResizedCrop", *expected, *ends]
    assert pipeline(Image.new("RGB", (50, 40), (9, 90, 200))).shape == (3, 32, 32)


def test_training_pipeline_refuses_wrong_settings() -> None:
    with pytest.raises(TypeError):
        classify_augmentations((32, 32))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="randaugment"):
        classify_augmentations(32, auto_augment="magic")


def test_picture_classes() -> None:
    picture = np.random.RandomState(0).randint(1, 255, (30, 50, 3)).astype(np.uint8)
    boxed = ClassifyLetterBox((40, 60))(picture)
    assert boxed.shape == (40, 60, 3)
    assert (boxed[:2] == 114).all()
    assert ClassifyLetterBox(64, auto=True)(picture).shape == (64, 64, 3)
    assert (CenterCrop(30)(picture) == picture[:, 10:40]).all()
    assert CenterCrop((10, 20))(Image.fromarray(picture)).shape == (10, 20, 3)
    assert_close(ToTensor()(picture), torch.from_numpy(picture).permute(2, 0, 1) / 255)
    assert ToTensor(half=True)(picture).dtype == torch.float16


# prompts --------------------------------------------------------------------------------------


def test_texts_are_sampled_and_classes_renumbered() -> None:
    labels = sample()
    labels["cls"] = np.array([[2.0], [0.0]], np.float32)
    labels["texts"] = [["a"], ["b"], ["c", "cc"], ["d"]]
    random.seed(0)
    step = RandomLoadText(
        "x {}", neg_samples=(1, 1), max_samples=5, padding=True, padding_value="p"
    )
    labels = step(labels)
    assert labels["cls"].ravel().tolist() == [1, 0]
    assert labels["texts"][0] == "x a"
    assert labels["texts"][1] in {"x c", "x cc"}
    assert labels["texts"][2] in {"x b", "x d"}
    assert labels["texts"][3:] == ["p", "p"]


def test_too_many_classes_are_sampled_with_their_objects() -> None:
    labels = sample()
    labels["cls"] = np.array([[0.0], [1.0]], np.float32)
    labels["texts"] = [["a"], ["b"]]
    labels = RandomLoadText(max_samples=1)(labels)
    assert len(labels["texts"]) == len(labels["instances"]) == len(labels["cls"]) == 1


def test_visual_prompts_are_one_map_per_class() -> None:
    labels = {
        "img": torch.zeros(3, 64, 32),
        "bboxes": torch.tensor([[0.5, 0.25, 0.5, 0.25], [0.5, 0.75, 0.5, 0.25], [0.5, 0.5, 1, 1]]),
        "cls": torch.tensor([[4.0], [4.0], [1.0]]),
    }
    visuals = LoadVisualPrompt()(labels)["visuals"]
    assert visuals.shape == (2, 8, 4)
    assert visuals[0].all()
    expected = torch.zeros(8, 4)
    expected[1:3, 1:3] = expected[5:7, 1:3] = 1
    assert_close(visuals[1], expected)


def test_visual_prompts_from_masks_and_from_nothing() -> None:
    masks = np.zeros((1, 16, 16), np.uint8)
    masks[0, :8] = 1
    visuals = LoadVisualPrompt().get_visuals([3], (16, 16), masks=masks)
    assert visuals.tolist() == [[[1, 1], [0, 0]]]
    with pytest.raises(ValueError, match="boxes or masks"):
        LoadVisualPrompt().get_visuals([3], (16, 16))
