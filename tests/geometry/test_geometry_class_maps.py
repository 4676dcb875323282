"""Class maps: comparison of classes, sizes, the way back through the letterbox."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ultralytics.data.augment import LetterBox
from ultralytics.geometry import class_maps as maps
from ultralytics.geometry.masks import scale_masks


def logits(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("classes", "kind"),
    [(2, torch.uint8), (256, torch.uint8), (257, torch.int16), (40_000, torch.int32)],
)
def test_smallest_type_that_holds_every_id(classes: int, kind: torch.dtype) -> None:
    assert maps.map_type(classes) == kind


@pytest.mark.parametrize("classes", [1, 2, 5, 300])
def test_interpolation_comes_before_comparison(classes: int) -> None:
    raw = logits(3, classes, 4, 6)
    enlarged = F.interpolate(raw, (29, 50), mode="bilinear", align_corners=False)
    expected = enlarged.argmax(1) if classes > 1 else (enlarged[:, 0] > 0)
    found = maps.class_maps(raw, (29, 50))
    assert found.dtype == maps.map_type(classes)
    assert (found == expected).float().mean() > 0.9995  # two ways to round a sum


def test_equal_logits_give_the_lower_class() -> None:
    assert maps.class_maps(torch.zeros(1, 4, 3, 3), (3, 3)).max() == 0
    assert maps.class_maps(torch.zeros(1, 1, 3, 3), (3, 3)).max() == 0  # not above 0


def test_half_precision_is_compared_in_single() -> None:
    raw = logits(1, 3, 8, 8)
    assert (
        maps.class_maps(raw.half(), (64, 64)) == maps.class_maps(raw.half().float(), (64, 64))
    ).all()


def test_maps_of_exported_networks_keep_their_ids() -> None:
    ids = torch.tensor([[[0, 7], [3, 255]]], dtype=torch.uint8)
    found = maps.class_maps(ids, (4, 4))
    assert found.tolist()[0] == [[0, 0, 7, 7], [0, 0, 7, 7], [3, 3, 255, 255], [3, 3, 255, 255]]
    assert maps.class_maps(ids, (2, 2)) is ids


def test_other_classes_become_255() -> None:
    ids = torch.tensor([[0, 1], [2, 3]], dtype=torch.uint8)
    assert maps.keep_classes(ids, [1, 3]).tolist() == [[255, 1], [255, 3]]
    assert ids.tolist() == [[0, 1], [2, 3]]


def scene(height: int, width: int) -> np.ndarray:
    """A disc, a ring, and lines one pixel wide, on class 0."""
    ids = np.zeros((height, width), np.uint8)
    side = min(height, width)
    cv2.circle(ids, (width // 3, height // 2), side // 4, 1, -1)
    cv2.circle(ids, (2 * width // 3, height // 2), side // 4, 2, max(side // 12, 1))
    ids[1, :] = 3
    ids[:, width - 2] = 3
    return ids


def scores(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """IoU of two masks, and the distance of their centroids in pixels."""
    overlap = (one & other).sum() / (one | other).sum()
    centres = [np.stack(np.nonzero(mask)).mean(axis=1) for mask in (one, other)]
    return float(overlap), float(np.linalg.norm(centres[0] - centres[1]))


CASES = [
    # image, network: odd sizes, padding on either side, even and odd
    ((37, 53), (320, 320)),
    ((53, 37), (320, 320)),
    ((101, 33), (352, 416)),
    ((64, 64), (64, 64)),
    ((75, 200), (256, 640)),
    ((97, 41), (640, 640)),
]


@pytest.mark.parametrize(("image", "network"), CASES)
@pytest.mark.parametrize("form", ["logits", "map"])
def test_shapes_come_back_to_the_image(
    image: tuple[int, int], network: tuple[int, int], form: str
) -> None:
    ids = scene(*image)
    fitted = []
    for c in range(4):  # what a perfect network would give for the letterboxed picture
        layer = ((ids == c) * 255).astype(np.uint8)[..., None]
        fitted.append(LetterBox(network, padding_value=0)(image=layer)[..., 0])
    raw = torch.from_numpy(np.stack(fitted)).float()
    pred = raw if form == "logits" else raw.argmax(0).to(torch.uint8)
    found = maps.scale_class_map(pred, network, image)
    assert found.shape == image
    assert found.dtype == torch.uint8
    for c in range(4):
        overlap, distance = scores(found.numpy() == c, ids == c)
        assert overlap > 0.99
        assert distance < 0.25


@pytest.mark.parametrize(("image", "network"), [*CASES, ((300, 500), (96, 160))])
@pytest.mark.parametrize("classes", [1, 2, 7])
def test_both_ways_of_comparing_agree(
    image: tuple[int, int], network: tuple[int, int], classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = logits(classes, network[0] // 8, network[1] // 8)
    back = scale_masks(F.interpolate(raw[None], network, mode="bilinear"), image)
    expected = maps.best_classes(back)[0]
    assert (maps.scale_class_map(raw, network, image) == expected).float().mean() > 0.9995
    monkeypatch.setattr(maps, "_suits_planes", lambda _: False)
    assert (maps.scale_class_map(raw, network, image) == expected).all()
    monkeypatch.setattr(maps, "LOGITS_AT_ONCE", 2 * image[0] * image[1])
    if classes > 1:
        assert (maps.scale_class_map(raw, network, image) == expected).all()


@pytest.mark.parametrize("planes", [True, False])
def test_equal_logits_give_the_lower_class_everywhere(
    planes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maps, "_suits_planes", lambda _: planes)
    monkeypatch.setattr(maps, "LOGITS_AT_ONCE", 1)
    assert maps.scale_class_map(torch.zeros(6, 4, 4), (32, 32), (32, 32)).max() == 0


def test_logits_are_left_alone() -> None:
    raw = logits(2, 5, 8, 8).contiguous(memory_format=torch.channels_last)
    before = raw.clone()
    maps.class_maps(raw, (8, 8))
    maps.scale_class_map(raw[0], (8, 8), (8, 8))
    assert torch.equal(raw, before)
