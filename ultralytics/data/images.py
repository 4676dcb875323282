"""Pixels of a data set: decode, resize, and three places to keep the result.

Images are uint8 arrays (H, W, C), BGR for three channels. A loaded image is the triple (resized image, (h0, w0)
original size, (h, w) resized size). `PixelBuffer` holds the last images of a process, `RamCache` all of them in one
block that worker processes share, `DiskCache` one file per image in a folder beside the image folder.
"""

from __future__ import annotations

import math
import os
import shutil
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from ultralytics.data.formats import is_image
from ultralytics.errors import DatasetNotFound
from ultralytics.utils.environment import NUM_THREADS, is_first_rank
from ultralytics.utils.files import atomic_path
from ultralytics.utils.logging import LOGGER
from ultralytics.utils.processes import start_method

__all__ = [
    "DiskCache",
    "Loaded",
    "PixelBuffer",
    "RamCache",
    "check_file_speeds",
    "read_image",
    "resize_image",
    "resized_hw",
]

Image = npt.NDArray[np.uint8]
Size = tuple[int, int]
Loaded = tuple[Image, Size, Size]

MEMORY_MARGIN = 1.25
DISK_MARGIN = 1.1
SLOW_STAT_MS, SLOW_READ_MBS, SMALL_FILE = 10.0, 50.0, 16384


def read_image(file: str, channels: int = 3) -> Image:
    """Decode one image: 1 channel as gray, 3 as BGR, any other number unchanged.

    Raises:
        DatasetNotFound: the file is missing or cannot be decoded.
    """
    from ultralytics.utils.patches import imread

    flags = {1: cv2.IMREAD_GRAYSCALE, 3: cv2.IMREAD_COLOR}.get(channels, cv2.IMREAD_UNCHANGED)
    image = imread(file, flags)
    if image is None:
        reason = "cannot be decoded" if os.path.exists(file) else "does not exist any more"
        raise DatasetNotFound(f"image {file} {reason}; restore it, or delete it from the data set")
    return image if image.ndim == 3 else image[..., None]


def resized_hw(
    h0: int, w0: int, imgsz: int | Sequence[int], rect_mode: bool = True, resize_short: bool = False
) -> Size:
    """Size after loading (spec 30, 2.9).

    Args:
        h0: original height.
        w0: original width.
        imgsz: target size; the longer entry of a pair.
        rect_mode: keep the aspect ratio with the long side at imgsz; otherwise stretch to a square.
        resize_short: keep the aspect ratio with the short side at imgsz.
    """
    size = imgsz if isinstance(imgsz, int) else max(imgsz)
    if resize_short:
        ratio = size / min(h0, w0)
        return (size, math.ceil(w0 * ratio)) if h0 <= w0 else (math.ceil(h0 * ratio), size)
    if not rect_mode:
        return size, size
    ratio = size / max(h0, w0)
    if ratio == 1:
        return h0, w0
    return min(math.ceil(h0 * ratio), size), min(math.ceil(w0 * ratio), size)


def resize_image(image: Image, size_hw: Size) -> Image:
    """Bilinear resize that keeps a channel axis; the same array when the size fits already."""
    if image.shape[:2] == size_hw:
        return image
    resized = cv2.resize(image, size_hw[::-1], interpolation=cv2.INTER_LINEAR)
    return resized if resized.ndim == 3 else resized[..., None]


