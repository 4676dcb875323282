"""Pictures of turned rectangles at odd sizes, and a detector that reads them off the pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from shapely.affinity import rotate
from shapely.geometry import Polygon, box
from torch import Tensor, nn

NAMES = {0: "red", 1: "blue"}
GREY, COLOURS = 120, [(0, 0, 255), (255, 0, 0)]  # BGR
SIZES_HW = [(197, 331), (164, 164), (275, 150), (228, 401), (61, 99)]
FINE = 8  # drawn at so many times the size, so that borders cover pixels in part
CONF = 0.9


@dataclass(frozen=True)
class Tilted:
    """One rectangle: class, and xywhr in pixels."""

    label: int
    xywhr: tuple[float, float, float, float, float]

    @property
    def polygon(self) -> Polygon:
        return covered(self.xywhr)


def covered(xywhr: tuple[float, ...] | list[float]) -> Polygon:
    """The rectangle of a box xywhr."""
    cx, cy, w, h, angle = xywhr
    upright = box(cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)
    return rotate(upright, angle, origin=(cx, cy), use_radians=True)


def overlap(one: Polygon, other: Polygon) -> float:
    """Intersection over union of two polygons."""
    return float(one.intersection(other).area / one.union(other).area)


def objects_of(index: int) -> list[Tilted]:
    """A red and a blue rectangle, side by side, in the picture of this number; the last picture has none."""
    height, width = SIZES_HW[index]
    if index == len(SIZES_HW) - 1:
        return []
    rng = np.random.default_rng(index)
    across = width >= height
    room = min(height, width / 2) if across else min(height / 2, width)
    found = []
    for label in (0, 1):
        share = 0.25 + 0.5 * label
        centre = (share * width, height / 2) if across else (width / 2, share * height)
        place = np.array(centre) + rng.uniform(-1, 1, 2)
        length = 0.8 * room
        angle = float(rng.uniform(-np.pi / 4, 3 * np.pi / 4))
        found.append(Tilted(label, (*place.tolist(), length, length * 0.45, angle)))
    return found


def picture(index: int) -> np.ndarray:
    height, width = SIZES_HW[index]
    canvas = np.full((height * FINE, width * FINE, 3), GREY, np.uint8)
    for thing in objects_of(index):
        corners = np.array(thing.polygon.exterior.coords)[:4] * FINE - 0.5
        cv2.fillPoly(canvas, [np.round(corners).astype(np.int32)], COLOURS[thing.label])
    return cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)


def label_lines(index: int) -> list[str]:
    """Lines of class and corners; start and direction differ from object to object."""
    height, width = SIZES_HW[index]
    lines = []
    for number, thing in enumerate(objects_of(index)):
        corners = np.array(thing.polygon.exterior.coords)[:4] / (width, height)
        corners = np.roll(corners if number else corners[::-1], number + index, axis=0)
        lines.append(f"{thing.label} " + " ".join(f"{v:.6f}" for v in corners.ravel()))
    return lines


@pytest.fixture(scope="session")
def tilted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """YAML of a set with the same pictures in both splits."""
    folder = tmp_path_factory.mktemp("tilted")
    for split in ("train", "val"):
        for part in ("images", "labels"):
            (folder / part / split).mkdir(parents=True)
        for index in range(len(SIZES_HW)):
            cv2.imwrite(str(folder / "images" / split / f"{index}.png"), picture(index))
            text = "".join(f"{line}\n" for line in label_lines(index))
            (folder / "labels" / split / f"{index}.txt").write_text(text)
    file = folder / "tilted.yaml"
    file.write_text("train: images/train\nval: images/val\nnames: {0: red, 1: blue}\n")
    return file


class TiltDetector(nn.Module):
    """Finds each colour by the moments of its pixels; gives raw rows [xywh, scores, angle] like a head.

    Every object is found twice, the second time less surely and a pixel off: suppression has to take that away.
    """

    names = NAMES
    task = "obb"
    stride = torch.tensor([32.0])

    def __init__(self, turn: float = 0.0) -> None:
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(1))
        self.turn = turn

    def forward(self, im: Tensor, augment: bool = False, embed: object = None) -> Tensor:
        rows = im.new_zeros(len(im), 7, 8)
        for image, pixels in zip(rows, im, strict=True):
            for label, place in self.find(pixels):
                for copy, (conf, shift) in enumerate(((CONF, 0.0), (0.6, 1.0))):
                    column = image[:, 2 * label + copy]
                    column[:4] = torch.tensor(place[:4])
                    column[0] += shift
                    column[4 + label] = conf
                    column[6] = place[4] + self.turn
        return rows

    @staticmethod
    def find(pixels: Tensor) -> Iterator[tuple[int, list[float]]]:
        """Class and xywhr of each colour present in a (3, H, W) RGB picture."""
        for label, channel in enumerate((0, 2)):
            share = (pixels[channel] - pixels[1]).clamp(0, 1).double()  # 1 inside, 0 on grey
            mass = share.sum()
            if mass < 20:
                continue
            y, x = (torch.arange(n, dtype=torch.float64) + 0.5 for n in share.shape)
            cx, cy = (share.sum(0) @ x) / mass, (share.sum(1) @ y) / mass
            dx, dy = x - cx, y - cy
            xx, yy = (share.sum(0) @ dx**2) / mass, (share.sum(1) @ dy**2) / mass
            xy = (dy @ share @ dx) / mass
            values, vectors = torch.linalg.eigh(torch.stack((xx, xy, xy, yy)).view(2, 2))
            short, long = (12 * (values - 1 / 12)).sqrt().tolist()
            angle = float(torch.atan2(vectors[1, 1], vectors[0, 1]))
            yield label, [float(cx), float(cy), long, short, angle]
