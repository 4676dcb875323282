"""Result files of the DOTA benchmark, and detections of tiles put together again.

A tile is called <image>__<side>__<x>___<y> (`ultralytics.data.split_dota`). Rows are those of predictions.json:
"image_id", "category_id" (classes counted from 1), "score", "rbox" xywhr and "poly" in pixels of the tile.
Specification chapter 45, section 6.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from ultralytics.geometry.rotated import xywhr2xyxyxyxy
from ultralytics.geometry.suppress import undominated_rotated
from ultralytics.utils.files import atomic_write

__all__ = ["merge_tiles", "origin_of", "write_dota_files"]

Row = Mapping[str, Any]  # Any: JSON values
TILE = re.compile(r"(.+?)__[\d.]+__(\d+)___(\d+)")
IOU_OF_TILES = 0.3  # probiou above which two detections of different tiles are one object
PLACES = 3


def origin_of(stem: str) -> tuple[str, int, int]:
    """Image a tile was cut from and the tile's upper left corner in it; other names are images themselves."""
    found = TILE.fullmatch(stem)
    return (found[1], int(found[2]), int(found[3])) if found else (stem, 0, 0)


def merge_tiles(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Detections of whole images, best first in each; the worse of two that overlap by more than 0.3 goes.

    "rbox" and "poly" of what comes back are in pixels of the image.
    """
    of_image: dict[str, list[tuple[list[float], float, int]]] = defaultdict(list)
    for row in rows:
        name, x, y = origin_of(str(row["image_id"]))
        cx, cy, *rest = row["rbox"]
        of_image[name].append(([cx + x, cy + y, *rest], row["score"], row["category_id"]))
    return [found for name, parts in of_image.items() for found in _merged(name, parts)]


def _merged(name: str, parts: list[tuple[list[float], float, int]]) -> list[dict[str, Any]]:
    parts = sorted(parts, key=lambda part: -part[1])
    boxes = torch.tensor([box for box, _, _ in parts], dtype=torch.float64)
    classes = torch.tensor([category for _, _, category in parts])
    kept = undominated_rotated(boxes, IOU_OF_TILES, classes)
    corners = xywhr2xyxyxyxy(boxes[kept]).flatten(1).tolist()
    return [
        {
            "image_id": name,
            "category_id": parts[place][2],
            "score": round(parts[place][1], PLACES),
            "rbox": parts[place][0],
            "poly": [round(value, PLACES) for value in poly],
        }
        for place, poly in zip(kept.tolist(), corners, strict=True)
    ]


def write_dota_files(rows: Iterable[Row], names: Mapping[int, str], folder: Path) -> None:
    """Write Task1_<class>.txt for every class found: lines of image, score and corners x1 y1 ... x4 y4.

    Args:
        rows: detections.
        names: class names; spaces become hyphens in file names.
        folder: made when missing; files of an earlier run are removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("Task1_*.txt"):
        file.unlink()
    lines: dict[int, list[str]] = defaultdict(list)
    for row in rows:
        numbers = " ".join(str(value) for value in (row["score"], *row["poly"]))
        lines[row["category_id"] - 1].append(f"{row['image_id']} {numbers}\n")
    for number, entries in lines.items():
        name = str(names[number]).replace(" ", "-")
        atomic_write(folder / f"Task1_{name}.txt", "".join(entries))
