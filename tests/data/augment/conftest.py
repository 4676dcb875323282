"""A small data set in memory, and the default settings of the augmentation table."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from ultralytics.utils.instance import Instances

DEFAULTS: dict[str, Any] = {
    "hsv_h": 0.015,
    "hsv_s": 0.7,
    "hsv_v": 0.4,
    "degrees": 0.0,
    "translate": 0.1,
    "scale": 0.5,
    "shear": 0.0,
    "perspective": 0.0,
    "flipud": 0.0,
    "fliplr": 0.5,
    "bgr": 0.0,
    "mosaic": 1.0,
    "mixup": 0.0,
    "cutmix": 0.0,
    "copy_paste": 0.0,
    "copy_paste_mode": "flip",
    "mask_ratio": 4,
    "overlap_mask": True,
}


class Toy:
    """Smooth random pictures of several sizes with 0 to 8 boxes each; polygons are the boxes' outlines."""

    cache = None
    rect = False

    def __init__(
        self, side: int = 96, count: int = 9, channels: int = 3, task: str = "detect"
    ) -> None:
        draw = np.random.RandomState(7)
        self.channels, self.task, self.imgsz = channels, task, side
        self.use_segments = task == "segment"
        self.use_keypoints = task == "pose"
        self.use_obb = task == "obb"
        self.data = {"channels": channels, "flip_idx": [1, 0, 2], "kpt_shape": [3, 3]}
        self.buffer = list(range(count))
        self.im_files = [f"{i}.jpg" for i in range(count)]
        self.images, self.blocks = [], []
        for i in range(count):
            h, w = [(side, side), (side * 3 // 4, side), (side, side * 3 // 4), (side // 2, side)][
                i % 4
            ]
            coarse = draw.randint(0, 255, (6, 6, channels)).astype(np.uint8)
            image = cv2.resize(coarse, (w, h), interpolation=cv2.INTER_CUBIC)
            n = (5, 0, 3, 8)[i % 4]
            block = np.concatenate(
                (
                    draw.randint(0, 4, (n, 1)),
                    draw.uniform(0.2, 0.8, (n, 2)),
                    draw.uniform(0.05, 0.35, (n, 2)),
                ),
                axis=1,
            )
            self.images.append(image.reshape(h, w, channels))
            self.blocks.append(block.astype(np.float32))
        self.store = self

    def rows(self, i: int) -> np.ndarray:
        return self.blocks[i]

    def __len__(self) -> int:
        return len(self.images)

    def load_image(self, i: int) -> tuple[np.ndarray, tuple[int, int], tuple[int, int]]:
        image = self.images[i]
        return image, (image.shape[0] * 2, image.shape[1] * 2), image.shape[:2]

    def get_image_and_label(self, index: int) -> dict[str, Any]:
        image, original, size = self.load_image(index)
        rows = self.blocks[index]
        boxes = rows[:, 1:].copy()
        keypoints = None
        if self.use_keypoints:
            points = boxes[:, None, :2] + np.array([[-0.05, 0], [0.05, 0], [0, 0.05]], np.float32)
            keypoints = np.concatenate((points, np.full((len(rows), 3, 1), 2, np.float32)), axis=2)
        return {
            "im_file": self.im_files[index],
            "ori_shape": original,
            "resized_shape": size,
            "ratio_pad": (0.5, 0.5),
            "img": image.copy(),
            "cls": rows[:, :1].copy(),
            "instances": Instances(boxes, self._outlines(boxes), keypoints),
        }

    def _outlines(self, boxes: np.ndarray) -> np.ndarray | None:
        if self.task not in {"segment", "obb"}:
            return None
        unit = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], np.float32) / 2
        return boxes[:, None, :2] + unit * boxes[:, None, 2:]


@pytest.fixture
def toy() -> type[Toy]:
    return Toy


@pytest.fixture
def settings() -> Any:
    return lambda **changed: SimpleNamespace(**{**DEFAULTS, **changed})
