"""The data set of images with object labels: finding files, loading pixels, one sample per index.

Labels are held in flat arrays (`store`) and shown as a list of dictionaries (`labels`) that may be edited. Sizes are
(height, width). A sample drawn with a `SampleIndex` is a pure function of that index; one drawn with a plain integer
uses the process's global random generators, as users of the interface expect.
"""

from __future__ import annotations

import copy
import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from torch.utils.data import Dataset

from ultralytics.data.formats import FORMATS_HELP_MSG, HELP_URL, is_image
from ultralytics.data.fraction import count_images
from ultralytics.data.images import (
    DiskCache,
    Image,
    Loaded,
    PixelBuffer,
    RamCache,
    check_file_speeds,
    disk_allows,
    find_images,
    memory_allows,
    read_image,
    resize_image,
    resized_hw,
)
from ultralytics.data.labels import LabelStore, LabelView
from ultralytics.data.samplers import SampleIndex
from ultralytics.errors import ConfigValueError, DatasetNotFound
from ultralytics.utils.logging import LOGGER

__all__ = ["BaseDataset", "list_images"]

MAX_BUFFER = 1000
Sample = dict[str, Any]  # Any: arrays, tensors, sizes and whatever transforms add


class BaseDataset(Dataset[Sample]):
    """Images and labels of one or more folders; subclasses say how labels are read and samples transformed.

    Attributes users rely on: im_files, labels, ni, imgsz, augment, rect, batch (batch number per image) and
    batch_shapes with rect, stride, pad, transforms, buffer, max_buffer_length, cache ("ram", "disk" or
    None), hyp (a private copy of the caller's settings).
    """

    def __init__(
        self,
        img_path: str | Path | Sequence[str | Path],
        imgsz: int = 640,
        cache: bool | str | None = False,
        augment: bool = True,
        hyp: Any = None,  # Any: a settings namespace
        prefix: str = "",
        rect: bool = False,
        batch_size: int = 16,
        stride: int = 32,
        pad: float = 0.5,
        single_cls: bool = False,
        classes: Sequence[int] | None = None,
        fraction: float = 1.0,
        channels: int = 3,
    ) -> None:
        """Find and check the files, read the labels, cache pixels if asked, build the transforms.

        Args:
            img_path: folder, text file with image paths, or a list of them.
            imgsz: side to which images are loaded.
            cache: True or "ram", "disk", or nothing.
            augment: training transforms and image buffer.
            hyp: augmentation settings; defaults of the library when None.
            prefix: start of log lines.
            rect: rectangular batches.
            batch_size: images per batch, for rect and the buffer.
            stride: side of rectangular batches is a multiple of it.
            pad: extra share of a stride around rectangular batches.
            single_cls: every object becomes class 0.
            classes: keep only objects of these classes.
            fraction: ratio or number of the sorted images to use.
            channels: 1 gray, 3 BGR, others as stored.
        """
        super().__init__()
        self.img_path = img_path
        self.imgsz = imgsz
        self.augment = augment
        self.single_cls = single_cls
        self.prefix = prefix
        self.fraction = fraction
        self.channels = channels
        self.cv2_flag = {1: cv2.IMREAD_GRAYSCALE, 3: cv2.IMREAD_COLOR}.get(
            channels, cv2.IMREAD_UNCHANGED
        )
        self.hyp = copy.copy(_default_settings() if hyp is None else hyp)
        self.label_files: list[str] = []
        self.im_files = self.get_img_files(self.img_path)
        self.labels = self.get_labels()
        self.update_labels(include_class=classes)
        self.ni = len(self.labels)
        self.rect = rect
        self.batch_size = batch_size
        self.stride = stride
        self.pad = pad
        if rect:
            self.set_rectangle()
        self.buffer: list[int] = []
        self.max_buffer_length = min(self.ni, batch_size * 8, MAX_BUFFER) if augment else 0
        self._pixels = PixelBuffer(self.max_buffer_length)
        self._pool: Sequence[int] | None = None
        self._buffer_pool: Sequence[int] | None = None
        self.cache: str | None = _cache_kind(cache)
        self._ram: RamCache | None = None
        self._disk: DiskCache | None = None
        self._start_cache()
        self.transforms = self.build_transforms(hyp=self.hyp)

    # ------------------------------------------------------------------------------------ files

    def get_img_files(self, img_path: str | Path | Sequence[str | Path]) -> list[str]:
        """Sorted image files of folders and list files, cut to `fraction`.

        Raises:
            DatasetNotFound: a path that does not exist, or no image at all.
        """
        try:
            listed = list_images(img_path)
        except DatasetNotFound as error:
            raise DatasetNotFound(f"{self.prefix}{error}") from error
        files = sorted(file.replace("/", os.sep) for file in listed if is_image(file))
        if not files:
            raise DatasetNotFound(
                f"{self.prefix}no images found in {img_path}. {FORMATS_HELP_MSG} {HELP_URL}"
            )
        files = files[: count_images(len(files), self.fraction)]
        check_file_speeds(files, prefix=self.prefix)
        return files

    # ----------------------------------------------------------------------------------- labels

    def get_labels(self) -> Sequence[Sample]:
        """Labels of `im_files` in the same order, as dictionaries; provided by subclasses."""
        raise NotImplementedError(f"{type(self).__name__} must define get_labels()")

    @property
    def labels(self) -> LabelView:
        """One dictionary per image; editing it, or assigning a new list, changes the data set."""
        return self._labels

    @labels.setter
    def labels(self, records: Sequence[Sample]) -> None:
        self._labels = LabelView.from_records(records)

    @property
    def store(self) -> LabelStore:
        """All labels as flat arrays, edits included."""
        return self._labels.store

    def update_labels(self, include_class: Sequence[int] | None) -> None:
        """Keep only objects of some classes, then merge all classes with `single_cls`; images stay."""
        store = self.store
        if include_class is not None:
            store = store.keep_objects(np.isin(store.block[:, 0], np.asarray(include_class)))
        if self.single_cls and store.objects:
            store.block[:, 0] = 0
        if store is not self.store:
            self._labels = self._labels.with_store(store)

    def update_labels_info(self, label: Sample) -> Sample:
        """Hook of subclasses: replace the raw label fields of a sample by what transforms need."""
        return label

    # ----------------------------------------------------------------------------------- pixels

    def load_image(self, i: int, rect_mode: bool = True, resize_short: bool = False) -> Loaded:
        """Image i resized for training, with its original and its new (height, width).

        The pixels may belong to a cache: transforms must not write into them.

        Raises:
            DatasetNotFound: the image is missing or damaged.
        """
        if self._ram is not None:
            return self._ram.get(i)
        loaded = self._pixels.get(i) if self.augment else None
        if loaded is None:
            loaded = self._load(i, rect_mode, resize_short)
            if self.augment:
                self._remember(i, loaded)
        return loaded

    def _load(self, i: int, rect_mode: bool = True, resize_short: bool = False) -> Loaded:
        """From the disk cache, else from the image file."""
        loaded = self._disk.get(i) if self._disk is not None else None
        if loaded is None:
            image = read_image(self.im_files[i], self.channels)
            h0, w0 = image.shape[:2]
            image = self._resized(image, rect_mode, resize_short)
            loaded = image, (h0, w0), (int(image.shape[0]), int(image.shape[1]))
            if self._disk is not None:
                self._refresh_disk(i, loaded)
        return loaded

    def _resized(self, image: Image, rect_mode: bool, resize_short: bool) -> Image:
        h0, w0 = image.shape[:2]
        return resize_image(image, resized_hw(h0, w0, self.imgsz, rect_mode, resize_short))

    def _remember(self, i: int, loaded: Loaded) -> None:
        """Keep a loaded image; without a pool given from outside it also becomes a mosaic partner."""
        self._pixels.put(i, loaded)
        if self._pool is None:
            self.buffer.append(i)
            if 1 < len(self.buffer) >= self.max_buffer_length:
                self._pixels.drop(self.buffer.pop(0))

    # ------------------------------------------------------------------------------------ caches

    def _loading_mode(self) -> tuple[bool, bool]:
        """(rect_mode, resize_short) used for caching; subclasses that load differently say so here."""
        return True, False

    def _cached_sizes(self) -> list[tuple[int, int]]:
        mode = self._loading_mode()
        return [
            resized_hw(max(h, 1), max(w, 1), self.imgsz, *mode)
            for h, w in self.store.shapes.tolist()
        ]

    def _start_cache(self) -> None:
        if self.cache == "ram":
            self.cache = "ram" if self.check_cache_ram() else None
            if self.cache and self.augment and getattr(self.hyp, "deterministic", False):
                LOGGER.warning(
                    f"{self.prefix}cache='ram' draws mosaic partners from the whole data set, so results differ "
                    "from a run without it"
                )
        elif self.cache == "disk":
            self.cache = "disk" if self.check_cache_disk() else None
        if self.cache:
            self.cache_images()

    def check_cache_ram(self, safety_margin: float = 1.0) -> bool:
        """Whether all images fit into free memory; `safety_margin` scales the need."""
        need = sum(h * w for h, w in self._cached_sizes()) * self.channels
        return memory_allows(int(need * safety_margin), self.prefix)

    def check_cache_disk(self, safety_margin: float = 1.0) -> bool:
        """Whether all images fit onto the disk of the images and its folder can be written."""
        need = sum(h * w for h, w in self._cached_sizes()) * self.channels
        return disk_allows(
            int(need * safety_margin), os.path.dirname(self.im_files[0]) or ".", self.prefix
        )

    def cache_images(self) -> None:
        """Load all images once into the cache chosen by `cache`."""
        rect_mode, resize_short = self._loading_mode()
        load = lambda i: self._load(i, rect_mode, resize_short)
        if self.cache == "ram":
            ram = RamCache(self._cached_sizes(), self.channels)
            ram.fill(load, f"{self.prefix}Caching images ({ram.nbytes / 1e9:.1f} GB RAM)")
            self._ram = ram
            return
        mode = f"{self.imgsz}{'' if rect_mode else 's'}{'m' if resize_short else ''}"
        disk = DiskCache(self.im_files, mode, self.channels)
        if disk.fill(load, f"{self.prefix}Caching images (disk)"):
            self._disk = disk
        else:
            self.cache = None

    def _refresh_disk(self, i: int, loaded: Loaded) -> None:
        try:
            if self._disk is not None:
                self._disk.put(i, loaded)
        except OSError as error:
            LOGGER.warning(f"{self.prefix}{self.im_files[i]} is not cached: {error}")

    # ------------------------------------------------------------------------------- rectangles

    def set_rectangle(self) -> None:
        """Sort the images by aspect ratio and give every batch the smallest shape that holds its images.

        Sets `batch` (batch of every image) and `batch_shapes` (height, width of every batch). Images of equal
        ratio keep their order.
        """
        shapes = self.store.shapes.astype(np.float64)
        ratio = shapes[:, 0] / shapes[:, 1]
        order = np.argsort(ratio, kind="stable")
        self.im_files = [self.im_files[i] for i in order]
        if len(self.label_files) == self.ni:
            self.label_files = [self.label_files[i] for i in order]
        self._labels = self._labels.pick(order)
        self.batch = np.arange(self.ni) // self.batch_size
        self.batch_shapes = batch_shapes(
            ratio[order], self.batch, self.imgsz, self.stride, self.pad
        )

    # ---------------------------------------------------------------------------------- samples

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> Sample:
        """The transformed sample; reproducible by itself when the index carries a seed."""
        if isinstance(index, SampleIndex):
            return self._seeded_sample(index)
        self._use_pool(None)
        return self.transforms(self.get_image_and_label(index))

    def _seeded_sample(self, index: SampleIndex) -> Sample:
        """Run the transforms with the global generators set from the index, then put these back."""
        before = random.getstate(), np.random.get_state()
        random.seed(index.seed)
        np.random.seed(index.seed & 0xFFFFFFFF)
        self._use_pool(index.pool)
        if self._buffer_pool is not index.pool:
            self._buffer_pool, self.buffer = index.pool, list(index.pool)
        try:
            return self.transforms(self.get_image_and_label(int(index)))
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])

    def _use_pool(self, pool: Sequence[int] | None) -> None:
        """Mosaic partners come from this pool; None: from the images loaded last in this process."""
        if pool is None and self._pool is not None:
            self.buffer, self._buffer_pool = self._pixels.indexes(), None
        self._pool = pool

    def get_image_and_label(self, index: int) -> Sample:
        """The sample before any transform: label, image, sizes, and `rect_shape` with rect."""
        label = self._labels.sample(index)
        label["img"], label["ori_shape"], label["resized_shape"] = self.load_image(index)
        (h0, w0), (h, w) = label["ori_shape"], label["resized_shape"]
        label["ratio_pad"] = (h / h0, w / w0)
        if self.rect:
            label["rect_shape"] = self.batch_shapes[self.batch[index]]
        return self.update_labels_info(label)

    def build_transforms(
        self, hyp: Any = None
    ) -> Any:  # Any: settings namespace; callable on samples
        """The transforms of a sample; provided by subclasses."""
        raise NotImplementedError(f"{type(self).__name__} must define build_transforms()")

    def __getstate__(self) -> dict[str, Any]:
        """What a worker process needs; caches that are private to this process stay here."""
        state = dict(self.__dict__)
        state["_pool"] = state["_buffer_pool"] = None
        return state


