"""The data set report."""

import json
import shutil
from pathlib import Path

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
