"""Runs of the predictor with a network whose answer is known."""

from __future__ import annotations

import gc
import logging
import threading
import weakref
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ultralytics.data.sources import files
from ultralytics.engine.prediction.saving import Names, OldCrops, without_media_suffix
from ultralytics.engine.prediction.tensors import as_input
from ultralytics.engine.prediction.videos import VideoWriters
from ultralytics.engine.predictor import BasePredictor
from ultralytics.engine.results import Results
from ultralytics.errors import ConfigValueError
from ultralytics.models.yolo.detect.predict import DetectionPredictor

NAMES = {0: "red", 1: "a/b"}


class Spot(nn.Module):
    """One box in the middle, half as large as the input; its confidence is the mean brightness."""

    stride = torch.tensor([32.0])
    names = NAMES
    task = "detect"

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.calls = 0

    def forward(self, x: Tensor, augment: bool = False, embed: Any = None) -> Any:
        self.calls += 1
        if embed:
            return tuple(x.mean(dim=(2, 3)))
        height, width = x.shape[2:]
        out = x.new_zeros(len(x), 4 + len(NAMES), 8)
        out[:, :4, 0] = x.new_tensor([width / 2, height / 2, width / 2, height / 2])
        out[:, 5, 0] = x.mean(dim=(1, 2, 3)) * self.weight
        return out


def predictor(tmp_path: Path, **settings: Any) -> DetectionPredictor:
    given = {"imgsz": 64, "conf": 0.01, "device": "cpu", "mode": "predict", "task": "detect"}
    given |= {
        "batch": 1,
        "rect": True,
        "verbose": False,
        "save": False,
        "save_dir": str(tmp_path / "run"),
    }
    made = DetectionPredictor(overrides={**given, **settings})
    made.setup_model(Spot(), verbose=False)
    return made


def brightness(result: Results) -> int:
    assert result.boxes is not None
    return round(float(result.boxes.conf[0]) * 255)


def write_images(folder: Path, values: list[int], size: tuple[int, int] = (64, 64)) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for index, value in enumerate(values):
        cv2.imwrite(str(folder / f"im{index:02d}.png"), np.full((*size, 3), value, np.uint8))
    return folder


def write_video(path: Path, frames: int = 5, fps: float = 12.5) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (64, 64))
    for index in range(1, frames + 1):
        writer.write(np.full((64, 64, 3), 30 * index, np.uint8))
    writer.release()
    return path


VALUES = [20, 220, 60, 180, 100, 140]


@pytest.mark.parametrize("batch", [1, 4, 16])
def test_results_come_in_order(tmp_path: Path, batch: int) -> None:
    run = predictor(tmp_path, batch=batch)
    results = run(source=write_images(tmp_path / "in", VALUES))
    assert [brightness(r) for r in results] == VALUES
    assert [Path(r.path).name for r in results] == [f"im{i:02d}.png" for i in range(6)]
    assert run.seen == 6
    assert run.pixels == 64 * 64
    assert list(run.speed) == ["preprocess", "inference", "postprocess"]
    assert set(results[0].speed) == set(run.speed)


def test_boxes_are_in_pixels_of_the_picture(tmp_path: Path) -> None:
    picture = np.full((96, 192, 3), 200, np.uint8)  # letterboxed to 32 x 64
    (result,) = predictor(tmp_path)(source=picture)
    assert result.boxes is not None
    np.testing.assert_allclose(result.boxes.xyxy, [[48, 24, 144, 72]])
    assert result.orig_shape == (96, 192)
    assert result.orig_img is picture
    assert (picture == 200).all()


@pytest.mark.parametrize(("rect", "shape"), [(True, (32, 64)), (False, (64, 64))])
def test_least_padding(tmp_path: Path, rect: bool, shape: tuple[int, int]) -> None:
    run = predictor(tmp_path, rect=rect)
    run(source=np.full((96, 192, 3), 200, np.uint8))
    assert run.pixels == shape[0] * shape[1]


