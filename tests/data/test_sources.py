"""Every kind of inference source and the loader it gets."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from ultralytics.data.loaders import (
    LOADERS,
    LoadImagesAndVideos,
    LoadPilAndNumpy,
    LoadScreenshots,
    LoadStreams,
    LoadTensor,
    SourceTypes,
    autocast_list,
    get_best_youtube_url,
)
from ultralytics.data.sources.dispatch import check_source, load_inference_source
from ultralytics.data.sources.screen import parse_screen
from ultralytics.errors import MissingExtra, SourceError

FRAMES = 7


def write_image(path: Path, value: int = 50, size: tuple[int, int] = (40, 60)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((*size, 3), value, np.uint8))
    return path


def write_video(path: Path, frames: int = FRAMES, fps: float = 29.97) -> Path:
    """A video whose frame k has brightness 30 k."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (64, 48))
    for index in range(1, frames + 1):
        writer.write(np.full((48, 64, 3), 30 * index, np.uint8))
    writer.release()
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.png", "a.png", "c.bmp"):
        write_image(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not an image")
    write_image(tmp_path / "below" / "d.png")
    write_video(tmp_path / "clip.avi")
    return tmp_path


def names_of(loader: Any) -> list[str]:
    return [Path(path).name for paths, _, _ in loader for path in paths]


def test_a_folder_lists_its_own_level_images_first(folder: Path) -> None:
    loader = load_inference_source(folder, batch=2)
    assert isinstance(loader, LoadImagesAndVideos)
    assert [Path(f).name for f in loader.files] == ["a.png", "b.png", "c.bmp", "clip.avi"]
    assert (loader.nf, loader.ni, loader.video_flag) == (4, 3, [False] * 3 + [True])
    assert len(loader) == 2
    sizes = [len(paths) for paths, _, _ in loader]
    assert sizes == [2, 1, 2, 2, 2, 1]  # images and frames never share a batch


def test_console_prefixes(folder: Path) -> None:
    infos = [info for _, _, batch in load_inference_source(str(folder)) for info in batch]
    assert infos[0] == f"image 1/4 {folder / 'a.png'}: "
    assert infos[4] == f"video 4/4 (frame 2/7) {folder / 'clip.avi'}: "


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.png", ["a.png", "b.png"]),
        ("[ab].*", ["a.png", "b.png"]),
        ("?.bmp", ["c.bmp"]),
        ("**/*.png", ["a.png", "b.png", "d.png"]),
    ],
)
def test_patterns(folder: Path, pattern: str, expected: list[str]) -> None:
    assert sorted(names_of(load_inference_source(str(folder / pattern)))) == expected


def test_a_literal_path_is_never_a_pattern(tmp_path: Path) -> None:
    write_image(tmp_path / "a[1].png")
    write_image(tmp_path / "a1.png")
    write_image(tmp_path / "x*.png")
    write_image(tmp_path / "xy.png")
    write_image(tmp_path / "d[1]" / "in.png")
    assert names_of(load_inference_source(tmp_path / "a[1].png")) == ["a[1].png"]
    assert names_of(load_inference_source(tmp_path / "x*.png")) == ["x*.png"]
    assert names_of(load_inference_source(tmp_path / "d[1]")) == ["in.png"]


@pytest.mark.parametrize(
    ("stride", "values"),
    [(1, [30, 60, 90, 120, 150, 180, 210]), (2, [60, 120, 180]), (3, [90, 180])],
)
def test_a_stride_keeps_the_last_frame_of_each_group(
    tmp_path: Path, stride: int, values: list[int]
) -> None:
    loader = LoadImagesAndVideos(write_video(tmp_path / "v.avi"), vid_stride=stride)
    frames = [images[0] for _, images, _ in loader]
    assert [round(float(frame.mean()) / 30) * 30 for frame in frames] == values
    assert loader.frames == len(values)
    assert loader.mode == "video"
    assert loader.fps == pytest.approx(29.97, abs=0.01)


def test_a_loader_starts_again(folder: Path) -> None:
    loader = load_inference_source(folder / "clip.avi", batch=3)
    assert next(loader)[0]  # without iter() first
    assert sum(len(paths) for paths, _, _ in loader) == FRAMES
    assert sum(len(paths) for paths, _, _ in loader) == FRAMES
    loader.close()


def test_large_batches_keep_their_order(tmp_path: Path) -> None:
    for index in range(20):
        write_image(tmp_path / f"{index:02d}.png", value=index * 10)
    batches = list(LoadImagesAndVideos(tmp_path, batch=8))
    assert [len(paths) for paths, _, _ in batches] == [8, 8, 4]
    assert [int(im[0, 0, 0]) for _, images, _ in batches for im in images] == list(
        range(0, 200, 10)
    )


