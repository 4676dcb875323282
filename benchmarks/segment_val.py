"""Timed scenarios of segmentation masks and validation, over the public API only.

Run under the Python of this package and under that of another one, as the scenarios of the project's comparison. Each
scenario returns figures whose keys end in `_ms` or `_mb` (lower is better).
Usage: python segment_val.py NAME --data DIR [--threads N]   (prints one JSON object)
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Figures = dict[str, float]


def _median_ms(work: Callable[[], object], repeats: int) -> float:
    """Median wall time of a call in milliseconds, after one call to warm up."""
    work()
    samples = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        samples.append((time.perf_counter() - start) * 1e3)
    return statistics.median(samples)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


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
    return {"iou_ms": _median_ms(lambda: overlap(truth, found), 15)}


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
    return {"run_ms": wall * 1e3, "peak_mb": _peak_mb()}


SCENARIOS = [mask_iou, val_segment, val_segment_json]


def main() -> None:
    """Run the scenario that the command line names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=[scenario.__name__ for scenario in SCENARIOS])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=0)
    ctx = parser.parse_args()
    if ctx.threads:
        os.environ["OMP_NUM_THREADS"] = str(ctx.threads)
        import torch

        torch.set_num_threads(ctx.threads)
    figures = {scenario.__name__: scenario for scenario in SCENARIOS}[ctx.name](ctx)
    print("FIGURES " + json.dumps(figures))


if __name__ == "__main__":
    main()
