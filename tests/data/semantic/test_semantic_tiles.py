"""Cutting and stitching of painted masks."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from ultralytics.data.converter import Cityscape2YOLO, Potsdam2YOLO, YOLO2Cityscape
from ultralytics.data.semantic_tiles import tile_corners
from ultralytics.errors import ConfigValueError, DatasetNotFound

ROAD, CAR, UNKNOWN = (128, 64, 128), (0, 0, 142), (1, 2, 3)


@pytest.mark.parametrize(
    ("size", "tile", "step", "expected"),
    [
        (100, 40, 40, [0, 40, 60]),
        (80, 40, 40, [0, 40]),
        (40, 40, 40, [0]),
        (30, 40, 40, [0]),
        (100, 40, 20, [0, 20, 40, 60]),
        (101, 40, 30, [0, 30, 60, 61]),
    ],
)
def test_tile_corners(size: int, tile: int, step: int, expected: list[int]) -> None:
    assert tile_corners(size, tile, step) == expected


def test_tiles_must_move() -> None:
    with pytest.raises(ConfigValueError, match="tile of 40"):
        tile_corners(100, 40, 0)


def cityscapes(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        image_dir = folder / "leftImg8bit_trainvaltest" / "leftImg8bit" / split / "town"
        mask_dir = folder / "gtFine_trainvaltest" / "gtFine" / split / "town"
        image_dir.mkdir(parents=True)
        mask_dir.mkdir(parents=True)
        smooth = cv2.resize(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8), (208, 104))
        cv2.imwrite(str(image_dir / "town_1_leftImg8bit.png"), smooth)
        mask = np.zeros((104, 208, 3), np.uint8)
        mask[:, :] = ROAD[::-1]
        mask[20:60, 40:120] = CAR[::-1]
        mask[80:, 160:] = UNKNOWN[::-1]
        if split != "test":
            cv2.imwrite(str(mask_dir / "town_1_gtFine_color.png"), mask)


@pytest.mark.parametrize("ratio", [0.5, 1.0])
def test_there_and_back(tmp_path: Path, ratio: float) -> None:
    cityscapes(tmp_path / "city")
    Cityscape2YOLO(tmp_path / "city", tmp_path / "yolo", img_size=32, ratio=ratio)
    names = {file.name for file in (tmp_path / "yolo" / "train" / "image").iterdir()}
    assert names == {f.name for f in (tmp_path / "yolo" / "train" / "annotation").iterdir()}
    assert f"town_1__0__0__{int(10 * ratio)}.png" in names
    assert not (tmp_path / "yolo" / "test" / "annotation").exists()
    for file in (tmp_path / "yolo" / "train" / "annotation").iterdir():
        assert cv2.imread(str(file)).shape == (32, 32, 3)
    source = tmp_path / "yolo" / "val"
    back = tmp_path / "back"
    YOLO2Cityscape(source / "image", source / "annotation", back, back)
    first = tmp_path / "city" / "gtFine_trainvaltest" / "gtFine" / "val" / "town"
    mask = cv2.imread(str(first / "town_1_gtFine_color.png"))
    again = cv2.imread(str(back / "town_1_gtFine_color.png"))
    assert again.shape == mask.shape
    assert (again == mask).all()  # borders lie on even pixels
    image = cv2.imread(str(back / "town_1_leftImg8bit.png"))
    assert image.shape == mask.shape


def test_official_ids(tmp_path: Path) -> None:
    cityscapes(tmp_path / "city")
    Cityscape2YOLO(tmp_path / "city", tmp_path / "yolo", img_size=64, ratio=1.0)
    annotation = tmp_path / "yolo" / "train" / "annotation"
    YOLO2Cityscape(None, annotation, None, tmp_path / "ids", type="labelId")
    ids = cv2.imread(str(tmp_path / "ids" / "town_1_gtFine_labelIds.png"), cv2.IMREAD_UNCHANGED)
    assert ids.shape == (104, 208)
    assert ids[0, 0] == 7
    assert ids[30, 50] == 26
    assert ids[90, 180] == 0


def test_other_type_and_empty_folders(tmp_path: Path) -> None:
    with pytest.raises(ConfigValueError, match="colour"):
        YOLO2Cityscape(None, tmp_path, None, tmp_path, type="colour")
    with pytest.raises(DatasetNotFound, match="no tiles"):
        YOLO2Cityscape(None, tmp_path, None, tmp_path)
    with pytest.raises(DatasetNotFound, match="no images"):
        Cityscape2YOLO(tmp_path, tmp_path / "out")


def test_a_lost_mask_is_named(tmp_path: Path) -> None:
    cityscapes(tmp_path / "city")
    next((tmp_path / "city").rglob("train/town/*_color.png")).unlink()
    with pytest.raises(DatasetNotFound, match="town_1_gtFine_color"):
        Cityscape2YOLO(tmp_path / "city", tmp_path / "yolo")


def test_potsdam(tmp_path: Path) -> None:
    images, masks = tmp_path / "rgb", tmp_path / "label"
    images.mkdir()
    masks.mkdir()
    for area in ("2_10", "6_15"):
        picture = np.random.default_rng(1).integers(0, 255, (100, 120, 3), dtype=np.uint8)
        cv2.imwrite(str(images / f"top_potsdam_{area}_RGB.tif"), picture)
        cv2.imwrite(str(masks / f"top_potsdam_{area}_label.tif"), 255 - picture)
    Potsdam2YOLO(images, masks, tmp_path / "out", imgsz=64, overlap=16)
    train = sorted((tmp_path / "out" / "train" / "image").iterdir())
    assert [f.name for f in train] == [
        *(f"top_potsdam_2_10_RGB__{x}__{y}.png" for x in (0, 48, 56) for y in (0, 36)),
    ]
    for file in train:
        image = cv2.imread(str(file))
        mask = cv2.imread(str(file.parent.parent / "annotation" / file.name))
        assert image.shape == (64, 64, 3)
        assert (image == 255 - mask).all()
    assert len(list((tmp_path / "out" / "val" / "image").iterdir())) == 6
    (masks / "top_potsdam_2_10_label.tif").unlink()
    with pytest.raises(DatasetNotFound, match="top_potsdam_2_10_label"):
        Potsdam2YOLO(images, masks, tmp_path / "other")
