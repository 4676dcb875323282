"""Tiles of large images: windows, labels of windows, files, and what comes back from all tiles."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultralytics.data.split_dota import (
    bbox_iof,
    crop_and_save,
    get_window_obj,
    get_windows,
    load_yolo_dota,
    split_images_and_labels,
    split_test,
    split_trainval,
)
from ultralytics.errors import DatasetError, DatasetNotFound
from ultralytics.geometry.rotated import xywhr2xyxyxyxy
from ultralytics.models.yolo.obb.merge import merge_tiles, origin_of

HEIGHT, WIDTH = 300, 420


# Specification 30, section 8.8.
@pytest.mark.parametrize(
    ("size", "xs", "ys"),
    [
        pytest.param((1500, 2000), [0, 824, 976], [0, 476], id="six"),
        pytest.param((800, 600), [0], [0], id="smaller-than-one"),
        pytest.param((1100, 1024), [0], [0, 76], id="a-little-taller"),
        pytest.param((1024, 1024), [0], [0], id="exactly-one"),
    ],
)
def test_windows_of_the_specification(size: tuple[int, int], xs: list[int], ys: list[int]) -> None:
    windows = get_windows(size)
    assert windows.tolist() == [[x, y, x + 1024, y + 1024] for x in xs for y in ys]


@given(st.integers(30, 400), st.integers(30, 400), st.integers(20, 120), st.integers(0, 19))
def test_windows_cover_every_pixel(height: int, width: int, side: int, gap: int) -> None:
    windows = get_windows((height, width), (side,), (gap,), im_rate_thr=0.0)
    seen = np.zeros((height, width), bool)
    for x1, y1, x2, y2 in windows:
        seen[y1:y2, x1:x2] = True
    assert seen.all()
    inside_x, inside_y = max(side, width), max(side, height)
    assert (windows >= 0).all()
    assert (windows[:, 2] <= inside_x).all()
    assert (windows[:, 3] <= inside_y).all()


def test_several_sides() -> None:
    windows = get_windows((300, 300), (100, 200), (20, 50))
    sides = windows[:, 2] - windows[:, 0]
    assert sorted(set(sides.tolist())) == [100, 200]


def test_a_gap_must_be_smaller_than_the_side() -> None:
    with pytest.raises(AssertionError, match="larger than its gap 200"):
        get_windows((100, 100), (200,), (200,))


def test_windows_that_show_little_of_the_image() -> None:
    assert len(get_windows((100, 1000), (200,), (0,), im_rate_thr=0.6)) == 5  # best ones: a half
    assert len(get_windows((150, 1000), (200,), (0,), im_rate_thr=0.6)) == 5


def test_share_of_a_polygon() -> None:
    corners = np.array([[0, 0, 10, 0, 10, 10, 0, 10], [5, 5, 5, 5, 5, 5, 5, 5]], float)
    share = bbox_iof(corners, np.array([[0, 0, 7, 10], [0, 0, 100, 100], [20, 20, 30, 30]]))
    np.testing.assert_allclose(share, [[0.7, 1, 0], [0, 0, 0]], atol=1e-9)


def test_labels_of_windows() -> None:
    rows = [[2, 0, 0, 0.1, 0, 0.1, 0.1, 0, 0.1], [1, 0.5, 0.5, 0.9, 0.5, 0.9, 0.9, 0.5, 0.9]]
    anno = {"ori_size": (100, 200), "label": np.array(rows, np.float32), "filepath": ""}
    windows = np.array([[0, 0, 14, 100], [0, 0, 13, 100], [90, 40, 190, 100]])
    first, second, third = get_window_obj(anno, windows)
    np.testing.assert_allclose(first, [[2, 0, 0, 20, 0, 20, 10, 0, 10]])
    assert second.shape == (0, 9)  # 13 of 20 columns are less than the share wanted
    np.testing.assert_allclose(third, [[1, 100, 50, 180, 50, 180, 90, 100, 90]], rtol=1e-6)
    nothing = {**anno, "label": np.zeros((0, 9), np.float32)}
    assert [len(rows) for rows in get_window_obj(nothing, windows)] == [0, 0, 0]


def rectangles() -> np.ndarray:
    """Boxes xywhr spread over the image, far enough apart to be told from one another."""
    rng = np.random.default_rng(3)
    centres = [(x, y) for x in range(40, WIDTH - 30, 60) for y in range(40, HEIGHT - 30, 60)]
    size = np.stack([rng.uniform(26, 40, len(centres)), rng.uniform(8, 16, len(centres))], axis=1)
    angle = rng.uniform(-np.pi / 4, 3 * np.pi / 4, (len(centres), 1))
    return np.concatenate((np.array(centres, float), size, angle), axis=1)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One image per split; that of train has rotated boxes of two classes, that of val none."""
    rng = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        (tmp_path / "images" / split).mkdir(parents=True)
        (tmp_path / "labels" / split).mkdir(parents=True)
        picture = rng.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / "images" / split / "P1.png"), picture)
    corners = xywhr2xyxyxyxy(rectangles()) / (WIDTH, HEIGHT)
    rows = [f"{i % 2} " + " ".join(map(str, c.ravel())) for i, c in enumerate(corners)]
    (tmp_path / "labels" / "train" / "P1.txt").write_text("\n".join(rows) + "\n")
    return tmp_path