class PixelBuffer:
    """The most recently used images of this process, up to a number of them."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._images: OrderedDict[int, Loaded] = OrderedDict()

    def get(self, i: int) -> Loaded | None:
        """The image of an index and mark it as used, or None."""
        found = self._images.get(i)
        if found is not None:
            self._images.move_to_end(i)
        return found

    def put(self, i: int, loaded: Loaded) -> None:
        """Keep an image; the longest unused one goes when the buffer is full."""
        self._images[i] = loaded
        if len(self._images) > self.capacity:
            self._images.popitem(last=False)

    def indexes(self) -> list[int]:
        """Indexes of the kept images, the longest unused one first."""
        return list(self._images)

    def drop(self, i: int) -> None:
        """Forget an image if it is kept."""
        self._images.pop(i, None)

    def __len__(self) -> int:
        return len(self._images)

    def __reduce__(self) -> tuple[Any, ...]:  # Any: pickle protocol; pixels are not sent to workers
        return PixelBuffer, (self.capacity,)


class RamCache:
    """All images of a data set in one uint8 block.

    Forked workers share the block as it is; for other start methods it travels as shared memory.
    """

    def __init__(self, sizes: Sequence[Size], channels: int) -> None:
        """Reserve the block.

        Args:
            sizes: (h, w) of every image as it will be kept.
            channels: number of channels.
        """
        area = np.array([h * w * channels for h, w in sizes], np.int64)
        self._offsets = np.concatenate(([0], np.cumsum(area)))
        self._sizes = np.array(sizes, np.int32).reshape(-1, 2)
        self._originals = np.zeros_like(self._sizes)
        self._channels = channels
        self._block: torch.Tensor | Image = torch.empty(int(self._offsets[-1]), dtype=torch.uint8)
        self._odd: dict[int, Loaded] = {}

    @property
    def nbytes(self) -> int:
        """Size of the block."""
        return int(self._offsets[-1])

    def put(self, i: int, loaded: Loaded) -> None:
        """Copy an image into its place; one of unexpected size is kept separately."""
        image, original, _ = loaded
        slot = self._slot(i)
        if image.shape != slot.shape:
            self._odd[i] = loaded
            return
        slot[:] = image
        self._originals[i] = original

    def get(self, i: int) -> Loaded:
        """The image of an index; its pixels must not be changed."""
        if i in self._odd:
            return self._odd[i]
        h, w = self._sizes[i].tolist()
        h0, w0 = self._originals[i].tolist()
        return self._slot(i), (h0, w0), (h, w)

    def fill(self, load: Callable[[int], Loaded], title: str) -> None:
        """Load every image with threads."""
        for i, loaded in _load_in_threads(load, range(len(self._sizes)), title):
            self.put(i, loaded)
        self._fit_shared_memory()

    def _slot(self, i: int) -> Image:
        part = self._block[int(self._offsets[i]) : int(self._offsets[i + 1])]
        flat = part.numpy() if isinstance(part, torch.Tensor) else part
        return flat.reshape(*self._sizes[i], self._channels)

    def _fit_shared_memory(self) -> None:
        """Give up sharing where workers are not forked and /dev/shm is too small for the block."""
        if start_method() == "fork" or os.name == "nt":
            return
        shared = Path("/dev/shm")
        if shared.exists() and shutil.disk_usage(shared).free < 2 * self.nbytes:
            LOGGER.warning(
                f"/dev/shm is too small to share {self.nbytes / 1e9:.1f} GB of cached images; "
                "every worker gets a copy. Enlarge it, or use fewer workers."
            )
            self._block = np.array(self._block)


class DiskCache:
    """Decoded and resized images as files, one folder `<image folder>.pixels` per image folder.

    A file is named after the image's full name, size and modification time and the loading mode, written
    under a temporary name and renamed, and checked when read; a changed image simply has another file.
    """

    def __init__(self, im_files: Sequence[str], mode: str, channels: int) -> None:
        self._files = im_files
        self._mode = mode
        self._channels = channels

    def path(self, i: int) -> Path:
        """Cache file of an image in its present state."""
        folder, name = os.path.split(self._files[i])
        found = os.stat(self._files[i])
        key = f"{name}.{found.st_size}-{found.st_mtime_ns}-{self._mode}-{self._channels}.npy"
        return Path(f"{folder or '.'}.pixels" if folder not in ("", ".") else "images.pixels", key)

    def get(self, i: int) -> Loaded | None:
        """The cached image, or None when it is absent, damaged or out of date."""
        try:
            with self.path(i).open("rb") as stream:
                original = np.load(stream, allow_pickle=False)
                image = np.load(stream, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        fits = image.ndim == 3 and image.shape[2] == self._channels and image.dtype == np.uint8
        if not fits or original.shape != (2,):
            return None
        h0, w0 = original.tolist()
        return image, (h0, w0), (int(image.shape[0]), int(image.shape[1]))

    def put(self, i: int, loaded: Loaded) -> None:
        """Store an image; raises OSError when the folder cannot be written."""
        target = self.path(i)
        target.parent.mkdir(exist_ok=True)
        with atomic_path(target) as temporary, temporary.open("wb") as stream:
            np.save(stream, np.array(loaded[1], np.int64), allow_pickle=False)
            np.save(stream, loaded[0], allow_pickle=False)

    def fill(self, load: Callable[[int], Loaded], title: str) -> bool:
        """Store all images that are missing; False (with a warning) when that is not possible."""
        missing = [i for i in range(len(self._files)) if not self.path(i).exists()]
        try:
            for i, loaded in _load_in_threads(load, missing, title):
                self.put(i, loaded)
        except OSError as error:
            if isinstance(error, DatasetNotFound):
                raise
            LOGGER.warning(f"images are not cached on disk: {error}")
            return False
        return True


def _load_in_threads(
    load: Callable[[int], Loaded], indexes: Sequence[int], title: str
) -> Iterator[tuple[int, Loaded]]:
    """Images in order, a bounded number of them ahead of the consumer."""
    from ultralytics.utils.tqdm import TQDM

    step = 4 * NUM_THREADS
    with (
        ThreadPoolExecutor(NUM_THREADS) as pool,
        TQDM[None](total=len(indexes), desc=title, disable=not is_first_rank() or None) as bar,
    ):
        for start in range(0, len(indexes), step):
            part = indexes[start : start + step]
            yield from zip(part, pool.map(load, part), strict=True)
            bar.update(len(part))


def memory_allows(nbytes: int, prefix: str = "") -> bool:
    """Whether the block fits into free memory with a margin; warns when it does not."""
    import psutil

    memory = psutil.virtual_memory()
    if nbytes * MEMORY_MARGIN <= memory.available:
        return True
    LOGGER.warning(
        f"{prefix}{nbytes * MEMORY_MARGIN / 1e9:.1f} GB RAM needed to cache the images, "
        f"{memory.available / 1e9:.1f}/{memory.total / 1e9:.1f} GB available: not cached"
    )
    return False


def disk_allows(nbytes: int, folder: str, prefix: str = "") -> bool:
    """Whether a folder's disk has room and can be written; warns when not."""
    parent = os.path.dirname(folder) or "."
    if not os.access(parent, os.W_OK):
        LOGGER.warning(f"{prefix}{parent} cannot be written: images are not cached on disk")
        return False
    free = shutil.disk_usage(parent).free
    if nbytes * DISK_MARGIN > free:
        LOGGER.warning(
            f"{prefix}{nbytes * DISK_MARGIN / 1e9:.1f} GB disk needed to cache the images, "
            f"{free / 1e9:.1f} GB free: not cached"
        )
        return False
    return True


