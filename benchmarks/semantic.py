"""Timed scenarios of semantic segmentation: validation, an epoch, and the samples of training."""

from __future__ import annotations

import argparse
import tempfile
import time
from typing import Any

from tools import Figures, main, peak_mb

IMGSZ, BATCH = 256, 16
LARGE = 640


def _yaml(ctx: argparse.Namespace) -> str:
    return str(next((ctx.data / "dubai-semseg").glob("*.yaml")))


def _quiet(ctx: argparse.Namespace, folder: str) -> dict[str, Any]:
    """Settings of a run on the processor that writes and prints little."""
    settings = {"data": _yaml(ctx), "imgsz": IMGSZ, "batch": BATCH, "workers": 0, "device": "cpu"}
    files = {"plots": False, "verbose": False, "project": folder, "name": "r", "exist_ok": True}
    return {**settings, **files}


def val_semantic(ctx: argparse.Namespace) -> Figures:
    """Validation of an untrained network: forward passes, comparison of classes, pixel counts."""
    import torch

    from ultralytics import YOLO

    torch.manual_seed(0)
    net = YOLO("yolo26n-sem.yaml")
    with tempfile.TemporaryDirectory() as folder:
        settings = _quiet(ctx, folder)
        net.val(**settings)
        start = time.perf_counter()
        net.val(**settings)
        wall = time.perf_counter() - start
    return {"run_ms": wall * 1e3, "peak_mb": peak_mb()}


def train_semantic(ctx: argparse.Namespace) -> Figures:
    """One epoch of a small network."""
    from ultralytics import YOLO

    times: list[float] = []
    net = YOLO("yolo26n-sem.yaml")
    net.add_callback("on_train_epoch_start", lambda trainer: times.append(time.perf_counter()))
    net.add_callback("on_train_epoch_end", lambda trainer: times.append(time.perf_counter()))
    with tempfile.TemporaryDirectory() as folder:
        net.train(epochs=2, val=False, pretrained=False, **_quiet(ctx, folder))
    return {"epoch_ms": (times[3] - times[2]) * 1e3, "peak_mb": peak_mb()}


def semantic_loader(ctx: argparse.Namespace) -> Figures:
    """Samples of the default training pipeline at 640, mosaic on, one process."""
    from ultralytics.cfg import get_cfg
    from ultralytics.data import build_yolo_dataset
    from ultralytics.data.utils import check_det_dataset

    data = check_det_dataset(_yaml(ctx))
    cfg = get_cfg(overrides={"imgsz": LARGE, "task": "semantic", "mode": "train", "workers": 0})
    dataset = build_yolo_dataset(cfg, data["train"], BATCH, data, mode="train", stride=32)
    for i in range(8):
        dataset[i]
    count = 150
    start = time.perf_counter()
    for i in range(count):
        dataset[i % len(dataset)]
    wall = time.perf_counter() - start
    return {"images_per_s": count / wall, "peak_mb": peak_mb()}


SCENARIOS = [val_semantic, train_semantic, semantic_loader]

if __name__ == "__main__":
    main(SCENARIOS)