def batch_shapes(
    ratio: npt.NDArray[np.float64],
    batch: npt.NDArray[np.int64],
    imgsz: int,
    stride: int,
    pad: float,
) -> npt.NDArray[np.int64]:
    """Height and width of every batch (spec 30, 2.12).

    Args:
        ratio: height / width per image, sorted.
        batch: batch number per image.
        imgsz: longest side.
        stride: sides are multiples of it.
        pad: added to the sides in strides before rounding up.
    """
    shapes = []
    for number in range(int(batch[-1]) + 1):
        part = ratio[batch == number]
        low, high = part.min(), part.max()
        shapes.append((high, 1.0) if high < 1 else (1.0, 1 / low) if low > 1 else (1.0, 1.0))
    return np.ceil(np.array(shapes) * imgsz / stride + pad).astype(np.int64) * stride


def list_images(img_path: str | Path | Sequence[str | Path]) -> list[str]:
    """Files below folders and in list files, unsorted; lists may name files of any kind.

    Raises:
        DatasetNotFound: an entry that is neither a folder nor a readable list.
    """
    entries = img_path if isinstance(img_path, (list, tuple)) else [img_path]
    return [file for entry in entries for file in _entry_files(str(entry))]


def _entry_files(entry: str) -> list[str]:
    """Files of one folder or list file; list lines starting with "./" are relative to the list."""
    if os.path.isdir(entry):
        return list(find_images(entry))
    if not os.path.isfile(entry):
        raise DatasetNotFound(f"{entry} does not exist. {HELP_URL}")
    if is_image(entry):
        raise DatasetNotFound(
            f"{entry} is an image; give its folder or a text file of paths. {HELP_URL}"
        )
    try:
        lines = Path(entry).read_text(encoding="utf-8-sig").strip().splitlines()
    except UnicodeDecodeError:
        raise DatasetNotFound(
            f"{entry} is not a UTF-8 text file of image paths. {HELP_URL}"
        ) from None
    folder = os.path.dirname(entry) + os.sep if os.path.dirname(entry) else ""
    return [folder + line[2:] if line.startswith("./") else line for line in map(str.strip, lines)]


def _cache_kind(value: bool | str | None) -> str | None:
    """Which cache a setting means; ConfigValueError for anything but True, "ram", "disk" and nothing."""
    kind = {"true": "ram", "false": "", "none": ""}.get(str(value).lower(), str(value).lower())
    if kind not in ("ram", "disk", ""):
        raise ConfigValueError(f"cache={value!r} is not one of True, False, 'ram', 'disk'")
    return kind or None


def _default_settings() -> Any:  # Any: a settings namespace
    from ultralytics.cfg import get_cfg

    return get_cfg()
