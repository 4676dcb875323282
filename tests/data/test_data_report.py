"""The data set report."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.data.conftest import MakeSet, write_label
from tests.pictures import paint_classes, paint_splits
from ultralytics.data.report import check_dataset, shared_images
from ultralytics.errors import DatasetError


def vary(root: Path) -> None:
    """Make the images of val differ from those of train."""
    for file in (root / "images" / "val").iterdir():
        file.write_bytes(file.read_bytes() + file.name.encode())


def test_a_clean_set(make_set: MakeSet) -> None:
    file = make_set()
    vary(file.parent)
    report = check_dataset(file)
    assert (report.bad, report.problems, report.shared) == (0, [], [])
    one = report.splits["train"]
    assert (one.images, one.labeled, one.backgrounds, one.corrupt, one.objects) == (6, 4, 2, 0, 6)
    assert one.class_counts == [3, 3]
    assert report.text.endswith("no faults")


def test_faults_are_named_with_file_line_problem_and_action(
    make_set: MakeSet, tmp_path: Path
) -> None:
    file = make_set()
    vary(tmp_path)
    image = tmp_path / "images/train/im0.png"
    label = write_label(image, "0 .5 .5 .2 .2\n5 .5 .5 .2 .2\n")
    (tmp_path / "images/train/im3.png").write_bytes(b"")
    report = check_dataset(file, file=tmp_path / "report.jsonl")
    assert report.bad == 2
    records = [json.loads(line) for line in (tmp_path / "report.jsonl").read_text().splitlines()]
    assert records[0] == {
        "file": str(label),
        "line": 2,
        "problem": "class 5 is not in 0..1 (the data set has 2 names)",
        "action": "row dropped",
    }
    assert records[1]["file"].endswith("im3.png")
    assert f"{label}:2: class 5" in str(report)
    with pytest.raises(DatasetError, match="class 5"):
        check_dataset(file, strict=True)


def test_images_in_both_splits(make_set: MakeSet, tmp_path: Path) -> None:
    file = make_set()
    vary(tmp_path)
    shutil.copy(tmp_path / "images/train/im2.png", tmp_path / "images/val/other.png")
    report = check_dataset(file)
    assert [(Path(a).name, Path(b).name) for a, b in report.shared] == [("im2.png", "other.png")]
    assert "1 training images are also used" in report.text
    assert report.bad == 0


def test_the_same_list_for_both_splits(make_set: MakeSet, tmp_path: Path) -> None:
    files = [str(tmp_path / f"{i}") for i in range(2)]
    for name in files:
        Path(name).write_text(name)
    assert shared_images(files, files) == [(files[0], files[0]), (files[1], files[1])]


def test_a_split_that_is_not_there(make_set: MakeSet, tmp_path: Path) -> None:
    file = make_set()
    shutil.rmtree(tmp_path / "images/val")
    (tmp_path / "images/val").mkdir()
    shutil.rmtree(tmp_path / "images/train")
    report = check_dataset(file)
    assert [p.action for p in report.problems] == ["train split unusable", "val split unusable"]
    assert "does not exist" in report.problems[0].text


def test_missing_labels_and_repeated_images(make_set: MakeSet, tmp_path: Path) -> None:
    make_set()
    shutil.rmtree(tmp_path / "labels/val")
    listing = tmp_path / "train.txt"
    listing.write_text("./images/train/im1.png\n./images/train/im1.png\n")
    file = tmp_path / "set.yaml"
    file.write_text("train: train.txt\nval: images/val\nnames: [a, b, c]\n")
    report = check_dataset(file)
    assert [p.action for p in report.problems] == ["used as often", "val split has no objects"]
    assert "no object of a, c" in report.text


def test_a_task_without_polygons(make_set: MakeSet) -> None:
    report = check_dataset(make_set(), task="segment")
    assert [p.action for p in report.problems] == ["train split unusable", "val split unusable"]


def test_other_tasks() -> None:
    with pytest.raises(NotImplementedError, match="depth"):
        check_dataset("x", task="depth")


def test_folders_of_classes(tmp_path: Path) -> None:
    root = paint_splits(tmp_path / "set", train=3, val=2)
    (root / "train" / "red" / "bad.jpg").write_text("no picture")
    paint_classes(root / "val", {"green": 1})
    first = root / "train" / "blue" / "00.png"
    (root / "val" / "blue" / "same.png").write_bytes(first.read_bytes())
    report = check_dataset(root, task="classify")
    assert report.names == {0: "blue", 1: "red"}
    train, val = report.splits["train"], report.splits["val"]
    assert (train.images, train.corrupt, train.class_counts) == (7, 1, [3, 3])
    assert (val.images, val.corrupt, val.class_counts) == (6, 0, [3, 2])
    assert [(Path(p.file).name, p.action) for p in report.problems] == [
        ("bad.jpg", "image dropped"),
        ("green", "folder left out"),
    ]
    assert report.shared == [(str(first), str(root / "val" / "blue" / "same.png"))]
    assert "2 faults" in report.text


def painted_maps(root: Path) -> Path:
    """YAML of two images with class maps per split."""
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for kind in ("images", "masks"):
            (root / kind / split).mkdir(parents=True)
        for i in range(2):
            cv2.imwrite(
                str(root / f"images/{split}/{i}.png"), rng.integers(0, 255, (12, 16, 3), np.uint8)
            )
            ids = np.zeros((12, 16), np.uint8)
            ids[:4], ids[11] = 1, 255
            cv2.imwrite(str(root / f"masks/{split}/{i}.png"), ids)
    file = root / "maps.yaml"
    file.write_text(
        f"path: {root}\ntrain: images/train\nval: images/val\nmasks_dir: masks\nnames: [a, b, c]\n"
    )
    return file


def test_class_maps_are_counted_by_pixel(tmp_path: Path) -> None:
    report = check_dataset(painted_maps(tmp_path), task="semseg")
    assert report.bad == 0
    one = report.splits["train"]
    assert (one.images, one.labeled, one.corrupt, one.objects) == (2, 2, 0, 352)
    assert one.class_counts == [224, 128, 0]
    assert "352 pixels" in report.text
    assert "train: no pixel of c" in report.text


def test_faults_of_class_maps_are_named(tmp_path: Path) -> None:
    file = painted_maps(tmp_path)
    cv2.imwrite(str(tmp_path / "masks/train/0.png"), np.full((12, 16), 7, np.uint8))
    cv2.imwrite(str(tmp_path / "masks/val/0.png"), np.zeros((11, 16), np.uint8))
    (tmp_path / "masks/val/1.png").unlink()
    report = check_dataset(file, task="semantic")
    assert report.bad == 3
    found = {(Path(p.file).parent.name, Path(p.file).stem): p.text for p in report.problems}
    assert "value 7 (192 pixels)" in found["train", "0"]
    assert "11 x 16" in found["val", "0"]
    assert "does not exist" in found["val", "1"]
    assert (report.splits["train"].labeled, report.splits["val"].labeled) == (1, 0)


def test_maps_drawn_from_polygons_are_checked_as_label_files(make_set: MakeSet) -> None:
    file = make_set()
    vary(file.parent)
    report = check_dataset(file, task="semantic")
    assert any("0 polygons" in p.text for p in report.problems)