def test_files_of_a_list_are_padded_alike_whatever_the_batch(tmp_path: Path) -> None:
    write_images(tmp_path / "in", [100], size=(32, 64))
    write_images(tmp_path / "other", [100], size=(64, 32))
    listed = [tmp_path / "in" / "im00.png", tmp_path / "other" / "im00.png"]
    for batch in (1, 2):
        run = predictor(tmp_path, batch=batch)
        run(source=listed)
        assert run.pixels == 64 * 64


def test_tensor_sources(tmp_path: Path) -> None:
    source = torch.rand(2, 3, 64, 96)
    results = predictor(tmp_path)(source=source)
    assert [r.orig_shape for r in results] == [(64, 96)] * 2
    expected = (source[1].permute(1, 2, 0) * 255).to(torch.uint8).numpy()[..., ::-1]
    assert (results[1].orig_img == expected).all()
    assert [r.path for r in results] == ["image0.jpg", "image1.jpg"]


def test_a_generator_holds_one_batch(tmp_path: Path) -> None:
    run = predictor(tmp_path)
    gone: list[weakref.ref[Results]] = []
    for result in run(source=write_images(tmp_path / "in", VALUES * 3), stream=True):
        gone.append(weakref.ref(result))
    del result
    gc.collect()
    assert sum(ref() is not None for ref in gone[:-1]) == 0


def test_interleaved_generators(tmp_path: Path) -> None:
    run = predictor(tmp_path)
    up = run(source=write_images(tmp_path / "up", VALUES), stream=True)
    down = run(source=write_images(tmp_path / "down", VALUES[::-1]), stream=True)
    pairs = [(brightness(a), brightness(b)) for a, b in zip(up, down, strict=True)]
    assert pairs == list(zip(VALUES, VALUES[::-1], strict=True))


def test_runs_keep_the_settings_they_were_asked_with(tmp_path: Path) -> None:
    run = predictor(tmp_path)
    first = run(source=np.full((64, 64, 3), 100, np.uint8), stream=True)
    run.args = type(run.args)(**{**vars(run.args), "conf": 0.9})
    second = run(source=np.full((64, 64, 3), 100, np.uint8), stream=True)
    assert [len(r) for r in (*second, *first)] == [0, 1]


