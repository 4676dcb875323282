"""Label assignment against a dense rewrite of the specification's steps, image by image."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from ultralytics.geometry import pairs as pairs_module
from ultralytics.geometry.anchors import make_anchors
from ultralytics.geometry.assign import Labels, Predictions
from ultralytics.geometry.iou import bbox_iou
from ultralytics.geometry.pairs import Level
from ultralytics.utils.tal import RotatedTaskAlignedAssigner, TaskAlignedAssigner

STRIDES = (8.0, 16.0, 32.0)


class Scene(NamedTuple):
    scores: Tensor
    boxes: Tensor
    points: Tensor
    labels: Tensor
    gt: Tensor
    valid: Tensor
    levels: tuple[Level, ...]


def make_scene(counts: list[int], size: int = 256, classes: int = 3, seed: int = 0) -> Scene:
    """Random labels, and predictions that lie around them; unused slots hold rubbish."""
    generator = torch.Generator().manual_seed(seed)

    def rand(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    levels = tuple(Level(int(size // s), int(size // s), s) for s in STRIDES)
    shells = [torch.zeros(1, 1, level.height, level.width) for level in levels]
    points, strides = make_anchors(shells, STRIDES)
    points = points * strides
    batch, most = len(counts), max(counts, default=0)
    low = rand(batch, most, 2) * size * 0.8
    gt = torch.cat((low, low + rand(batch, most, 2) ** 2 * size * 0.5 + 2), dim=-1)
    valid = torch.arange(most) < torch.tensor(counts)[:, None]
    labels = torch.randint(0, classes, (batch, most, 1), generator=generator).float()
    half = rand(batch, len(points), 2) * 40 + 4
    centre = points + rand(batch, len(points), 2) * 16 - 8
    boxes = torch.cat((centre - half, centre + half), dim=-1)
    scores = rand(batch, len(points), classes)
    return Scene(scores, boxes, points, labels, gt, valid[..., None], levels)


def oracle(
    scene: Scene, topk: int, topk2: int, stride_val: float, alpha: float, beta: float
) -> Any:
    """Slots (B, A), -1 for background, and scores (B, A, C); plain loops over the written steps."""
    batch, anchors, classes = scene.scores.shape
    slots = torch.full((batch, anchors), -1)
    targets = torch.zeros(batch, anchors, classes)
    for b in range(batch):
        members = [g for g in range(scene.gt.shape[1]) if scene.valid[b, g]]
        overlap, metric, chosen = {}, {}, {}
        for g in members:
            x1, y1, x2, y2 = scene.gt[b, g].tolist()
            if x2 - x1 < stride_val:
                x1, x2 = (x1 + x2) / 2 - stride_val / 2, (x1 + x2) / 2 + stride_val / 2
            if y2 - y1 < stride_val:
                y1, y2 = (y1 + y2) / 2 - stride_val / 2, (y1 + y2) / 2 + stride_val / 2
            x, y = scene.points.T
            inside = (x > x1) & (x < x2) & (y > y1) & (y < y2)
            o = bbox_iou(scene.gt[b, g], scene.boxes[b], xywh=False, CIoU=True).squeeze(-1)
            o = o.clamp(min=0) * inside
            s = scene.scores[b, :, int(scene.labels[b, g, 0])]
            overlap[g], metric[g] = o, s**alpha * o**beta
            best = metric[g].sort(descending=True, stable=True).indices[:topk]
            chosen[g] = {int(a) for a in best if metric[g][a] > 0}
        for a in range(anchors):
            wanting = [g for g in members if a in chosen[g]]
            if len(wanting) > 1:
                winner = max(members, key=lambda g: (float(overlap[g][a]), -g))
                for g in members:
                    chosen[g].discard(a)
                chosen[winner].add(a)
        for g in members:
            if topk2 != topk:
                kept = sorted(chosen[g], key=lambda a: (-float(metric[g][a]), a))[:topk2]
                chosen[g] = set(kept)
            if not chosen[g]:
                continue
            index = sorted(chosen[g])
            m, o = metric[g][index], overlap[g][index]
            slots[b, index] = g
            targets[b, index, int(scene.labels[b, g, 0])] = m * o.max() / (m.max() + 1e-9)
    return slots, targets


def check(scene: Scene, topk: int, topk2: int | None, grid: bool) -> None:
    assigner = TaskAlignedAssigner(topk, 3, 0.5, 6.0, list(STRIDES), topk2=topk2)
    slots, targets = oracle(scene, topk, topk2 or topk, STRIDES[1], 0.5, 6.0)
    if grid:
        labels = Labels.from_padded(scene.labels, scene.gt, scene.valid.squeeze(-1))
        predictions = Predictions.from_dense(scene.scores, scene.boxes)
        found = assigner.assign(labels, scene.points, predictions, scene.levels)
        got = torch.full_like(slots, -1)
        got[found.images, found.anchors] = labels.slots[found.labels]
        assert_close(got, slots)
        score = targets.sum(-1)[found.images, found.anchors]
        assert_close(found.scores, score, atol=1e-6, rtol=1e-4)
        return
    classes, boxes, scores, foreground, slot = assigner(*scene[:6])
    assert_close(foreground, slots >= 0)
    assert_close(slot[foreground], slots[foreground])
    assert_close(scores, targets, atol=1e-6, rtol=1e-4)
    image, anchor = foreground.nonzero(as_tuple=True)
    assert_close(boxes[foreground], scene.gt[image, slots[image, anchor]])
    assert_close(classes[foreground], scene.labels[image, slots[image, anchor], 0].long())


@pytest.mark.parametrize("grid", [True, False])
@pytest.mark.parametrize(("topk", "topk2"), [(10, None), (7, 1), (4, 2), (13, None), (1, None)])
@pytest.mark.parametrize("counts", [[3, 0, 5], [1], [0, 0], [40, 2]])
def test_dense_rules_agree(counts: list[int], topk: int, topk2: int | None, grid: bool) -> None:
    check(make_scene(counts), topk, topk2, grid)


@given(
    counts=st.lists(st.integers(0, 9), min_size=1, max_size=3),
    seed=st.integers(0, 100_000),
    topk2=st.sampled_from([None, 1, 3]),
)
def test_dense_rules_agree_on_random_scenes(
    counts: list[int], seed: int, topk2: int | None
) -> None:
    check(make_scene(counts, size=224, seed=seed), 10, topk2, grid=True)


@pytest.mark.parametrize("limit", [1, 50, 400])
def test_chunks_do_not_change_the_result(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chunks = pairs_module.PairSource.chunks
    monkeypatch.setattr(pairs_module.PairSource, "chunks", lambda self: chunks(self, limit))
    check(make_scene([30, 4]), 10, None, grid=True)


def test_known_example() -> None:
    scores = torch.tensor([[[0.9, 0.1], [0.6, 0.3], [0.5, 0.8], [0.2, 0.7]]])
    boxes = torch.tensor([[[0.0, 0, 10, 10], [4, 0, 16, 9], [0, 4, 12, 16], [3, 3, 16, 16]]])
    points = torch.tensor([[4.0, 4], [12, 4], [4, 12], [12, 12]])
    gt = torch.tensor([[[0.0, 0, 13, 10], [1, 3, 16, 16]]])
    scene = (scores, boxes, points, torch.tensor([[[0.0], [1]]]), gt, torch.ones(1, 2, 1))
    many = TaskAlignedAssigner(topk=2, num_classes=2, alpha=0.5, beta=6.0, stride=[8])(*scene)
    assert many[3].all()
    assert many[4].tolist() == [[0, 0, 1, 1]]
    expected = torch.tensor([[[0.760671, 0], [0.039611, 0], [0, 0.128973], [0, 0.864097]]])
    assert_close(many[2], expected, atol=1e-5, rtol=1e-4)
    one = TaskAlignedAssigner(2, 2, 0.5, 6.0, [8], topk2=1)(*scene)
    assert one[3].tolist() == [[True, False, False, True]]
    assert_close(one[2].amax(-1), torch.tensor([[0.760671, 0, 0, 0.864097]]), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("gt", "expected"),
    [([10.0, 10, 14, 14], [5, 16]), ([2.0, 2, 30, 30], list(range(20)))],
)
def test_small_boxes_reach_for_anchors(gt: list[float], expected: list[int]) -> None:
    points, strides = make_anchors([torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 2, 2)], [8, 16])
    assigner = TaskAlignedAssigner(stride=[8, 16])
    source = assigner.candidates(torch.tensor([gt]), points * strides, None)
    assert source.pairs(0, 1)[1].tolist() == expected


def test_no_slots_at_all() -> None:
    scene = make_scene([0, 0])
    classes, boxes, scores, foreground, slot = TaskAlignedAssigner(num_classes=3)(*scene[:6])
    assert (classes == 3).all()
    assert not boxes.any()
    assert not scores.any()
    assert not foreground.any()
    assert slot.shape == foreground.shape


def test_crowd_of_five_thousand() -> None:
    """Memory follows the pairs: a dense overlap matrix alone would take 270 MB here."""
    scene = make_scene([5000, 2], size=416)
    labels = Labels.from_padded(scene.labels, scene.gt, scene.valid.squeeze(-1))
    found = TaskAlignedAssigner(10, 3, 0.5, 6.0, list(STRIDES)).assign(
        labels, scene.points, Predictions.from_dense(scene.scores, scene.boxes), scene.levels
    )
    place = found.images * len(scene.points) + found.anchors
    assert len(place.unique()) == len(place)
    assert (found.scores > 0).all()
    assert (found.scores <= 1).all()
    x, y = scene.points[found.anchors].T
    x1, y1, x2, y2 = labels.boxes[found.labels].T
    assert ((x - (x1 + x2) / 2).abs() < torch.maximum((x2 - x1) / 2, torch.tensor(8.0))).all()
    assert ((y - (y1 + y2) / 2).abs() < torch.maximum((y2 - y1) / 2, torch.tensor(8.0))).all()


def test_tiny_pyramid_with_fewer_anchors_than_wanted() -> None:
    points = torch.tensor([[4.0, 4], [12, 4]])
    boxes = torch.tensor([[[0.0, 0, 8, 8], [8, 0, 16, 8]]])
    gt = torch.tensor([[[0.0, 0, 16, 8]]])
    result = TaskAlignedAssigner(topk=10, num_classes=1, stride=[8])(
        torch.full((1, 2, 1), 0.5), boxes, points, torch.zeros(1, 1, 1), gt, torch.ones(1, 1, 1)
    )
    assert result[3].tolist() == [[True, True]]


@pytest.mark.parametrize(
    ("gt", "expected"),
    [
        ([16.0, 16, 24, 6, 0.5], [5, 6, 9, 10, 16, 19]),
        ([16.0, 16, 24, 20, math.pi / 4], [1, 4, 5, 6, 9, 10, 11, 14, 16, 19]),
    ],
)
def test_anchors_inside_rotated_boxes(gt: list[float], expected: list[int]) -> None:
    points, strides = make_anchors([torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 2, 2)], [8, 16])
    assigner = RotatedTaskAlignedAssigner(stride=[8, 16])
    source = assigner.candidates(torch.tensor([gt]), points * strides, None)
    assert source.pairs(0, 1)[1].tolist() == expected


def test_public_home() -> None:
    assert TaskAlignedAssigner.__module__ == "ultralytics.utils.tal"


def test_equal_overlaps_go_to_the_first_label() -> None:
    scene = make_scene([4])
    twice = scene._replace(
        gt=scene.gt.repeat(1, 2, 1),
        labels=scene.labels.repeat(1, 2, 1),
        valid=scene.valid.repeat(1, 2, 1),
    )
    check(twice, 10, None, grid=True)
    _, _, _, foreground, slot = TaskAlignedAssigner(10, 3, 0.5, 6.0, list(STRIDES))(*twice[:6])
    assert foreground.any()
    assert (slot < 4).all()


@given(st.integers(0, 10_000), st.integers(1, 40))
def test_rotated_candidates_of_a_pyramid_are_those_of_its_points(seed: int, count: int) -> None:
    g = torch.Generator().manual_seed(seed)
    levels = [Level(12, 17, 8.0), Level(6, 9, 16.0), Level(3, 5, 32.0)]
    maps = [torch.empty(1, 1, level.height, level.width) for level in levels]
    cells, strides = make_anchors(maps, [level.stride for level in levels])
    boxes = torch.rand(count, 5, generator=g) * torch.tensor([160.0, 120, 90, 40, 20])
    boxes -= torch.tensor([10.0, 10, 0, 0, 10])
    boxes[: count // 3, 4] = 0  # borders of these can hit anchors exactly
    boxes[: count // 3, :4] = (boxes[: count // 3, :4] / 4).round() * 4
    assigner = RotatedTaskAlignedAssigner(stride=[8, 16, 32])
    dense = assigner.candidates(boxes, cells * strides, None).pairs(0, count)
    sparse = assigner.candidates(boxes, cells * strides, levels).pairs(0, count)
    for one, other in zip(dense, sparse, strict=True):
        assert one.tolist() == other.tolist()
