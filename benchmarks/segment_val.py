"""Timed scenarios of segmentation masks and validation, over the public API only.

Run under the Python of this package and under that of another one, as the scenarios of the project's comparison. Each
scenario returns figures whose keys end in `_ms` or `_mb` (lower is better).
Usage: python segment_val.py NAME --data DIR [--threads N]   (prints one JSON object)
"""

from __future__ import annotations

import argparse
import tempfile
import time
from typing import Any

from tools import Figures, main, median_ms, peak_mb


def mask_iou(ctx: argparse.Namespace) -> Figures:
    """Overlap of 300 predicted with 60 true masks of 160 x 160 pixels, drawn as ellipses."""
    import torch

    from ultralytics.utils.metrics import mask_iou as overlap

    g = torch.Generator().manual_seed(0)
    y, x = torch.meshgrid(torch.arange(160), torch.arange(160), indexing="ij")

    def ellipses(count: int) -> torch.Tensor:
        centre = torch.rand(count, 2, 1, 1, generator=g) * 160
        radius = torch.rand(count, 2, 1, 1, generator=g) * 20 + 4
        distance = ((x - centre[:, 0]) / radius[:, 0]) ** 2 + (
            (y - centre[:, 1]) / radius[:, 1]
        ) ** 2
        return (distance < 1).float().flatten(1)

    truth, found = ellipses(60), ellipses(300)
    return {"iou_ms": median_ms(lambda: overlap(truth, found), 15)}


def val_segment_json(ctx: argparse.Namespace) -> Figures:
    """Validation of an untrained segmentation network with `save_json`: 300 masks in every image."""
    return _validate(ctx, save_json=True)


def val_segment(ctx: argparse.Namespace) -> Figures:
    """Validation of an untrained segmentation network as it is."""
    return _validate(ctx)


def _find_one_class_everywhere(network: Any) -> None:
    """Let an untrained network report the first class at every anchor, so that there are masks to work on."""
    for name, bias in network.named_parameters():
        if name.endswith(".bias") and bias.shape == (80,):
            bias.data.fill_(-12.0)
            bias.data[0] = -2.0


def _validate(ctx: argparse.Namespace, **settings: bool) -> Figures:
    import torch

    from ultralytics import YOLO

    torch.manual_seed(0)
    net = YOLO("yolo11n-seg.yaml")
    _find_one_class_everywhere(net.model)
    yaml = str(next((ctx.data / "nuclei-seg").glob("*.yaml")))
    with tempfile.TemporaryDirectory() as out:
        start = time.perf_counter()
        net.val(
            data=yaml,
            imgsz=640,
            batch=16,
            workers=0,
            device="cpu",
            plots=False,
            verbose=False,
            project=out,
            name="r",
            exist_ok=True,
            **settings,
        )
        wall = time.perf_counter() - start
    return {"run_ms": wall * 1e3, "peak_mb": peak_mb()}


SCENARIOS = [mask_iou, val_segment, val_segment_json]


if __name__ == "__main__":
    main(SCENARIOS)