@pytest.mark.parametrize("suffix", [".txt", ".csv"])
def test_list_files(folder: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = folder / f"list{suffix}"
    entries = ["source", "b.png", "", "  a.png "] if suffix == ".csv" else ["b.png", "", "  a.png "]
    file.write_text("\ufeff" + "\n".join(entries), encoding="utf-8")
    monkeypatch.chdir("/")  # entries are found beside the file
    assert names_of(load_inference_source(file)) == ["a.png", "b.png"]


def test_lists_of_files_stream_in_their_order(folder: Path) -> None:
    listed = [folder / "c.bmp", str(folder / "a.png"), folder / "b.png", folder / "a.png"]
    loader = load_inference_source(listed, batch=2)
    assert isinstance(loader, LoadImagesAndVideos)
    assert names_of(loader) == ["c.bmp", "a.png", "b.png", "a.png"]
    assert loader.one_shape is True
    write_image(folder / "a.png", size=(10, 10))
    assert load_inference_source(listed).one_shape is False
    assert load_inference_source(folder).one_shape is None


def test_mixed_lists_become_one_batch(folder: Path) -> None:
    picture = Image.new("RGB", (8, 6), (255, 0, 0))
    loader = load_inference_source([folder / "a.png", picture, np.zeros((5, 7, 3), np.uint8)])
    assert isinstance(loader, LoadPilAndNumpy)
    ((paths, images, infos),) = list(loader)
    assert [Path(p).name for p in paths] == ["a.png", "image1.jpg", "image2.jpg"]
    assert [im.shape for im in images] == [(40, 60, 3), (6, 8, 3), (5, 7, 3)]
    assert images[1][0, 0].tolist() == [0, 0, 255]
    assert infos == ["", "", ""]


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (30, 20)).save(tmp_path / "turned.jpg", exif=exif)
    (_, images, _) = next(load_inference_source(tmp_path / "turned.jpg"))
    assert images[0].shape == (30, 20, 3)
    assert next(LoadPilAndNumpy(autocast_list([tmp_path / "turned.jpg"])))[1][0].shape == (
        30,
        20,
        3,
    )
    listed = load_inference_source(
        [tmp_path / "turned.jpg", write_image(tmp_path / "b.png", size=(30, 20))]
    )
    assert listed.one_shape


@pytest.mark.parametrize(
    ("array", "channels", "shape"),
    [
        (np.zeros((4, 5), np.uint8), 3, (4, 5, 3)),
        (np.zeros((4, 5, 1), np.uint8), 3, (4, 5, 3)),
        (np.zeros((4, 5, 2), np.uint8), 3, (4, 5, 3)),
        (np.zeros((4, 5, 4), np.uint8), 3, (4, 5, 3)),
        (np.zeros((4, 5, 3), np.uint8), 1, (4, 5, 1)),
        (np.zeros((4, 5, 2), np.uint8), 1, (4, 5, 1)),
        (np.zeros((4, 5, 3), np.float64), 1, (4, 5, 1)),
        (np.zeros((4, 5, 7), np.uint8), 7, (4, 5, 7)),
    ],
)
def test_channels_of_arrays(
    array: np.ndarray[Any, Any], channels: int, shape: tuple[int, ...]
) -> None:
    _, images, _ = next(LoadPilAndNumpy(array, channels))
    assert images[0].shape == shape
    assert images[0].flags.c_contiguous


def test_sixteen_bits_keep_their_high_byte() -> None:
    array = np.full((4, 5, 3), 0x1234, np.uint16)
    assert next(LoadPilAndNumpy(array))[1][0][0, 0].tolist() == [0x12] * 3
    pil = Image.fromarray(np.full((4, 5), 0x1234, np.uint16))
    assert next(LoadPilAndNumpy(pil))[1][0][0, 0].tolist() == [0x12] * 3


def test_tensors() -> None:
    loader = load_inference_source(torch.rand(2, 3, 64, 32))
    assert isinstance(loader, LoadTensor)
    assert loader.source_type == SourceTypes(tensor=True)
    paths, images, infos = next(iter(loader))
    assert paths == ["image0.jpg", "image1.jpg"]
    assert images.shape == (2, 3, 64, 32)
    assert len(infos) == 2
    assert LoadTensor(torch.rand(3, 32, 32)).im0.shape == (1, 3, 32, 32)
    assert LoadTensor(torch.full((1, 3, 32, 32), 255, dtype=torch.uint8)).im0.max() == 1


@pytest.mark.parametrize("shape", [(2, 3, 64), (1, 3, 33, 64), (32, 32), (0, 3, 32, 32)])
def test_tensors_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"tensor source|multiples of 32"):
        LoadTensor(torch.zeros(shape))


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        (0, "stream"),
        ("3", "stream"),
        ("rtsp://host/a.mp4", "stream"),
        ("tcp://host:1", "stream"),
        ("cams.streams", "stream"),
        ("screen", "screenshot"),
        ("screen 1 0 0 10 10", "screenshot"),
        ("a.jpg", None),
        (Image.new("L", (4, 4)), "from_img"),
        (np.zeros((4, 4, 3)), "from_img"),
        (torch.zeros(1, 3, 32, 32), "tensor"),
    ],
)
def test_kinds_of_source(source: object, kind: str | None) -> None:
    checked = check_source(source)
    kinds = ("stream", "screenshot", "from_img", "in_memory", "tensor")
    assert [name for name in kinds if getattr(checked, name)] == ([kind] if kind else [])


