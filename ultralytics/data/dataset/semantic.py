"""Data sets of semantic segmentation: every sample has a class map of the size of its image.

The map comes from a mask file (`SemanticDataset`), which may be colour-coded, or is drawn from the polygons of label
files (`PolygonSemanticDataset`). 255 is not counted. Maps go through the same geometry as the pixels. Specification
chapter 30, section 1.7.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ultralytics.data.base import Sample
from ultralytics.data.cache import cache_path
from ultralytics.data.colours import ColourTable, convert_colour_masks
from ultralytics.data.dataset.yolo import YOLODataset
from ultralytics.data.formats import HELP_URL
from ultralytics.data.images import Loaded, PixelBuffer, RamCache
from ultralytics.data.labels import Label, LabelRecord, LabelStore, LabelView
from ultralytics.data.mask_scan import MaskScan, scan_masks
from ultralytics.data.masks import (
    IGNORE,
    VALUES,
    Table,
    find_masks,
    inverse_table,
    mapping_table,
    read_mask,
    resize_map,
)
from ultralytics.data.polygons import polygons2masks_overlap
from ultralytics.data.scan import log_problems
from ultralytics.errors import DatasetError, NotAvailable
from ultralytics.registry import Labels
from ultralytics.utils.logging import LOGGER

__all__ = [
    "PolygonSemanticDataset",
    "SemanticDataset",
    "add_polygon_background",
    "has_mask_files",
]

Ids = npt.NDArray[Any]  # Any: uint8, or uint16 in files with larger ids
Data = dict[str, Any]  # Any: a checked description
BACKGROUND = "background"
COUNTED_IMAGES = 1000  # of a set whose pixels have to be drawn to be counted


def has_mask_files(data: Mapping[str, Any]) -> bool:  # Any: a checked description
    """Whether the classes of a data set are in mask files rather than in polygons."""
    return bool(data.get("masks_dir") or data.get("colors"))


def add_polygon_background(data: Data) -> Data:
    """Give a set of polygons its background, in place and once: a further class, or id 0 with a single class."""
    if "bg_class_idx" in data:
        return data
    nc = len(data["names"])
    data["bg_class_idx"] = nc if nc > 1 else 0
    if nc > 1:
        data["names"] = {**data["names"], nc: BACKGROUND}
        data["nc"] = nc + 1
    return data


class ClassMapDataset(YOLODataset):
    """What data sets of semantic segmentation share: class maps that follow their images.

    A subclass says how the map of an image is made (`load_class_map`). While training, the short side of an image is
    loaded at `imgsz`.
    """

    val_pad = 0.0
    use_class_maps = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: as YOLODataset
        """As YOLODataset. Raises NotAvailable for `single_cls`."""
        if kwargs.get("single_cls"):
            raise NotAvailable("single_cls=True means nothing for class maps; leave it out")
        self._map_ram: RamCache | None = None
        self._maps = PixelBuffer(0)
        super().__init__(*args, **kwargs)
        self._maps = PixelBuffer(self.max_buffer_length)

    @classmethod
    def suited_to(cls, data: Mapping[str, Any]) -> type[YOLODataset]:
        """The class that reads mask files, or the one that draws polygons."""
        return SemanticDataset if has_mask_files(data) else PolygonSemanticDataset

    @property
    def class_count(self) -> int:
        """Classes of the set, the background of polygons included."""
        return len(self.data["names"])

    def load_class_map(self, i: int, size_hw: tuple[int, int]) -> Ids:
        """Class map (H, W) of image i at a size; provided by subclasses."""
        raise NotImplementedError(f"{type(self).__name__} must define load_class_map()")

    def pixel_counts(self) -> npt.NDArray[np.int64]:
        """Pixels of every class in the whole set; provided by subclasses."""
        raise NotImplementedError(f"{type(self).__name__} must define pixel_counts()")

    def update_labels(self, include_class: Sequence[int] | None) -> None:
        """Count only some classes; all others become 255. Without effect for a single class."""
        if include_class is None:
            return
        if self.class_count == 1:
            LOGGER.warning(f"{self.prefix}classes={include_class} has no effect on a single class")
            return
        kept = {*include_class, self.data.get("bg_class_idx", IGNORE)}
        self._table[~np.isin(self._table, list(kept))] = IGNORE

    def convert_label(self, label: Ids, inverse: bool = False) -> Ids:
        """Class ids of raw ids by `label_mapping`, or with `inverse` the raw ids that a file would hold."""
        table = inverse_table(self.data.get("label_mapping")) if inverse else self._table
        return _look_up(label, table)

    @property
    def _table(self) -> Table:
        if not hasattr(self, "_ids"):
            self._ids = mapping_table(self.data.get("label_mapping"))
        return self._ids

    # ----------------------------------------------------------------------------------- pixels

    def load_image(self, i: int, rect_mode: bool = True, resize_short: bool = False) -> Loaded:
        """As the base class; while training the short side is at `imgsz`."""
        return super().load_image(i, rect_mode, resize_short or self.augment)

    def _loading_mode(self) -> tuple[bool, bool]:
        return True, self.augment

    def check_cache_ram(self, safety_margin: float = 1.0) -> bool:
        """As the base class, for images and maps."""
        return super().check_cache_ram(safety_margin * (1 + 1 / self.channels))

    def cache_images(self) -> None:
        """Load all images once, and their maps into memory when the images go there."""
        super().cache_images()
        if self._ram is not None:
            ram = RamCache(self._cached_sizes(), 1)
            ram.fill(self._loaded_map, f"{self.prefix}Caching class maps")
            self._map_ram = ram

    def _loaded_map(self, i: int) -> Loaded:
        size = self._cached_sizes()[i]
        return self.load_class_map(i, size)[..., None], size, size

    def get_image_and_label(self, index: int) -> Sample:
        """The sample before any transform, with its class map under `semantic_mask` (read-only)."""
        label = super().get_image_and_label(index)
        label["semantic_mask"] = self.class_map(index, tuple(label["resized_shape"]))
        return label

    def mask_facts(self, i: int) -> Sample:
        """What samples say about the mask of image i beside the map."""
        return {}

    def class_map(self, i: int, size_hw: tuple[int, int]) -> Ids:
        """Class map (H, W) of image i at a size, kept as long as its image; read-only."""
        kept = self._map_ram.get(i) if self._map_ram is not None else self._maps.get(i)
        if kept is None:
            kept = self.load_class_map(i, size_hw)[..., None], size_hw, size_hw
            if self.augment:
                self._maps.put(i, kept)
        ids = kept[0][..., 0]
        ids.setflags(write=False)  # it may be kept for other samples
        return ids

    # ------------------------------------------------------------------------------- transforms

    def last_step(self, settings: Any) -> Any:  # Any: settings namespace; callable on samples
        """The transform that makes an image and a class map."""
        from ultralytics.data.augment import SemanticFormat

        return SemanticFormat(bgr=settings.bgr if self.augment else 0.0)

    @classmethod
    def stock_hooks(cls) -> dict[str, Any]:  # Any: functions
        """As the base class, with the methods of this one."""
        own = {
            "get_image_and_label": ClassMapDataset.get_image_and_label,
            "last_step": ClassMapDataset.last_step,
        }
        return super().stock_hooks() | own


class SemanticDataset(ClassMapDataset):
    """Images with mask files of class ids, or of colours that stand for classes."""

    def get_labels(self) -> Sequence[Sample]:
        """Find, verify and cache the masks; pairs that cannot be used leave `im_files`.

        Raises:
            DatasetError: no usable pair.
        """
        files = find_masks(self.im_files, self.data.get("masks_dir"))
        if self.data.get("colors"):
            files = convert_colour_masks(files, ColourTable.of(self.data), self.prefix)
        scan = scan_masks(self.im_files, files, cache_path(files), self.prefix)
        usable = self._report(scan)
        facts = [scan.facts[i] for i in usable]
        self.im_files = [scan.im_files[i] for i in usable]
        self._counts = sum((f.counts(self._table) for f in facts), np.zeros(VALUES, np.int64))
        return MaskLabels(
            _without_objects([fact.shape for fact in facts]),
            self.im_files,
            [scan.mask_files[i] for i in usable],
            [fact.mode for fact in facts],
        )

    def _report(self, scan: MaskScan) -> list[int]:
        """Log what was found; numbers of the usable pairs."""
        found = scan.problems(self._table, self.class_count)
        usable = [i for i, problem in enumerate(found) if problem is None]
        problems = [problem for problem in found if problem is not None]
        LOGGER.info(
            f"{self.prefix}{len(usable)} images with masks, {len(problems)} that cannot be used"
        )
        if not usable:
            texts = "\n".join(str(problem) for problem in problems[:20])
            raise DatasetError(
                f"{self.prefix}no usable image with a mask in {self.img_path}. {HELP_URL}\n{texts}"
            )
        log_problems(problems, self.prefix)
        return usable

    @property
    def mask_files(self) -> list[str]:
        """Mask of every image."""
        return [record["mask_file"] for record in self.labels]

    @staticmethod
    def read_mask(file: str, mode: str = "L") -> Ids:
        """Raw ids (H, W) of a mask file with pixels of a Pillow mode."""
        return read_mask(file, mode)

    def load_class_map(self, i: int, size_hw: tuple[int, int]) -> Ids:
        """Class map of image i from its file."""
        record = self.labels[i]
        ids = self.convert_label(self.read_mask(record["mask_file"], record["mode"]))
        # What published figures were measured on is half a pixel off; training need not be.
        return resize_map(ids.astype(np.uint8, copy=False), size_hw, centred=self.augment)

    def mask_facts(self, i: int) -> Sample:
        """File and Pillow mode of the mask of image i."""
        record = self.labels[i]
        return {"mask_file": record["mask_file"], "mode": record["mode"]}

    def pixel_counts(self) -> npt.NDArray[np.int64]:
        """Pixels of every class in the whole set, counted while the masks were verified."""
        return _own_counts(self._counts, self.class_count)


class PolygonSemanticDataset(ClassMapDataset):
    """Images with polygon label files; what no polygon covers is background.

    The labels are those of instance segmentation, and so is their cache. With one class the map has 1 inside polygons
    and 0 outside; with several, the background is one more class.
    """

    label_form: Labels | None = "polygons"

    def __init__(
        self, *args: Any, data: Data | None = None, task: str = "semantic", **kwargs: Any
    ) -> None:
        """As YOLODataset; `data` gets its background class if it has none yet."""
        whole = add_polygon_background(data or {"names": {}})
        names = {i: n for i, n in whole["names"].items() if i != whole["bg_class_idx"] or i == 0}
        self._whole = whole
        super().__init__(*args, data={**whole, "names": names}, task=task, **kwargs)
        self.data = whole
        self.use_segments = False  # the labels are read; samples have maps instead of outlines

    @property
    def class_count(self) -> int:
        """Classes of the set with the background."""
        return len(self._whole["names"])

    def update_labels_info(self, label: Sample) -> Sample:
        """As YOLODataset, without objects when no transform asks for them: outlines are costly."""
        if not self._uses_objects():
            label["cls"], label["bboxes"] = (
                np.zeros((0, 1), np.float32),
                np.zeros((0, 4), np.float32),
            )
            label["segments"] = []
        return super().update_labels_info(label)

    @classmethod
    def stock_hooks(cls) -> dict[str, Any]:  # Any: functions
        """As the base class, with the methods of this one."""
        own = {"update_labels_info": PolygonSemanticDataset.update_labels_info}
        return super().stock_hooks() | own

    def _uses_objects(self) -> bool:
        hyp = self.hyp
        return bool(hyp.copy_paste or hyp.cutmix or getattr(hyp, "augmentations", None))

    def load_class_map(self, i: int, size_hw: tuple[int, int]) -> Ids:
        """Class map of image i, smaller objects on top of larger ones."""
        store, (height, width) = self.store, size_hw
        background = self._whole["bg_class_idx"]
        polygons = [points * (width, height) for points in store.polygons(i)]
        if not polygons:
            return np.full(size_hw, background, np.uint8)
        if self.class_count == 1:
            classes = np.ones(len(polygons), np.uint8)
        else:
            classes = store.rows(i)[:, 0].astype(np.uint8)
        covered, order = polygons2masks_overlap(size_hw, polygons)
        by_number = np.concatenate(([background], classes[order])).astype(np.uint8)
        return _look_up(by_number[covered], self._table)

    def pixel_counts(self) -> npt.NDArray[np.int64]:
        """Pixels of every class in the first images, drawn at the size of the images."""
        counts = np.zeros(VALUES, np.int64)
        for i, (height, width) in enumerate(self.store.shapes[:COUNTED_IMAGES].tolist()):
            counts += np.bincount(self.load_class_map(i, (height, width)).ravel(), minlength=VALUES)
        return _own_counts(counts, self.class_count)


class MaskLabels(LabelView):
    """Labels without objects that know the mask of their image."""

    def __init__(
        self,
        store: LabelStore,
        im_files: Sequence[str],
        mask_files: Sequence[str],
        modes: Sequence[str],
    ) -> None:
        super().__init__(store, im_files)
        self._masks = list(mask_files)
        self._modes = list(modes)

    def pick(self, order: npt.ArrayLike) -> MaskLabels:
        """The labels of the given images, in that order."""
        chosen = np.asarray(order, np.int64).tolist()
        plain = super().pick(order)
        view = MaskLabels(
            plain._store,
            plain._files,
            [self._masks[i] for i in chosen],
            [self._modes[i] for i in chosen],
        )
        for i, record in plain._kept.items():
            view[i] = dict(record)
        return view

    def with_store(self, store: LabelStore) -> MaskLabels:
        """The same images and masks with other arrays."""
        view = MaskLabels(store, self._files, self._masks, self._modes)
        for i, record in self._kept.items():
            view[i] = dict(record)
        return view

    def sample(self, i: int) -> Label:
        """A private copy of one label, with `mask_file` and `mode`."""
        label = super().sample(i)
        return {**self._own(i), **label}

    def _record(self, i: int) -> LabelRecord:
        record = super()._record(i)
        for key, value in self._own(i).items():
            dict.__setitem__(record, key, value)
        return record

    def _own(self, i: int) -> Label:
        return {"mask_file": self._masks[i], "mode": self._modes[i]}

    def __reduce__(self) -> tuple[Any, ...]:  # Any: pickle protocol
        kept = {i: dict(record) for i, record in self._kept.items()}
        return _restored, (self.store, self._files, self._masks, self._modes, kept)


def _restored(
    store: LabelStore,
    im_files: Sequence[str],
    mask_files: Sequence[str],
    modes: Sequence[str],
    kept: Mapping[int, Label],
) -> MaskLabels:
    view = MaskLabels(store, im_files, mask_files, modes)
    for i, label in kept.items():
        view[i] = label
    return view


def _without_objects(shapes: Sequence[tuple[int, int]]) -> LabelStore:
    return LabelStore(
        np.zeros((0, 5), np.float32),
        np.zeros(len(shapes) + 1, np.int64),
        np.array(shapes, np.int32).reshape(-1, 2),
    )


def _own_counts(counts: npt.NDArray[np.int64], classes: int) -> npt.NDArray[np.int64]:
    """Counts of the classes, from counts of ids; a single class has id 1, 0 being the background."""
    return counts[1:2] if classes == 1 else counts[:classes]


def _look_up(ids: Ids, table: Table) -> Ids:
    if (table == np.arange(VALUES)).all():
        return ids
    if ids.dtype == np.uint8:
        return np.asarray(cv2.LUT(ids, table)).reshape(ids.shape)
    return table[ids]
