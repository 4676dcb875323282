"""Paths, suffixes and digests."""

import hashlib
import os
from pathlib import Path

import pytest

from ultralytics.data.utils import (
    IMG_FORMATS,
    VID_FORMATS,
    get_hash,
    get_split_fraction,
    img2label_paths,
)


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("/a/images/b/images/c/x.y.jpg", "/a/images/b/labels/c/x.y.txt"),
        ("/a/img/x.jpg", "/a/img/x.txt"),
        ("images/x.jpg", "images/x.txt"),
        ("d/images/train/a.jpg", "d/labels/train/a.txt"),
    ],
)
def test_label_paths(image: str, label: str) -> None:
    assert img2label_paths([image]) == [label]


def test_label_paths_with_another_folder_and_suffix() -> None:
    assert img2label_paths(["/a/images/x.jpg"], "masks", ".png") == ["/a/masks/x.png"]


def test_suffix_sets() -> None:
    assert {"jpg", "png", "heic", "webp"} < IMG_FORMATS
    assert {"mp4", "gif", "ts"} < VID_FORMATS
    assert not IMG_FORMATS & VID_FORMATS
    assert (len(IMG_FORMATS), len(VID_FORMATS)) == (13, 12)


def test_hash_of_a_missing_file_is_that_of_its_name() -> None:
    assert get_hash(["/no/such/file"]) == hashlib.sha256(b"/no/such/file\0\0").hexdigest()


def test_hash_counts_size_and_time(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"123")
    os.utime(file, ns=(5, 7))
    expected = hashlib.sha256(os.fsencode(file) + b"\0" + b"3:7\0").hexdigest()
    assert get_hash([str(file)]) == expected


@pytest.mark.parametrize(
    ("fraction", "split", "share"),
    [
        (0.5, "train", 0.5),
        (0.5, "val", 1.0),
        (100, "train", 100),
        ([0.5, 0.2], "val", 0.2),
        ([0.5, 0.2], "test", 1.0),
        ([0.5, 0.2, 0], "test", 0.0),
        ([10, 1], "val", 1.0),
        ([0.5, 0.5, 0.5], "minival", 1.0),
        (1, "train", 1.0),
    ],
)
def test_split_fraction(fraction: object, split: str, share: float) -> None:
    found = get_split_fraction(fraction, split)  # type: ignore[arg-type]
    assert found == share
    assert type(found) is type(share)


@pytest.mark.parametrize(
    ("fraction", "error"),
    [
        (0, ValueError),
        ([0.5, 0], ValueError),
        (1.5, ValueError),
        (-3, ValueError),
        (True, TypeError),
        ("x", TypeError),
    ],
)
def test_bad_fractions(fraction: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="fraction="):
        get_split_fraction(fraction, "val" if isinstance(fraction, list) else "train")  # type: ignore[arg-type]
