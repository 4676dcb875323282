"""Timed scenarios of prediction beyond folders of images: a video, tracking, the first result of a fresh process."""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from tools import Figures, main, median_ms, peak_mb

IMGSZ = 320
TRACKED = 200
WANTED = 20  # detections per frame


def _video(ctx: argparse.Namespace) -> str:
    return str(ctx.data / "media" / "cars.mp4")


def predict_video(ctx: argparse.Namespace) -> Figures:
    """A video through an untrained network at 320 pixels, its painted copy written."""
    from ultralytics import YOLO

    net = YOLO("yolo11n.yaml")
    with tempfile.TemporaryDirectory() as folder:
        settings = {"imgsz": IMGSZ, "device": "cpu", "verbose": False}
        net.predict(str(ctx.data / "media" / "dog.jpg"), **settings)
        count = 0
        start, cpu = time.perf_counter(), time.process_time()
        for _ in net.predict(_video(ctx), stream=True, save=True, project=folder, **settings):
            count += 1
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    return {
        "frames_per_s": count / wall,
        "cpu_per_frame_ms": cpu / count * 1e3,
        "peak_mb": peak_mb(),
    }


def _find_some(net: Any, picture: Any) -> None:  # Any: of either package; an array
    """Raise the scores of an untrained network until some boxes of a picture pass the usual 0.25."""
    settings = {"imgsz": IMGSZ, "device": "cpu", "verbose": False}
    (result,) = net.predict(picture, conf=1e-9, max_det=WANTED, **settings)
    least = float(result.boxes.conf.min())
    head = net.model.model[-1]
    shift = math.log(0.25 / 0.75) - math.log(least / (1 - least))
    for branch in head.cv3:
        branch[-1].bias.data += shift
    net.predictor = None


def track_bytetrack(ctx: argparse.Namespace) -> Figures:
    """200 frames of a video, shown again from its start, with about twenty detections each."""
    import cv2
    import torch

    from ultralytics import YOLO

    torch.manual_seed(0)
    net = YOLO("yolo11n.yaml")
    capture = cv2.VideoCapture(_video(ctx))
    frames = []
    while (read := capture.read())[0]:
        frames.append(read[1])
    capture.release()
    _find_some(net, frames[0])
    settings = {"imgsz": IMGSZ, "device": "cpu", "verbose": False, "conf": 0.25}
    settings |= {"tracker": "bytetrack.yaml", "persist": True}
    for frame in frames[:3]:
        net.track(frame, **settings)
    found = 0
    start, cpu = time.perf_counter(), time.process_time()
    for frame in islice(cycle(frames), TRACKED):
        (result,) = net.track(frame, **settings)
        found += len(result.boxes)
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    if not found:
        raise SystemExit("nothing was tracked")
    return {
        "frames_per_s": TRACKED / wall,
        "cpu_per_frame_ms": cpu / TRACKED * 1e3,
        "peak_mb": peak_mb(),
    }


def first_result(ctx: argparse.Namespace) -> Figures:
    """A fresh process that predicts one image from the command line."""
    yolo = str(Path(sys.executable).with_name("yolo"))
    image = ctx.data / "media" / "dog.jpg"
    with tempfile.TemporaryDirectory() as folder:
        command = [yolo, "predict", "model=yolo11n.yaml", f"source={image}", "device=cpu"]
        command += [f"project={folder}"]

        def run() -> None:
            subprocess.run(command, check=True, capture_output=True)

        return {"first_result_ms": median_ms(run, 3)}


SCENARIOS = [predict_video, track_bytetrack, first_result]

if __name__ == "__main__":
    main(SCENARIOS)
