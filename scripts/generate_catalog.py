"""Build every model file at every scale and write the table of the catalogue and its page in the documentation.

Nothing is allocated: networks are built on torch's meta device. Run it after adding a model file; a test compares.
"""

from __future__ import annotations

import csv
import io
import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from ultralytics import YOLO
from ultralytics.cfg.catalog import COLUMNS, TABLE, CatalogEntry, catalog
from ultralytics.nn.tasks import guess_model_scale
from ultralytics.registry import all_tasks, task_of_head
from ultralytics.utils.files import atomic_write
from ultralytics.utils.torch_utils.info import count_layers, get_flops, get_num_params
from ultralytics.utils.yaml_io import YAML

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "models.md"
MODELS = TABLE.parent
DEFAULT_IMGSZ = 640
IMGSZ = {"classify": 224}
STEM = re.compile(r"(yolo(?:e-)?v?\d+)(|-.*)")


def names_of(file: Path) -> list[str]:
    """Names under which a file is asked for: one per scale, or its own when it has none or is one scale."""
    scales = YAML.load(file).get("scales")
    found = STEM.fullmatch(file.stem)
    if not scales or found is None or guess_model_scale(file):
        return [file.stem]
    return [f"{found[1]}{letter}{found[2]}" for letter in scales]


def row_of(name: str) -> dict[str, str | int]:
    """Facts of one network."""
    with torch.device("meta"):
        model = YOLO(f"{name}.yaml")
        network, task = model.model, str(model.task)
        size = IMGSZ.get(task, DEFAULT_IMGSZ)
        gflops = get_flops(network, size)
    if not gflops:
        raise RuntimeError(f"the operations of {name} cannot be counted")
    facts = (name, task, size, count_layers(network), get_num_params(network), f"{gflops:.2f}")
    return dict(zip(COLUMNS, facts, strict=True))


def files() -> list[Path]:
    """Model files of the tasks there are, oldest family first."""

    def age(file: Path) -> tuple[int, int, str]:
        number = re.search(r"\d+", file.parent.name)
        return (number is None, int(number[0]) if number else 0, file.stem)

    return sorted(filter(_has_task, MODELS.rglob("*.yaml")), key=age)


def _has_task(file: Path) -> bool:
    return task_of_head(str(YAML.load(file)["head"][-1][-2])) in all_tasks()


def table_text() -> str:
    """The table, from the model files."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(row_of(name) for file in files() for name in names_of(file))
    return text.getvalue()


def page_lines(entries: list[CatalogEntry]) -> Iterator[str]:
    """The page, from the table."""
    yield "# Models"
    yield ""
    yield "Made by `scripts/generate_catalog.py` from the model files; `yolo models` prints the same, and"
    yield "`ultralytics.catalog()` returns it. `NAME.yaml` builds a network, `NAME.pt` opens published weights where"
    yield "there are any; their licence is their publisher's, not this library's. Operations are of one image of"
    yield "640 x 640 pixels (224 x 224 for classify), before folding."
    yield ""
    yield "| model | task | parameters | GFLOPs | published weights |"
    yield "|---|---|--:|--:|---|"
    for entry in entries:
        weights = f"yes, {entry.license}" if entry.weights else "no"
        yield f"| {entry.name} | {entry.task} | {entry.parameters:,} | {entry.gflops:.1f} | {weights} |"


def page_text() -> str:
    """The page of the documentation."""
    return "\n".join(page_lines(catalog())) + "\n"


def main() -> int:
    """Write both files."""
    logging.disable(logging.WARNING)
    atomic_write(TABLE, table_text())
    atomic_write(PAGE, page_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
