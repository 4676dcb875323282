"""Rendered sample scenes: exact outlines, stable content, whole folders."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from ultralytics.cfg.paths import DATASETS_CFG_DIR
from ultralytics.data import samples
from ultralytics.data.class_folders import check_cls_dataset
from ultralytics.data.samples import (
    MARKER,
    corner_lines,
    detect_lines,
    ensure_sample,
    polygon_lines,
)
from ultralytics.data.scenes import CLASSES, LOOKS, MAX_OVERLAP, SIZE_SHARE, Scene, render_scene
from ultralytics.errors import DatasetError, DatasetNotFound


def scene(seed: int = 0, count: int = 4, height: int = 240, width: int = 320) -> Scene:
    return render_scene(np.random.default_rng(seed), height, width, count)


def test_same_seed_same_scene() -> None:
    one, two, other = scene(3), scene(3), scene(4)
    assert np.array_equal(one.image, two.image)
    assert detect_lines(one) == detect_lines(two)
    assert not np.array_equal(one.image, other.image)


@pytest.mark.parametrize("seed", range(8))
def test_shapes_are_large_apart_and_mostly_visible(seed: int) -> None:
    drawn = scene(seed)
    assert drawn.image.shape == (240, 320, 3)
    assert drawn.image.dtype == np.uint8
    assert 1 <= len(drawn.shapes) <= 4
    boxes = np.array([shape.box(240, 320) for shape in drawn.shapes])
    sides = boxes[:, 2:] - boxes[:, :2]
    assert (sides > 0.5 * SIZE_SHARE[0] * 240).all()
    assert (sides <= SIZE_SHARE[1] * 240 + 1).all()
    assert (boxes >= 0).all()
    assert (boxes[:, [0, 2]] <= 320).all()
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            shared = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod()
            union = np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared
            assert shared / union <= MAX_OVERLAP + 1e-6


@pytest.mark.parametrize("name", CLASSES)
def test_colour_inside_the_outline_is_that_of_the_class(name: str) -> None:
    found = 0
    for seed in range(20):
        drawn = scene(seed, count=1)
        shape = drawn.shapes[0]
        if CLASSES[shape.label] != name:
            continue
        mask = np.zeros(drawn.image.shape[:2], np.uint8)
        cv2.fillPoly(mask, [np.round(shape.outline).astype(np.int32)], 255)
        inside = cv2.erode(mask, np.ones((5, 5), np.uint8)) > 0
        hsv = cv2.cvtColor(drawn.image, cv2.COLOR_BGR2HSV)[inside].astype(int)
        away = np.abs((hsv[:, 0] - LOOKS[name].hue + 90) % 180 - 90)
        assert np.median(away) <= 8
        assert np.median(hsv[:, 1]) > 100
        found += 1
    assert found


def test_label_lines_are_the_box_of_the_outline() -> None:
    drawn = scene(1)
    for line, shape in zip(detect_lines(drawn), drawn.shapes, strict=True):
        label, cx, cy, w, h = (float(text) for text in line.split())
        x1, y1 = np.clip(shape.outline.min(axis=0), 0, [320, 240])
        x2, y2 = np.clip(shape.outline.max(axis=0), 0, [320, 240])
        assert label == shape.label
        corners = [(cx - w / 2) * 320, (cy - h / 2) * 240, (cx + w / 2) * 320, (cy + h / 2) * 240]
        assert corners == pytest.approx([x1, y1, x2, y2], abs=1e-3)


@pytest.mark.parametrize("seed", range(6))
def test_corner_lines_are_tight_rectangles_inside_the_picture(seed: int) -> None:
    drawn = render_scene(np.random.default_rng(seed), 240, 320, count=3, stretch=(1.6, 2.8))
    assert drawn.shapes
    for line, shape in zip(corner_lines(drawn), drawn.shapes, strict=True):
        label, *values = (float(text) for text in line.split())
        assert label == shape.label
        assert 0 <= min(values) <= max(values) <= 1
        corners = np.reshape(values, (4, 2)) * (320, 240)
        side, other = corners[1] - corners[0], corners[3] - corners[0]
        assert abs(side @ other) < 1e-2 * np.linalg.norm(side) * np.linalg.norm(other)
        for axis in (side, other):  # the outline reaches both ends of either side
            share = (shape.outline - corners[0]) @ axis / (axis @ axis)
            assert (share.min(), share.max()) == pytest.approx((0, 1), abs=1e-3)


@pytest.mark.parametrize("seed", range(6))
def test_polygon_lines_are_the_outlines_inside_the_picture(seed: int) -> None:
    drawn = render_scene(np.random.default_rng(seed), 240, 320, count=3, stretch=(1.01, 1.6))
    for line, shape in zip(polygon_lines(drawn), drawn.shapes, strict=True):
        label, *values = (float(text) for text in line.split())
        assert label == shape.label
        assert 0 <= min(values) <= max(values) <= 1
        points = np.reshape(values, (-1, 2)) * (320, 240)
        assert points == pytest.approx(shape.outline, abs=1e-3)
        assert len(points) == len(LOOKS[CLASSES[shape.label]].outline)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "SPLITS", {"train": 9, "val": 2})


@pytest.mark.usefixtures("small")
def test_a_set_is_written_once_and_whole(tmp_path: Path) -> None:
    root = ensure_sample("shapes", tmp_path / "sets" / "shapes")
    images = sorted(p.name for p in (root / "images/train").iterdir())
    assert [name.removesuffix(".jpg") for name in images if name != "007.png"] == [
        f"{n:03d}" for n in range(9) if n != 7
    ]
    assert len(list((root / "labels/val").iterdir())) == 2
    for label in (root / "labels").rglob("*.txt"):
        rows = np.loadtxt(label, ndmin=2)
        assert rows.shape[1] == 5
        assert (rows[:, 1:] > 0).all()
        assert (rows[:, 1:] <= 1).all()
    assert sorted(p.name for p in root.parent.iterdir()) == ["shapes"]
    stamp = (root / "images/train/000.jpg").stat().st_mtime_ns
    assert ensure_sample("shapes", root) == root
    assert (root / "images/train/000.jpg").stat().st_mtime_ns == stamp


@pytest.mark.usefixtures("small")
def test_the_same_bytes_every_time(tmp_path: Path) -> None:
    one, two = (ensure_sample("shapes", tmp_path / name) for name in "ab")
    files = sorted(p.relative_to(one) for p in one.rglob("*") if p.is_file())
    assert len(files) == 23
    assert all((one / file).read_bytes() == (two / file).read_bytes() for file in files)


@pytest.mark.usefixtures("small")
def test_an_older_recipe_is_replaced_and_a_foreign_folder_is_not(tmp_path: Path) -> None:
    root = ensure_sample("shapes", tmp_path / "shapes")
    (root / MARKER).write_text("shapes 0", encoding="utf-8")
    (root / "old.txt").write_text("", encoding="utf-8")
    ensure_sample("shapes", root)
    assert not (root / "old.txt").exists()
    (root / MARKER).unlink()
    with pytest.raises(DatasetError, match="not a rendered sample set"):
        ensure_sample("shapes", root)
    assert (root / "images").exists()


def test_unknown_generator() -> None:
    with pytest.raises(DatasetNotFound, match="did you mean 'shapes'"):
        ensure_sample("shape")


@pytest.mark.usefixtures("small")
def test_rotated_labels_have_four_corners(tmp_path: Path) -> None:
    root = ensure_sample("shapes-obb", tmp_path / "shapes-obb")
    rows = [np.loadtxt(file, ndmin=2) for file in (root / "labels").rglob("*.txt")]
    assert len(rows) == 11
    assert {row.shape[1] for row in rows} == {9}


@pytest.mark.parametrize("name", ["shapes", "shapes-obb"])
def test_the_description_names_the_classes_of_the_renderer(name: str) -> None:
    text = (DATASETS_CFG_DIR / f"{name}.yaml").read_text(encoding="utf-8")
    described = yaml.safe_load(text)
    assert tuple(described["names"]) == CLASSES
    assert described["generator"] in samples.GENERATORS
    assert described["path"] == name


def test_the_packaged_picture_is_small_and_readable() -> None:
    file = Path(samples.__file__).parents[1] / "assets" / "shapes.jpg"
    assert file.stat().st_size < 80_000
    assert cv2.imread(str(file)).shape == (480, 640, 3)


def test_single_shapes_in_folders_of_classes(tmp_path: Path) -> None:
    root = ensure_sample("shapes-cls", tmp_path / "shapes-cls")
    data = check_cls_dataset(root)
    assert [*data["names"].values()] == sorted(CLASSES)
    for split, wanted in samples.CLASS_SPLITS.items():
        for name in CLASSES:
            files = sorted((root / split / name).iterdir())
            assert len(files) == wanted
            pictures = [cv2.imread(str(file)) for file in files]
            assert all(min(picture.shape[:2]) >= 48 for picture in pictures)
            middle = [p[p.shape[0] // 2, p.shape[1] // 2] for p in pictures]
            hue = cv2.cvtColor(np.array([middle], np.uint8), cv2.COLOR_BGR2HSV)[0, :, 0]
            near = np.abs((hue.astype(int) - LOOKS[name].hue + 90) % 180 - 90) < 15
            assert near.mean() > 0.8


@pytest.mark.parametrize("seed", range(4))
def test_class_map_is_what_the_outlines_cover(seed: int) -> None:
    drawn = scene(seed)
    ids = drawn.class_map()
    rng = np.random.default_rng(seed)
    for x, y in rng.integers((0, 0), (320, 240), (300, 2)).tolist():
        depths = [
            cv2.pointPolygonTest(shape.outline, (x + 0.5, y + 0.5), True) for shape in drawn.shapes
        ]
        if min(abs(depth) for depth in depths) < 1.5:
            continue
        inside = [
            shape.label for shape, depth in zip(drawn.shapes, depths, strict=True) if depth > 0
        ]
        assert ids[y, x] == (inside[-1] if inside else len(CLASSES))


def test_painted_and_numbered_sets_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "SPLITS", {"train": 2, "val": 1})
    numbered = ensure_sample("shapes-sem", tmp_path / "a")
    painted = ensure_sample("shapes-semseg", tmp_path / "b")
    text = (DATASETS_CFG_DIR / "shapes-semseg.yaml").read_text(encoding="utf-8")
    colours = yaml.safe_load(text)["colors"]
    for number in range(2):
        ids = cv2.imread(str(numbered / f"masks/train/{number:03d}.png"), cv2.IMREAD_UNCHANGED)
        mask = cv2.imread(str(painted / f"train/annotation/{number:03d}.png"))[..., ::-1]
        assert (mask == np.array(list(colours.values()))[ids]).all()
        assert len(np.unique(ids)) > 1
