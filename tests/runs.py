"""What tests of runs read back from their folders."""

from __future__ import annotations

import csv
from pathlib import Path

__all__ = ["rows"]


def rows(folder: Path) -> list[dict[str, str]]:
    """The rows of results.csv, as text."""
    with (folder / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))
