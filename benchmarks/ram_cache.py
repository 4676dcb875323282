"""How many copies of the images a training with cache=ram holds in its processes.

    python benchmarks/ram_cache.py [--method fork|spawn|forkserver] [--workers 4] [--images 200] [--limit 1.25]

A loader is run over one pass with all images cached and with few of them; the difference in memory of this process and
its workers together, where a page in several processes counts once (PSS), is divided by the difference in cached bytes.
The exit status is 1 above `limit`. Linux only.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

SIDE = 640
FEW = 16
BATCH = 2


def pss_mb(pid: int) -> float:
    """Memory of a process, each page divided by the number of processes that map it."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no Pss of process {pid}")


def write_set(folder: Path, images: int) -> Path:
    """Links to one picture of noise, each with a label."""
    import cv2
    import numpy as np

    pixels, labels = folder / "images", folder / "labels"
    pixels.mkdir(parents=True)
    labels.mkdir()
    picture = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3), np.uint8)
    cv2.imwrite(str(pixels / "0.jpg"), cv2.GaussianBlur(picture, (0, 0), 5))
    for index in range(images):
        if index:
            os.link(pixels / "0.jpg", pixels / f"{index}.jpg")
        (labels / f"{index}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    return pixels


def memory_of_pass(pixels: Path, images: int, workers: int) -> tuple[float, float]:
    """MB of all processes and of the cache after a pass over so many images."""
    from ultralytics.cfg import get_cfg
    from ultralytics.data.build import InfiniteDataLoader, build_yolo_dataset

    cfg = get_cfg(overrides={"task": "detect", "imgsz": SIDE, "cache": "ram", "fraction": images})
    dataset: Any = build_yolo_dataset(
        cfg, str(pixels), BATCH, {"names": {0: "thing"}, "nc": 1, "channels": 3}
    )
    assert len(dataset) == images
    loader = InfiniteDataLoader(
        dataset, batch_size=BATCH, shuffle=True, num_workers=workers, collate_fn=dataset.collate_fn
    )
    assert sum(len(batch["img"]) for batch in loader) == images
    gc.collect()
    processes = [os.getpid(), *(worker.pid for worker in loader._stream._workers)]
    used, cached = sum(map(pss_mb, processes)), dataset._ram.nbytes / 2**20
    loader.close()
    return used, cached


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", choices=multiprocessing.get_all_start_methods())
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--limit", type=float, default=1.25)
    args = parser.parse_args()
    if args.method:
        multiprocessing.set_start_method(args.method)
    with tempfile.TemporaryDirectory() as folder:
        pixels = write_set(Path(folder), args.images)
        few, few_cached = memory_of_pass(pixels, FEW, args.workers)
        used, cached = memory_of_pass(pixels, args.images, args.workers)
    copies = (used - few) / (cached - few_cached)
    print(
        f"{args.method or 'default'}: {args.workers} workers, {few:.0f} MB with {few_cached:.0f} MB cached, "
        f"{used:.0f} MB with {cached:.0f} MB cached: {copies:.2f} copies"
    )
    return int(copies > args.limit)


if __name__ == "__main__":
    sys.exit(main())
