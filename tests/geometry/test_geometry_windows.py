"""Pixel lists of rectangles against slicing, and masks of labels against dense comparison."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ultralytics.geometry.assign import Labels
from ultralytics.geometry.masks import crop_mask
from ultralytics.geometry.windows import LabelMasks, in_groups, pixel_corners, pixel_parts

HEIGHT, WIDTH = 13, 17
sides = st.floats(-5, 22, width=32)
boxes = st.lists(st.tuples(sides, sides, sides, sides), max_size=12)


def painted(corners_N4: Tensor, limit: int) -> Tensor:
    """What the parts cover, counted per rectangle and pixel."""
    canvas = torch.zeros(len(corners_N4), HEIGHT * WIDTH, dtype=torch.long)
    for part in pixel_parts(corners_N4, WIDTH, limit):
        assert part.pixels.shape[0] == 1 or part.pixels.numel() <= limit
        for member, pixels, valid in zip(part.members, part.pixels, part.valid, strict=True):
            canvas[member] += torch.bincount(pixels[valid], minlength=HEIGHT * WIDTH)
    return canvas.view(-1, HEIGHT, WIDTH)


@given(boxes, st.integers(1, 200))
def test_parts_hold_every_pixel_of_a_cropped_mask_once(
    rows: list[tuple[float, ...]], limit: int
) -> None:
    boxes_N4 = torch.tensor(rows, dtype=torch.float32).view(-1, 4)
    kept = crop_mask(torch.ones(len(boxes_N4), HEIGHT, WIDTH, dtype=torch.long), boxes_N4)
    assert torch.equal(painted(pixel_corners(boxes_N4, HEIGHT, WIDTH), limit), kept)


@given(st.lists(st.integers(0, 4), max_size=20))
def test_places_count_up_inside_each_group(groups: list[int]) -> None:
    place, count = in_groups(torch.tensor(groups, dtype=torch.long), 5)
    seen = [0] * 5
    for group, found in zip(groups, place.tolist(), strict=True):
        assert found == seen[group]
        seen[group] += 1
    assert count.tolist() == seen


def _labels() -> Labels:
    image, slot = torch.tensor([0, 0, 1]), torch.tensor([0, 1, 0])
    return Labels(image, slot, torch.zeros(3, dtype=torch.long), torch.zeros(3, 4))


def test_an_index_map_and_dense_masks_say_the_same() -> None:
    index = torch.zeros(2, 4, 5, dtype=torch.uint8)
    index[0, 1:3, 1:3], index[0, 2:, 2:], index[1, :2] = 1, 2, 1
    dense = torch.stack([index == 1, index == 2], dim=1)
    labels = _labels()
    from_index = LabelMasks(index, labels.images, labels.slots + 1)
    from_dense = LabelMasks.from_dense(dense, labels)
    each, pixels = torch.arange(3), torch.arange(20).expand(3, 20)
    expected = dense[labels.images, labels.slots]
    for masks in (from_index, from_dense):
        assert torch.equal(masks.at(each, pixels), expected.flatten(1))
        assert masks.areas().tolist() == expected.sum((1, 2)).tolist()


def test_no_labels_have_no_areas() -> None:
    nobody = torch.zeros(0, dtype=torch.long)
    assert LabelMasks(torch.zeros(2, 3, 3), nobody, nobody).areas().shape == (0,)
