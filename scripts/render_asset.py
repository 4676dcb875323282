"""Write ultralytics/assets/shapes.jpg, the picture used when no source is given, from the renderer of the samples."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ultralytics.data.scenes import CLASSES, render_scene

TARGET = Path(__file__).resolve().parents[1] / "ultralytics" / "assets" / "shapes.jpg"
SIZE_HW = (480, 640)


def main() -> None:
    """Take the first seed whose scene shows one of every class."""
    for seed in range(10_000):
        scene = render_scene(np.random.default_rng(seed), *SIZE_HW, count=len(CLASSES))
        if {shape.label for shape in scene.shapes} == set(range(len(CLASSES))):
            break
    done, data = cv2.imencode(".jpg", scene.image, [cv2.IMWRITE_JPEG_QUALITY, 82])
    if not done:
        raise SystemExit("OpenCV cannot write JPEG")
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_bytes(data.tobytes())
    print(f"{TARGET}: {len(data) / 1000:.0f} kB, seed {seed}")


if __name__ == "__main__":
    main()
