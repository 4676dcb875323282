"""The main job in one go, offline: train a detector on rendered scenes, validate it, predict, say where to look.

Run by `make demo`. Exits with 1 when the trained model is not good enough to be called working.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ultralytics import ASSETS, YOLO

GOOD_ENOUGH = 0.8  # mAP50 of a model that visibly works


def main() -> int:
    """Train, validate, predict."""
    model = YOLO("yolo11n.yaml")
    model.train(
        data="shapes.yaml",
        epochs=30,
        imgsz=160,
        batch=16,
        nbs=16,
        device="cpu",
        project=str(Path("runs/demo").resolve()),
        name="train",
        pretrained=False,
    )
    metrics = model.val(
        data="shapes.yaml", imgsz=160, project=str(Path("runs/demo").resolve()), name="val"
    )
    results = model.predict(
        ASSETS, imgsz=160, save=True, project=str(Path("runs/demo").resolve()), name="predict"
    )
    print(f"\nmAP50 {metrics.box.map50:.3f}, mAP50-95 {metrics.box.map:.3f}")
    print(f"training:    {model.trainer.save_dir}")
    print(f"validation:  {metrics.save_dir}")
    print(f"predictions: {results[0].save_dir}")
    if metrics.box.map50 < GOOD_ENOUGH:
        print(f"mAP50 is below {GOOD_ENOUGH}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
