"""The one-piece pipeline of keypoints against the separate transforms."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from ultralytics.cfg import get_cfg
from ultralytics.data import build_dataloader, build_yolo_dataset
from ultralytics.data.augment.fast_keypoints import FastKeypointPipeline
from ultralytics.data.utils import check_det_dataset

SIDE = 96
FLIPS = "flip_idx: [1, 0, 2]\n"


@pytest.fixture(autouse=True)
def _without_optional_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rare blurs are not repeatable with the global generators."""
    monkeypatch.setattr("ultralytics.data.augment.albumentations.find_spec", lambda name: None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("points")
    rng = np.random.default_rng(2)
    for part in ("images", "labels"):
        (root / part).mkdir()
    for i, size in enumerate([(96, 96), (72, 96), (96, 64), (48, 96), (80, 96), (96, 90)]):
        pixels = rng.integers(0, 255, (*size, 3), dtype=np.uint8)
        cv2.imwrite(str(root / f"images/{i}.png"), pixels)
        lines = []
        for _ in range((4, 0, 2, 5, 3, 1)[i]):
            half = rng.uniform(0.1, 0.3, 2)
            middle = rng.uniform(half, 1 - half)
            points = np.c_[middle + rng.uniform(-1, 1, (3, 2)) * half, rng.integers(0, 3, 3)]
            values = [*middle, *(2 * half), *points.ravel()]
            lines.append("1 " + " ".join(f"{v:.5f}" for v in values))
        (root / f"labels/{i}.txt").write_text("\n".join(lines))
    return root


def dataset(folder: Path, extra: str = FLIPS, mode: str = "exact", **settings: Any) -> Any:
    file = folder / "set.yaml"
    file.write_text(f"train: images\nval: images\nnames: [a, b]\nkpt_shape: [3, 3]\n{extra}")
    args = get_cfg(overrides={"task": "pose", "imgsz": SIDE, **settings})
    data = check_det_dataset(file)
    made = build_yolo_dataset(args, data["train"], 2, data, mode="train")
    made.pixel_mode = mode
    made.cache = "ram"  # partners come from the whole set, whatever was loaded before
    return made


def both(made: Any, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The sample of the separate transforms and that of the pipeline, from the same draws."""
    samples = []
    for make in (
        lambda i: made.transforms(made.get_image_and_label(i)),
        FastKeypointPipeline(made, SIDE, made._built_hyp),
    ):
        random.seed(seed)
        np.random.seed(seed)
        sample = make(seed % 6)
        sample["after"] = random.random(), np.random.rand()
        samples.append(sample)
    return samples[0], samples[1]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="default"),
        pytest.param({"mosaic": 0.0}, id="single"),
        pytest.param({"degrees": 30.0, "shear": 5.0}, id="turned"),
        pytest.param({"flipud": 0.5, "translate": 0.4}, id="both-flips"),
    ],
)
def test_the_same_draws_give_the_same_sample(changes: dict[str, float], folder: Path) -> None:
    made = dataset(folder, **changes)
    hidden = shown = 0
    for seed in range(24):
        plain, fast = both(made, seed)
        assert fast["after"] == plain["after"]
        assert torch.equal(fast["cls"], plain["cls"])
        assert torch.equal(fast["keypoints"][..., 2], plain["keypoints"][..., 2])
        torch.testing.assert_close(fast["keypoints"], plain["keypoints"], rtol=0, atol=2e-5)
        torch.testing.assert_close(fast["bboxes"], plain["bboxes"], rtol=0, atol=2e-5)
        assert set(fast) == set(plain)
        hidden += int((fast["keypoints"][..., 2] == 0).sum())
        shown += int((fast["keypoints"][..., 2] > 0).sum())
    assert hidden > 20
    assert shown > 20


def test_without_a_mirror_order_nothing_is_mirrored(folder: Path) -> None:
    made = dataset(folder, extra="", fliplr=1.0, flipud=1.0)
    plain, fast = both(made, 3)
    torch.testing.assert_close(fast["keypoints"], plain["keypoints"], rtol=0, atol=2e-5)
    assert (fast["img"].float() - plain["img"].float()).abs().mean() < 3


def test_labels_of_the_set_stay_as_they_are(folder: Path) -> None:
    made = dataset(folder, mode="fast")
    before = made.store.keypoints.copy()
    for i in range(6):
        made[i]
    np.testing.assert_array_equal(made.store.keypoints, before)


def test_a_loader_uses_it(folder: Path) -> None:
    made = dataset(folder, mode="fast")
    batch = next(iter(build_dataloader(made, 6, 0, shuffle=False)))
    assert isinstance(made._fused, FastKeypointPipeline)
    assert batch["keypoints"].shape == (len(batch["cls"]), 3, 3)
    made = dataset(folder, mode="fast", mosaic=0.0)
    single = made[1]  # an image without objects
    assert single["keypoints"].shape == (0, 3, 3)
