"""Broken data sets: each fault gives one clear error or one line of the report that names the file."""

import pickle
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from ultralytics.cfg import get_cfg
from ultralytics.data import build_yolo_dataset
from ultralytics.data.report import check_dataset
from ultralytics.data.utils import check_det_dataset
from ultralytics.errors import UltralyticsError

Break = Callable[[Path], object]
GOOD = "0 .5 .5 .2 .2\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four images per split, each with one object of class 0."""
    for s, split in enumerate(("train", "val")):
        for kind in ("images", "labels"):
            (tmp_path / kind / split).mkdir(parents=True)
        for i in range(4):
            image = np.full((32, 48, 3), 40 * s + 10 * i, np.uint8)
            cv2.imwrite(str(tmp_path / "images" / split / f"{i}.jpg"), image)
            (tmp_path / "labels" / split / f"{i}.txt").write_text(GOOD)
    describe(tmp_path)
    return tmp_path


def describe(
    root: Path, text: str = "train: images/train\nval: images/val\nnames: [a, b]\n"
) -> None:
    (root / "d.yaml").write_text(text)


def label(text: str | bytes) -> Break:
    data = text.encode() if isinstance(text, str) else text
    return lambda root: (root / "labels/train/1.txt").write_bytes(data)


def image(data: bytes) -> Break:
    return lambda root: (root / "images/train/1.jpg").write_bytes(data)


