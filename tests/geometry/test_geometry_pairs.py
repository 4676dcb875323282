"""Candidate pairs: the grid arithmetic against the exhaustive test, ranking, chunks."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from ultralytics.geometry.anchors import make_anchors
from ultralytics.geometry.pairs import Level, grid_source, group_ranks, grow_to, point_source

LEVELS = (Level(6, 9, 8.0), Level(3, 5, 16.0), Level(2, 3, 32.0))


def anchors() -> Tensor:
    shells = [torch.zeros(1, 1, level.height, level.width) for level in LEVELS]
    points, strides = make_anchors(shells, [level.stride for level in LEVELS])
    return points * strides


@given(seed=st.integers(0, 10_000), whole=st.booleans(), count=st.integers(0, 12))
def test_grid_arithmetic_finds_what_the_full_test_finds(seed: int, whole: bool, count: int) -> None:
    """Whole numbers put sides exactly on anchors, where rounding would show."""
    generator = torch.Generator().manual_seed(seed)
    low = torch.rand(count, 2, generator=generator) * 100 - 20
    boxes = torch.cat((low, low + torch.rand(count, 2, generator=generator) * 60), dim=1)
    boxes = boxes.round() if whole else boxes
    points = anchors()
    quick = grid_source(boxes, LEVELS, points)
    slow = point_source(boxes, points)
    for got, expected in zip(quick.pairs(0, count), slow.pairs(0, count), strict=True):
        assert_close(got, expected)


@pytest.mark.parametrize("limit", [1, 7, 40, 10_000])
def test_chunks_cover_all_boxes_once(limit: int) -> None:
    points = anchors()
    boxes = torch.tensor([[0.0, 0, 70, 40], [5, 5, 6, 6], [0, 0, 30, 30], [50, 20, 72, 48]])
    source = grid_source(boxes, LEVELS, points)
    chunks = source.chunks(limit)
    assert [start for start, _ in chunks] == [0, *(stop for _, stop in chunks[:-1])]
    assert chunks[-1][1] == len(boxes)
    parts = [source.pairs(*chunk) for chunk in chunks]
    whole = source.pairs(0, len(boxes))
    for i in (0, 1):
        assert_close(torch.cat([part[i] for part in parts]), whole[i])


def test_short_sides_grow_about_the_centre() -> None:
    boxes = torch.tensor([[10.0, 10, 14, 40], [0, 0, 20, 20]])
    assert_close(grow_to(boxes, 16), torch.tensor([[4.0, 10, 20, 40], [0, 0, 20, 20]]))


@given(seed=st.integers(0, 10_000))
def test_ranks_are_those_of_a_sorted_list(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    group = torch.randint(0, 4, (30,), generator=generator)
    value = torch.randint(1, 6, (30,), generator=generator) / 7  # many ties
    order, rank = group_ranks(group, value, 5)
    expected = sorted(range(30), key=lambda i: (int(group[i]), -float(value[i]), i))
    assert order.tolist() == expected
    seen: dict[int, int] = {}
    for position, r in zip(expected, rank.tolist(), strict=True):
        g = int(group[position])
        assert r == seen.get(g, 0)
        seen[g] = r + 1
