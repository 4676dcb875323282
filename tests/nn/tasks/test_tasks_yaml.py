"""Names of model files, their scale letters and tasks."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from torch import nn

from ultralytics.errors import NotAvailable
from ultralytics.nn.tasks import guess_model_scale, guess_model_task, yaml_model_load
from ultralytics.nn.tasks.yaml import MODELS, find_model_yaml


@pytest.mark.parametrize(
    ("name", "letter"),
    [
        ("yolo11n.yaml", "n"),
        ("yolo26x-p2.yaml", "x"),
        ("yoloe-v8s-seg.yaml", "s"),
        ("yoloe-26x.pt", "x"),
        ("yolov8x-worldv2.pt", "x"),
        ("yolov9m.pt", "m"),
        ("yolov9c.pt", ""),
        ("yolov9e.pt", ""),
        ("yolov10b.pt", ""),
        ("rtdetr-l.pt", ""),
        ("yolo11.yaml", ""),
        ("yolo11-x.yaml", ""),
        ("best.pt", ""),
    ],
)
def test_scale_letter(name: str, letter: str) -> None:
    assert guess_model_scale(name) == letter


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("yolo11s.yaml", "yolo11.yaml"),
        ("yolo11.yaml", "yolo11.yaml"),
        ("yolo26m-p6.yaml", "yolo26-p6.yaml"),
        ("yolov8x-p2.yaml", "yolov8-p2.yaml"),
        ("yolov8n6.yaml", "yolov8-p6.yaml"),
        ("yolov5x6.yaml", "yolov5-p6.yaml"),
        ("yolov5nu.yaml", "yolov5.yaml"),
        ("yolov5s-p6u.yaml", "yolov5-p6.yaml"),
        ("yolov3u.yaml", "yolov3.yaml"),
        ("yolov3-sppu.yaml", "yolov3-spp.yaml"),
        ("yolov3-tinyu.yaml", "yolov3-tiny.yaml"),
        ("yolov6l.yaml", "yolov6.yaml"),
        ("yolov9s.yaml", "yolov9s.yaml"),
        ("yolov9e.yaml", "yolov9e.yaml"),
        ("yolov10n.yaml", "yolov10n.yaml"),
        ("yolov10b.yaml", "yolov10b.yaml"),
        ("yolo12x.yaml", "yolo12.yaml"),
        ("run1x/yolo11n.yaml", "yolo11.yaml"),
    ],
)
def test_packaged_file_behind_a_name(name: str, file: str) -> None:
    assert find_model_yaml(name).name == file


def test_a_file_on_disk_wins_and_folders_keep_their_letters(tmp_path: Path) -> None:
    folder = tmp_path / "run1x"
    folder.mkdir()
    own = folder / "yolo11.yaml"
    own.write_text("nc: 1\n")
    assert find_model_yaml(own) == own
    assert find_model_yaml(folder / "yolo11s.yaml") == own


def test_a_renamed_file_is_loaded_under_its_new_name(caplog: pytest.LogCaptureFixture) -> None:
    content = yaml_model_load("yolov5n6.yaml")
    assert content["yaml_file"] == "yolov5n-p6.yaml"
    assert content["scale"] == "n"
    assert caplog.text.count("yolov5n-p6.yaml") == 1


def test_missing_file_is_named_with_a_hint() -> None:
    with pytest.raises(FileNotFoundError, match=r"'yolo11q.yaml' does not exist; did you mean"):
        find_model_yaml("yolo11q.yaml")
    with pytest.raises(FileNotFoundError, match="must end in"):
        find_model_yaml("yolo11n.pt")


def test_the_letter_of_the_name_wins_over_the_file(tmp_path: Path) -> None:
    own = tmp_path / "mine.yaml"
    own.write_text("scale: l\n")
    assert yaml_model_load(own)["scale"] == "l"
    renamed = own.rename(tmp_path / "yolo11m.yaml")
    content = yaml_model_load(renamed)
    assert content["scale"] == "m"
    assert content["yaml_file"] == str(renamed)


@pytest.mark.parametrize(
    ("last", "task"),
    [
        ("Detect", "detect"),
        ("v10Detect", "detect"),
        ("WorldDetect", "detect"),
        ("SemanticSegment", "semantic"),
        ("Segment26", "segment"),
        ("Pose26", "pose"),
        ("OBB", "obb"),
        ("Classify", "classify"),
        ("Depth", "depth"),
        ("RTDETRDecoder", "detect"),
    ],
)
def test_task_of_an_architecture(last: str, task: str) -> None:
    assert guess_model_task({"head": [[-1, 1, last, []]]}) == task


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("yolo11n-seg.onnx", "segment"),
        ("yolo11n-semseg.onnx", "semantic"),
        ("yolo26n-sem.onnx", "semantic"),
        ("yolo11n-cls.onnx", "classify"),
        ("runs/pose/best.onnx", "pose"),
        ("runs/detect/best.onnx", "detect"),
    ],
)
def test_task_of_a_file_name(name: str, task: str) -> None:
    assert guess_model_task(name) == task


def test_a_name_that_says_nothing_counts_as_detect(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert guess_model_task("best.onnx") == "detect"
    assert "detect, segment" in caplog.text


def test_task_of_a_module_comes_from_its_arguments_first() -> None:
    model = nn.Module()
    model.args = {"task": "pose"}
    model.yaml = {"head": [[-1, 1, "Detect", []]]}
    assert guess_model_task(model) == "pose"
    model.args = {}
    assert guess_model_task(model) == "detect"


def test_names_of_packaged_files_are_unique() -> None:
    names = [path.name for path in MODELS.rglob("*.yaml")]
    assert len(names) == len(set(names)) >= 7


@pytest.mark.parametrize(
    ("name", "task"), [("yolo11n-depth.yaml", "depth"), ("yolov8n-depth.yaml", "depth")]
)
def test_files_of_other_tasks_are_refused_in_words(name: str, task: str) -> None:
    with pytest.raises(NotAvailable, match=f"task '{task}' is not part of this version"):
        find_model_yaml(name)
