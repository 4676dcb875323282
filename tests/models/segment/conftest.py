"""Pictures with red and blue ellipses, and a network that reads their masks off a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

RED, BLUE = (30, 30, 230), (230, 30, 30)  # BGR
SIZES_HW = ((97, 131), (120, 67), (201, 90), (63, 190), (128, 128), (111, 160), (80, 100))
OBJECTS = 6  # most objects in a picture
COUNT = 2 * (len(SIZES_HW) - 1)  # the last picture is empty


def ellipses(index: int) -> list[tuple[int, Any]]:
    """Class and outline (P, 2) in pixels of the two objects of a picture, one in either half."""
    height, width = SIZES_HW[index]
    if index == len(SIZES_HW) - 1:
        return []
    rng = np.random.default_rng(index)
    angle = np.arange(40) / 40 * 2 * np.pi
    found = []
    for part in range(2):
        wide = width >= height
        span = np.array([width / 2, height] if wide else [width, height / 2])
        origin = np.array([part * span[0], 0] if wide else [0, part * span[1]])
        radius = span * rng.uniform(0.3, 0.4, 2)
        centre = origin + span / 2 + rng.uniform(-0.05, 0.05, 2) * span
        circle = np.c_[np.cos(angle), np.sin(angle)]
        found.append(((index + part) % 2, centre + radius * circle))
    return found


@pytest.fixture(scope="session")
def ellipse_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """YAML of a set whose splits hold the same pictures."""
    folder = tmp_path_factory.mktemp("ellipses")
    for split in ("train", "val"):
        for part in ("images", "labels"):
            (folder / part / split).mkdir(parents=True)
        for i, (height, width) in enumerate(SIZES_HW):
            canvas = np.full((height, width, 3), 120, np.uint8)
            lines = []
            for cls, outline in ellipses(i):
                points = np.round(outline * 16).astype(np.int32)
                cv2.fillPoly(canvas, [points], (RED, BLUE)[cls], cv2.LINE_8, 4)
                numbers = (outline / (width, height)).reshape(-1)
                lines.append(f"{cls} " + " ".join(f"{value:.8f}" for value in numbers))
            cv2.imwrite(str(folder / f"images/{split}/{i}.png"), canvas)
            (folder / f"labels/{split}/{i}.txt").write_text("".join(f"{x}\n" for x in lines))
    file = folder / "set.yaml"
    file.write_text("train: images/train\nval: images/val\nnames: {0: red, 1: blue}\n")
    return file


class MaskReader(nn.Module):
    """Finds the connected parts of red and of blue; rows are final, as those of an end-to-end head.

    Prototype k is the share of each cell that part k covers, less one half; the last one is 1 everywhere. With `shaken`
    every object is found three times more, with other boxes, fatter or thinner, and less surely.
    """

    names = {0: "red", 1: "blue"}
    task = "segment"
    end2end = True
    stride = torch.tensor([32.0])

    def __init__(self, shaken: bool = False) -> None:
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(1))
        self.model = nn.ModuleList([nn.Identity()])  # stands for a head, whose settings are set
        self.shaken = shaken

    def forward(self, im: Tensor, augment: bool = False, embed: Any = None) -> Any:
        found = [self._read(one) for one in im]
        return (torch.stack([rows for rows, _ in found]), torch.stack([p for _, p in found])), None

    def _read(self, rgb: Tensor) -> tuple[Tensor, Tensor]:
        red, _, blue = rgb
        protos = torch.zeros(OBJECTS + 1, rgb.shape[1] // 4, rgb.shape[2] // 4)
        protos[-1] = 1
        rows = []
        for cls, seen in enumerate(((red > 0.7) & (blue < 0.3), (blue > 0.7) & (red < 0.3))):
            count, parts = cv2.connectedComponents(seen.numpy().astype(np.uint8))
            for part in range(1, count):
                mask = torch.from_numpy(parts == part)
                if mask.sum() < 9:
                    continue
                number = len(rows)
                protos[number] = F.avg_pool2d(mask[None].float(), 4)[0] - 0.5
                y, x = torch.nonzero(mask, as_tuple=True)
                box = torch.stack([x.min(), y.min(), x.max() + 1, y.max() + 1]).float()
                coefficients = torch.zeros(OBJECTS + 1)
                coefficients[number] = 1
                conf = 0.9 - number / 50 - float(box.sum()) % 97 / 1e4  # no two alike
                rows.append(torch.cat([box, torch.tensor([conf, float(cls)]), coefficients]))
        if self.shaken:
            rows = [copy for row in rows for copy in (row, *self._copies(row))]
            rows.sort(key=lambda row: -float(row[4]))
        listed = torch.zeros(4 * OBJECTS, 6 + OBJECTS + 1)
        for slot, row in zip(listed, rows, strict=False):
            slot[:] = row
        return listed, protos

    def _copies(self, row: Tensor) -> list[Tensor]:
        rng = np.random.default_rng(int(1000 * float(row[:4].sum())) % 2**31)
        copies = []
        for _ in range(3):
            copy = row.clone()
            copy[:4] += torch.from_numpy(rng.normal(0, 2.5, 4))
            copy[4] = round(float(rng.uniform(0.05, 0.95)), 5)
            copy[-1] = float(rng.uniform(-0.4, 0.4))
            copies.append(copy)
        return copies


@pytest.fixture
def mask_reader() -> type[MaskReader]:
    return MaskReader
