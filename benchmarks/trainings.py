"""Memory of a process in which one short training follows another.

    python benchmarks/trainings.py [--runs 10] [--mark 2] [--limit 3] [--epochs 2] [key=value ...]

Every training builds its model anew, draws its pictures and validates; further arguments of `train` may follow. Prints
the resident memory after each run; the exit status is 1 when it grew by more than `limit` percent from the run `mark`
to the last one.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import os
import sys
import tempfile
from pathlib import Path
from typing import Any


def resident_mb() -> float:
    """Memory of the process that is in use now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def give_back() -> None:
    """Let go of garbage, and of freed memory that the allocator keeps: 100 MB of it come and go from run to run."""
    gc.collect()
    if sys.platform == "linux" and hasattr(ctypes.CDLL(None), "malloc_trim"):
        ctypes.CDLL(None).malloc_trim(0)


def train_once(folder: Path, epochs: int, further: dict[str, Any]) -> None:
    """One training of a few steps, with pictures and validations."""
    from ultralytics import YOLO

    settings = {"data": "shapes.yaml", "fraction": 0.1, "imgsz": 64, "batch": 8, "plots": True}
    settings |= {"epochs": epochs, "device": "cpu", "verbose": False, "pretrained": False}
    YOLO("yolo11n.yaml").train(project=str(folder), **{**settings, **further})


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--mark", type=int, default=2)
    parser.add_argument("--limit", type=float, default=3.0)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("further", nargs="*", metavar="key=value")
    args = parser.parse_args()
    from ultralytics.cfg import parse_key_value_pair

    further = dict(parse_key_value_pair(pair) for pair in args.further)
    used = []
    for run in range(args.runs):
        with tempfile.TemporaryDirectory() as folder:
            train_once(Path(folder), args.epochs, further)
        give_back()
        used.append(resident_mb())
        print(f"training {run + 1}: {used[-1]:.1f} MB", flush=True)
    growth = (used[-1] / used[args.mark - 1] - 1) * 100
    print(f"{args.runs} trainings, growth since training {args.mark}: {growth:+.2f} percent")
    return int(growth > args.limit)


if __name__ == "__main__":
    sys.exit(main())
