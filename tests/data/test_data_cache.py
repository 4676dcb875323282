"""The cache container: round trip, damage, hostile files."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from ultralytics.data.cache import (
    cache_path,
    load_dataset_cache_file,
    pack,
    save_dataset_cache_file,
    unpack,
)
from ultralytics.errors import DatasetError

TREE = {
    "labels": [{"cls": np.ones((2, 1), np.float32), "shape": (3, 4), "keypoints": None}],
    "results": (1, 2, 3),
    "msgs": ["a", "\u00e9\udc80"],
    "flag": True,
    "x": 0.5,
}


def test_round_trip() -> None:
    tree, version = unpack(pack(TREE, "7"))
    assert version == "7"
    assert tree["results"] == (1, 2, 3)
    assert tree["msgs"] == TREE["msgs"]
    label = tree["labels"][0]
    assert (label["shape"], label["keypoints"], label["cls"].dtype) == ((3, 4), None, np.float32)


@pytest.mark.parametrize("value", [object(), {1, 2}, np.array([object()])])
def test_objects_are_refused(value: object) -> None:
    with pytest.raises(TypeError, match="cached"):
        pack({"x": value})


@pytest.mark.parametrize("damage", ["flip", "cut", "head", "empty"])
def test_damage_is_noticed(damage: str) -> None:
    data = bytearray(pack(TREE))
    if damage == "flip":
        data[len(data) // 2] ^= 1
    bad = {"flip": bytes(data), "cut": bytes(data[:-9]), "head": b"x" + bytes(data), "empty": b""}[
        damage
    ]
    with pytest.raises(DatasetError, match="cache"):
        unpack(bad)


def test_a_pickle_is_never_executed(tmp_path: Path) -> None:
    trap = tmp_path / "executed"
    for name, content in {
        "plain": pickle.dumps({"x": _hostile(trap)}),
        "after_our_line": b"YOLO-DATA-1 1.0.12 0\n" + pickle.dumps(_hostile(trap)),
    }.items():
        file = tmp_path / f"{name}.cache"
        file.write_bytes(content)
        with pytest.raises(DatasetError):
            load_dataset_cache_file(file)
    np.save(tmp_path / "object.npy", np.array({"x": 1}, dtype=object), allow_pickle=True)
    with pytest.raises(DatasetError):
        load_dataset_cache_file(tmp_path / "object.npy")
    assert not trap.exists()


def _hostile(trap: Path) -> object:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (trap,)

    return Trap()


def test_save_sets_the_version_and_load_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "x.cache"
    save_dataset_cache_file("", file, {"hash": "1"}, "9")
    assert load_dataset_cache_file(file) == {"hash": "1", "version": "9"}
    assert [p.name for p in tmp_path.iterdir()] == ["x.cache"]


def test_a_folder_that_is_not_there_only_warns(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save_dataset_cache_file("val: ", tmp_path / "no" / "x.cache", {})
    assert "not cached" in caplog.text


def test_where_the_cache_is() -> None:
    assert cache_path(["d/labels/train/a.txt", "d/labels/train/b.txt"]) == Path(
        "d/labels/train.cache"
    )
    assert cache_path(["d/labels/v1.2/a.txt"]) == Path("d/labels/v1.2.cache")
    spread = cache_path(["d/labels/a/1.txt", "d/labels/b/1.txt"])
    assert spread.parent == Path("d/labels")
    assert spread not in (
        Path("d/labels/a.cache"),
        cache_path(["d/labels/a/1.txt", "d/labels/c/1.txt"]),
    )
