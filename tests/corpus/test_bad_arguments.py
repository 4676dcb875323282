"""Broken command lines and argument files: each ends with one line that names the culprit, and starts nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from ultralytics.cfg.cli.commands import main
from ultralytics.utils.logging import LOGGER

# The words, and what the one line must mention.
LINES = [
    (["train", "data=shapes.yaml", "epochs=many"], ["epochs=many", "whole number"]),
    (["train", "data=shapes.yaml", "epochs=-1"], ["epochs=-1", "at least 1"]),
    (["train", "data=shapes.yaml", "epochs"], ["epochs=100"]),
    (["train", "data=shapes.yaml", "epochs="], ["'epochs='"]),
    (["=3", "train", "data=shapes.yaml"], ["'=3'"]),
    (["train", "data=shapes.yaml", "epoch=3"], ["'epoch'", "epochs=100"]),
    (["train", "data=shapes.yaml", "imgsz=[320", "640"], ["'imgsz=[320'", "brackets"]),
    (["train", "data=shapes.yaml", "imgsz=wide"], ["imgsz=wide"]),
    (["train", "data=shapes.yaml", "lr0=nan"], ["lr0=nan"]),
    (["train", "data=shapes.yaml", "lr0=1e999"], ["lr0=inf"]),
    (["train", "data=shapes.yaml", "mosaic=2"], ["mosaic=2", "between 0 and 1"]),
    (["train", "data=shapes.yaml", "optimizer=SDG"], ["optimizer=SDG", "SGD"]),
    (["train", "data=shapes.yaml", "amp=None"], ["'amp' needs a value"]),
    (["train", "data=shapes.yaml", "workers=2.5"], ["workers=2.5"]),
    (["train", "data=shapes.yaml", "cos_lr=maybe"], ["cos_lr=maybe", "true or false"]),
    (["train", "data=shapes.yaml", "fraction=[0,", "1]"], ["fraction"]),
    (["train", "data=shapes.yaml", "freeze=head"], ["freeze=head"]),
    (["train", "data=shapes.yaml", "--task", "detection"], ["detection", "detect"]),
    (["train", "data=7"], ["data=7"]),
    (["train"], ["data=shapes.yaml"]),
    (["train", "shapes.yaml"], ["data=shapes.yaml"]),
    (["predict", "photo.jpg", "model=a.pt"], ["source=photo.jpg"]),
    (["Train", "data=shapes.yaml"], ["'Train'", "train"]),
    (["mode=fit", "data=shapes.yaml"], ["mode=fit"]),
    (["data=shapes.yaml"], ["mode"]),
    (["val", "model=a.pt", "iou=1.7"], ["iou=1.7"]),
    (["export", "model=a.pt", "format=onxx"], ["format=onxx", "onnx"]),
    (["export", "model=a.pt", "quantize=7"], ["quantize=7", "int8"]),
    (["predict", "model=a.pt", "source=a", "end2end=1"], ["end2end=1"]),
    (["train", "cfg=nowhere.yaml"], ["cfg=nowhere.yaml"]),
    (["settings", "colour=red"], ["colour"]),
    (["check", "data="], ["'data='"]),
]

# Content of an argument file given as cfg=, and what the one line must mention.
FILES = [
    ("epochs: [1, 2", ["bad.yaml", "not valid YAML"]),
    ("- epochs\n- 3\n", ["bad.yaml", "mapping"]),
    ("epochz: 3\n", ["epochz", "epochs=100"]),
    ("epochs: three\n", ["epochs=three"]),
    ("amp:\n", ["'amp' needs a value"]),
    ("scale: [1, 2, 3]\n", ["scale"]),
    ("seed: true\n", ["seed=True"]),
    ("\x00\x01epochs: x\n", ["epochs=x"]),
]


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("YOLO_DEBUG", raising=False)
    monkeypatch.setenv("YOLO_CONFIG_DIR", str(tmp_path / "home"))
    handlers, level, propagate = list(LOGGER.handlers), LOGGER.level, LOGGER.propagate
    LOGGER.handlers = [logging.NullHandler()]
    yield
    LOGGER.handlers, LOGGER.propagate = handlers, propagate
    LOGGER.setLevel(level)


def assert_one_line(
    words: list[str], mentioned: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    assert len(lines[0]) < 500
    assert all(text in lines[0] for text in mentioned), lines[0]


@pytest.mark.parametrize(("words", "mentioned"), LINES, ids=lambda v: " ".join(v)[:60])
def test_broken_line(
    words: list[str], mentioned: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert_one_line(words, mentioned, capsys)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("content", "mentioned"), FILES, ids=lambda v: repr(v)[:40])
def test_broken_file(
    content: str, mentioned: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "bad.yaml").write_text(content, encoding="utf-8")
    assert_one_line(["train", "data=shapes.yaml", "cfg=bad.yaml"], mentioned, capsys)
