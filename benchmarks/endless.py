"""Memory of the process while a model predicts or tracks an endless source.

    python benchmarks/endless.py [--mode predict|track] [--frames 10000] [--mark 500] [--limit 3]

A stream of synthetic frames, moving bright squares on noise, is read frame by frame. Prints the resident memory after
frame `mark` and after the last frame; the exit status is 1 when it grew by more than `limit` percent.
"""

from __future__ import annotations

import argparse
import gc
import math
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SIDE = 96
IMGSZ = 64
SQUARES = 4


def write_stream(path: Path, frames: int) -> Path:
    """A video of so many frames."""
    import cv2
    import numpy as np

    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30, (SIDE, SIDE))
    noise = np.random.default_rng(0).integers(0, 90, (SIDE, SIDE, 3), np.uint8)
    for index in range(frames):
        frame = noise.copy()
        for square in range(SQUARES):
            x, y = (index * (square + 1)) % (SIDE - 16), square * 20
            frame[y : y + 16, x : x + 16] = 255
        writer.write(frame)
    writer.release()
    return path


def resident_mb() -> float:
    """Memory of the process that is in use now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def find_some(net: Any, picture: Any) -> None:  # Any: a model, an array
    """Raise the scores of an untrained network until some boxes of a picture pass the usual 0.25."""
    (result,) = net.predict(picture, conf=1e-9, max_det=8, imgsz=IMGSZ, verbose=False)
    least = float(result.boxes.conf.min())
    shift = math.log(0.25 / 0.75) - math.log(least / (1 - least))
    for branch in net.model.model[-1].cv3:
        branch[-1].bias.data += shift
    net.predictor = None


def results(mode: str, listing: Path, picture: Any) -> Iterator[Any]:
    """Results of the stream, from a network that finds something in it."""
    import torch

    from ultralytics import YOLO

    torch.manual_seed(0)
    net = YOLO("yolo11n.yaml")
    find_some(net, picture)
    call = net.track if mode == "track" else net.predict
    settings = {"imgsz": IMGSZ, "device": "cpu", "verbose": False, "conf": 0.25}
    yield from call(str(listing), stream=True, stream_buffer=True, **settings)


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mode", choices=("predict", "track"), default="predict")
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--mark", type=int, default=500)
    parser.add_argument("--limit", type=float, default=3.0)
    args = parser.parse_args()
    import cv2

    with tempfile.TemporaryDirectory() as folder:
        video = write_stream(Path(folder) / "frames.avi", args.frames)
        listing = Path(folder) / "all.streams"
        listing.write_text(str(video))
        picture = cv2.VideoCapture(str(video)).read()[1]
        marked, count, found = math.nan, 0, 0
        for result in results(args.mode, listing, picture):
            count += 1
            found += len(result)
            if count == args.mark:
                gc.collect()
                marked = resident_mb()
    gc.collect()
    last = resident_mb()
    growth = (last / marked - 1) * 100
    print(
        f"{args.mode}: {count} frames, {found / count:.1f} objects each, {marked:.1f} MB after frame "
        f"{args.mark}, {last:.1f} MB after the last, growth {growth:+.2f} percent"
    )
    return int(count != args.frames or not found or growth > args.limit)


if __name__ == "__main__":
    sys.exit(main())
