"""Damaged frames, streams that come and go, and sources behind optional packages."""

from __future__ import annotations

import http.server
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from ultralytics.data.loaders import LoadScreenshots, LoadStreams, get_best_youtube_url
from ultralytics.data.sources import streams
from ultralytics.data.sources.arrays import as_bgr
from ultralytics.data.sources.dispatch import check_source, load_inference_source
from ultralytics.errors import ConfigValueError, SourceError

FRAMES = 12
JPEG_START = b"\xff\xd8\xff"


def write_video(path: Path, frames: int = FRAMES) -> Path:
    """A video whose frame k, from 1, has brightness 20 k."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 100, (64, 48))
    for index in range(1, frames + 1):
        writer.write(np.full((48, 64, 3), 20 * index, np.uint8))
    writer.release()
    return path


def damage(path: Path, *frames: int) -> Path:
    """Overwrite frames, counted from 1, of a video of JPEG pictures."""
    data = bytearray(path.read_bytes())
    starts = [i for i in range(len(data)) if data.startswith(JPEG_START, i)]
    for frame in frames:
        start, end = starts[frame - 1], starts[frame] - 8
        data[start:end] = bytes(end - start)
    path.write_bytes(data)
    return path


def numbers(batches: Any) -> list[int]:
    return [round(float(image.mean()) / 20) for _, images, _ in batches for image in images]


# ---- damaged frames ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [(1,), (6,), (5, 6, 7)])
def test_frames_after_a_damaged_one_are_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, lost: tuple[int, ...]
) -> None:
    video = damage(write_video(tmp_path / "v.avi"), *lost)
    with caplog.at_level(logging.WARNING, logger="ultralytics"):
        found = numbers(load_inference_source(video))
    assert found == [k for k in range(1, FRAMES + 1) if k not in lost]
    assert f"{len(lost)} unreadable frames of {video}" in caplog.text


def test_a_stream_from_a_file_goes_on_after_a_damaged_frame(tmp_path: Path) -> None:
    video = damage(write_video(tmp_path / "v.avi"), 6)
    loader = LoadStreams(str(video), buffer=True)
    found = numbers(loader)
    loader.close()
    assert found == [k for k in range(1, FRAMES + 1) if k != 6]


def test_a_video_that_was_cut_off_ends_there(tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.avi")
    data = video.read_bytes()
    video.write_bytes(data[: [i for i in range(len(data)) if data.startswith(JPEG_START, i)][8]])
    assert numbers(load_inference_source(video)) == list(range(1, 9))


# ---- lists ---------------------------------------------------------------------------------------------------------


def test_lists_of_files_folders_patterns_and_videos(tmp_path: Path) -> None:
    for name in ("in/a.png", "in/b.png", "c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / name), np.zeros((8, 8, 3), np.uint8))
    video = write_video(tmp_path / "v.avi", 3)
    loader = load_inference_source([tmp_path / "c.png", tmp_path / "in", f"{tmp_path}/*.avi"])
    found = [Path(path).name for paths, _, _ in loader for path in paths]
    assert found == ["c.png", "a.png", "b.png", *[video.name] * 3]


def test_a_list_of_stream_addresses_is_one_loader(tmp_path: Path) -> None:
    assert check_source(["rtsp://a/b", "0", "tcp://c"]).stream
    assert not check_source([write_video(tmp_path / "v.avi")]).stream


def test_the_first_picture_of_an_animation_in_a_list(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 6), (value, 0, 0)) for value in (255, 0)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    ((_, images, _),) = load_inference_source([tmp_path / "a.gif"])
    assert images[0][0, 0].tolist() == [0, 0, 255]


# ---- colours -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("channels", "expected"), [(3, [2, 1, 0]), (4, [2, 1, 0, 3]), (2, [0, 1])])
def test_arrays_in_rgb_order(channels: int, expected: list[int]) -> None:
    array = np.tile(np.arange(channels, dtype=np.uint8), (4, 5, 1))
    assert as_bgr(array, "rgb")[0, 0].tolist() == expected
    assert as_bgr([array, "x.png"], "rgb")[0][0, 0].tolist() == expected
    assert as_bgr(array, "bgr") is array
    assert array[0, 0].tolist() == list(range(channels))


def test_an_unknown_order_of_channels_is_refused() -> None:
    with pytest.raises(ConfigValueError, match="color='hsv'"):
        as_bgr(np.zeros((4, 5, 3), np.uint8), "hsv")


def test_transparency_is_kept_for_networks_of_four_channels() -> None:
    picture = Image.new("RGBA", (3, 2), (1, 2, 3, 4))
    ((_, images, _),) = load_inference_source(picture, channels=4)
    assert images[0][0, 0].tolist() == [3, 2, 1, 4]


# ---- streams -------------------------------------------------------------------------------------------------------


@contextmanager
def camera(served: list[int]) -> Iterator[str]:
    """Address of a camera that sends so many frames per connection, then answers no more."""
    left = list(served)

    class Camera(http.server.BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None: ...

        def do_GET(self) -> None:
            if not left:
                self.send_error(503)
                return
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            for _ in range(left.pop(0)):
                data = cv2.imencode(".jpg", np.full((48, 64, 3), 200, np.uint8))[1].tobytes()
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                self.wfile.write(head.encode() + data + b"\r\n")

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Camera) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/live"
        server.shutdown()
        thread.join()


def test_a_camera_is_reached_again_and_given_up_in_the_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(streams, "FIRST_WAIT", 0.01)
    with camera([6, 5]) as address, caplog.at_level(logging.WARNING, logger="ultralytics"):
        loader = LoadStreams(address, buffer=True)
        bright = [float(images[0].mean()) > 100 for _, images, _ in loader]
        loader.close()
    assert bright.count(True) >= 9  # the decoder may hold back the last of each connection
    assert bright.count(False) == 2  # one blank frame for each loss
    assert caplog.text.count("connecting again") == 2
    assert caplog.text.count("is gone after 5 attempts") == 1


def test_streams_go_on_without_one_that_cannot_be_opened(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    listed = [str(tmp_path / "missing.avi"), str(write_video(tmp_path / "v.avi", 4))]
    with caplog.at_level(logging.WARNING, logger="ultralytics"):
        loader = LoadStreams(listed, buffer=True)
    steps = [list(loader.slots) for _ in loader]
    loader.close()
    assert steps == [[1]] * 4
    assert "missing.avi cannot be opened; going on with the other streams." in caplog.text


def test_no_stream_that_can_be_opened_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError, match=r"a\.avi cannot be opened"):
        LoadStreams([str(tmp_path / "a.avi"), str(tmp_path / "b.avi")])
    assert not [t for t in threading.enumerate() if t.name.startswith("stream")]


# ---- optional packages ---------------------------------------------------------------------------------------------


class Screen:
    """A stand-in for the screen package: pixel values are their place, in BGRA."""

    monitors = (
        {"left": 0, "top": 0, "width": 30, "height": 10},
        {"left": 20, "top": 0, "width": 10, "height": 10},
    )

    def grab(self, area: dict[str, int]) -> np.ndarray[Any, Any]:
        place = np.full((area["height"], area["width"], 4), area["left"], np.uint8)
        place[..., 1] = area["top"]
        return place

    def close(self) -> None: ...


def package(name: str, monkeypatch: pytest.MonkeyPatch, **contents: Any) -> None:
    module = ModuleType(name)
    vars(module).update(contents)
    monkeypatch.setitem(sys.modules, name, module)


def test_screens(monkeypatch: pytest.MonkeyPatch) -> None:
    package("mss", monkeypatch, mss=Screen)
    loader = load_inference_source("screen 1 2 3 5 4")
    assert isinstance(loader, LoadScreenshots)
    paths, images, infos = next(loader)
    assert (paths, images[0].shape, images[0][0, 0].tolist()) == (["1"], (4, 5, 3), [22, 3, 22])
    assert infos == ["screen 1 (LTWH): 22,3,5,4: "]
    assert next(load_inference_source("screen", channels=1))[1][0].shape == (10, 30, 1)
    with pytest.raises(SourceError, match="no monitor 2"):
        load_inference_source("screen 2")


def test_hosted_videos(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    video = str(write_video(tmp_path / "v.avi", 3))
    offers = [
        {
            "ext": "mp4",
            "vcodec": "h",
            "acodec": "none",
            "width": 640,
            "height": 360,
            "url": "small",
        },
        {
            "ext": "mp4",
            "vcodec": "h",
            "acodec": "none",
            "width": 1920,
            "height": 1080,
            "url": video,
        },
        {"ext": "webm", "vcodec": "v", "acodec": "none", "width": 4000, "height": 2000, "url": "x"},
        {
            "ext": "mp4",
            "vcodec": "h",
            "acodec": "aac",
            "width": 1920,
            "height": 1080,
            "url": "loud",
        },
    ]

    class Client:
        def __init__(self, options: object) -> None: ...

        def __enter__(self) -> Any:
            return SimpleNamespace(extract_info=lambda url, download: {"formats": offers})

        def __exit__(self, *args: object) -> None: ...

    package("yt_dlp", monkeypatch, YoutubeDL=Client)
    assert get_best_youtube_url("https://youtu.be/abc") == video
    loader = LoadStreams("https://youtu.be/abc", buffer=True)
    assert len(list(loader)) == 3
    loader.close()
    offers.clear()
    with pytest.raises(SourceError, match="no video stream"):
        LoadStreams("https://www.youtube.com/watch?v=abc")
