"""Live sources: cameras, network streams, and video files read in real time. One thread reads each of them.

A step yields one BGR frame per source that is running. A source that cannot be opened, ends or cannot be reached again
only ends itself; while one is being reached again, the others go on. With `buffer` every frame is kept (at most 30,
then the reader waits), without it only the newest one.
"""

from __future__ import annotations

import math
import os
import re
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from threading import Condition, Event, Thread
from typing import Any
from urllib.parse import urlparse

import cv2
import numpy as np

from ultralytics.data.sources.types import Batch, Image, SourceTypes
from ultralytics.data.sources.video import grab_next
from ultralytics.data.sources.youtube import get_best_youtube_url
from ultralytics.errors import SourceError
from ultralytics.utils.logging import LOGGER

__all__ = ["LoadStreams"]

BUFFER_FRAMES = 30
RECONNECTS = (
    5  # failures in a row before a live source counts as ended; waits double from the first
)
FIRST_WAIT = 0.5
JOIN_SECONDS = 5
YOUTUBE_HOSTS = frozenset({"www.youtube.com", "youtube.com", "m.youtube.com", "youtu.be"})


class StreamError(SourceError, ConnectionError):
    """A stream that cannot be opened or gives no frame."""


class LoadStreams:
    """One frame per running source and step.

    Args:
        sources: a camera number, address or video file, a text file with one of those per word, or a list of them.
        vid_stride: frames per kept frame.
        buffer: keep every frame instead of the newest.
        channels: 3 for BGR, 1 for grey.

    Attributes:
        slots: for each frame of the last step, the number of its source.
        timestamps: for each source, `time.time()` of the last frame that was yielded.

    Raises:
        ConnectionError: no source can be opened and gives a first frame.
        SourceError: the file lists nothing.
    """

    def __init__(
        self,
        sources: str | Sequence[str | Path] = "file.streams",
        vid_stride: int = 1,
        buffer: bool = False,
        channels: int = 3,
    ) -> None:
        listed = _listed(sources)
        if not listed:
            raise SourceError(f"{sources} lists no stream")
        self.mode = "stream"
        self.buffer = buffer
        self.vid_stride = vid_stride
        self.bs = len(listed)
        self.count = -1
        self.source_type = SourceTypes(stream=True)
        self.sources = [re.sub(r"[\\/]", "_", source.strip()) for source in listed]
        self.slots = list(range(self.bs))
        self.timestamps = [0.0] * self.bs
        self._changed = Condition()
        self._stop = Event()
        self._readers = [_Reader(source, self, channels == 1) for source in listed]
        self._open_all()
        self.threads = [reader.thread for reader in self._readers]
        self.fps = [reader.fps for reader in self._readers]
        self.frames = [reader.total for reader in self._readers]

    def _open_all(self) -> None:
        """Start every source that can be opened; the others are named in a warning, unless there is no other."""
        problems: list[SourceError] = []
        try:
            for reader in self._readers:
                try:
                    reader.open()
                except SourceError as error:
                    problems.append(error)
            if len(problems) == self.bs:
                raise problems[0]
        except BaseException:
            self.close()
            raise
        for problem in problems:
            LOGGER.warning(f"{problem}; going on with the other streams.")
        for reader in self._readers:
            if reader.alive:
                reader.thread.start()

    @property
    def running(self) -> bool:
        """Whether any source may still give frames."""
        return any(reader.alive for reader in self._readers)

    def __len__(self) -> int:
        return self.bs

    def __iter__(self) -> LoadStreams:
        self.count = -1
        return self

    def __next__(self) -> Batch:
        with self._changed:
            while not self._stop.is_set() and self._must_wait():
                self._changed.wait(timeout=1.0)
            ready = [(slot, r) for slot, r in enumerate(self._readers) if r.frames]
            if self._stop.is_set() or not ready:
                raise StopIteration
            self.slots = [slot for slot, _ in ready]
            images = []
            for slot, reader in ready:
                self.timestamps[slot], image = reader.frames.popleft()
                images.append(image)
            self._changed.notify_all()
        self.count += 1
        return [self.sources[slot] for slot in self.slots], images, [""] * len(images)

    def _must_wait(self) -> bool:
        """Whether a frame of a source that is being read has yet to come, or all that could come are away."""
        empty = [reader for reader in self._readers if reader.alive and not reader.frames]
        return any(r.connected for r in empty) or (
            bool(empty) and not any(reader.frames for reader in self._readers)
        )

    def close(self) -> None:
        """Stop the readers and release their captures."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        for reader in self._readers:
            if reader.thread.is_alive():
                reader.thread.join(timeout=JOIN_SECONDS)
            reader.capture.release()


def _listed(sources: str | Sequence[str | Path]) -> list[str]:
    if not isinstance(sources, str):
        return [str(source) for source in sources]
    is_list = Path(sources).suffix.lower() in (".streams", ".txt") and os.path.isfile(sources)
    return Path(sources).read_text().split() if is_list else [sources]


class _Reader:
    """One source and the thread that reads it."""

    def __init__(self, source: str, owner: LoadStreams, grey: bool) -> None:
        self.source = source
        self.owner = owner
        self.grey = grey
        self.address: str | int = source
        self.capture: Any = cv2.VideoCapture()  # Any: cv2.VideoCapture
        self.is_file = False
        self.fps = 30.0
        self.total: float = math.inf
        self.frames: deque[tuple[float, Image]] = deque()
        self.alive = False
        self.connected = False  # frames are coming
        self.failures = 0  # in a row
        self.thread = Thread(target=self._run, daemon=True, name=f"stream {source}")

    def open(self) -> None:
        """Open the source and read its first frame.

        Raises:
            SourceError: that is not possible.
        """
        self.address = _address(self.source)
        self.is_file = isinstance(self.address, str) and os.path.isfile(self.address)
        if not self.capture.open(self.address):
            raise StreamError(f"Stream {self.source} cannot be opened")
        found, first = self.capture.read()
        if not found or first is None:
            self.capture.release()
            raise StreamError(f"Stream {self.source} gives no frame")
        fps = self.capture.get(cv2.CAP_PROP_FPS)
        self.fps = float(fps) if 0 < fps < 1000 else 30.0
        count = self.capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.total = int(count) if count > 0 and math.isfinite(count) else math.inf
        self.frames.append((time.time(), self._shaped(first)))
        self.blank = np.zeros_like(self.frames[0][1])
        self.alive = self.connected = True

    def _shaped(self, image: Image) -> Image:
        return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)[..., None] if self.grey else image

    def _run(self) -> None:
        try:
            read = 1
            while not self.owner._stop.is_set() and read < self.total:
                passed = self._grab(self.total - read)
                if not passed:
                    if self.is_file or not self._reconnect():
                        break
                    continue
                self.failures = 0
                kept = (read + passed) // self.owner.vid_stride > read // self.owner.vid_stride
                read += passed
                if kept:
                    found, image = self.capture.retrieve()
                    self._keep(self._shaped(image) if found else self.blank)
                if self.is_file and not self.owner.buffer:
                    self.owner._stop.wait(1 / self.fps)  # a file is played at its own speed
        finally:
            with self.owner._changed:
                self.alive = self.connected = False
                self.owner._changed.notify_all()

    def _grab(self, left: float) -> int:
        """How many frames further the next readable one was, 0 when there is none."""
        return grab_next(self.capture, left) if self.is_file else int(self.capture.grab())

    def _keep(self, image: Image) -> None:
        with self.owner._changed:
            if self.owner.buffer:
                while len(self.frames) >= BUFFER_FRAMES and not self.owner._stop.is_set():
                    self.owner._changed.wait(timeout=1.0)
            else:
                self.frames.clear()
            self.frames.append((time.time(), image))
            self.connected = True
            self.owner._changed.notify_all()

    def _reconnect(self) -> bool:
        """Open a live source again, with a blank frame meanwhile; False when it stays away."""
        if not self.failures:
            LOGGER.warning(f"Stream {self.source} gave no frame; connecting again.")
            self._keep(self.blank)
        with self.owner._changed:
            self.connected = False
            self.owner._changed.notify_all()
        while self.failures < RECONNECTS:
            self.failures += 1
            if self.owner._stop.wait(FIRST_WAIT * 2 ** (self.failures - 1)):
                return False
            self.capture.release()
            if self.capture.open(self.address):
                return True
        LOGGER.warning(f"Stream {self.source} is gone after {RECONNECTS} attempts; it ends here.")
        return False


def _address(source: str) -> str | int:
    """What OpenCV opens: a camera number, or an address with hosted videos resolved to their media.

    Raises:
        SourceError: a hosted video without a usable stream.
    """
    if source.isnumeric():
        return int(source)
    if urlparse(source).hostname in YOUTUBE_HOSTS:
        found = get_best_youtube_url(source)
        if found is None:
            raise SourceError(f"{source} offers no video stream that can be read")
        return found
    return source
