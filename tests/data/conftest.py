"""Small data sets on disk for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

MakeSet = Callable[..., Path]


def write_image(path: Path, size_hw: tuple[int, int] = (40, 60), value: int = 90) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.full((*size_hw, 3), value, np.uint8)
    image[: size_hw[0] // 2, : size_hw[1] // 2] = 255 - value
    assert cv2.imwrite(str(path), image)
    return path


def write_label(image: Path, text: str) -> Path:
    path = Path(str(image).replace("/images/", "/labels/")).with_suffix(".txt")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def make_set(tmp_path: Path) -> MakeSet:
    """Write a set with the given sizes; image i of a split has i % 3 objects of class i % 2. Returns the YAML."""

    def make(
        sizes: Sequence[tuple[int, int]] = ((40, 60),) * 6, splits: Sequence[str] = ("train", "val")
    ) -> Path:
        for split in splits:
            for i, size in enumerate(sizes):
                image = write_image(tmp_path / "images" / split / f"im{i}.png", size, 20 + 10 * i)
                rows = [f"{i % 2} {0.3 + 0.1 * k:g} 0.5 0.2 0.4" for k in range(i % 3)]
                write_label(image, "\n".join(rows))
        file = tmp_path / "set.yaml"
        file.write_text("train: images/train\nval: images/val\nnames: [a, b]\n", encoding="utf-8")
        return file

    return make
