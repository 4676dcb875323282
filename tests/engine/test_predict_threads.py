"""One model used by many threads at once: every result is that of the serial run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from ultralytics import YOLO
from ultralytics.engine.results import Results

FIELDS = ("boxes", "masks", "keypoints", "obb", "probs", "semantic_mask")
NETWORKS = ("yolo11n", "yolo11n-seg", "yolo11n-pose", "yolo11n-obb", "yolo11n-cls", "yolo26n-sem")
SIZES = ((40, 60), (64, 64), (90, 33), (31, 120))
Job = dict[str, Any]  # Any: arguments of a prediction


def jobs(count: int, folder: Path) -> list[Job]:
    """Calls that differ in kind of source, size of picture, and settings."""
    rng = np.random.default_rng(0)
    made: list[Job] = []
    for index in range(count):
        picture = rng.integers(0, 255, (*SIZES[index % len(SIZES)], 3), np.uint8)
        file = folder / f"{index}.png"
        cv2.imwrite(str(file), picture)
        source = (picture, Image.fromarray(picture), file, picture[..., 0])[index % 4]
        settings = {"conf": (1e-6, 0.9)[index % 5 == 4], "max_det": 5 + index % 7}
        made.append({"source": source, "imgsz": (32, 64)[index % 3 == 2], **settings})
    return made


def fields_of(result: Results) -> dict[str, np.ndarray[Any, Any]]:
    parts = {name: getattr(result, name) for name in FIELDS}
    return {name: np.asarray(part.data) for name, part in parts.items() if part is not None}


def check(network: str, count: int, threads: int, folder: Path) -> None:
    """Compare `threads` threads, each with a call of every `threads`-th job, with one after the other."""
    torch.manual_seed(0)
    model = YOLO(f"{network}.yaml")
    work = jobs(count, folder)

    def run(job: Job) -> dict[str, np.ndarray[Any, Any]]:
        (result,) = model.predict(**job, device="cpu", verbose=False)
        return fields_of(result)

    found: list[dict[str, np.ndarray[Any, Any]] | None] = [None] * count
    together = threading.Barrier(threads)

    def some(first: int) -> None:
        together.wait()
        for index in range(first, count, threads):
            found[index] = run(work[index])

    in_threads([lambda first=first: some(first) for first in range(threads)])
    for got, job in zip(found, work, strict=True):
        expected = run(job)
        assert got is not None
        assert got.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_array_equal(got[name], values)
    assert sum(len(values) for got in found if got for values in got.values()) > count


def in_threads(calls: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("network", ["yolo11n", "yolo11n-seg"])
def test_a_few_threads(network: str, tmp_path: Path) -> None:
    check(network, 12, 4, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
def test_eight_threads_and_two_hundred_pictures(network: str, tmp_path: Path) -> None:
    check(network, 200, 8, tmp_path)


def test_settings_are_those_of_the_call_that_claimed_them() -> None:
    torch.manual_seed(0)
    model = YOLO("yolo11n.yaml")
    picture = np.full((32, 32, 3), 90, np.uint8)
    loose = {"imgsz": 32, "device": "cpu", "verbose": False, "conf": 1e-6}
    (before,) = model.predict(picture, **loose)
    model.predictor.claim()
    other = threading.Thread(
        target=lambda: model.predict(picture, imgsz=32, conf=0.99, verbose=False)
    )
    other.start()
    other.join()
    (found,) = model.predictor(source=picture)  # the run that was claimed before the other call
    assert len(found) == len(before) > 0
    (strict,) = model.predictor(source=picture)  # nothing is claimed any more
    assert len(strict) == 0
