"""Folders of classes: finding, splitting, naming and checking them."""

from __future__ import annotations

import logging
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from torchvision.datasets import ImageFolder

from tests.pictures import paint_classes, paint_splits
from ultralytics.data import description
from ultralytics.data.class_folders import PUBLISHED, check_cls_dataset, list_class_images
from ultralytics.data.fraction import choose_by_class
from ultralytics.data.problems import DescriptionValueError
from ultralytics.data.split import split_classify_dataset
from ultralytics.errors import ConfigValueError, DatasetError, DatasetNotFound, DownloadError


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data sets folder."""
    place = tmp_path / "datasets"
    place.mkdir()
    monkeypatch.setattr(description, "datasets_dir", lambda: place)
    return place


def _files(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


# ------------------------------------------------------------------------------------- what is found


def test_a_folder_with_splits(tmp_path: Path) -> None:
    root = paint_splits(tmp_path / "set")
    (root / "train" / ".hidden").mkdir()
    assert check_cls_dataset(root) == {
        "train": root / "train",
        "val": root / "val",
        "test": None,
        "nc": 2,
        "names": {0: "blue", 1: "red"},
        "channels": 3,
    }


@pytest.mark.parametrize("name", ["val", "validation", "valid"])
def test_names_of_the_validation_folder(name: str, tmp_path: Path) -> None:
    root = paint_splits(tmp_path / "set")
    (root / "val").rename(root / name)
    assert check_cls_dataset(root, split="val")["val"] == root / name


def test_val_and_test_stand_in_for_each_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = paint_splits(tmp_path / "set")
    assert check_cls_dataset(root, split="test")["test"] == root / "val"
    assert "There is no test split" in caplog.text
    (root / "val").rename(root / "test")
    assert check_cls_dataset(root, split="val")["val"] == root / "test"
    assert check_cls_dataset(root)["val"] is None
    (root / "test").rename(root / "other")
    with pytest.raises(DatasetNotFound, match="no val folder"):
        check_cls_dataset(root, split="val")


def test_a_name_is_looked_up_in_the_data_sets_folder(stored: Path) -> None:
    paint_splits(stored / "mine")
    assert check_cls_dataset("mine")["train"] == stored / "mine" / "train"


def test_an_archive_is_unpacked_and_kept(tmp_path: Path, stored: Path) -> None:
    root = paint_splits(tmp_path / "packed")
    archive = tmp_path / "packed.zip"
    with zipfile.ZipFile(archive, "w") as content:
        for name in _files(root):
            content.write(root / name, f"packed/{name}")
    assert check_cls_dataset(archive)["train"] == stored / "packed" / "train"
    assert archive.is_file()


# ---------------------------------------------------------------------------------- what is refused


def test_files_are_refused(tmp_path: Path, stored: Path) -> None:
    file = tmp_path / "data.yaml"
    file.write_text("names: [a]\n")
    for data in (file, "coco8.yaml"):
        with pytest.raises(DescriptionValueError, match="must be a folder"):
            check_cls_dataset(data)


def test_unknown_names_list_what_can_be_had(stored: Path) -> None:
    with pytest.raises(DatasetNotFound, match=r"did you mean 'imagenette'.*mnist"):
        check_cls_dataset("imagenete")


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_sets_need_the_network(
    name: str, stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def refuse(url: str, *args: object, **kwargs: object) -> None:
        asked.append(url)
        raise DownloadError(f"{url} cannot be fetched while offline")

    monkeypatch.setattr("ultralytics.utils.downloads.fetch.fetch", refuse)
    with pytest.raises(DownloadError, match="offline"):
        check_cls_dataset(name)
    assert asked[0].endswith(f"/v0.0.0/{name}.zip")


def test_imagenet_is_got_by_hand(stored: Path) -> None:
    with pytest.raises(DatasetNotFound, match="not downloaded automatically"):
        check_cls_dataset("imagenet")


def test_unknown_splits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DescriptionValueError, match="'minival'"):
        check_cls_dataset(paint_splits(tmp_path / "set"), split="minival")


def test_folders_without_images_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty" / "train" / "red").mkdir(parents=True)
    (tmp_path / "empty" / "train" / "red" / "notes.txt").write_text("no picture")
    with pytest.raises(DatasetNotFound, match="train split: images not found"):
        check_cls_dataset(tmp_path / "empty")
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DatasetNotFound, match="neither a train folder"):
        check_cls_dataset(tmp_path / "nothing")


def test_the_layout_of_other_tasks_is_not_split(painted: Path) -> None:
    before = _files(painted.parent)
    with pytest.raises(DatasetError, match=r"images.*do not look like classes"):
        check_cls_dataset(painted.parent)
    assert _files(painted.parent) == before


def test_classes_that_differ_between_splits_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = paint_splits(tmp_path / "set")
    (root / "val" / "red").rename(root / "val" / "rde")
    check_cls_dataset(root)
    errors = [r.message for r in caplog.records if r.levelno == logging.ERROR]
    assert errors == ["val split: classes rde do not occur in training"]
    assert "no folder for the classes red" in caplog.text


def test_names_of_a_converted_set(tmp_path: Path) -> None:
    root = paint_splits(tmp_path / "set")
    for split in ("train", "val"):
        (root / split / "red").rename(root / split / "000001")
        (root / split / "blue").rename(root / split / "000000")
    (root / ".ndjson.yaml").write_text("names: {0: sky, 1: sea}\n")
    assert check_cls_dataset(root)["names"] == {0: "sky", 1: "sea"}


# ---------------------------------------------------------------------------------------- splitting


def test_classes_without_splits_are_split_into_copies(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = paint_classes(tmp_path / "raw", {"red": 10, "blue": 5})
    before = _files(root)
    data = check_cls_dataset(root)
    made = tmp_path / "raw_split"
    assert (data["train"], data["val"], data["names"]) == (
        made / "train",
        made / "val",
        {0: "blue", 1: "red"},
    )
    assert "15 images of 2 classes are copied, split 80:20" in caplog.text
    assert _files(root) == before
    counts = Counter(tuple(name.split("/")[:2]) for name in _files(made))
    assert counts == {
        ("train", "red"): 8,
        ("val", "red"): 2,
        ("train", "blue"): 4,
        ("val", "blue"): 1,
    }
    again = {f: (made / f).stat().st_mtime_ns for f in _files(made)}
    assert check_cls_dataset(root) == data
    assert {f: (made / f).stat().st_mtime_ns for f in _files(made)} == again


def test_a_split_is_that_of_the_original(tmp_path: Path) -> None:
    """Recorded by running the original on seven files of a class and one in a folder below."""
    for name in [f"im{i}.jpg" for i in range(1, 8)] + ["sub/z.png"]:
        file = tmp_path / "src" / "a" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    made = split_classify_dataset(tmp_path / "src")
    assert _files(made / "val") == {"a/im7.jpg", "a/sub/z.png"}
    assert split_classify_dataset(tmp_path / "src", train_ratio=0.5) == made
    assert _files(made / "train") == {f"a/im{i}.jpg" for i in (2, 3, 5, 6)}
    assert _files(made / "val") == {f"a/im{i}.jpg" for i in (1, 4, 7)} | {"a/sub/z.png"}


def test_splits_that_make_no_sense(tmp_path: Path) -> None:
    with pytest.raises(ConfigValueError, match=r"train_ratio=1\.5"):
        split_classify_dataset(tmp_path, train_ratio=1.5)
    with pytest.raises(DatasetNotFound, match="no images"):
        split_classify_dataset(tmp_path)


# ------------------------------------------------------------------------------------ order and share


def test_order_is_that_of_torchvision(tmp_path: Path) -> None:
    for name in ("b/z.jpg", "b/a.JPG", "a/x/2.png", "a/10.png", "a/9.png", "B/q.bmp", "a/note.txt"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    (tmp_path / "b" / "._a.jpg").write_bytes(b"a leftover of macOS")
    theirs = ImageFolder(tmp_path, is_valid_file=lambda f: f.lower()[-3:] in ("jpg", "png", "bmp"))
    expected = [(f, i) for f, i in theirs.samples if "._" not in f]
    assert list_class_images(tmp_path) == (theirs.classes, expected)


def test_the_share_of_one_class_is_evenly_spaced() -> None:
    assert choose_by_class([0] * 10, 4).tolist() == [0, 3, 6, 9]


@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    part=st.floats(0.01, 1.0),
)
def test_shares_follow_the_classes(sizes: list[int], part: float) -> None:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    count = max(1, round(len(labels) * part))
    chosen = choose_by_class(labels, count)
    assert len(set(chosen.tolist())) == len(chosen) == count
    assert chosen.tolist() == sorted(chosen.tolist())
    got = np.bincount(labels[chosen], minlength=len(sizes))
    exact = np.array(sizes) * count / len(labels)
    if count >= len(sizes):
        assert got.min() >= 1
        assert (got[exact >= 1] <= np.ceil(exact[exact >= 1])).all()
    else:
        assert np.abs(got - exact).max() < 1
