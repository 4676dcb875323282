"""Inference sources that are missing, empty, damaged or of the wrong kind: a clear error, never a hang."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from ultralytics.data.loaders import LoadStreams
from ultralytics.data.sources.dispatch import load_inference_source
from ultralytics.errors import SourceError


def missing(folder: Path) -> object:
    return folder / "nothing.jpg"


def missing_in_list(folder: Path) -> object:
    return [folder / "good.png", folder / "nothing.png"]


def empty_folder(folder: Path) -> object:
    (folder / "empty").mkdir()
    return folder / "empty"


def folder_without_media(folder: Path) -> object:
    (folder / "docs").mkdir()
    (folder / "docs" / "a.md").write_text("text")
    return folder / "docs"


def pattern_without_match(folder: Path) -> object:
    return str(folder / "*.webp")


def text_as_image(folder: Path) -> Path:
    (folder / "text.jpg").write_text("this is no picture")
    return folder / "text.jpg"


def empty_image(folder: Path) -> object:
    (folder / "empty.png").touch()
    return folder / "empty.png"


def cut_png(folder: Path) -> object:
    whole = (folder / "good.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[:20])
    return folder / "cut.png"


def noise_as_video(folder: Path) -> object:
    (folder / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(5000))
    return folder / "noise.mp4"


def empty_video(folder: Path) -> object:
    (folder / "empty.avi").touch()
    return folder / "empty.avi"


def unknown_suffix(folder: Path) -> object:
    (folder / "file.xyz").write_text("?")
    return folder / "file.xyz"


def empty_list_file(folder: Path) -> object:
    (folder / "list.txt").write_text("\n\n")
    return folder / "list.txt"


def binary_list_file(folder: Path) -> object:
    (folder / "list.csv").write_bytes(b"\xff\xfe\x00\x81")
    return folder / "list.csv"


def list_file_with_missing_entry(folder: Path) -> object:
    (folder / "list.txt").write_text("good.png\nnothing.png")
    return folder / "list.txt"


def missing_list_file(folder: Path) -> object:
    return folder / "none.txt"


def empty_list(folder: Path) -> object:
    return []


def empty_text(folder: Path) -> object:
    return "  "


def damaged_list(folder: Path) -> object:
    noise_as_video(folder)
    return [text_as_image(folder), folder / "noise.mp4"]


def damaged_mixed_list(folder: Path) -> object:
    return [str(text_as_image(folder)), str(text_file_in_list(folder)[0])]


def text_file_in_list(folder: Path) -> list[str]:
    (folder / "a.md").write_text("text")
    return [str(folder / "a.md")]


UNUSABLE = [
    missing,
    missing_in_list,
    empty_folder,
    folder_without_media,
    pattern_without_match,
    text_as_image,
    empty_image,
    cut_png,
    noise_as_video,
    empty_video,
    unknown_suffix,
    empty_list_file,
    binary_list_file,
    list_file_with_missing_entry,
    missing_list_file,
    empty_list,
    empty_text,
    damaged_list,
    damaged_mixed_list,
    text_file_in_list,
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    cv2.imwrite(str(tmp_path / "good.png"), np.zeros((20, 30, 3), np.uint8))
    return tmp_path


@pytest.mark.parametrize("make", UNUSABLE, ids=lambda make: make.__name__)
def test_unusable_sources_are_source_errors(folder: Path, make: Callable[[Path], object]) -> None:
    source = make(folder)
    with pytest.raises(SourceError) as caught:
        list(load_inference_source(source))
    assert isinstance(caught.value, FileNotFoundError)
    assert len(str(caught.value)) > 10


@pytest.mark.parametrize("source", [None, True, 3.5, {"a": 1}, object(), [3], [None]])
def test_wrong_kinds_are_type_errors(source: object) -> None:
    with pytest.raises(TypeError):
        load_inference_source(source)


@pytest.mark.parametrize("shape", [(0, 5, 3), (5, 0, 3), (5,), (1, 2, 3, 4)])
def test_wrong_arrays_are_value_errors(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="without empty sides"):
        load_inference_source(np.zeros(shape, np.uint8))


def test_damaged_images_of_a_folder_are_skipped(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "a.png").write_bytes(b"\x89PNG not really")
    Image.new("RGB", (9, 9)).save(folder / "z.png")
    with caplog.at_level(logging.WARNING, logger="ultralytics"):
        batches = list(load_inference_source(folder, batch=2))
    assert [len(paths) for paths, _, _ in batches] == [2]
    assert "a.png cannot be read" in caplog.text


def test_a_damaged_video_after_good_images_is_skipped(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    noise_as_video(folder)
    with caplog.at_level(logging.WARNING, logger="ultralytics"):
        batches = list(load_inference_source(folder))
    assert [Path(paths[0]).name for paths, _, _ in batches] == ["good.png"]
    assert caplog.text.count("noise.mp4 cannot be opened") == 1


@pytest.mark.parametrize("others", ["files", "arrays"])
def test_a_damaged_entry_of_a_list_is_skipped(
    folder: Path, caplog: pytest.LogCaptureFixture, others: str
) -> None:
    good = folder / "good.png"
    listed = [good, text_as_image(folder), good if others == "files" else np.zeros((9, 9), "u1")]
    with caplog.at_level(logging.WARNING, logger="ultralytics"):
        batches = list(load_inference_source(listed))
    assert sum(len(paths) for paths, _, _ in batches) == 2
    assert caplog.text.count("text.jpg") >= 1
    assert "skipped" in caplog.text


@pytest.mark.parametrize("dtype", ["bool", "int32", "int64", "uint32"])
def test_arrays_of_other_numbers_are_refused(dtype: str) -> None:
    with pytest.raises(TypeError, match=f"not {dtype}"):
        load_inference_source(np.zeros((5, 6, 3), dtype))


@pytest.mark.parametrize("name", ["nothing.avi", "empty.avi"])
def test_streams_that_cannot_be_opened(folder: Path, name: str) -> None:
    (folder / "empty.avi").touch()
    with pytest.raises(ConnectionError):
        LoadStreams(str(folder / name))


def test_a_stream_list_without_streams(folder: Path) -> None:
    (folder / "none.streams").write_text(" \n")
    with pytest.raises(SourceError, match="lists no stream"):
        LoadStreams(str(folder / "none.streams"))
