"""A network that reads classes off colours, and a set of pictures to read them from."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest
import torch
from torch import Tensor, nn

from tests.drawn import COLOURS, SIZES, drawn_map, shown

NAMES = {0: "red", 1: "green", 2: "blue"}


class ColourReader(nn.Module):
    """Logits that fall with the distance to the colour of each class; `factor` shrinks the output like a stride."""

    names = NAMES
    task = "semantic"
    stride = torch.tensor([32.0])

    def __init__(self, classes: int = 3, factor: int = 1, exported: bool = False) -> None:
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(1))
        self.names = {0: "thing"} if classes == 1 else dict(list(NAMES.items())[:classes])
        self.factor = factor
        self.exported = exported

    def forward(self, im: Tensor, augment: bool = False, embed: object = None) -> Tensor:
        rgb = torch.from_numpy(COLOURS[:3, ::-1].astype("float32")) / 255
        away = (im[:, None].float() - rgb[None, :, :, None, None]).abs().sum(2)
        logits = -away if len(self.names) > 1 else (away[:, :1] - away[:, 1:].amin(1, True))
        if self.exported:
            return logits.argmax(1).to(torch.uint8)
        return nn.functional.avg_pool2d(logits, self.factor) if self.factor > 1 else logits


@pytest.fixture
def drawn_set(tmp_path: Path) -> Path:
    """YAML of a set of drawn maps, the same in both splits."""
    for split in ("train", "val"):
        for kind in ("images", "masks"):
            (tmp_path / kind / split).mkdir(parents=True)
        for i, size in enumerate(SIZES):
            ids = drawn_map(i, *size)
            cv2.imwrite(str(tmp_path / "images" / split / f"{i}.png"), shown(ids))
            cv2.imwrite(str(tmp_path / "masks" / split / f"{i}.png"), ids)
    path = tmp_path / "drawn.yaml"
    path.write_text(
        f"path: {tmp_path}\ntrain: images/train\nval: images/val\nmasks_dir: masks\n"
        "names: [red, green, blue]\n"
    )
    return path
