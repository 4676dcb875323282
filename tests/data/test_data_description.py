"""Descriptions: where they are found, how their paths are resolved."""

import zipfile
from pathlib import Path
from typing import Any

import pytest

from ultralytics.data import description
from ultralytics.data.description import check_class_names, check_det_dataset, find_dataset_yaml
from ultralytics.data.utils import convert_ndjson_to_yolo_if_needed

TEXT = "train: images/train\nval: images/val\nnames: [a, b]\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder `set` with images, a working directory and a data sets folder beside it."""
    for name in ("set/images/train", "set/images/val", "work", "datasets"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(description, "datasets_dir", lambda: tmp_path / "datasets")
    return tmp_path


def write(folder: Path, text: str = TEXT, name: str = "set.yaml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_the_result(home: Path) -> None:
    file = write(home / "set", TEXT + "nc: '2'\nextra: 5\n")
    data = check_det_dataset(file)
    assert data["path"] == home / "set"
    assert data["train"] == str(home / "set/images/train")
    assert data["names"] == {0: "a", 1: "b"}
    assert (data["nc"], data["channels"], data["extra"]) == (2, 3, 5)
    assert data["yaml_file"] == str(file)


def test_forms_of_a_name(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(home / "set")
    expected = check_det_dataset(file)["val"]
    assert check_det_dataset(str(home / "set"))["val"] == expected
    monkeypatch.chdir(home / "set")
    assert check_det_dataset("set")["val"] == expected
    assert check_det_dataset("set.yaml")["val"] == expected


def test_an_archive(home: Path) -> None:
    write(home / "set", "path: /elsewhere\n" + TEXT)
    with zipfile.ZipFile(home / "packed.zip", "w") as archive:
        for path in sorted((home / "set").rglob("*")):
            archive.write(path, path.relative_to(home))
        archive.writestr("set/images/val/x.txt", "x")
    data = check_det_dataset(home / "packed.zip")
    assert data["path"] == home / "datasets" / "set"
    assert Path(data["val"]).is_dir()


@pytest.mark.parametrize(
    ("path", "at"),
    [
        ("sub", "work/sub"),
        ("sub", "datasets/sub"),
        ("sub", "set/sub"),
        ("../other", "other"),
        (".", "set"),
    ],
)
def test_a_relative_root(home: Path, path: str, at: str) -> None:
    for split in ("train", "val"):
        (home / at / "pictures" / split).mkdir(parents=True)
    file = write(
        home / "set", f"path: {path}\ntrain: pictures/train\nval: pictures/val\nnames: [a]\n"
    )
    assert check_det_dataset(file)["val"] == str(home / at / "pictures" / "val")


def test_the_working_directory_comes_before_the_data_sets_folder(home: Path) -> None:
    for at in ("work/sub/images/val", "datasets/sub/images/val"):
        (home / at).mkdir(parents=True)
    file = write(home / "set", "path: sub\n" + TEXT)
    assert check_det_dataset(file)["val"] == str(home / "work/sub/images/val")


def test_lists_and_leading_dots(home: Path) -> None:
    text = "train: [images/train, images/val]\nval: ../images/val\ntest:\nminival: images/train\nnames: [a]\n"
    data = check_det_dataset(write(home / "set", text))
    assert data["train"] == [str(home / "set/images/train"), str(home / "set/images/val")]
    assert data["val"] == str(home / "set/images/val")
    assert data["test"] is None
    assert data["minival"] == str(home / "set/images/train")


def test_names_from_the_number_of_classes(home: Path) -> None:
    data = check_det_dataset(write(home / "set", TEXT.replace("names: [a, b]", "nc: 3.0")))
    assert data["names"] == {0: "class_0", 1: "class_1", 2: "class_2"}


def test_validation_is_read_as_val(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = check_det_dataset(write(home / "set", TEXT.replace("val:", "validation:")))
    assert data["val"].endswith("images/val")
    assert "validation" in caplog.text


def test_all_missing_paths_are_named(home: Path) -> None:
    file = write(home / "set", "train: a\nval: [b, images/val]\ntest: c\nnames: [x]\n")
    with pytest.raises(
        FileNotFoundError,
        match=r"images not found, missing path \S+/set/b \(also missing: .*/a, .*/c",
    ):
        check_det_dataset(file)
    assert check_det_dataset(file, required=())["nc"] == 1
    with pytest.raises(FileNotFoundError, match=r"missing path \S+/a, "):
        check_det_dataset(file, required=("train", "val"))


def test_a_rendered_set(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def render(name: str) -> Path:
        root = home / "datasets" / name
        for split in ("train", "val"):
            (root / "images" / split).mkdir(parents=True, exist_ok=True)
        return root

    monkeypatch.setattr("ultralytics.data.samples.ensure_sample", render)
    file = write(home / "work", "path: shapes\ngenerator: shapes\n" + TEXT)
    assert check_det_dataset(file)["val"] == str(home / "datasets/shapes/images/val")


def test_a_download_is_fetched_and_looked_at_again(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []

    def fetch(url: str, **options: Any) -> None:
        calls.append((url, options["dir"]))
        (home / "datasets/far/images/val").mkdir(parents=True)

    monkeypatch.setattr("ultralytics.utils.downloads.safe_download", fetch)
    file = write(home / "set", "path: far\ndownload: https://host/far.zip\n" + TEXT)
    with pytest.raises(FileNotFoundError, match="images not found"):
        check_det_dataset(file, autodownload=False)
    assert calls == []
    assert check_det_dataset(file)["val"] == str(home / "datasets/far/images/val")
    assert calls == [("https://host/far.zip", home / "datasets")]


@pytest.mark.parametrize("script", ["bash rm -rf /", "|\n  import os\n  os.mkdir('executed')"])
def test_scripts_are_not_run(home: Path, script: str) -> None:
    file = write(home / "set", f"path: far\ndownload: {script}\n{TEXT}")
    with pytest.raises(FileNotFoundError, match="not run for safety"):
        check_det_dataset(file)
    assert not list((home / "work").iterdir())


def test_masks_beside_the_images(home: Path) -> None:
    (home / "set/masks").mkdir()
    assert check_det_dataset(write(home / "set"))["masks_dir"] == "masks"


def test_one_description_in_a_folder(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="no YAML file"):
        find_dataset_yaml(tmp_path)
    (tmp_path / "deep").mkdir()
    first = write(tmp_path / "deep", name="a.yml")
    assert find_dataset_yaml(tmp_path) == first
    second = write(tmp_path / "deep", name="b.yaml")
    assert find_dataset_yaml(tmp_path) == second
    third = write(tmp_path, name="c.yaml")
    assert find_dataset_yaml(tmp_path) == third
    write(tmp_path, name="d.yaml")
    with pytest.raises(FileNotFoundError, match="2 YAML files"):
        find_dataset_yaml(tmp_path)
    named = write(tmp_path, name=f"{tmp_path.name}.yaml")
    assert find_dataset_yaml(tmp_path) == named


def test_class_names() -> None:
    assert check_class_names([True, 1]) == {0: "True", 1: "1"}
    assert check_class_names({"0": "a", 1: "b"}) == {0: "a", 1: "b"}
    for bad in ({}, {0: "a", 2: "b"}, {1: "a"}, {"x": "a"}):
        with pytest.raises(KeyError):
            check_class_names(bad)


def test_later_formats(home: Path) -> None:
    assert convert_ndjson_to_yolo_if_needed("coco8.yaml") == "coco8.yaml"
    for value in ("x.ndjson", "https://host/x.ndjson?sig=1", "ul://user/datasets/x"):
        with pytest.raises(NotImplementedError, match="not available"):
            convert_ndjson_to_yolo_if_needed(value)
        with pytest.raises(NotImplementedError, match="not available"):
            check_det_dataset(value)
