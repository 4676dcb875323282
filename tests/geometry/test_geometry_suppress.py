"""Suppression of sorted boxes against a plain greedy loop, torchvision, and the whole matrix."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
import torchvision
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ultralytics.geometry import suppress
from ultralytics.geometry.rotated import batch_probiou
from ultralytics.geometry.suppress import (
    first_survivors,
    greedy,
    greedy_in_blocks,
    undominated_rotated,
)


def sorted_boxes(count: int, seed: int, spread: float = 60) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    low = torch.rand(count, 2, generator=generator) * spread
    boxes = torch.cat((low, low + torch.rand(count, 2, generator=generator) * 30 + 1), dim=1)
    return boxes, torch.rand(count, generator=generator).sort(descending=True).values


def plain_greedy(boxes: list[list[float]], threshold: float) -> list[int]:
    kept: list[int] = []
    for i, (x1, y1, x2, y2) in enumerate(boxes):
        for j in kept:
            a1, b1, a2, b2 = boxes[j]
            w, h = min(x2, a2) - max(x1, a1), min(y2, b2) - max(y1, b1)
            shared = max(w, 0) * max(h, 0)
            union = (x2 - x1) * (y2 - y1) + (a2 - a1) * (b2 - b1) - shared
            if union > 0 and shared / union > threshold:
                break
        else:
            kept.append(i)
    return kept


@given(
    count=st.integers(0, 40),
    seed=st.integers(0, 10_000),
    threshold=st.sampled_from([0, 0.3, 0.7, 1]),
)
def test_all_ways_agree(count: int, seed: int, threshold: float) -> None:
    boxes, scores = sorted_boxes(count, seed)
    boxes = boxes.round()  # equal boxes, one-pixel boxes and overlaps on the threshold occur
    expected = plain_greedy(boxes.tolist(), threshold)
    assert greedy(boxes.double(), scores.double(), threshold).tolist() == expected
    assert greedy_in_blocks(boxes.double(), threshold).tolist() == expected


@pytest.mark.parametrize("threshold", [0.3, 0.6, 0.9])
def test_blocks_agree_with_torchvision_over_block_borders(threshold: float) -> None:
    boxes, scores = sorted_boxes(1500, 3, spread=400)
    expected = torchvision.ops.nms(boxes, scores, threshold)
    assert greedy_in_blocks(boxes, threshold).tolist() == expected.tolist()
    assert greedy(boxes, scores, threshold).tolist() == expected.tolist()


def test_missing_operator_falls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    boxes, scores = sorted_boxes(300, 1)
    expected = greedy(boxes, scores, 0.5)
    monkeypatch.setattr(suppress, "compiled_nms", lambda: None)
    assert greedy(boxes, scores, 0.5).tolist() == expected.tolist()


@given(
    count=st.integers(1, 900),
    limit=st.integers(1, 60),
    seed=st.integers(0, 1000),
    spread=st.sampled_from([5.0, 60.0, 400.0]),
)
def test_prefix_gives_the_first_survivors_of_the_whole(
    count: int, limit: int, seed: int, spread: float
) -> None:
    boxes, scores = sorted_boxes(count, seed, spread)
    whole = greedy(boxes, scores, 0.4)
    asked: list[int] = []

    def survivors(length: int) -> Tensor:
        asked.append(length)
        return greedy(boxes[:length], scores[:length], 0.4)

    got = first_survivors(count, limit, survivors)
    assert got.tolist() == whole[:limit].tolist()
    assert asked == sorted(set(asked))
    assert asked[-1] <= count


@given(
    count=st.integers(0, 60),
    seed=st.integers(0, 10_000),
    threshold=st.sampled_from([0.0, 0.1, 0.4, 0.7, 0.95, 1.0]),
    labelled=st.booleans(),
)
def test_gated_pairs_drop_what_the_matrix_drops(
    count: int, seed: int, threshold: float, labelled: bool
) -> None:
    generator = torch.Generator().manual_seed(seed)
    boxes = torch.rand(count, 5, generator=generator)
    boxes = boxes * torch.tensor([60, 60, 40, 20, 6]) + torch.tensor([0, 0, 1, 1, -3])
    labels = torch.randint(0, 3, (count,), generator=generator)
    overlaps = batch_probiou(boxes, boxes) > threshold
    if labelled:
        overlaps &= labels[:, None] == labels
    expected = (~overlaps.triu(diagonal=1).any(dim=0)).nonzero()[:, 0]
    got = undominated_rotated(boxes, threshold, labels if labelled else None)
    assert got.tolist() == expected.tolist()


LOAD = """
import sys, torch
from ultralytics.geometry.compiled import compiled_nms
operator = compiled_nms()
boxes, scores = torch.tensor([[0., 0, 10, 10], [3, 0, 13, 10], [6, 0, 16, 10]]), torch.tensor([.9, .8, .7])
assert operator is not None and operator(boxes, scores, 0.5).tolist() == [0, 2]
assert "torchvision" not in sys.modules
import torchvision
assert torchvision.ops.nms(boxes, scores, 0.5).tolist() == [0, 2]
assert torchvision.ops.box_iou(boxes, boxes).shape == (3, 3)
"""


def test_operator_loads_without_torchvision_and_beside_it() -> None:
    command = [sys.executable, "-W", "ignore", "-c", LOAD]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
