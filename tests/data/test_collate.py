from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.testing import assert_close

from ultralytics.data.collate import collate_fn, stack_images


def sample(count: int, side: int = 4) -> dict[str, Any]:
    return {
        "im_file": f"{count}.jpg",
        "img": torch.full((3, side, side), count, dtype=torch.uint8),
        "cls": torch.full((count, 1), float(count)),
        "bboxes": torch.rand(count, 4),
        "batch_idx": torch.zeros(count),
        "visuals": torch.ones(max(count, 1), 2, 2),
        "keypoints": torch.ones(count, 2, 3),
        "sem_masks": torch.ones(2, 2),
    }


def test_keys_are_joined_by_kind() -> None:
    batch = collate_fn([sample(2), sample(0), sample(3)])
    assert list(batch) == sorted(batch)
    assert batch["img"].shape == (3, 3, 4, 4)
    assert batch["cls"].shape == (5, 1)
    assert batch["batch_idx"].tolist() == [0, 0, 2, 2, 2]
    assert batch["im_file"] == ("2.jpg", "0.jpg", "3.jpg")
    assert batch["visuals"].shape == (3, 3, 2, 2)
    assert batch["visuals"][1, 1:].sum() == 0
    assert batch["sem_masks"].shape == (3, 2, 2)


def test_samples_are_not_changed() -> None:
    parts = [sample(1), sample(2)]
    collate_fn(parts)
    assert parts[1]["batch_idx"].tolist() == [0, 0]


def test_a_batch_without_objects() -> None:
    batch = collate_fn([sample(0), sample(0)])
    assert batch["bboxes"].shape == (0, 4)
    assert batch["batch_idx"].shape == (0,)


@pytest.mark.parametrize("channels_last", [False, True])
def test_samples_of_one_block_are_not_copied(channels_last: bool) -> None:
    block = torch.randint(0, 255, (4, 5, 6, 3), dtype=torch.uint8)
    if not channels_last:
        block = block.permute(0, 3, 1, 2).contiguous()
    parts = [part.permute(2, 0, 1) if channels_last else part for part in block]
    joined = stack_images(parts)
    assert joined.data_ptr() == block.data_ptr()
    assert_close(joined, torch.stack(parts))


@pytest.mark.parametrize("order", [[1, 0], [0, 2], [0, 0]])
def test_parts_that_do_not_follow_each_other_are_copied(order: list[int]) -> None:
    block = torch.randint(0, 255, (3, 3, 5, 6), dtype=torch.uint8)
    joined = stack_images([block[i] for i in order])
    assert_close(joined, block[order])
    assert joined.data_ptr() != block.data_ptr()


def test_memory_order_of_the_samples_is_kept() -> None:
    parts = [torch.randint(0, 255, (5, 6, 3), dtype=torch.uint8).permute(2, 0, 1) for _ in range(3)]
    joined = stack_images(parts)
    assert joined.is_contiguous(memory_format=torch.channels_last)
    assert_close(joined, torch.stack(parts))


def test_unequal_sizes_are_an_error() -> None:
    with pytest.raises(RuntimeError, match="equal size"):
        stack_images([torch.zeros(3, 4, 4), torch.zeros(3, 5, 4)])
