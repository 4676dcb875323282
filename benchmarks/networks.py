"""Timed scenarios of whole networks, over the public API only: building, and folded forward passes on a processor."""

from __future__ import annotations

import argparse
from typing import Any

from tools import Figures, main, median_ms, peak_mb

FAMILIES = ("yolov8n", "yolov9t", "yolov10n", "yolo11n", "yolo12n", "yolo26n")
TASKS = ("yolo11n-seg", "yolo26n-seg", "yolo26n-pose", "yolo26n-obb", "yolo26n-cls", "yolo26n-sem")


def _build(name: str) -> Any:
    from ultralytics import YOLO
    from ultralytics.nn.tasks import RTDETRDetectionModel

    if name.startswith("rtdetr"):
        return RTDETRDetectionModel(f"{name}.yaml", verbose=False)
    return YOLO(f"{name}.yaml").model


def _forward_ms(name: str, repeats: int) -> float:
    import torch

    model = _build(name).fuse(verbose=False).eval()
    image = torch.rand(1, 3, 640, 640, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        return median_ms(lambda: model(image), repeats, warmup=2)


def forward_families(ctx: argparse.Namespace) -> Figures:
    """One 640 px image through the smallest detection network of every generation."""
    return {f"{name}_ms": _forward_ms(name, 9) for name in FAMILIES} | {"peak_mb": peak_mb()}


def forward_tasks(ctx: argparse.Namespace) -> Figures:
    """One 640 px image through networks of the other tasks."""
    return {f"{name}_ms": _forward_ms(name, 9) for name in TASKS} | {"peak_mb": peak_mb()}


def forward_rtdetr(ctx: argparse.Namespace) -> Figures:
    """One 640 px image through RT-DETR."""
    return {"rtdetr-l_ms": _forward_ms("rtdetr-l", 5), "peak_mb": peak_mb()}


def build(ctx: argparse.Namespace) -> Figures:
    """From a file name to a network."""
    names = ("yolov8n", "yolo11n", "yolo11n-cls", "yolo12n", "yolo26n", "yolo26x")
    return {f"{name}_ms": median_ms(lambda name=name: _build(name), 5) for name in names}


SCENARIOS = [forward_families, forward_tasks, forward_rtdetr, build]

if __name__ == "__main__":
    main(SCENARIOS)
