"""Pictures of batches, labels and results: inputs stay as they are, files appear, tiles are where they belong."""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from ultralytics.utils.metrics import ConfusionMatrix, ap_per_class
from ultralytics.utils.plotting import plot_images, plot_labels, plot_results


def batch(count: int = 3) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    images = torch.stack([torch.full((3, 40, 60), 0.2 * (i + 1)) for i in range(count)])
    labels = {
        "batch_idx": torch.arange(count).float(),
        "cls": torch.zeros(count, 1),
        "bboxes": torch.tensor([[0.5, 0.5, 0.4, 0.4]]).repeat(count, 1),
    }
    return images, labels


def test_inputs_are_not_touched(tmp_path: Path) -> None:
    images, labels = batch()
    kept = images.clone(), {k: v.clone() for k, v in labels.items()}
    plot_images(labels, images, fname=tmp_path / "x.jpg", names={0: "a"})
    assert torch.equal(images, kept[0])
    assert all(torch.equal(v, kept[1][k]) for k, v in labels.items())


def test_tiles_fill_columns_first_on_white() -> None:
    images, _ = batch()
    grid = plot_images({}, images, save=False)
    assert isinstance(grid, np.ndarray)
    assert grid.shape == (80, 120, 3)
    middles = [grid[20, 30, 0], grid[60, 30, 0], grid[20, 90, 0], grid[60, 90, 0]]
    assert middles == [51, 102, 153, 255]


def test_a_large_batch_is_cut_and_shrunk() -> None:
    images = torch.zeros(20, 3, 400, 600)
    grid = plot_images({}, images, save=False, max_size=800, max_subplots=16)
    assert isinstance(grid, np.ndarray)
    assert max(grid.shape) == 800


@pytest.mark.parametrize("max_size", [1920, 30])
def test_keypoints_in_fractions_and_in_pixels_are_the_same(max_size: int) -> None:
    images, labels = batch(1)
    points = torch.tensor([[[0.25, 0.5, 1.0], [0.75, 0.5, 1.0], [0.5, 0.9, 0.1]]])
    given = [
        {**labels, "keypoints": points},
        {**labels, "keypoints": points * torch.tensor([60, 40, 1])},
        labels,
    ]
    drawn = [plot_images(one, images, save=False, max_size=max_size) for one in given]
    assert np.array_equal(drawn[0], drawn[1])
    assert isinstance(drawn[0], np.ndarray)
    changed = (drawn[0] != drawn[2]).any(axis=2)
    height, width = changed.shape
    rows, columns = np.nonzero(changed)
    assert changed[height // 2, width // 4]
    assert changed[height // 2, 3 * width // 4]
    assert rows.max() < 0.8 * height  # the third point is not visible enough
    assert len(columns) < 0.1 * changed.size


def test_boxes_in_fractions_and_in_pixels_are_the_same() -> None:
    images, labels = batch(1)
    pixels = {**labels, "bboxes": labels["bboxes"] * torch.tensor([60, 40, 60, 40])}
    first, second = (plot_images(given, images, save=False) for given in (labels, pixels))
    assert isinstance(first, np.ndarray)
    assert isinstance(second, np.ndarray)
    assert (first == second).all()
    assert (first != 51).any()


def test_faint_predictions_are_left_out_and_targets_never() -> None:
    images, labels = batch(1)
    drawn = {}
    for conf in (0.1, 0.9, float("nan")):
        grid = plot_images({**labels, "conf": torch.tensor([conf])}, images, save=False)
        assert isinstance(grid, np.ndarray)
        drawn[conf] = (grid[1:-1, 1:-1] != 51).any()
    assert list(drawn.values()) == [False, True, True]


def test_a_thread_of_its_own_can_be_joined(tmp_path: Path) -> None:
    images, labels = batch()
    written: list[object] = []
    thread = plot_images(
        labels, images, fname=tmp_path / "x.jpg", on_plot=written.append, threaded=True
    )
    assert isinstance(thread, threading.Thread)
    thread.join()
    assert cv2.imread(str(tmp_path / "x.jpg")).shape == (80, 120, 3)
    assert written == [tmp_path / "x.jpg"]


def test_masks_and_keypoints_are_drawn() -> None:
    images, labels = batch(2)
    masks = torch.zeros(2, 10, 15)
    masks[:, 4:6, 5:9] = 1
    points = torch.full((2, 5, 3), 0.5)
    plain = plot_images(labels, images, save=False)
    for extra in ({"masks": masks}, {"keypoints": points}):
        drawn = plot_images({**labels, **extra}, images, save=False)
        assert isinstance(drawn, np.ndarray)
        assert (drawn != plain).any()


def test_numbered_maps_of_single_objects_belong_to_their_images() -> None:
    images = np.zeros((2, 3, 40, 40), np.uint8)
    maps = np.zeros((2, 10, 10), np.float32)
    maps[1, 2:8, 2:8] = 1
    labels = {"cls": np.zeros(1), "batch_idx": np.ones(1), "masks": maps}
    drawn = plot_images(labels, images, save=False)
    assert isinstance(drawn, np.ndarray)
    tiles = drawn[:40, 1:39], drawn[40:, 1:39]  # one below the other
    assert [int((tile[12:28] > 40).any(-1).sum()) for tile in tiles] == [0, 16 * 24]


def test_label_and_result_diagrams(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    plot_labels(rng.uniform(0.2, 0.8, (30, 4)), rng.integers(0, 2, 30), {0: "a", 1: "b"}, tmp_path)
    header = "epoch,time,train/box_loss,metrics/mAP50(B),val/box_loss\n"
    rows = "".join(f"{i},1,{1 / i},{i / 9},\n" for i in range(1, 6))
    (tmp_path / "results.csv").write_text(header + rows)
    plot_results(tmp_path / "results.csv")
    assert cv2.imread(str(tmp_path / "labels.jpg")).std() > 5
    assert cv2.imread(str(tmp_path / "results.png")).std() > 5


def test_labels_of_a_set_without_objects(tmp_path: Path) -> None:
    plot_labels(np.empty((0, 4)), np.empty(0), {0: "a"}, tmp_path)
    assert (tmp_path / "labels.jpg").stat().st_size > 0


def test_no_results_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="nothing to plot"):
        plot_results(dir=tmp_path)


@pytest.mark.parametrize("classes", [0, 2, 30])
def test_curves_of_any_number_of_classes(tmp_path: Path, classes: int) -> None:
    target = np.arange(classes).astype(float)
    tp = np.ones((classes, 10), bool)
    registered: list[Path] = []
    ap_per_class(
        tp,
        np.full(classes, 0.7),
        target,
        target,
        plot=True,
        save_dir=tmp_path,
        names={i: str(i) for i in range(classes)},
        prefix="Box",
        on_plot=lambda path, _: registered.append(path),
    )
    assert {p.name for p in registered} == {f"Box{k}_curve.png" for k in ("PR", "F1", "P", "R")}
    assert all(path.stat().st_size > 1000 for path in registered)


@pytest.mark.parametrize("classes", [1, 40, 120])
def test_matrices_of_any_size(tmp_path: Path, classes: int) -> None:
    matrix = ConfusionMatrix({i: f"c{i}" for i in range(classes)})
    matrix.plot(save_dir=tmp_path)
    assert (tmp_path / "confusion_matrix_normalized.png").stat().st_size > 1000
