"""Timed scenarios of segmentation training, over the public API only.

Run under the Python of this package and under that of another one, as the scenarios of the project's comparison. Each
scenario returns figures whose keys end in `_ms` or `_mb` (lower is better) or `_per_s` (higher is better).
Usage: python segment.py NAME --data DIR [--threads N]   (prints one JSON object)
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

from tools import Figures, main, peak_mb

LOADED = 150
STEPS = 3


def _dataset(ctx: argparse.Namespace, name: str, imgsz: int) -> Any:  # Any: of either package
    from ultralytics.cfg import get_cfg
    from ultralytics.data import build_yolo_dataset
    from ultralytics.data.utils import check_det_dataset

    data = check_det_dataset(str(next((ctx.data / name).glob("*.yaml"))))
    cfg = get_cfg(
        overrides={"imgsz": imgsz, "task": "segment", "mode": "train", "workers": 0, "nbs": 64}
    )
    return build_yolo_dataset(cfg, data["train"], 16, data, mode="train", rect=False, stride=32)


def train_loader_segment(ctx: argparse.Namespace) -> Figures:
    """Images per second out of the default training pipeline at 640 (mosaic on), one process."""
    dataset = _dataset(ctx, "nuclei-seg", 640)
    for i in range(8):
        dataset[i]
    start = time.perf_counter()
    for i in range(LOADED):
        dataset[i % len(dataset)]
    wall = time.perf_counter() - start
    return {
        "images_per_s": LOADED / wall,
        "ms_per_image_ms": wall / LOADED * 1e3,
        "peak_mb": peak_mb(),
    }


def _loss(ctx: argparse.Namespace, network: str) -> Figures:
    """Loss, and its way back to the outputs, of a crowded batch of 16 at 320 pixels."""
    import torch

    from ultralytics.cfg import get_cfg
    from ultralytics.nn.tasks import SegmentationModel

    dataset = _dataset(ctx, "nuclei-seg", 320)
    for i in range(8):
        dataset[i]
    batch = dataset.collate_fn([dataset[i] for i in range(16)])
    torch.manual_seed(0)
    model = SegmentationModel(network, nc=1, verbose=False)
    model.args = get_cfg(overrides={"task": "segment", "epochs": 100})
    criterion = model.init_criterion()
    with torch.no_grad():
        preds = model.train()(batch["img"].float() / 255)
    samples = []
    for _ in range(STEPS + 1):
        leaves = _leaves(preds)
        start = time.perf_counter()
        criterion(leaves, batch)[0].sum().backward()
        samples.append((time.perf_counter() - start) * 1e3)
    return {"loss_ms": statistics.median(samples[1:]), "peak_mb": peak_mb()}


def _leaves(value: Any) -> Any:  # Any: nested dictionaries of tensors
    """The same outputs as the start of a graph."""
    import torch

    if isinstance(value, torch.Tensor):
        return value.detach().requires_grad_()
    if isinstance(value, dict):
        return {key: _leaves(part) for key, part in value.items()}
    return type(value)(_leaves(part) for part in value)


def segment_loss(ctx: argparse.Namespace) -> Figures:
    """Loss of a network with one branch."""
    return _loss(ctx, "yolo11n-seg.yaml")


def segment_loss_26(ctx: argparse.Namespace) -> Figures:
    """Loss of a network with two branches, whose anchors are chosen by masks as well."""
    return _loss(ctx, "yolo26n-seg.yaml")


SCENARIOS = [train_loader_segment, segment_loss, segment_loss_26]


if __name__ == "__main__":
    main(SCENARIOS)
