"""Splitting a folder; COCO ids and joined outlines."""

from pathlib import Path

import numpy as np
import pytest

from tests.data.conftest import write_image, write_label
from ultralytics.data.converter import (
    coco80_to_coco91_class,
    coco91_to_coco80_class,
    merge_multi_segment,
    min_index,
)
from ultralytics.data.split import autosplit


def numbers(file: Path) -> set[int]:
    return {int(Path(line).stem) for line in file.read_text().splitlines()}


def test_ten_files(tmp_path: Path) -> None:
    for i in range(10):
        write_image(tmp_path / "images" / f"{i}.png")
    autosplit(tmp_path / "images", weights=(0.5, 0.3, 0.2))
    found = {
        split: numbers(tmp_path / f"autosplit_{split}.txt") for split in ("train", "val", "test")
    }
    assert found == {"train": {2, 3, 5, 7, 8}, "val": {1, 4, 6, 9}, "test": {0}}
    assert (tmp_path / "autosplit_test.txt").read_text() == "./images/0.png\n"
    write_label(tmp_path / "images" / "4.png", "")
    autosplit(tmp_path / "images", annotated_only=True)
    assert numbers(tmp_path / "autosplit_train.txt") == {4}
    assert not (tmp_path / "autosplit_val.txt").exists()


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no images"):
        autosplit(tmp_path)


def test_class_ids_are_inverse() -> None:
    there, back = coco91_to_coco80_class(), coco80_to_coco91_class()
    assert (len(there), len(back), back[0], back[-1]) == (91, 80, 1, 90)
    assert [there[i - 1] for i in back] == list(range(80))
    assert there.count(None) == 11


def square(x: float) -> list[float]:
    return [x, 0, x + 10, 0, x + 10, 10, x, 10]


def test_closest_points() -> None:
    a, b = np.array([[0, 0], [5, 5]]), np.array([[9, 9], [6, 5], [5, 6]])
    assert min_index(a, b) == (1, 1)


def test_three_squares_in_a_row() -> None:
    found = [part.tolist() for part in merge_multi_segment([square(0), square(20), square(40)])]
    assert found == [
        [[10, 0], [10, 10], [0, 10], [0, 0], [10, 0]],
        [[20, 0], [30, 0]],
        [[40, 0], [50, 0], [50, 10], [40, 10], [40, 0]],
        [[30, 0], [30, 10], [20, 10], [20, 0]],
    ]


def test_two_squares_of_the_documented_example() -> None:
    parts = merge_multi_segment(
        [[50, 10, 60, 10, 60, 30, 50, 30], [80, 10, 90, 10, 90, 30, 80, 30]]
    )
    points = (np.concatenate(parts) / (100, 50)).round(6).ravel().tolist()
    expected = "0.6 0.2 0.6 0.6 0.5 0.6 0.5 0.2 0.6 0.2 0.8 0.2 0.9 0.2 0.9 0.6 0.8 0.6 0.8 0.2"
    assert points == [float(word) for word in expected.split()]


def test_a_single_part_stays() -> None:
    assert merge_multi_segment([square(0)])[0].tolist() == [[0, 0], [10, 0], [10, 10], [0, 10]]
