"""The models that can be built by name, without building any: `scripts/generate_catalog.py` makes the table.

Parameters and operations are those of the untrained network with the class count of its file, not fused; operations
are 10^9 per image at the listed size (2 per multiply-add).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ultralytics.registry import resolve_name

__all__ = ["CatalogEntry", "catalog", "catalog_text"]

TABLE = Path(__file__).parent / "models" / "catalog.csv"
COLUMNS = ("name", "task", "imgsz", "layers", "parameters", "gflops")
# The release that publishes weights under these names says so; read its terms before you use them.
PUBLISHED_LICENSE = "AGPL-3.0"
NOT_PUBLISHED = "-"


@dataclass(frozen=True)
class CatalogEntry:
    """One network: `YOLO(f"{name}.yaml")` builds it, `YOLO(f"{name}.pt")` opens its published weights if there are any.

    Attributes:
        name: what model files and weights are called.
        task: its task.
        imgsz: side of the square image that `gflops` counts, in pixels.
        layers: modules without children.
        parameters: weights.
        gflops: operations of one image, in 10^9.
        weights: address of published weights, or None.
        license: licence its publisher gives the weights, or None.
    """

    name: str
    task: str
    imgsz: int
    layers: int
    parameters: int
    gflops: float
    weights: str | None
    license: str | None


def catalog(task: str | None = None, words: Iterable[str] = ()) -> list[CatalogEntry]:
    """Models of the library, in the order of their families.

    Args:
        task: only those of a task.
        words: only those whose name contains one of these.

    Raises:
        ValueError: no such task.
    """
    wanted = None if task is None else resolve_name(task)
    parts = tuple(words)
    return [
        entry
        for entry in map(_entry, _rows())
        if wanted in (None, entry.task) and (not parts or any(part in entry.name for part in parts))
    ]


def catalog_text(entries: Sequence[CatalogEntry]) -> str:
    """The entries as lines of a table for a terminal."""
    width = max((len(entry.name) for entry in entries), default=4)
    lines = [f"{'model':{width}}  {'task':8}  {'parameters':>11}  {'GFLOPs':>7}  weights"]
    for entry in entries:
        weights = f"{entry.name}.pt ({entry.license})" if entry.weights else NOT_PUBLISHED
        lines.append(
            f"{entry.name:{width}}  {entry.task:8}  {entry.parameters:>11,}  {entry.gflops:>7.1f}  {weights}"
        )
    return "\n".join(lines)


@cache
def _rows() -> tuple[dict[str, str], ...]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


def _entry(row: dict[str, str]) -> CatalogEntry:
    from ultralytics.utils.downloads.assets import GITHUB_ASSETS_NAMES, weights_address

    file = _published_name(row["name"])
    is_published = file in GITHUB_ASSETS_NAMES
    return CatalogEntry(
        name=row["name"],
        task=row["task"],
        imgsz=int(row["imgsz"]),
        layers=int(row["layers"]),
        parameters=int(row["parameters"]),
        gflops=float(row["gflops"]),
        weights=f"{weights_address()}/{file}" if is_published else None,
        license=PUBLISHED_LICENSE if is_published else None,
    )


def _published_name(name: str) -> str:
    """File of the weights that fit a network; those of v3 and v5 end in u."""
    from ultralytics.utils.downloads.assets import check_yolov5u_filename

    return check_yolov5u_filename(f"{name}.pt", verbose=False)
