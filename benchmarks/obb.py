"""Timed scenarios of rotated boxes, over the public API only.

Run under the Python of this package and under that of another one, as the scenarios of the project's comparison. Each
scenario returns figures whose keys end in `_ms` or `_mb` (lower is better).
Usage: python obb.py NAME --data DIR [--threads N]   (prints one JSON object)
"""

from __future__ import annotations

import argparse
import tempfile
import time

from tools import Figures, main, median_ms, peak_mb

CLASSES = 15
ANCHORS = 21504  # of a 1024 px input


def nms_rotated(ctx: argparse.Namespace) -> Figures:
    """Suppression of 300, 1500 and 4000 random rotated boxes in an image, and of 1500 as validation asks."""
    import torch

    from ultralytics.utils.nms import non_max_suppression

    g = torch.Generator().manual_seed(0)
    figures = {}
    for count in (300, 1500, 4000):
        boxes = torch.rand(2, 4, ANCHORS, generator=g) * 984 + 20
        boxes[:, 2:] = boxes[:, 2:] * 0.1 + 8
        scores = torch.zeros(2, CLASSES, ANCHORS)
        place = torch.randperm(ANCHORS, generator=g)[:count]
        label = torch.randint(0, CLASSES, (count,), generator=g)
        scores[:, label, place] = torch.rand(2, count, generator=g) * 0.7 + 0.26
        angle = torch.rand(2, 1, ANCHORS, generator=g) * 3.14 - 0.78
        pred = torch.cat([boxes, scores, angle], 1)

        def run(pred: torch.Tensor = pred, **settings: bool) -> object:
            return non_max_suppression(
                pred.clone(), 0.25, 0.7, nc=CLASSES, rotated=True, max_det=300, **settings
            )

        figures[f"c{count}_ms"] = median_ms(run, 5)
        if count == 1500:
            figures["c1500_all_ms"] = median_ms(lambda run=run: run(multi_label=True), 5)
    return figures


def train_obb(ctx: argparse.Namespace) -> Figures:
    """One epoch of a small network on real pictures of cell nuclei."""
    from ultralytics import YOLO

    yaml = str(next((ctx.data / "nuclei-obb").glob("*.yaml")))
    times: list[float] = []
    net = YOLO("yolo11n-obb.yaml")
    net.add_callback("on_train_epoch_start", lambda trainer: times.append(time.perf_counter()))
    net.add_callback("on_train_epoch_end", lambda trainer: times.append(time.perf_counter()))
    with tempfile.TemporaryDirectory() as out:
        net.train(
            data=yaml,
            imgsz=256,
            epochs=2,
            batch=16,
            workers=0,
            device="cpu",
            plots=False,
            val=False,
            verbose=False,
            pretrained=False,
            project=out,
        )
    return {"epoch_ms": (times[3] - times[2]) * 1e3, "peak_mb": peak_mb()}


def val_obb(ctx: argparse.Namespace) -> Figures:
    """Validation of an untrained network with `save_json`."""
    import torch

    from ultralytics import YOLO

    torch.manual_seed(0)
    net = YOLO("yolo11n-obb.yaml")
    yaml = str(next((ctx.data / "nuclei-obb").glob("*.yaml")))
    with tempfile.TemporaryDirectory() as out:

        def run() -> None:
            net.val(
                data=yaml,
                imgsz=256,
                batch=16,
                workers=0,
                device="cpu",
                plots=False,
                verbose=False,
                save_json=True,
                project=out,
                name="r",
                exist_ok=True,
            )

        run()
        start = time.perf_counter()
        run()
        wall = time.perf_counter() - start
    return {"run_ms": wall * 1e3, "peak_mb": peak_mb()}


SCENARIOS = [nms_rotated, train_obb, val_obb]


if __name__ == "__main__":
    main(SCENARIOS)
