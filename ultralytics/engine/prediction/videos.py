"""Video files of a run, written by a thread of their own.

Encoding a frame takes as long as a small network needs; frames wait in a short queue while the next one is predicted.
"""

from __future__ import annotations

import platform
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import cv2
import numpy as np

__all__ = ["VideoWriters"]

CODECS = {"Darwin": (".mp4", "avc1"), "Windows": (".avi", "WMV2")}
OTHER_CODEC = (".avi", "MJPG")
WAITING = 4  # frames at most

Frame = np.ndarray[Any, Any]  # Any: (h, w, 3) uint8


class VideoWriters(dict[str, Any]):  # Any: cv2.VideoWriter
    """Open video files of a run by path without suffix."""

    def __init__(self) -> None:
        super().__init__()
        self._sizes: dict[str, tuple[int, int]] = {}
        self._queue: Queue[tuple[Any, Frame] | None] = Queue(maxsize=WAITING)
        self._thread: Thread | None = None
        self._problem: cv2.error | None = None

    def write(self, path: Path, image: Frame, fps: float) -> None:
        """Append a frame, which must not be changed afterwards.

        The first frame opens the file and fixes its size; later ones of another size are resized.

        Raises:
            OSError: the file cannot be opened for writing.
        """
        key = str(path)
        if key not in self:
            self._sizes[key] = (image.shape[1], image.shape[0])
            self[key] = _opened(path, self._sizes[key], fps)
        if image.shape[1::-1] != self._sizes[key]:
            image = cv2.resize(image, self._sizes[key])
        if self._thread is None:
            self._thread = Thread(target=self._encode, daemon=True, name="video writer")
            self._thread.start()
        self._queue.put((self[key], image))

    def _encode(self) -> None:
        while (entry := self._queue.get()) is not None:
            writer, image = entry
            if self._problem is None:
                try:
                    writer.write(image)
                except cv2.error as error:  # told at the end
                    self._problem = error

    def release(self) -> None:
        """Write the frames that wait and finish all files.

        Raises:
            OSError: a frame could not be encoded.
        """
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None
        for writer in self.values():
            writer.release()
        self.clear()
        self._sizes.clear()
        problem, self._problem = self._problem, None
        if problem is not None:
            raise OSError(f"a video could not be written to its end: {problem}") from problem


def _opened(path: Path, size_wh: tuple[int, int], fps: float) -> Any:  # Any: cv2.VideoWriter
    suffix, codec = CODECS.get(platform.system(), OTHER_CODEC)
    target = f"{path}{suffix}"
    writer = cv2.VideoWriter(target, cv2.VideoWriter.fourcc(*codec), fps, size_wh)
    if not writer.isOpened():
        raise OSError(f"video {target} cannot be opened for writing with codec {codec}")
    return writer
