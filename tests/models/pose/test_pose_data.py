"""Keypoint labels: with and without flags, through every training step, against drawn pictures."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from tests.models.pose.conftest import COLOURS
from ultralytics.cfg import get_cfg
from ultralytics.data import build_dataloader, build_yolo_dataset, samples
from ultralytics.data.keypoints import check_keypoints, keypoint_names, keypoint_shape
from ultralytics.data.report import check_dataset
from ultralytics.data.utils import check_det_dataset
from ultralytics.errors import DatasetError

MakeSet = Callable[..., Path]
STILL = {
    "hsv_h": 0.0,
    "hsv_s": 0.0,
    "hsv_v": 0.0,
    "fliplr": 0.0,
    "mosaic": 0.0,
    "translate": 0.0,
    "scale": 0.0,
}


def dataset(file: Path, mode: str = "train", **settings: Any) -> Any:
    args = get_cfg(overrides={"task": "pose", "imgsz": 128, **STILL, **settings})
    data = check_det_dataset(file)
    return build_yolo_dataset(args, data[mode], 2, data, mode=mode)


# ---------------------------------------------------------------- labels


def write(folder: Path, rows: list[str], shape: str) -> Path:
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True)
    for i, row in enumerate(rows):
        cv2.imwrite(str(folder / f"images/{i}.png"), np.full((40, 60, 3), 90, np.uint8))
        (folder / f"labels/{i}.txt").write_text(row)
    file = folder / "set.yaml"
    file.write_text(f"train: images\nval: images\nnames: [a]\nkpt_shape: {shape}\n")
    return file


def test_flags_are_read(tmp_path: Path) -> None:
    file = write(tmp_path, ["0 .5 .5 .4 .4 .1 .2 2 .3 .4 1 0 0 0"], "[3, 3]")
    (label,) = dataset(file).labels
    want = [[[0.1, 0.2, 2], [0.3, 0.4, 1], [0, 0, 0]]]
    np.testing.assert_allclose(label["keypoints"], np.float32(want))


def test_without_flags_points_are_visible_unless_negative(tmp_path: Path) -> None:
    file = write(tmp_path, ["0 .5 .5 .4 .4 .1 .2 -.005 .3 0 0"], "[3, 2]")
    (label,) = dataset(file).labels
    want = [[[0.1, 0.2, 1], [-0.005, 0.3, 0], [0, 0, 1]]]
    np.testing.assert_allclose(label["keypoints"], np.float32(want))


def test_images_without_objects_join_a_batch(tmp_path: Path) -> None:
    file = write(
        tmp_path, ["0 .5 .5 .4 .4 .1 .2 2 .3 .4 1", "", "0 .4 .5 .4 .4 .1 .2 2 .3 .4 1"], "[2, 3]"
    )
    made = dataset(file, "val")
    batch = made.collate_fn([made[i] for i in (1, 0, 2)])
    assert batch["keypoints"].shape == (2, 2, 3)
    assert batch["batch_idx"].tolist() == [1, 2]
    nothing = made.collate_fn([made[1]])
    assert len(nothing["keypoints"]) == 0


@pytest.mark.parametrize(
    ("row", "words"),
    [("0 .5 .5 .4 .4 .1 .2 2", "columns"), ("0 .5 .5 .4 .4 1.2 .2 2 .3 .4 1", "1.2")],
)
def test_bad_rows_are_named(
    row: str, words: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = write(tmp_path, [row, "0 .5 .5 .4 .4 .1 .2 2 .3 .4 1"], "[2, 3]")
    made = dataset(file)
    assert words in caplog.text
    assert sum(len(label["cls"]) for label in made.labels) == 1


# ---------------------------------------------------------------- descriptions


def test_names_are_numbers_unless_given() -> None:
    data = {"kpt_shape": [2, 3], "names": {0: "a", 1: "b"}}
    assert keypoint_shape(data) == (2, 3)
    assert keypoint_names(data) == {0: ["0", "1"], 1: ["0", "1"]}
    assert keypoint_names({**data, "kpt_names": {0: ["x", "y"]}}) == {0: ["x", "y"]}


@pytest.mark.parametrize(
    "changes",
    [
        {"kpt_shape": [0, 3]},
        {"kpt_shape": [3]},
        {"kpt_shape": [2.5, 3]},
        {"kpt_names": ["x", "y"]},
        {"kpt_names": {0: ["x"]}},
        {"flip_idx": [0]},
        {"flip_idx": ["a", "b"]},
        {"kpt_oks_sigmas": "small"},
    ],
    ids=str,
)
def test_unusable_descriptions_are_refused(changes: dict[str, Any]) -> None:
    good = {"kpt_shape": [2, 3], "names": {0: "a"}, "flip_idx": [1, 0], "yaml_file": "my.yaml"}
    check_keypoints(good)
    with pytest.raises(ValueError, match=r"my\.yaml: ") as caught:
        check_keypoints({**good, **changes})
    assert isinstance(caught.value, DatasetError)


def test_a_check_of_the_set_finds_them_too(dotted: Path) -> None:
    assert check_dataset(dotted, task="pose").problems == []
    bad = dotted.with_name("unpaired.yaml")
    bad.write_text(dotted.read_text().replace("[0, 2, 1]", "[1, 2, 0]"))
    with pytest.raises(DatasetError, match="in pairs"):
        check_dataset(bad, task="pose")


# ---------------------------------------------------------------- augmentation against the picture


def purity(image: torch.Tensor, colour: int) -> np.ndarray[Any, Any]:
    """How much of a colour of the dots each pixel of an RGB picture shows, in [0, 1]."""
    rgb = image.float().numpy() / 255
    channel = int(np.argmax(COLOURS[colour][::-1]))
    others = [c for c in range(3) if c != channel]
    return np.clip((rgb[channel] - rgb[others].max(axis=0)) / 0.8, 0, 1)


def centre_of(image: torch.Tensor, colour: int) -> np.ndarray[Any, Any]:
    weight = purity(image, colour)
    rows, columns = (np.arange(n) + 0.5 for n in weight.shape)
    return np.array([(weight.sum(0) * columns).sum(), (weight.sum(1) * rows).sum()]) / weight.sum()


def check_sample(sample: dict[str, torch.Tensor], order: list[int]) -> int:
    """Every visible point lies on a dot of its colour, and dots in sight have a visible point."""
    image, points = sample["img"], sample["keypoints"].numpy()
    height, width = image.shape[1:]
    seen = 0
    for one in points:
        for k, (x, y, flag) in enumerate(one):
            spots = purity(image, order[k])
            if flag:
                column, row = min(int(x * width), width - 1), min(int(y * height), height - 1)
                around = spots[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
                assert around.max() > 0.5, (k, x, y)
                seen += 1
            else:
                assert min(x, y, 1 - x, 1 - y) == pytest.approx(0, abs=1e-6)
    return seen


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_mirrored_points_follow_the_picture(flip: float, dotted: Path) -> None:
    made = dataset(dotted, fliplr=flip)
    order = [0, 2, 1] if flip else [0, 1, 2]
    for i in range(len(made)):
        sample = made[i]
        size = np.array(sample["img"].shape[:0:-1])
        for k in range(3):
            place = sample["keypoints"][0, k, :2].numpy() * size
            assert np.abs(place - centre_of(sample["img"], order[k])).max() < 0.6


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"degrees": 30.0, "shear": 8.0, "translate": 0.3, "scale": 0.3}, id="affine"),
        pytest.param({"perspective": 0.0008}, id="perspective"),
        pytest.param({"mosaic": 1.0, "scale": 0.2}, id="mosaic"),
        pytest.param({"mosaic": 1.0, "mixup": 0.0, "degrees": 20.0}, id="mosaic-turned"),
    ],
)
def test_points_stay_on_their_dots(settings: dict[str, float], dotted: Path) -> None:
    made = dataset(dotted, **settings)
    random.seed(4)
    np.random.seed(4)
    seen = sum(check_sample(made[i % len(made)], [0, 1, 2]) for i in range(12))
    assert seen > 20


def test_points_that_leave_the_picture_are_hidden(dotted: Path) -> None:
    made = dataset(dotted, translate=0.45)
    random.seed(1)
    hidden = shown = 0
    for i in range(18):
        sample = made[i % len(made)]
        for one in sample["keypoints"].numpy():
            for k, (_, _, flag) in enumerate(one):
                spots = purity(sample["img"], k)
                inner = spots[4:-4, 4:-4]
                if flag == 0:
                    hidden += 1
                    assert (
                        inner.max() < 0.9 or spots.sum() < 50
                    )  # at most the rim of the dot is left
                else:
                    shown += 1
                    assert spots.max() > 0.9
    assert hidden > 4
    assert shown > 12


def test_a_set_without_mirror_order_is_never_mirrored(make_dotted: MakeSet) -> None:
    file = make_dotted()
    file.write_text(file.read_text().replace("flip_idx: [0, 2, 1]\n", ""))
    made = dataset(file, fliplr=1.0)
    for i in range(len(made)):
        assert check_sample(made[i], [0, 1, 2]) == 3


def test_batches_of_a_loader(dotted: Path) -> None:
    made = dataset(dotted, mosaic=1.0)
    batch = next(iter(build_dataloader(made, 4, 0, shuffle=False)))
    assert batch["keypoints"].shape == (len(batch["cls"]), 3, 3)
    assert batch["keypoints"].dtype == torch.float32
    assert batch["batch_idx"].unique().tolist() == [0, 1, 2, 3]


# ---------------------------------------------------------------- rendered scenes


def test_rendered_scenes_are_a_pose_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "SPLITS", {"train": 4, "val": 2})
    root = samples.ensure_sample("shapes-pose", tmp_path / "shapes-pose")
    file = tmp_path / "own.yaml"
    file.write_text(
        f"path: {root}\ntrain: images/train\nval: images/val\nnames: [a, b, c, d, e]\nkpt_shape: [5, 3]\n"
    )
    made = dataset(file)
    assert made.store.keypoints.shape[1:] == (5, 3)
    for label in made.labels:
        for box, points in zip(label["bboxes"], label["keypoints"], strict=True):
            shown = points[points[:, 2] > 0, :2]
            assert (np.abs(shown - box[:2]) <= box[2:] / 2 + 1e-5).all()
            if (points[:, 2] > 0).all():  # the four ends are the sides of the box
                ends = [points[4, 0], points[1, 1], points[2, 0], points[3, 1]]
                sides = [*(box[:2] - box[2:] / 2), *(box[:2] + box[2:] / 2)]
                np.testing.assert_allclose(ends, sides, atol=1e-5)
