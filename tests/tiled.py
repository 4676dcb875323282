"""A large picture of small rectangles, and networks that read them off the pixels of whatever they are shown."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

SIZE_HW = (256, 352)  # multiples of 32, so that the whole picture can be read at its own size
TILE, OVERLAP = 96, 0.5  # windows start at 0, 48, 96, ..., and share 48 pixels
NAMES = {0: "red", 1: "blue"}
COLOURS = ((0, 0, 255), (255, 0, 0))  # BGR
GROUND = 120
SLOTS = 32  # rows of an answer
# class, x1, y1, x2, y2; borders of windows lie at multiples of 48
OBJECTS = (
    (0, 6, 8, 24, 20),  # in one window
    (1, 40, 12, 60, 30),  # cut by x = 48
    (0, 88, 86, 108, 104),  # cut by x = 96 and y = 96
    (0, 112, 86, 124, 100),  # beside it, cut by y = 96
    (1, 180, 130, 212, 150),  # cut by x = 192 and y = 144
    (0, 300, 180, 330, 214),  # in the shifted column
    (1, 330, 240, 352, 256),  # at the corner of the picture
    (0, 0, 180, 10, 200),  # at its side
)


def picture(scale: int = 1) -> np.ndarray:
    """The picture (h, w, 3) BGR."""
    canvas = np.full((SIZE_HW[0] * scale, SIZE_HW[1] * scale, 3), GROUND, np.uint8)
    for label, *box in OBJECTS:
        x1, y1, x2, y2 = (value * scale for value in box)
        canvas[y1:y2, x1:x2] = COLOURS[label]
    return canvas


def tilted_picture() -> np.ndarray:
    """Rectangles of the same places, turned, and smaller so that they stay apart."""
    canvas = np.full((*SIZE_HW, 3), GROUND, np.uint8)
    for number, (label, x1, y1, x2, y2) in enumerate(OBJECTS):
        centre, size = ((x1 + x2) / 2, (y1 + y2) / 2), (0.9 * (x2 - x1), 0.5 * (y2 - y1))
        corners = cv2.boxPoints((centre, size, 20.0 * number - 70))
        cv2.fillPoly(canvas, [np.round(corners).astype(np.int32)], COLOURS[label])
    return canvas


class RectangleReader(nn.Module):
    """Finds the connected parts of red and of blue; rows are final, as those of an end-to-end head.

    Smaller parts are surer, so that what a border leaves of an object has a higher confidence than the object.
    """

    names = NAMES
    end2end = True
    stride = torch.tensor([32.0])

    def __init__(self, task: str) -> None:
        super().__init__()
        self.task = task
        self.kpt_shape = [2, 3]
        self.anchor = nn.Parameter(torch.zeros(1))
        self.model = nn.ModuleList([nn.Identity()])  # stands for a head, whose settings are set
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, im: Tensor, augment: bool = False, embed: Any = None) -> Any:
        self.shapes.append(tuple(im.shape))
        found = [self._read(one) for one in im]
        rows = torch.stack([rows for rows, _ in found])
        if self.task != "segment":
            return rows
        return (rows, torch.stack([masks for _, masks in found])), None

    def _read(self, rgb: Tensor) -> tuple[Tensor, Tensor]:
        red, _, blue = rgb
        width = {"detect": 6, "segment": 6 + SLOTS, "pose": 12, "obb": 7}[self.task]
        rows = torch.zeros(SLOTS, width)
        masks = torch.full((SLOTS, *rgb.shape[1:]), -1.0)
        number = 0
        for cls, seen in enumerate((red - blue > 0.7, blue - red > 0.7)):
            count, parts = cv2.connectedComponents(seen.numpy().astype(np.uint8))
            for part in range(1, count):
                mask = torch.from_numpy(parts == part)
                masks[number][mask] = 1.0
                rows[number] = torch.tensor(self._row(mask, cls, number))
                number += 1
        order = rows[:, 4].argsort(descending=True, stable=True)
        return rows[order], masks

    def _row(self, mask: Tensor, cls: int, number: int) -> list[float]:
        y, x = torch.nonzero(mask, as_tuple=True)
        box = [int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1]
        head = [0.9 - int(mask.sum()) / 5000, float(cls)]
        if self.task == "pose":
            return [*box, *head, box[0], box[1], 0.8, box[2], box[3], 0.7]
        if self.task == "segment":
            return [*box, *head, *(float(slot == number) for slot in range(SLOTS))]
        if self.task == "obb":
            points = torch.stack((x, y), dim=1).numpy().astype(np.float32)
            (cx, cy), (w, h), angle = cv2.minAreaRect(points)
            return [cx + 0.5, cy + 0.5, w + 1, h + 1, *head, float(np.deg2rad(angle))]
        return [*box, *head]


class RimlessMapper(nn.Module):
    """Class map of red, blue and ground that is wrong within 8 pixels of the edges of what it is shown."""

    names = {0: "ground", 1: "red", 2: "blue"}
    task = "semantic"
    stride = torch.tensor([32.0])

    def __init__(self) -> None:
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(1))

    def forward(self, im: Tensor, augment: bool = False, embed: Any = None) -> Tensor:
        red, blue = im[:, 0] - im[:, 2], im[:, 2] - im[:, 0]
        logits = torch.stack((torch.full_like(red, 0.5), red, blue), dim=1)
        rim = torch.ones_like(red, dtype=torch.bool)
        rim[:, 8:-8, 8:-8] = False
        return torch.where(rim[:, None], logits.roll(1, dims=1), logits)


class ShareTeller(nn.Module):
    """Probabilities of red and blue by how much of the input each fills."""

    names = NAMES
    task = "classify"
    stride = torch.tensor([32.0])

    def __init__(self) -> None:
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(1))

    def forward(self, im: Tensor, augment: bool = False, embed: Any = None) -> Tensor:
        shares = torch.stack((im[:, 0].mean((1, 2)), im[:, 2].mean((1, 2))), dim=1)
        return shares.softmax(dim=1)