def test_files_of_tiles(root: Path, tmp_path: Path) -> None:
    target = tmp_path / "tiles"
    split_trainval(root, target, crop_size=160, gap=40, suffix=".png")
    split_test(root, target, crop_size=160, gap=40, suffix=".png")
    names = sorted(file.name for file in (target / "images" / "train").iterdir())
    places = [(x, y) for x in (0, 120, 240, 260) for y in (0, 120, 140)]
    assert names == sorted(f"P1__160__{x}___{y}.png" for x, y in places)
    assert len(list((target / "images" / "test").iterdir())) == 12
    assert not list((target / "labels" / "val").iterdir())
    whole = cv2.imread(str(root / "images" / "train" / "P1.png"))
    tile = cv2.imread(str(target / "images" / "train" / "P1__160__120___140.png"))
    np.testing.assert_array_equal(tile, whole[140:300, 120:280])


def test_tiles_at_the_border_are_smaller(root: Path, tmp_path: Path) -> None:
    split_images_and_labels(root, tmp_path / "tiles", "val", (320,), (40,))
    shapes = {
        file.stem: cv2.imread(str(file)).shape[:2]
        for file in (tmp_path / "tiles" / "images" / "val").iterdir()
    }
    assert shapes == {"P1__320__0___0": (300, 320), "P1__320__100___0": (300, 320)}


def test_rates_scale_tiles_and_gaps(root: Path, tmp_path: Path) -> None:
    split_test(root, tmp_path / "tiles", crop_size=100, gap=20, rates=(1.0, 0.5))
    names = {file.stem for file in (tmp_path / "tiles" / "images" / "test").iterdir()}
    sides = {name.split("__")[1] for name in names}
    assert sides == {"100", "200"}
    assert {"P1__200__0___0", "P1__200__160___100"} <= names


def test_objects_of_all_tiles_are_those_of_the_image(root: Path, tmp_path: Path) -> None:
    """Labels of tiles as if they were detections; those seen in several tiles are one object again."""
    split_trainval(root, tmp_path / "tiles", crop_size=160, gap=60)
    rows = []
    for number, file in enumerate(sorted((tmp_path / "tiles" / "labels" / "train").iterdir())):
        tile = cv2.imread(str(tmp_path / "tiles" / "images" / "train" / f"{file.stem}.jpg"))
        height, width = tile.shape[:2]
        for line in np.loadtxt(file, ndmin=2):
            points = (line[1:].reshape(4, 2) * (width, height)).astype(np.float32)
            (cx, cy), (w, h), degrees = cv2.minAreaRect(points)
            rows.append(
                {
                    "image_id": file.stem,
                    "category_id": int(line[0]) + 1,
                    "score": 0.9 - 0.001 * number,
                    "rbox": [cx, cy, w, h, np.deg2rad(degrees)],
                }
            )
    truth = rectangles()
    assert len(rows) > 1.5 * len(truth)
    whole = merge_tiles(rows)
    assert {row["image_id"] for row in whole} == {"P1"}
    centres = np.array([np.reshape(row["poly"], (4, 2)).mean(axis=0) for row in whole])
    gaps = np.linalg.norm(centres[:, None] - truth[None, :, :2], axis=-1)
    assert sorted(gaps.argmin(axis=1).tolist()) == list(range(len(truth)))
    assert gaps.min(axis=1).max() < 0.05
    nearest = gaps.argmin(axis=1)
    assert [row["category_id"] - 1 for row in whole] == (nearest % 2).tolist()


def test_origins() -> None:
    assert origin_of("P0001__1024__824___476") == ("P0001", 824, 476)
    assert origin_of("my__photo__512__0___12") == ("my__photo", 0, 12)
    assert origin_of("P0001__1.0__5___6") == ("P0001", 5, 6)
    assert origin_of("P0001") == ("P0001", 0, 0)


def test_loaded_labels_are_fractions(root: Path) -> None:
    (train,) = load_yolo_dota(root, "train")
    assert train["ori_size"] == (HEIGHT, WIDTH)
    assert train["label"].shape == (len(rectangles()), 9)
    assert train["label"][:, 1:].max() <= 1
    (val,) = load_yolo_dota(root, "val")
    assert val["label"].shape == (0, 9)


def test_background_tiles_can_be_left_out(root: Path, tmp_path: Path) -> None:
    (anno,) = load_yolo_dota(root, "val")
    windows = get_windows(anno["ori_size"], (160,), (40,))
    objects = get_window_obj(anno, windows)
    crop_and_save(anno, windows, objects, tmp_path / "i", tmp_path / "l", False)
    assert not (tmp_path / "i").exists()


def test_what_cannot_be_cut_is_named(root: Path, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="split='test' must be one of train, val"):
        load_yolo_dota(root, "test")
    with pytest.raises(DatasetNotFound, match="no images found"):
        split_test(tmp_path / "nowhere", tmp_path / "tiles")
    (root / "labels" / "train" / "P1.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    with pytest.raises(DatasetError, match=r"P1.txt: every line must hold .* four corners"):
        load_yolo_dota(root, "train")
    (root / "labels" / "train" / "P1.txt").write_text("plane 0 0 1 0 1 1 0 1\n")
    with pytest.raises(DatasetError, match=r"P1.txt: could not convert"):
        load_yolo_dota(root, "train")
