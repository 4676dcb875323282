"""Pictures with one bright box and three coloured dots, and a network that reads box and dots off a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

GROUND, BRIGHT = 90, 235
COLOURS = ((30, 30, 250), (30, 250, 30), (250, 30, 30))  # BGR: red, green, blue
SIZES_HW = ((97, 131), (120, 67), (201, 90), (63, 190), (128, 128), (111, 160))
MakeSet = Callable[..., Path]


def draw(size_hw: tuple[int, int], box: Sequence[float], points: Any) -> Any:
    """The picture; coordinates are continuous, the middle of the first pixel is (0.5, 0.5)."""
    image = np.full((*size_hw, 3), GROUND, np.uint8)
    x1, y1, x2, y2 = (round(value) for value in box)
    image[y1:y2, x1:x2] = BRIGHT
    for (x, y), colour in zip(points, COLOURS, strict=True):
        centre = (round((x - 0.5) * 256), round((y - 0.5) * 256))
        cv2.circle(image, centre, round(5.5 * 256), colour, -1, cv2.LINE_AA, 8)
    return image


def scene(size_hw: tuple[int, int], rng: np.random.Generator) -> tuple[list[float], Any]:
    """Box and points (3, 2) in pixels; the points keep clear of each other and of the edges of the box."""
    height, width = size_hw
    low = rng.uniform([2, 2], [0.15 * width, 0.15 * height]).round()
    high = rng.uniform([0.85 * width, 0.85 * height], [width - 2, height - 2]).round()
    while True:
        points = rng.uniform(low + 9, high - 9, (3, 2))
        gaps = np.linalg.norm(points[:, None] - points[None], axis=2) + 99 * np.eye(3)
        if gaps.min() > 14:
            return [*low.tolist(), *high.tolist()], points


def label_line(size_hw: tuple[int, int], box: Sequence[float], points: Any, flags: Any = 2) -> str:
    height, width = size_hw
    x1, y1, x2, y2 = box
    places = np.column_stack((points / (width, height), np.broadcast_to(flags, 3)))
    numbers = [(x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height]
    return "0 " + " ".join(f"{value:.8g}" for value in (*numbers, *places.ravel()))


@pytest.fixture(scope="session")
def make_dotted(tmp_path_factory: pytest.TempPathFactory) -> MakeSet:
    """Write a set with the given sizes in both splits; returns the YAML."""

    def make(
        sizes: Sequence[tuple[int, int]] = SIZES_HW,
        extra: str = "",
        seed: int = 0,
        names: str = "[thing]",
    ) -> Path:
        folder = tmp_path_factory.mktemp("dotted")
        rng = np.random.default_rng(seed)
        for split in ("train", "val"):
            for part in ("images", "labels"):
                (folder / part / split).mkdir(parents=True)
            for i, size in enumerate(sizes):
                box, points = scene(size, rng)
                cv2.imwrite(str(folder / f"images/{split}/{i}.png"), draw(size, box, points))
                (folder / f"labels/{split}/{i}.txt").write_text(
                    label_line(size, box, points) + "\n"
                )
        file = folder / "set.yaml"
        file.write_text(
            f"train: images/train\nval: images/val\nnames: {names}\nkpt_shape: [3, 3]\nflip_idx: [0, 2, 1]\n{extra}"
        )
        return file

    return make


@pytest.fixture(scope="session")
def dotted(make_dotted: MakeSet) -> Path:
    """YAML of a set of odd sizes."""
    return make_dotted()


class DotReader(nn.Module):
    """Finds the bright box and the middle of each dot; rows are final, as those of an end-to-end head."""

    names = {0: "thing"}
    task = "pose"
    kpt_shape = [3, 3]
    end2end = True
    stride = torch.tensor([32.0])

    def __init__(self, shift: float = 0.0) -> None:
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(1))
        self.model = nn.ModuleList([nn.Identity()])  # stands for a head, whose settings are set
        self.shift = shift

    def forward(self, im: Tensor, augment: bool = False, embed: Any = None) -> Tensor:
        return torch.stack([self._read(one)[None] for one in im])

    def _read(self, rgb: Tensor) -> Tensor:
        y, x = torch.nonzero((rgb > 0.65).all(0), as_tuple=True)
        box = torch.stack([x.min(), y.min(), x.max() + 1, y.max() + 1]).float()
        parts = [box, torch.tensor([0.9, 0.0])]
        columns, rows = torch.arange(rgb.shape[2]) + 0.5, torch.arange(rgb.shape[1]) + 0.5
        for channel in range(3):
            others = [c for c in range(3) if c != channel]
            weight = (rgb[channel] - rgb[others].mean(0)).clamp(min=0)
            place = torch.stack([(weight.sum(0) * columns).sum(), (weight.sum(1) * rows).sum()])
            parts.append(torch.cat([place / weight.sum() + self.shift, torch.tensor([0.97])]))
        return torch.cat(parts)


@pytest.fixture
def reader() -> type[DotReader]:
    return DotReader
