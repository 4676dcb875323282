"""Data set of the classification task: images in folders named after their class."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from ultralytics.data.augment.classify import (
    as_picture,
    classify_augmentations,
    classify_transforms,
)
from ultralytics.data.augment.classify_batch import BatchPipeline
from ultralytics.data.class_folders import Names, class_numbers, is_converted, list_class_images
from ultralytics.data.class_scan import Checked, check_images
from ultralytics.data.collate import stack_images
from ultralytics.data.formats import FORMATS_HELP_MSG
from ultralytics.data.fraction import choose_by_class, count_images, get_split_fraction
from ultralytics.data.images import (
    DiskCache,
    Image,
    Loaded,
    RamCache,
    disk_allows,
    memory_allows,
    read_image,
)
from ultralytics.data.samplers import SampleIndex
from ultralytics.data.scan import log_problems
from ultralytics.errors import ConfigValueError, DatasetError, DatasetNotFound
from ultralytics.utils.logging import LOGGER, colorstr

__all__ = ["ClassificationDataset"]

Sample = dict[str, Any]  # Any: a picture tensor, a class number, a path


class ClassificationDataset(Dataset[Sample]):
    """Images of one split, each with the class of its folder.

    A sample is {"img": float32 (C, H, W) in [0, 1], RGB for three channels, "cls": int, "im_file": str}. A plain
    integer index draws from the global generators, one of this library's loaders from its own seed.

    Attributes:
        samples: [file, class number, path of an array file, None] per image; may be edited.
        classes: names of the folders.
        torch_transforms: from a picture (see `augment.classify.as_picture`) to a tensor; may be replaced.
        cache: "ram", "disk" or None.
        steps_attribute: which attribute lists the steps of a sample.
    """

    steps_attribute = "torch_transforms"

    def __init__(
        self,
        root: str | Path,
        args: Any,  # Any: a settings namespace
        augment: bool = False,
        prefix: str = "",
        names: Names | None = None,
        channels: int = 3,
    ) -> None:
        """List and verify the images, build the transforms, cache pixels if asked.

        Args:
            root: folder with a folder per class.
            args: settings; imgsz, fraction, cache, single_cls and augmentation are read.
            augment: training transforms.
            prefix: name of the split, for log lines and its share of `fraction`.
            names: class names that folders are matched with; folders count alphabetically when none of
                them is known.
            channels: 1 gray, 3 RGB, others as stored.

        Raises:
            DatasetNotFound: no image in folders of classes.
            DatasetError: no usable image.
        """
        self.root = str(root)
        self.augment = augment
        self.channels = channels
        self.imgsz = int(args.imgsz)
        split = prefix or ("train" if augment else "val")
        self.prefix = colorstr(f"{prefix}: ") if prefix else ""
        self.classes, listed = list_class_images(root)
        if not listed:
            raise DatasetNotFound(
                f"{self.prefix}no images found in folders of classes in {root}. {FORMATS_HELP_MSG}"
            )
        numbers = class_numbers(root, self.classes, names, bool(args.single_cls))
        self._report_unknown(numbers)
        pairs = [(file, c) for file, i in listed if (c := numbers[i]) is not None]
        share = 1.0 if is_converted(root) else get_split_fraction(args.fraction, split)
        chosen = choose_by_class([c for _, c in pairs], count_images(len(pairs), share))
        pairs, checked = self._verified([pairs[i] for i in chosen])
        self.samples: list[list[Any]] = [  # Any: see the class
            [file, c, Path(file).with_suffix(".npy"), None] for file, c in pairs
        ]
        self.torch_transforms = self.build_transforms(args)
        self._built, self._built_steps = self.torch_transforms, _steps(self.torch_transforms)
        self._batches: BatchPipeline | None = None
        self._ram: RamCache | None = None
        self._disk: DiskCache | None = None
        self.cache = self._start_cache(args.cache, checked)

    def _report_unknown(self, numbers: Sequence[int | None]) -> None:
        unknown = [name for name, c in zip(self.classes, numbers, strict=True) if c is None]
        if len(unknown) == len(numbers):
            raise DatasetError(f"{self.prefix}{self.root}: none of its folders is a known class")
        if unknown:
            LOGGER.warning(
                f"{self.prefix}{self.root}: folders {', '.join(unknown[:10])} are no known class; "
                "their images are left out"
            )

    def _verified(
        self, pairs: list[tuple[str, int]]
    ) -> tuple[list[tuple[str, int]], list[Checked]]:
        """The usable images with what is known of them; the others are reported."""
        root = Path(self.root)
        files = [file for file, _ in pairs]
        found = check_images(files, root.with_name(f"{root.name}.cache"), self.prefix)
        problems = [one.problem(f) for f, one in zip(files, found, strict=True) if one.note]
        usable = [i for i, one in enumerate(found) if one.is_usable]
        LOGGER.info(
            f"{self.prefix}{self.root}: {len(usable)} images, {len(found) - len(usable)} corrupt"
        )
        if not usable:
            texts = "\n".join(str(problem) for problem in problems[:20])
            raise DatasetError(f"{self.prefix}no usable image in {self.root}:\n{texts}")
        log_problems(problems, self.prefix)
        return [pairs[i] for i in usable], [found[i] for i in usable]

    # ------------------------------------------------------------------------------- transforms

    def build_transforms(self, args: Any) -> Any:  # Any: settings namespace; torchvision is untyped
        """Training or validation transforms from a picture to a tensor."""
        if not self.augment:
            return classify_transforms(size=self.imgsz, channels=self.channels)
        return classify_augmentations(
            size=self.imgsz,
            scale=_area_range(args.scale),
            hflip=args.fliplr,
            vflip=args.flipud,
            erasing=args.erasing,
            auto_augment=args.auto_augment,
            hsv_h=args.hsv_h,
            hsv_s=args.hsv_s,
            hsv_v=args.hsv_v,
            channels=self.channels,
        )

    def _pipeline(self) -> BatchPipeline | None:
        """The built transforms for batches, unless they or the sample were replaced."""
        is_stock = (
            self.torch_transforms is self._built
            and _steps(self._built) == self._built_steps
            and type(self).__getitem__ is ClassificationDataset.__getitem__
        )
        if is_stock and self._batches is None:
            self._batches = BatchPipeline.of(self._built, self.imgsz, self.channels)
        return self._batches if is_stock else None

    # ----------------------------------------------------------------------------------- caches

    def _start_cache(self, asked: bool | str | None, checked: Sequence[Checked]) -> str | None:
        kind = "ram" if asked is True else asked or None
        sizes = [one.size_hw for one in checked]
        nbytes = sum(h * w for h, w in sizes) * self.channels
        files = self.im_files
        load = lambda i: _loaded(read_image(files[i], self.channels))
        if kind == "ram" and memory_allows(nbytes, self.prefix):
            self._ram = RamCache(sizes, self.channels)
            self._ram.fill(load, f"{self.prefix}Caching images ({nbytes / 1e9:.1f} GB RAM)")
            self._cached = files
            return "ram"
        if kind == "disk" and disk_allows(nbytes, str(Path(files[0]).parent), self.prefix):
            disk = DiskCache(files, "full", self.channels)
            if disk.fill(load, f"{self.prefix}Caching images (disk)"):
                self._disk, self._cached = disk, files
                return "disk"
        return None

    def load_image(self, i: int) -> Image:
        """Image i as stored, (H, W, C), BGR for three channels. Its pixels must not be changed.

        Raises:
            DatasetNotFound: the image is missing or damaged.
        """
        file = str(self.samples[i][0])
        store = self._ram or self._disk
        if store is not None and i < len(self._cached) and self._cached[i] == file:
            found = store.get(i)
            if found is not None:
                return found[0]
        return read_image(file, self.channels)

    # ---------------------------------------------------------------------------------- samples

    @property
    def im_files(self) -> list[str]:
        """The images, in order."""
        return [str(sample[0]) for sample in self.samples]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, i: int) -> Sample:
        """The transformed sample."""
        with _draws_of(i):
            picture = self.torch_transforms(as_picture(self.load_image(i)))
        return {"img": picture, "cls": self.samples[i][1], "im_file": str(self.samples[i][0])}

    def __getitems__(self, indexes: list[int]) -> list[Sample]:
        """The samples of a batch, their pixels side by side where the transforms are the built ones."""
        pipeline = self._pipeline()
        if pipeline is None:
            return [self[i] for i in indexes]
        block = pipeline(self._pictures(indexes), len(indexes), self.imgsz)
        return [
            {"img": picture, "cls": self.samples[i][1], "im_file": str(self.samples[i][0])}
            for i, picture in zip(indexes, block, strict=True)
        ]

    def _pictures(self, indexes: Sequence[int]) -> Iterator[Any]:
        """Pictures one by one, torch's generator being set for each; the built transforms use no other."""
        before = torch.get_rng_state()
        try:
            for i in indexes:
                if isinstance(i, SampleIndex):
                    torch.default_generator.manual_seed(i.seed)
                yield as_picture(self.load_image(i))
        finally:
            if isinstance(indexes[0], SampleIndex):
                torch.set_rng_state(before)

    @staticmethod
    def collate_fn(batch: Sequence[Sample]) -> Sample:
        """Join samples: img (B, C, H, W), cls int64 (B,), other entries as tuples."""
        joined: Sample = {key: tuple(sample[key] for sample in batch) for key in batch[0]}
        joined["img"] = stack_images(joined["img"])
        joined["cls"] = torch.as_tensor(joined["cls"])
        return joined

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_batches": None}


