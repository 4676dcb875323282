"""Colour-coded masks: conversion pixel by pixel, what is reused, what is reported."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.drawn import drawn_map, shown
from ultralytics.data.colours import ColourTable, colour_ids, convert_colour_masks
from ultralytics.data.problems import DescriptionTypeError, DescriptionValueError
from ultralytics.data.utils import check_det_dataset

RGB = [[10, 0, 0], [0, 10, 0], [250, 128, 3]]
NAMES = {0: "road", 1: "roof", 2: "tree"}


def table(background: bool = False) -> ColourTable:
    names = {**NAMES, 2: "Background"} if background else NAMES
    return ColourTable.of({"colors": dict(enumerate(RGB)), "names": names})


@pytest.mark.parametrize(("background", "other"), [(False, 255), (True, 2)])
def test_every_pixel_by_comparison(background: bool, other: int) -> None:
    rng = np.random.default_rng(0)
    palette = np.array([*RGB, [1, 2, 3], [10, 10, 0]], np.uint8)
    rgb = palette[rng.integers(0, 5, (33, 47))]
    expected = np.full((33, 47), other)
    for y in range(33):
        for x in range(47):
            for number, colour in enumerate(RGB):
                if rgb[y, x].tolist() == colour:
                    expected[y, x] = number
    found = colour_ids(np.ascontiguousarray(rgb[..., ::-1]), table(background))
    assert (found == expected).all()


@pytest.mark.parametrize(
    ("colours", "kind", "words"),
    [
        ("red", DescriptionTypeError, "str"),
        ({0: [1, 2, 3]}, DescriptionValueError, r"no entry for class 1 \(roof\), 2 \(tree\)"),
        ({0: [1, 2, 3], 1: [1, 2, 3], 2: [0, 0, 0]}, DescriptionValueError, "'road' and 'roof'"),
        ({0: [1, 2], 1: [1, 2, 3], 2: [0, 0, 0]}, DescriptionValueError, r"class 0 .* \[1, 2\]"),
        ({0: [1, 2, 300], 1: [1, 2, 3], 2: [0, 0, 0]}, DescriptionValueError, "300"),
    ],
)
def test_bad_tables(colours: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        ColourTable.of({"colors": colours, "names": NAMES})


def painted_set(folder: Path, background: bool = True, alpha: bool = False) -> Path:
    """A set in the older layout; returns its YAML."""
    colours = np.array([[200, 30, 30], [30, 200, 30], [0, 0, 0]], np.uint8)
    for split in ("train", "val"):
        images, masks = folder / split / "image", folder / split / "annotation"
        images.mkdir(parents=True)
        masks.mkdir(parents=True)
        for i in range(3):
            ids = drawn_map(i, 40, 56)
            cv2.imwrite(str(images / f"{i}.png"), shown(ids))
            picture = Image.fromarray(colours[ids])
            (picture.convert("RGBA") if alpha else picture).save(masks / f"{i}.png")
    last = "background" if background else "ground"
    path = folder / "painted.yaml"
    path.write_text(
        f"path: {folder}\ntrain: train/image\nval: val/image\nnc: 3\nnames: [red, green, {last}]\n"
        "colors:\n  0: [200, 30, 30]\n  1: [30, 200, 30]\n  2: [0, 0, 0]\n"
    )
    return path


@pytest.mark.parametrize("alpha", [False, True])
def test_a_painted_set_is_a_set_of_ids(
    tmp_path: Path, build: Callable[..., Any], alpha: bool
) -> None:
    dataset = build(painted_set(tmp_path, alpha=alpha), imgsz=56)
    for i in range(3):
        sample = dataset[i]
        mask = sample["semantic_mask"].numpy()
        top = (mask.shape[0] - 40) // 2
        assert (mask[top : top + 40] == drawn_map(i, 40, 56)).all()
        assert (mask[:top] == 255).all()
    assert dataset.labels[0]["mode"] == "L"


def test_a_folder_whose_name_contains_image_does_not_matter(
    tmp_path: Path, build: Callable[..., Any]
) -> None:
    folder = tmp_path / "my_images" / "image_set"
    folder.mkdir(parents=True)
    assert len(build(painted_set(folder))) == 3


def test_masks_are_converted_once(tmp_path: Path, build: Callable[..., Any]) -> None:
    path = painted_set(tmp_path)
    first = build(path).mask_files[0]
    made = os.stat(first).st_ino
    build(path)
    assert os.stat(first).st_ino == made
    source = tmp_path / "val" / "annotation" / "0.png"
    cv2.imwrite(str(source), np.zeros((40, 56, 3), np.uint8))
    os.utime(source, ns=(9, 9))
    dataset = build(path)
    assert os.stat(first).st_ino != made
    assert set(dataset[0]["semantic_mask"].unique().tolist()) == {2, 255}


def test_other_colours_give_other_files(tmp_path: Path, build: Callable[..., Any]) -> None:
    path = painted_set(tmp_path)
    before = build(path).mask_files[0]
    path.write_text(path.read_text().replace("[30, 200, 30]", "[31, 200, 30]"))
    assert build(path).mask_files[0] != before


def test_unknown_colours_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, build: Callable[..., Any]
) -> None:
    path = painted_set(tmp_path, background=False)
    file = tmp_path / "val" / "annotation" / "1.png"
    picture = cv2.imread(str(file))
    picture[3, :7] = (1, 2, 3)
    cv2.imwrite(str(file), picture)
    with caplog.at_level("WARNING"):
        dataset = build(path, imgsz=56)
    assert f"{file}: 7 pixels have a colour of no class" in caplog.text
    mask = dataset[1]["semantic_mask"].numpy()
    top = (mask.shape[0] - 40) // 2
    assert (mask[top + 3, :7] == 255).all()
    assert mask[top + 3, 7] != 255


def test_ids_and_missing_files_keep_their_names(tmp_path: Path) -> None:
    folder = tmp_path / "annotation"
    folder.mkdir()
    ids, lost = folder / "ids.png", folder / "lost.png"
    cv2.imwrite(str(ids), np.ones((12, 12), np.uint8))
    found = convert_colour_masks([str(ids), str(lost)], table())
    assert found == [str(ids), str(lost)]


def test_gray_colours_are_found_in_one_channel_too(tmp_path: Path) -> None:
    folder = tmp_path / "annotation"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), np.array([[0, 255], [255, 0]], np.uint8))
    gray = ColourTable.of(
        {"colors": {0: [255, 255, 255], 1: [0, 0, 0]}, "names": {0: "sky", 1: "background"}}
    )
    (file,) = convert_colour_masks([str(folder / "a.png")], gray)
    assert cv2.imread(file, cv2.IMREAD_UNCHANGED).tolist() == [[1, 0], [0, 1]]


def test_a_folder_that_cannot_be_written_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data" / "annotation"
    folder.mkdir(parents=True)
    picture = np.zeros((12, 12, 3), np.uint8)
    picture[:] = RGB[1][::-1]
    cv2.imwrite(str(folder / "a.png"), picture)
    monkeypatch.setattr("ultralytics.data.colours.os.access", lambda *_: False)
    monkeypatch.setitem(
        __import__("ultralytics.utils.settings", fromlist=["SETTINGS"]).SETTINGS,
        "datasets_dir",
        str(tmp_path / "sets"),
    )
    (file,) = convert_colour_masks([str(folder / "a.png")], table())
    assert Path(file).is_relative_to(tmp_path / "sets")
    assert (cv2.imread(file, cv2.IMREAD_UNCHANGED) == 1).all()
    assert [f.name for f in (tmp_path / "data").iterdir()] == ["annotation"]


def test_description_needs_no_nc(tmp_path: Path) -> None:
    path = painted_set(tmp_path)
    path.write_text(path.read_text().replace("nc: 3\n", ""))
    assert check_det_dataset(str(path))["nc"] == 3