def test_threads(tmp_path: Path) -> None:
    run = predictor(tmp_path)
    found: dict[int, list[int]] = {}

    def work(value: int) -> None:
        pictures = [np.full((64, 64, 3), value, np.uint8)] * 8
        found[value] = [brightness(r) for picture in pictures for r in run(source=picture)]

    threads = [threading.Thread(target=work, args=(value,)) for value in (40, 120, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {value: [value] * 8 for value in (40, 120, 200)}


@pytest.mark.parametrize("kind", ["images", "video"])
def test_a_consumer_may_stop_early(tmp_path: Path, kind: str) -> None:
    run = predictor(tmp_path, save=True, save_txt=True)
    events: list[str] = []
    run.add_callback("on_predict_end", lambda p: events.append(f"end {p.seen}"))
    source = (
        write_images(tmp_path / "in", VALUES)
        if kind == "images"
        else write_video(tmp_path / "v.avi")
    )
    generator = run(source=source, stream=True)
    next(generator)
    next(generator)
    generator.close()
    assert events == ["end 2"]
    assert not [t for t in threading.enumerate() if t.name == "read ahead"]
    if kind == "video":
        assert count_frames(tmp_path / "run" / "v.avi") == 2


def test_an_error_reaches_the_caller_and_cleans_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = predictor(tmp_path)
    folder = write_images(tmp_path / "in", VALUES)
    read = files.imread

    def fails_at_the_end(path: str, flags: int) -> Any:  # Any: image or nothing
        if path.endswith("im05.png"):
            raise OSError("the disk is gone")
        return read(path, flags)

    monkeypatch.setattr(files, "imread", fails_at_the_end)
    seen = []
    with pytest.raises(OSError, match="the disk is gone"):
        seen.extend(brightness(r) for r in run(source=folder, stream=True))
    assert seen == VALUES[:-1]
    assert not [t for t in threading.enumerate() if t.name == "read ahead"]
    assert len(run(source=np.full((64, 64, 3), 9, np.uint8))) == 1


def test_events_in_order_and_replaced_results(tmp_path: Path) -> None:
    run = predictor(tmp_path)
    log: list[str] = []
    for name in ("start", "batch_start", "postprocess_end", "batch_end", "end"):
        run.add_callback(f"on_predict_{name}", lambda p, name=name: log.append(name))

    def pair(p: BasePredictor) -> None:
        p.results = list(zip(p.results, p.batch[1], strict=True))

    run.add_callback("on_predict_batch_end", pair)
    results = run(source=write_images(tmp_path / "in", [10, 20]))
    assert log == ["start", *["batch_start", "postprocess_end", "batch_end"] * 2, "end"]
    assert [int(image.mean()) for _, image in results] == [10, 20]


def count_frames(path: Path) -> int:
    capture = cv2.VideoCapture(str(path))
    count = 0
    while capture.grab():
        count += 1
    capture.release()
    return count


def test_files_of_images(tmp_path: Path) -> None:
    run = predictor(tmp_path, save=True, save_txt=True, save_crop=True, save_conf=True)
    write_images(tmp_path / "in", [100, 150])
    write_images(tmp_path / "in" / "sub", [200])
    run(source=str(tmp_path / "in" / "**" / "*.png"))
    files = sorted(
        p.relative_to(tmp_path / "run").as_posix() for p in (tmp_path / "run").rglob("*.*")
    )
    assert files == [
        "crops/a_b/im00-2.jpg",
        "crops/a_b/im00.jpg",
        "crops/a_b/im01.jpg",
        "im00-2.jpg",
        "im00.jpg",
        "im01.jpg",
        "labels/im00-2.txt",
        "labels/im00.txt",
        "labels/im01.txt",
    ]
    text = (tmp_path / "run" / "labels" / "im00.txt").read_text().split()
    assert text[:5] == ["1", "0.5", "0.5", "0.5", "0.5"]
    assert float(text[5]) == pytest.approx(100 / 255, abs=1e-4)


def test_a_second_run_replaces_labels_and_crops(tmp_path: Path) -> None:
    for _ in range(2):
        run = predictor(tmp_path, save_txt=True, save_crop=True)
        run(source=write_images(tmp_path / "in", [100]))
    assert len((tmp_path / "run" / "labels" / "im00.txt").read_text().splitlines()) == 1
    assert [p.name for p in (tmp_path / "run").rglob("*.jpg")] == ["im00.jpg"]


def test_files_of_a_video(tmp_path: Path) -> None:
    run = predictor(tmp_path, save=True, save_txt=True, save_frames=True, vid_stride=2, batch=2)
    results = run(source=write_video(tmp_path / "v.avi", frames=7, fps=29.97))
    assert [round(brightness(r) / 30) for r in results] == [2, 4, 6]
    written = tmp_path / "run" / "v.avi"
    assert count_frames(written) == 3
    capture = cv2.VideoCapture(str(written))
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(14.985, abs=0.01)
    capture.release()
    names = sorted(p.name for p in (tmp_path / "run" / "v_frames").iterdir())
    assert names == ["v_1.jpg", "v_2.jpg", "v_3.jpg"]
    assert sorted(p.name for p in (tmp_path / "run" / "labels").iterdir()) == [
        "v_1.txt",
        "v_2.txt",
        "v_3.txt",
    ]


def test_files_of_streams(tmp_path: Path) -> None:
    one, two = write_video(tmp_path / "one.avi", 2), write_video(tmp_path / "two.avi", 4)
    (tmp_path / "cams.streams").write_text(f"{one} {two}")
    run = predictor(tmp_path, save=True, stream_buffer=True)
    results = run(source=tmp_path / "cams.streams")
    assert len(results) == 6
    assert sorted(count_frames(p) for p in (tmp_path / "run").glob("*.avi")) == [2, 4]


def test_files_of_arrays(tmp_path: Path) -> None:
    run = predictor(tmp_path, save=True, save_txt=True)
    run(source=[np.full((64, 64, 3), 90, np.uint8)] * 2)
    assert sorted(p.name for p in (tmp_path / "run").rglob("*.*")) == [
        "image0.jpg",
        "image0.txt",
        "image1.jpg",
        "image1.txt",
    ]


def test_console_lines(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = predictor(tmp_path, verbose=True, save_txt=True)
    with caplog.at_level(logging.INFO, logger="ultralytics"):
        run(source=write_images(tmp_path / "in", [0, 100]))
    lines = [record.message for record in caplog.records]
    assert lines[0] == ""
    assert lines[1].startswith(f"image 1/2 {tmp_path / 'in' / 'im00.png'}: 64x64 (no detections), ")
    assert lines[2].startswith(f"image 2/2 {tmp_path / 'in' / 'im01.png'}: 64x64 1 a/b, ")
    assert lines[2].endswith("ms")
    assert lines[3].startswith("Speed: ")
    assert lines[3].endswith("per image at shape (1, 3, 64, 64)")
    assert "Results saved to" in lines[4]
    assert lines[4].endswith(f"1 label saved to {tmp_path / 'run' / 'labels'}")


def test_console_lines_of_arrays_are_numbered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="ultralytics"):
        predictor(tmp_path, verbose=True)(source=[np.zeros((64, 64, 3), np.uint8)] * 2)
    assert caplog.records[1].message.splitlines()[1].startswith("1: 64x64 (no detections), ")


def test_a_warning_before_results_pile_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    video = write_video(tmp_path / "v.avi")
    with caplog.at_level(logging.WARNING, logger="ultralytics"):
        list(predictor(tmp_path)(source=video, stream=True))
        assert not caplog.records
        predictor(tmp_path)(source=video)
    assert "stream=True" in caplog.text


def test_embedding(tmp_path: Path) -> None:
    vectors = predictor(tmp_path, embed=[3])(source=write_images(tmp_path / "in", [51, 102]))
    torch.testing.assert_close(torch.stack(vectors), torch.tensor([[0.2] * 3, [0.4] * 3]))


def test_the_viewer_may_stop_a_run(tmp_path: Path) -> None:
    class Impatient(DetectionPredictor):
        def show(self, p: str = "") -> None:
            raise StopIteration

    run = Impatient(overrides=vars(predictor(tmp_path).args))
    run.setup_model(Spot(), verbose=False)
    run.args.show = True
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ultralytics.engine.prediction.runner.check_imshow", lambda warn: True)
        results = run(source=write_images(tmp_path / "in", VALUES))
    assert len(results) == run.seen == 1


def test_predict_cli_keeps_nothing(tmp_path: Path) -> None:
    run = predictor(tmp_path, save_txt=True)
    assert run.predict_cli(source=write_images(tmp_path / "in", VALUES)) is None
    assert len(list((tmp_path / "run" / "labels").iterdir())) == 6


def test_the_given_network_stays_trainable(tmp_path: Path) -> None:
    network = Spot().train()
    run = BasePredictor(overrides={"device": "cpu", "imgsz": 64})
    run.setup_model(network, verbose=False)
    assert network.training
    assert network.weight.requires_grad
    assert not run.model.base_model.weight.requires_grad


# ---- parts -----------------------------------------------------------------------------------------------------------


def test_input_is_rgb_from_0_to_1() -> None:
    picture = np.zeros((4, 6, 3), np.uint8)
    picture[..., 0] = 255  # blue
    batch = as_input([picture, picture], torch.device("cpu"), half=False, channels_last=True)
    assert batch.shape == (2, 3, 4, 6)
    assert batch[:, 2].min() == 1
    assert batch[:, :2].max() == 0
    assert batch.is_contiguous(memory_format=torch.channels_last)
    plain = as_input([picture, picture], torch.device("cpu"), half=True, channels_last=False)
    assert plain.is_contiguous()
    assert plain.dtype == torch.float16
    torch.testing.assert_close(plain.float(), batch)


@pytest.mark.parametrize("channels", [1, 2, 4, 5])
def test_other_channel_counts_keep_their_order(channels: int) -> None:
    picture = np.arange(channels, dtype=np.uint8) * np.ones((4, 6, 1), np.uint8)
    batch = as_input([picture], torch.device("cpu"), half=False, channels_last=False)
    assert (batch[0, :, 0, 0] * 255).round().tolist() == list(range(channels))


def test_base_names() -> None:
    names = Names()
    assert [names.of(p, False) for p in ("x/a.jpg", "y/a.png", "a-2.jpg", "a.b.jpg")] == [
        "a",
        "a-2",
        "a-2-2",
        "a.b",
    ]
    assert [names.of("v.mp4", True) for _ in range(3)] == ["v"] * 3
    assert names.of("w/v.mp4", True) == "v-2"
    assert without_media_suffix(Path("x/rtsp___host.1")) == Path("x/rtsp___host.1")


def test_only_crops_of_an_earlier_run_are_cleared(tmp_path: Path) -> None:
    for name in ("a.jpg", "a-2.jpg", "ab.jpg", "a-x.jpg"):
        (tmp_path / "dog").mkdir(exist_ok=True)
        (tmp_path / "dog" / name).touch()
    old = OldCrops(tmp_path)
    (tmp_path / "dog" / "a-3.jpg").touch()
    old.clear("a")
    old.clear("a")
    assert sorted(p.name for p in (tmp_path / "dog").iterdir()) == ["a-3.jpg", "a-x.jpg", "ab.jpg"]


def test_one_class_may_be_given_as_a_number(tmp_path: Path) -> None:
    run = predictor(tmp_path, classes=1)
    bright = np.full((64, 64, 3), 200, np.uint8)
    assert [len(r) for r in run(source=bright)] == [1]
    assert [len(r) for r in predictor(tmp_path, classes=0)(source=bright)] == [0]


def test_pictures_of_other_channels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigValueError, match=r"image0\.jpg has 5 channels.* takes 3"):
        predictor(tmp_path)(source=np.zeros((64, 64, 5), np.uint8))
    with pytest.raises(ConfigValueError, match="has 1 channels"):
        predictor(tmp_path)(source=torch.zeros(1, 1, 64, 64))


def test_frames_of_another_size_are_fitted_to_the_video(tmp_path: Path) -> None:
    writers = VideoWriters()
    for size in ((48, 64), (24, 32), (96, 128)):
        writers.write(tmp_path / "v", np.full((*size, 3), 120, np.uint8), 25.0)
    writers.release()
    assert count_frames(tmp_path / "v.avi") == 3
    assert not [t for t in threading.enumerate() if t.name == "video writer"]


def test_an_interrupted_run_leaves_a_whole_video(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = predictor(tmp_path, save=True)

    def interrupt(p: BasePredictor) -> None:
        if p.seen == 3:
            raise KeyboardInterrupt

    run.add_callback("on_predict_batch_end", interrupt)
    with (
        caplog.at_level(logging.INFO, logger="ultralytics"),
        pytest.raises(KeyboardInterrupt),
    ):
        run(source=write_video(tmp_path / "v.avi"))
    assert count_frames(tmp_path / "run" / "v.avi") == 3
    assert "Results saved to" in caplog.text
    assert not [t for t in threading.enumerate() if t.name in ("video writer", "read ahead")]


def test_show_without_a_display(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setattr("ultralytics.utils.checks.system.env.LINUX", True)
    with caplog.at_level(logging.WARNING, logger="ultralytics"):
        run = predictor(tmp_path, show=True)
    assert len(run(source=np.full((64, 64, 3), 9, np.uint8))) == 1
    assert caplog.text.count("there is no display") == 1