def _steps(transforms: Any) -> list[Any]:  # Any: torchvision is untyped
    return list(getattr(transforms, "transforms", ()))


def _loaded(image: Image) -> Loaded:
    size = int(image.shape[0]), int(image.shape[1])
    return image, size, size


@contextmanager
def _draws_of(index: int) -> Iterator[None]:
    """Global generators set from an index that carries a seed, and put back afterwards."""
    if not isinstance(index, SampleIndex):
        yield
        return
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()
    torch.default_generator.manual_seed(index.seed)
    random.seed(index.seed)
    np.random.seed(index.seed & 0xFFFFFFFF)
    try:
        yield
    finally:
        torch.set_rng_state(before[0])
        random.setstate(before[1])
        np.random.set_state(before[2])


def _area_range(scale: float | Sequence[float]) -> tuple[float, float]:
    """Share of the picture that a crop keeps, from `scale`: 0.3 means 0.7 to 1; a pair is the range itself.

    Raises:
        ConfigValueError: a range that is not within 0 and 1.
    """
    low, high = (1.0 - scale, 1.0) if isinstance(scale, (int, float)) else scale
    if not 0 <= low <= high <= 1:
        raise ConfigValueError(
            f"scale={scale} must be two shares of the picture, [smallest, largest], between 0 and 1"
        )
    return float(low), float(high)
