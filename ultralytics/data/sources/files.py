"""Images and videos from disk.

Images come first, then videos. A batch never mixes images with frames, nor frames of two videos. Frames count from 1;
with a stride the last frame of every group is returned. What cannot be read is named in a warning and left out.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2

from ultralytics.data.sources.listing import list_media, read_list_file
from ultralytics.data.sources.types import Batch, Image, SourceTypes
from ultralytics.data.sources.video import grab_next
from ultralytics.data.verify import exif_size
from ultralytics.errors import SourceError
from ultralytics.utils.logging import LOGGER
from ultralytics.utils.patches import image_open, imread

__all__ = ["LoadImagesAndVideos", "read_flag"]

POOL_FROM = 8  # batches of at least this many images are decoded by several threads
PIL_ONLY = frozenset({"avif", "heic", "heif"})  # decoders that are not safe to run side by side


def read_flag(channels: int) -> int:
    """OpenCV flag that gives images of a channel count."""
    return {1: cv2.IMREAD_GRAYSCALE, 3: cv2.IMREAD_COLOR}.get(channels, cv2.IMREAD_UNCHANGED)


def _header_size(file: str) -> tuple[int, int] | None:
    """Width and height as displayed, or None where only decoding can tell."""
    try:
        with image_open(file) as picture:
            return exif_size(picture)
    except OSError:
        return None


class LoadImagesAndVideos:
    """Batches of images and of video frames.

    Args:
        path: file, folder, pattern, list of those, or a .txt/.csv file that lists them.
        batch: most images per batch.
        vid_stride: frames per returned frame.
        channels: of the images.
        explicit: the caller listed these very entries: keep their order instead of sorting.

    Raises:
        SourceError: nothing to read, or nothing that could be read.
    """

    def __init__(
        self,
        path: str | Path | Sequence[str | Path],
        batch: int = 1,
        vid_stride: int = 1,
        channels: int = 3,
        *,
        explicit: bool = False,
    ) -> None:
        images, videos = list_media(self._entries(path, explicit))
        self.files = images + videos
        self.nf, self.ni = len(self.files), len(images)
        self.video_flag = [False] * len(images) + [True] * len(videos)
        self.bs = batch
        self.vid_stride = vid_stride
        self.explicit = explicit
        self.cv2_flag = read_flag(channels)
        self.source_type = SourceTypes()
        self.mode = "image" if images else "video"
        self.count = 0
        self.frame = 0
        self.frames = 0
        self._passed = 0  # frames of the video that are behind, damaged ones included
        self._stated = 0.0  # frames it should have
        self.fps = 30.0
        self.cap: Any = None  # Any: cv2.VideoCapture of the video being read
        self._batches: Iterator[Batch] | None = None

    @staticmethod
    def _entries(path: str | Path | Sequence[str | Path], explicit: bool) -> list[str]:
        if isinstance(path, (str, Path)):
            file = Path(path)
            if file.suffix.lower() not in (".txt", ".csv"):
                return [str(path)]
            if not file.is_file():
                raise SourceError(f"{path} does not exist")
            return sorted(read_list_file(file))
        entries = [str(entry) for entry in path]
        return entries if explicit else sorted(entries)

    @cached_property
    def one_shape(self) -> bool | None:
        """Whether all listed images have one size, from their headers; None unless they were listed one by one."""
        if not self.explicit or self.nf == self.bs == 1:
            return None
        return len({_header_size(file) for file in self.files[: self.ni]}) == 1

    def __len__(self) -> int:
        return -(-self.nf // self.bs)

    def __iter__(self) -> LoadImagesAndVideos:
        self.close()
        self.count = 0
        self._batches = self._run()
        return self

    def __next__(self) -> Batch:
        if self._batches is None:
            iter(self)
        return next(self._batches)  # type: ignore[arg-type]  # set by __iter__

    def close(self) -> None:
        """Stop reading and release the video."""
        if self._batches is not None:
            self._batches.close()  # type: ignore[attr-defined]  # a generator
            self._batches = None
        self._release()

    def _release(self) -> None:
        if self.cap is not None:
            self.cap.release()
            self.cap = None

    def _run(self) -> Iterator[Batch]:
        produced = False
        for source in (self._image_batches(), *map(self._video_batches, range(self.ni, self.nf))):
            for batch in source:
                produced = True
                yield batch
        if not produced:
            raise SourceError(
                f"None of {self.nf} files could be read, the first is {self.files[0]}"
            )

    def _image_batches(self) -> Iterator[Batch]:
        paths: list[str] = []
        images: list[Image] = []
        infos: list[str] = []
        for index, image in self._decoded():
            path = self.files[index]
            self.count = index + 1
            if image is None:
                LOGGER.warning(f"Image {path} cannot be read; it is skipped.")
                continue
            paths.append(path)
            images.append(image)
            infos.append(f"image {index + 1}/{self.nf} {path}: ")
            if len(paths) == self.bs:
                self.mode = "image"
                yield paths, images, infos
                paths, images, infos = [], [], []
        if paths:
            self.mode = "image"
            yield paths, images, infos

    def _decoded(self) -> Iterator[tuple[int, Image | None]]:
        """Every image with its place, in order; a batch ahead on several threads for large batches."""
        images = self.files[: self.ni]
        pooled = self.bs >= POOL_FROM and not PIL_ONLY & {
            f.rpartition(".")[2].lower() for f in images
        }
        if not pooled:
            for index, path in enumerate(images):
                yield index, imread(path, self.cv2_flag)
            return
        with ThreadPoolExecutor(min(self.bs, 8, os.cpu_count() or 1)) as pool:
            for start in range(0, len(images), self.bs):
                chunk = images[start : start + self.bs]
                decoded = pool.map(lambda path: imread(path, self.cv2_flag), chunk)
                yield from enumerate(decoded, start)

    def _video_batches(self, index: int) -> Iterator[Batch]:
        path = self.files[index]
        self.count = index + 1
        if not self._open(path):
            LOGGER.warning(f"Video {path} cannot be opened, it may be damaged; it is skipped.")
            return
        paths: list[str] = []
        images: list[Image] = []
        infos: list[str] = []
        while (image := self._next_frame()) is not None:
            self.frame += 1
            total = max(self.frames, self.frame)
            paths.append(path)
            images.append(image)
            infos.append(f"video {index + 1}/{self.nf} (frame {self.frame}/{total}) {path}: ")
            if len(paths) == self.bs:
                self.mode = "video"
                yield paths, images, infos
                paths, images, infos = [], [], []
        self._release()
        if not self.frame:
            LOGGER.warning(f"Video {path} has no readable frame; it is skipped.")
        if paths:
            self.mode = "video"
            yield paths, images, infos

    def _open(self, path: str) -> bool:
        """Whether a video could be opened."""
        self._release()
        self.cap = cv2.VideoCapture(path)
        if not self.cap.isOpened():
            self._release()
            return False
        self.frame = self._passed = 0
        self.fps = float(self.cap.get(cv2.CAP_PROP_FPS)) or 30.0
        self._stated = self.cap.get(cv2.CAP_PROP_FRAME_COUNT)
        self.frames = max(int(self._stated / self.vid_stride), 0)
        return True

    def _next_frame(self) -> Image | None:
        """The last frame of the next group of `vid_stride`, or None at the end."""
        while all(self._grab() for _ in range(self.vid_stride)):
            found, image = self.cap.retrieve()
            if found:
                grey = self.cv2_flag == cv2.IMREAD_GRAYSCALE
                return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)[..., None] if grey else image
            self._warn_of_damage(1)
        return None

    def _grab(self) -> bool:
        passed = grab_next(self.cap, self._stated - self._passed)
        if passed > 1:
            self._warn_of_damage(passed - 1)
        self._passed += passed
        return passed > 0

    def _warn_of_damage(self, count: int) -> None:
        path = self.files[self.count - 1]
        LOGGER.warning(f"{count} unreadable frames of {path} near frame {self._passed} skipped.")