def check_file_speeds(
    files: Sequence[str],
    threshold_ms: float = SLOW_STAT_MS,
    threshold_mb: float = SLOW_READ_MBS,
    max_files: int = 5,
    prefix: str = "",
) -> None:
    """Warn when a few evenly spaced files are slow to stat or to read; failures are ignored.

    No random numbers are drawn, so that the check cannot shift any augmentation.
    """
    if not files:
        return
    chosen = [
        files[i] for i in np.linspace(0, len(files) - 1, min(max_files, len(files))).astype(int)
    ]
    stats, speeds, sizes = [], [], []
    try:
        for file in chosen:
            start = time.perf_counter()
            size = os.stat(file).st_size
            middle = time.perf_counter()
            Path(file).read_bytes()
            end = time.perf_counter()
            stats.append((middle - start) * 1e3)
            speeds.append(size / 1e6 / max(end - middle, 1e-9))
            sizes.append(size)
    except OSError:
        return
    stat_ms, speed, mean_size = (float(np.mean(values)) for values in (stats, speeds, sizes))
    if stat_ms < threshold_ms and (speed > threshold_mb or mean_size < SMALL_FILE):
        return
    LOGGER.warning(
        f"{prefix}slow image access: {stat_ms:.1f} ms to find a file, {speed:.1f} MB/s to read it "
        f"(files of {mean_size / 1e3:.0f} kB); use local storage, or cache=True"
    )


def find_images(folder: str | Path) -> Iterator[str]:
    """Image files below a folder, hidden ones left out; links to folders are followed once."""
    seen: set[str] = set()
    for root, folders, files in os.walk(str(Path(folder)), followlinks=True):
        real = os.path.realpath(root)
        if real in seen:
            folders[:] = []
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if not name.startswith(".") and "." in name and is_image(name):
                yield os.path.join(root, name)