def test_a_loader_is_used_as_it_is(folder: Path) -> None:
    loader = LoadImagesAndVideos(folder)
    assert load_inference_source(loader) is loader
    assert isinstance(loader, LOADERS)


# ---- streams ---------------------------------------------------------------------------------------------------------


def test_a_buffered_stream_gives_every_frame(tmp_path: Path) -> None:
    file = write_video(tmp_path / "v.avi")
    stream = LoadStreams(str(file), buffer=True)
    assert (stream.bs, stream.mode, stream.frames) == (1, "stream", [FRAMES])
    steps = list(stream)
    stream.close()
    assert len(steps) == FRAMES
    paths, images, infos = steps[-1]
    assert paths == [str(file).replace("/", "_")]
    assert images[0].mean() == pytest.approx(210, abs=2)
    assert infos == [""]
    assert stream.timestamps[0] <= time.time()
    assert not any(thread.is_alive() for thread in stream.threads)


def test_only_the_finished_stream_ends(tmp_path: Path) -> None:
    short, long = write_video(tmp_path / "s.avi", 3), write_video(tmp_path / "l.avi", 6)
    listing = tmp_path / "cams.streams"
    listing.write_text(f"{short}\n{long}")
    stream = LoadStreams(str(listing), buffer=True)
    slots = []
    for paths, images, infos in stream:
        assert len(paths) == len(images) == len(infos) == len(stream.slots)
        slots.append(list(stream.slots))
    stream.close()
    assert slots == [[0, 1]] * 3 + [[1]] * 3


def test_an_unbuffered_stream_may_skip_frames_but_ends(tmp_path: Path) -> None:
    stream = LoadStreams(str(write_video(tmp_path / "v.avi", fps=100)))
    count = sum(1 for _ in stream)
    stream.close()
    assert 1 <= count <= FRAMES


def test_a_stream_stride(tmp_path: Path) -> None:
    stream = LoadStreams(str(write_video(tmp_path / "v.avi")), vid_stride=3, buffer=True)
    values = [round(float(images[0].mean()) / 30) for _, images, _ in stream]
    stream.close()
    assert values == [1, 3, 6]


# ---- web addresses ---------------------------------------------------------------------------------------------------


@pytest.fixture
def server(folder: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        extensions_map = {".png": "image/png", "": "text/plain", ".webpicture": "image/png"}

        def log_message(self, format: str, *args: object) -> None: ...

    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(folder))
    ) as it:
        thread = threading.Thread(target=it.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{it.server_address[1]}"
        it.shutdown()
        thread.join()


def test_a_media_address_is_downloaded_once(
    server: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path_factory.mktemp("work")
    monkeypatch.chdir(here)
    assert names_of(load_inference_source(f"{server}/a.png?token=1")) == ["a.png"]
    assert (here / "a.png").is_file()
    stamp = (here / "a.png").stat().st_mtime_ns
    load_inference_source(f"{server}/a.png")
    assert (here / "a.png").stat().st_mtime_ns == stamp


def test_an_address_that_answers_with_an_image(server: str, folder: Path) -> None:
    (folder / "a.png").rename(folder / "a.webpicture")
    loader = load_inference_source(f"{server}/a.webpicture")
    assert isinstance(loader, LoadPilAndNumpy)
    assert loader.source_type.from_img
    assert check_source(f"{server}/nothing-here").stream
    assert autocast_list([f"{server}/b.png"])[0].size == (60, 40)


# ---- screens and hosted videos ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("screen", (0, None)),
        ("screen 2", (2, None)),
        ("screen 10 20 30 40", (0, (10, 20, 30, 40))),
        ("screen 1 10 20 30 40", (1, (10, 20, 30, 40))),
    ],
)
def test_screen_texts(text: str, parsed: object) -> None:
    assert parse_screen(text) == parsed


@pytest.mark.parametrize("text", ["screen 1 2", "screen a", "screen 1 2 3 4 5 6"])
def test_wrong_screen_texts(text: str) -> None:
    with pytest.raises(SourceError, match="not of the form"):
        parse_screen(text)


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("mss", "yt_dlp"):
        monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(MissingExtra, match="pip install mss"):
        LoadScreenshots("screen")
    with pytest.raises(MissingExtra, match="pip install yt-dlp"):
        get_best_youtube_url("https://youtu.be/x")
    with pytest.raises(ValueError, match="method='other'"):
        get_best_youtube_url("https://youtu.be/x", method="other")
