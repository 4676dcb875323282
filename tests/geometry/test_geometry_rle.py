"""Run-length masks and polygons against pycocotools."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ultralytics.geometry.polygon_rle import polygon_masks, union_edges
from ultralytics.geometry.rle import RunMasks, mask_edges, runs_of_columns

coco = pytest.importorskip("pycocotools.mask")
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIZES = [(1, 1), (1, 7), (9, 1), (17, 23), (64, 48)]
Masks = NDArray[np.uint8]


def masks_of(size_hw: tuple[int, int], share: float, seed: int = 0) -> Masks:
    """Random pixels, a block, full columns, and a full last row."""
    rng = np.random.default_rng(seed)
    masks = (rng.random((5, *size_hw)) < share).astype(np.uint8)
    masks[1:4] = 0
    masks[1, 3:12, 4:10] = 1
    masks[2, :, 5:9] = 1
    masks[3, -1] = 1
    return masks


def encoded(masks: Masks) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = coco.encode(np.asfortranarray(masks.transpose(1, 2, 0)))
    return rows


@pytest.mark.parametrize("size_hw", SIZES)
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.98, 1.0])
def test_masks_are_encoded_and_measured_as_by_coco(size_hw: tuple[int, int], share: float) -> None:
    masks = masks_of(size_hw, share)
    ours, theirs = RunMasks.from_masks(masks), encoded(masks)
    texts = [row["counts"] for row in theirs]
    assert ours.strings() == [text.decode() for text in texts]
    assert ours.areas.tolist() == coco.area(theirs).tolist()
    assert (ours.masks() == masks).all()
    boxes = coco.toBbox(theirs)
    boxes[:, 2:] += boxes[:, :2]
    assert (ours.extents == boxes).all()
    for counts, mask in zip(ours.counts(), masks, strict=True):
        uncompressed = coco.frPyObjects({"size": list(size_hw), "counts": counts}, *size_hw)
        assert (coco.decode(uncompressed) == mask).all()
    for back in (
        RunMasks.from_strings(size_hw, texts),
        RunMasks.from_counts(size_hw, ours.counts()),
    ):
        assert (back.edges == ours.edges).all()
        assert (back.offsets == ours.offsets).all()
    for crowd in (0, 1):
        flags = np.full(5, crowd)
        expected = coco.iou(theirs, theirs, flags).T
        assert ours.overlap(ours, crowd=flags) == pytest.approx(expected, abs=1e-15)


def test_large_counts_survive_the_text() -> None:
    counts = [[0, 5, 100_000, 1, 7, 99_000, 4, 2_000_000 - 199_017]]
    masks = RunMasks.from_counts((1000, 2000), counts)
    text = coco.frPyObjects({"size": [1000, 2000], "counts": counts[0]}, 1000, 2000)["counts"]
    assert masks.strings() == [text.decode()]
    assert RunMasks.from_strings((1000, 2000), masks.strings()).counts() == counts


def test_runs_without_pixels_vanish() -> None:
    assert RunMasks.from_counts((2, 3), [[0, 0, 1, 2, 0, 0, 0, 3]]).counts() == [[1, 5]]


def test_runs_that_do_not_fill_the_mask_are_refused() -> None:
    with pytest.raises(ValueError, match="2 x 3"):
        RunMasks.from_counts((2, 3), [[1, 2]])


def test_overlap_of_many_masks_with_few_and_only_where_wanted() -> None:
    a, b = masks_of((40, 30), 0.4, 1), masks_of((40, 30), 0.6, 2)[:2]
    ours = RunMasks.from_masks(a).overlap(RunMasks.from_masks(b))
    assert ours == pytest.approx(coco.iou(encoded(a), encoded(b), [0, 0]), abs=1e-15)
    wanted = np.zeros((5, 2), bool)
    wanted[[0, 4], [1, 0]] = True
    part = RunMasks.from_masks(a).overlap(RunMasks.from_masks(b), wanted)
    assert part == pytest.approx(np.where(wanted, ours, 0))
    assert (part > 0).sum() == 2


def test_no_masks() -> None:
    none = RunMasks.joined((4, 5), [])
    some = RunMasks.from_masks(np.ones((2, 4, 5), np.uint8))
    assert none.overlap(some).shape == (0, 2)
    assert some.overlap(none).shape == (2, 0)
    assert (none.strings(), none.counts(), len(none.areas), len(none.masks())) == ([], [], 0, 0)


@pytest.mark.parametrize("corner", [(0, 0), (0, 3), (5, 0), (7, 9)])
@pytest.mark.parametrize("size", [(20, 4), (13, 11), (13, 21), (0, 3)])
def test_a_rectangle_gives_the_edges_of_the_whole(
    corner: tuple[int, int], size: tuple[int, int]
) -> None:
    rows, columns = min(size[0], 20 - corner[0]), min(size[1], 30 - corner[1])
    crop = np.random.default_rng(0).random((rows, columns)) < 0.7
    whole = np.zeros((20, 30), bool)
    whole[corner[0] : corner[0] + rows, corner[1] : corner[1] + columns] = crop
    parts = [(corner, crop.T), ((0, 0), np.zeros((3, 0))), (corner, crop.T - 0.5)]
    runs = runs_of_columns(parts, (20, 30))
    expected = mask_edges(whole).tolist()
    assert runs.edges.tolist() == expected * 2
    assert np.diff(runs.offsets).tolist() == [len(expected), 0, len(expected)]


def outline(rng: np.random.Generator, kind: int, size_hw: tuple[int, int]) -> NDArray[np.float64]:
    """Polygons that cross themselves, leave the canvas, repeat points, or are plain stars."""
    height, width = size_hw
    count = int(rng.integers(3, 14))
    if kind == 0:
        return rng.uniform(-10, 100, (count, 2))
    if kind == 1:
        return np.round(rng.uniform(0, 1, (count, 2)) * (width, height))
    if kind == 2:
        return np.repeat(rng.uniform(-5, 60, (count, 2)), 2, axis=0)
    angle = np.sort(rng.uniform(0, 2 * np.pi, count))
    return (
        np.c_[np.cos(angle), np.sin(angle)] * (width, height) * 0.4 + np.array([width, height]) / 2
    )


@pytest.mark.parametrize("kind", range(4))
def test_polygons_cover_the_pixels_they_cover_for_coco(kind: int) -> None:
    rng = np.random.default_rng(kind)
    for _ in range(100):
        size_hw = tuple(rng.integers(1, 90, 2).tolist())
        parts = [outline(rng, kind, size_hw) for _ in range(2)]
        theirs = coco.frPyObjects([part.reshape(-1).tolist() for part in parts], *size_hw)
        masks = polygon_masks(parts, size_hw)
        edges = [masks.own(0), masks.own(1)]
        ours = RunMasks.joined(size_hw, [*edges, union_edges(edges)])
        expected = [*theirs, coco.merge(theirs)]
        assert ours.strings() == [row["counts"].decode() for row in expected]


def test_polygons_without_points_cover_nothing() -> None:
    none = np.zeros((0, 2))
    square = np.array([[1.0, 1], [4, 1], [4, 3], [1, 3]])
    assert polygon_masks([none, square, none], (5, 5)).areas.tolist() == [0, 6, 0]
    assert len(polygon_masks([], (5, 5))) == 0
    assert len(union_edges([])) == 0
