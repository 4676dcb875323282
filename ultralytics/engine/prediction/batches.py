"""Batches on their way from a loader to the network, read ahead by one thread where that pays.

A loader describes the batch it just gave in its own attributes, and those run ahead of the network when a thread
reads. A `Batch` therefore keeps what belongs to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Any

from torch import Tensor

from ultralytics.data.sources.files import LoadImagesAndVideos
from ultralytics.errors import ConfigValueError

__all__ = ["Batch", "batches_of", "check_channels", "worth_reading_ahead"]

AHEAD = 2  # batches waiting at most
POLL_SECONDS = 0.1
ASSUMED_FPS = 30.0


@dataclass(frozen=True)
class Batch:
    """Pictures of one step.

    Attributes:
        paths: one per picture.
        images: list of (h, w, c) BGR arrays, or one NCHW tensor.
        infos: start of the console line of each picture.
        frames: frame number of each picture, or None.
        slots: number of each picture's source; its place in the batch but for streams.
        mode: "image", "video" or "stream".
        fps: frames per second of a video.
    """

    paths: list[str]
    images: Any  # Any: see above
    infos: list[str]
    frames: list[int | None]
    slots: list[int]
    mode: str
    fps: float

    def __len__(self) -> int:
        return len(self.paths)

    @classmethod
    def of(cls, dataset: Any, item: tuple[list[str], Any, list[str]]) -> Batch:  # Any: a loader
        """What a loader just gave, with the loader's description of it."""
        paths, images, infos = item
        kind = dataset.source_type
        frames: list[int | None]
        if kind.stream or kind.from_img or kind.tensor:
            frames = [dataset.count] * len(paths)
        elif kind.screenshot:
            frames = [dataset.frame] * len(paths)
        else:
            frames = [_frame_in(info) for info in infos]
        fps = getattr(dataset, "fps", ASSUMED_FPS)
        rate = (
            float(fps) if isinstance(fps, (int, float)) and dataset.mode == "video" else ASSUMED_FPS
        )
        slots = list(getattr(dataset, "slots", range(len(paths))))
        return cls(list(paths), images, list(infos), frames, slots, dataset.mode, rate)


def _frame_in(info: str) -> int | None:
    found = re.search(r"\(frame (\d+)/", info)
    return int(found.group(1)) if found else None


def check_channels(batch: Batch, expected: int) -> None:
    """Refuse pictures that a network cannot take.

    Raises:
        ConfigValueError: a picture has another number of channels than the network's input.
    """
    is_tensor = isinstance(batch.images, Tensor)
    for path, picture in zip(batch.paths, batch.images, strict=True):
        found = picture.shape[0] if is_tensor else picture.shape[2]
        if found != expected:
            raise ConfigValueError(f"{path} has {found} channels, but the model takes {expected}")


def worth_reading_ahead(dataset: Any) -> bool:
    """Whether a source is read from files and has more than one batch, as far as is known."""
    if not isinstance(dataset, LoadImagesAndVideos):
        return False
    return len(dataset) > 1 or any(dataset.video_flag)


def batches_of(dataset: Any, ahead: bool) -> Iterator[Batch]:
    """Batches of a loader in their order; closing the iterator stops the thread that reads ahead."""
    if ahead:
        yield from _read_ahead(dataset)
        return
    for item in dataset:
        yield Batch.of(dataset, item)


def _read_ahead(dataset: Any) -> Iterator[Batch]:
    queue: Queue[Batch | BaseException | None] = Queue(maxsize=AHEAD)
    stop = Event()

    def deliver(entry: Batch | BaseException | None) -> None:
        while not stop.is_set():
            with suppress(Full):
                queue.put(entry, timeout=POLL_SECONDS)
                return

    def read() -> None:
        try:
            for item in dataset:
                deliver(Batch.of(dataset, item))
                if stop.is_set():
                    return
        except BaseException as error:  # noqa: BLE001  # raised again by the consumer
            deliver(error)
        else:
            deliver(None)

    thread = Thread(target=read, daemon=True, name="read ahead")
    thread.start()
    try:
        while True:
            entry = queue.get()
            if entry is None:
                return
            if isinstance(entry, BaseException):
                raise entry
            yield entry
    finally:
        stop.set()
        with suppress(Empty):
            while True:
                queue.get_nowait()
        thread.join()
