"""Timed scenarios of classification, over the public API only.

Run under the Python of this package and under that of another one, as the scenarios of the project's comparison. Each
scenario returns figures whose keys end in `_ms` or `_mb` (lower is better) or `_per_s` (higher is better).
Usage: python classify.py NAME --data DIR [--threads N]   (prints one JSON object)
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from tools import Figures, main, peak_mb

IMGSZ, BATCH = 96, 16


def _folder(ctx: argparse.Namespace) -> Path:
    found: Path = ctx.data / "landcover-cls"
    if not found.is_dir():
        raise SystemExit(f"no data set {found}")
    return found


def _loader(ctx: argparse.Namespace, split: str, **settings: Any) -> Any:  # Any: a data loader
    from ultralytics.cfg import get_cfg
    from ultralytics.data import ClassificationDataset, build_dataloader

    folder = _folder(ctx)
    args = {"task": "classify", "imgsz": IMGSZ, "data": str(folder), "workers": 0, **settings}
    is_train = split == "train"
    dataset = ClassificationDataset(
        str(folder / split), get_cfg(overrides=args), augment=is_train, prefix=split
    )
    return build_dataloader(dataset, BATCH, 0, shuffle=is_train)


def _rate(loader: Any, passes: int) -> Figures:
    """Images per second of some passes over a loader, after one to warm up."""
    for _ in loader:
        pass
    start, count = time.perf_counter(), 0
    for _ in range(passes):
        for batch in loader:
            count += len(batch["img"])
    wall = time.perf_counter() - start
    return {"images_per_s": count / wall, "peak_mb": peak_mb()}


def train_loader(ctx: argparse.Namespace) -> Figures:
    """The default training pipeline (random crop, RandAugment, erasing), one process."""
    return _rate(_loader(ctx, "train"), 3)


def train_loader_jitter(ctx: argparse.Namespace) -> Figures:
    """The training pipeline with colour jitter in place of a policy."""
    return _rate(_loader(ctx, "train", auto_augment=None), 3)


def val_loader(ctx: argparse.Namespace) -> Figures:
    """The validation pipeline."""
    return _rate(_loader(ctx, "val"), 6)


def train_classify(ctx: argparse.Namespace) -> Figures:
    """One epoch of a small network."""
    from ultralytics import YOLO

    times: list[float] = []
    net = YOLO("yolo11n-cls.yaml")
    net.add_callback("on_train_epoch_start", lambda trainer: times.append(time.perf_counter()))
    net.add_callback("on_train_epoch_end", lambda trainer: times.append(time.perf_counter()))
    with tempfile.TemporaryDirectory() as out:
        net.train(
            data=str(_folder(ctx)),
            imgsz=IMGSZ,
            epochs=2,
            batch=BATCH,
            workers=0,
            device="cpu",
            plots=False,
            val=False,
            verbose=False,
            pretrained=False,
            project=out,
        )
    return {"epoch_ms": (times[3] - times[2]) * 1e3, "peak_mb": peak_mb()}


def val_classify(ctx: argparse.Namespace) -> Figures:
    """Validation of an untrained network."""
    from ultralytics import YOLO

    net = YOLO("yolo11n-cls.yaml")
    with tempfile.TemporaryDirectory() as out:

        def run() -> None:
            net.val(
                data=str(_folder(ctx)),
                imgsz=IMGSZ,
                batch=BATCH,
                workers=0,
                device="cpu",
                plots=False,
                verbose=False,
                project=out,
                name="r",
                exist_ok=True,
            )

        run()
        start = time.perf_counter()
        run()
        wall = time.perf_counter() - start
    return {"run_ms": wall * 1e3, "peak_mb": peak_mb()}


def predict_classify(ctx: argparse.Namespace) -> Figures:
    """Prediction of files, one by one."""
    from ultralytics import YOLO

    net = YOLO("yolo11n-cls.yaml")
    files = sorted(str(file) for file in (_folder(ctx) / "val").rglob("*.jpg"))
    options = {"imgsz": 224, "device": "cpu", "verbose": False}
    net.predict(files[:2], **options)
    start = time.perf_counter()
    for _ in net.predict(files, stream=True, **options):
        pass
    wall = time.perf_counter() - start
    return {"images_per_s": len(files) / wall, "peak_mb": peak_mb()}


SCENARIOS = [
    train_loader,
    train_loader_jitter,
    val_loader,
    train_classify,
    val_classify,
    predict_classify,
]


if __name__ == "__main__":
    main(SCENARIOS)