def cut(root: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    data = cv2.imencode(".jpg", noise)[1].tobytes()
    (root / "images/train/1.jpg").write_bytes(data[: len(data) // 2])


def tiny(root: Path) -> None:
    cv2.imwrite(str(root / "images/train/1.jpg"), np.zeros((5, 5, 3), np.uint8))


def as_folder(root: Path) -> None:
    (root / "labels/train/1.txt").unlink()
    (root / "labels/train/1.txt").mkdir()


FAULTS = [
    pytest.param(
        label(GOOD + "7 .5 .5 .2 .2"),
        "1.txt:2",
        "class 7 is not in 0..1",
        "row dropped",
        id="class",
    ),
    pytest.param(
        label(GOOD + "0 .5 .5 .2"), "1.txt:2", "5 columns, 4 found", "row dropped", id="short row"
    ),
    pytest.param(label(GOOD + "0 50 50 20 20"), "1.txt:2", "normalize", "row dropped", id="pixels"),
    pytest.param(
        label(GOOD + "0 .5 .5 -.2 .2"), "1.txt:2", "negative", "row dropped", id="negative"
    ),
    pytest.param(
        label(GOOD + "0 nan .5 .2 .2"), "1.txt:2", "out of bounds", "row dropped", id="nan"
    ),
    pytest.param(
        label(GOOD + "cat .5 .5 .2 .2"), "1.txt:2", "'cat'", "row dropped", id="name as class"
    ),
    pytest.param(
        label(GOOD + "1.5 .5 .5 .2 .2"),
        "1.txt:2",
        "not a whole number",
        "row dropped",
        id="half class",
    ),
    pytest.param(
        label("0,.5,.5,.2,.2"), "1.txt", "5 columns, 1 found", "image dropped", id="commas"
    ),
    pytest.param(
        label("9 .5 .5 .2 .2"),
        "1.txt",
        "no usable row; line 1: class 9",
        "image dropped",
        id="no good row",
    ),
    pytest.param(
        label(GOOD + "0 .1 .1 .5 .1 .5 .5"), "1.txt", "mixed", "image dropped", id="mixed"
    ),
    pytest.param(
        label(b"\xff\xfe0\x00 \x00"), "1.txt", "utf-8", "image dropped", id="utf-16 label"
    ),
    pytest.param(
        label(GOOD * 3), "1.txt", "2 repeated rows", "repetitions dropped", id="duplicates"
    ),
    pytest.param(as_folder, "1.txt", "directory", "image dropped", id="label is a folder"),
    pytest.param(image(b""), "1.jpg", "not a readable image", "image dropped", id="empty image"),
    pytest.param(image(b"GIF89a" + b"\0" * 50), "1.jpg", "", "image dropped", id="gif as jpg"),
    pytest.param(
        image(b"<html>404</html>"), "1.jpg", "not a readable image", "image dropped", id="web page"
    ),
    pytest.param(cut, "1.jpg", "truncated", "image dropped", id="cut image"),
    pytest.param(tiny, "1.jpg", "5x5 pixels", "image dropped", id="tiny image"),
]


@pytest.mark.parametrize(("damage", "place", "text", "action"), FAULTS)
def test_one_line_of_the_report(
    root: Path, damage: Break, place: str, text: str, action: str
) -> None:
    damage(root)
    report = check_dataset(root / "d.yaml")
    assert report.bad == len(report.problems) == 1
    problem = report.problems[0]
    assert f"{problem.file}:{problem.line}".removesuffix(":0").endswith(place)
    assert text in problem.text
    assert problem.action == action
    assert str(problem) in report.text


@pytest.mark.parametrize(("damage", "place", "text", "action"), FAULTS)
def test_training_goes_on_with_the_rest(
    root: Path, damage: Break, place: str, text: str, action: str
) -> None:
    damage(root)
    data = check_det_dataset(root / "d.yaml")
    dataset = build_yolo_dataset(
        get_cfg(overrides={"task": "detect", "imgsz": 32}), data["train"], 2, data
    )
    assert len(dataset) == (3 if action == "image dropped" else 4)
    assert all(dataset[i]["img"].shape == (3, 32, 32) for i in range(len(dataset)))
    assert torch.isfinite(torch.from_numpy(dataset.store.block)).all()


YAMLS = [
    ("val: images/val\nnames: [a]", SyntaxError, "'train' is missing"),
    ("train: images/train\nnames: [a]", SyntaxError, "'val' is missing"),
    ("train: images/train\nval: images/val", SyntaxError, "'names' or 'nc' is required"),
    (
        "train: images/train\nval: images/val\nnc: many",
        SyntaxError,
        "'nc' must be a whole number, not 'many'",
    ),
    ("train: images/train\nval: images/val\nnc: 1.9", SyntaxError, "not 1.9"),
    ("train: images/train\nval: images/val\nnc:\nnames: [a]", SyntaxError, "not None"),
    ("train: images/train\nval: images/val\nnc: 3\nnames: [a, b]", SyntaxError, "2 names for nc=3"),
    (
        "train: images/train\nval: images/val\nnames: {1: a, 2: b}",
        KeyError,
        "ids 0 to 1, got 1 to 2",
    ),
    ("train: images/train\nval: images/val\nnames: []", KeyError, "at least one class"),
    (
        "train: images/train\nval: images/val\nnames: a, b",
        TypeError,
        "'names' must be list or tuple or dict",
    ),
    ("train: 5\nval: images/val\nnames: [a]", TypeError, "'train' must be str or list"),
    (
        "path: [x]\ntrain: images/train\nval: images/val\nnames: [a]",
        TypeError,
        "'path' must be str, not list",
    ),
    ("train: images/train\nval: images/nowhere\nnames: [a]", FileNotFoundError, "images/nowhere"),
    (
        "path: /no/such/place\ntrain: images/train\nval: images/val\nnames: [a]",
        FileNotFoundError,
        "/no/such/place",
    ),
    ("train: [images/train\nval: images/val", SyntaxError, "not valid YAML"),
    ("- a\n- b", SyntaxError, "d.yaml"),
    ("", SyntaxError, "'train' is missing"),
]


@pytest.mark.parametrize(("text", "kind", "message"), YAMLS)
def test_bad_descriptions(root: Path, text: str, kind: type[Exception], message: str) -> None:
    describe(root, text)
    with pytest.raises(kind, match=r"d\.yaml") as caught:
        check_det_dataset(root / "d.yaml")
    assert isinstance(caught.value, UltralyticsError)
    assert message in str(caught.value)


def test_a_name_that_does_not_exist() -> None:
    with pytest.raises(FileNotFoundError, match=r"'cocoo8\.yaml' not found; did you mean 'coco8'"):
        check_det_dataset("cocoo8.yaml")


def test_a_split_that_is_not_described(root: Path) -> None:
    with pytest.raises(FileNotFoundError, match="'test:' images not found"):
        check_det_dataset(root / "d.yaml", split="test")


def test_an_empty_training_folder(root: Path) -> None:
    for file in (root / "images/train").iterdir():
        file.unlink()
    data = check_det_dataset(root / "d.yaml")
    with pytest.raises(FileNotFoundError, match=r"no images found in \S+/images/train"):
        build_yolo_dataset(
            get_cfg(overrides={"task": "detect", "imgsz": 32}), data["train"], 2, data
        )


def test_a_hostile_label_cache_is_replaced_without_being_run(root: Path) -> None:
    trap = root / "executed"

    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (trap,)

    cache = root / "labels/train.cache"
    cache.write_bytes(pickle.dumps({"version": "1.0.12", "labels": Trap()}))
    assert check_dataset(root / "d.yaml").bad == 0
    assert not trap.exists()
    assert cache.read_bytes().startswith(b"YOLO-DATA-1")
