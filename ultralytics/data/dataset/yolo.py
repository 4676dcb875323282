"""Data sets of the detection family: label files in YOLO text format, with boxes, polygons or keypoints."""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from ultralytics.data.base import BaseDataset, Sample
from ultralytics.data.cache import cache_path
from ultralytics.data.collate import batch_memory, collate_fn
from ultralytics.data.fingerprint import fingerprint, stop_mixing
from ultralytics.data.formats import HELP_URL, img2label_paths
from ultralytics.data.keypoints import check_keypoints, keypoint_shape
from ultralytics.data.labels import LabelStore, LabelView
from ultralytics.data.problems import LabelError
from ultralytics.data.samplers import SampleIndex
from ultralytics.data.scan import Scan, log_problems, scan_files
from ultralytics.data.verify import LabelRule
from ultralytics.errors import DatasetError
from ultralytics.registry import Labels, label_kind
from ultralytics.utils.logging import LOGGER

__all__ = ["YOLODataset", "label_rule"]

PixelMode = Literal["fast", "exact"]
POLYGON_POINTS, OBB_POINTS = 1000, 100


def label_rule(data: dict[str, Any], task: str, single_class: bool = False) -> LabelRule:
    """What label files of a data set may contain for a task.

    Raises:
        DescriptionValueError: what a pose set says about keypoints is unusable.
    """
    has_keypoints = label_kind(task) == "keypoints"
    shape = keypoint_shape(data) if has_keypoints else tuple(data.get("kpt_shape") or (0, 0))
    if has_keypoints:
        check_keypoints(data)
    k, d = (int(value) for value in (shape if len(shape) == 2 else (0, 0)))
    return LabelRule(len(data["names"]), has_keypoints, (k, d), single_class)


class YOLODataset(BaseDataset):
    """Detect, segment, pose and obb data.

    Attributes beyond BaseDataset: data (the checked description), label_files, use_segments,
    use_keypoints, use_obb, `mosaic` flag, `collate_fn`, and `pixel_mode`: "fast" makes training samples in
    a fused pipeline that is equal in distribution, "exact" runs the transforms as they are listed. Whatever
    the fused pipeline does not support (user transforms, other tasks) always runs as listed. A plain integer
    index draws from the global generators, one of this library's loaders from its own seed.
    """

    collate_fn = staticmethod(collate_fn)
    val_pad = 0.5  # of rectangular validation batches, in strides
    label_form: Labels | None = (
        None  # what label files hold, where it does not follow from the task
    )

    @classmethod
    def suited_to(cls, data: Mapping[str, Any]) -> type[YOLODataset]:  # Any: a checked description
        """The class that reads a data set; tasks with several kinds of labels choose by the description."""
        return cls

    def __init__(
        self,
        *args: Any,  # Any: as BaseDataset
        data: dict[str, Any] | None = None,
        task: str = "detect",
        pixel_mode: PixelMode = "fast",
        **kwargs: Any,
    ) -> None:
        """Args: data: the checked description; task: detect, segment, pose or obb; the rest as BaseDataset."""
        kind = self.label_form or label_kind(task)
        self.use_segments = kind == "polygons"
        self.use_keypoints = kind == "keypoints"
        self.use_obb = kind == "corners"
        self.task = task
        self.data: dict[str, Any] = data or {"names": {}}
        self.pixel_mode: PixelMode = pixel_mode
        self._rule = label_rule(self.data, task, bool(kwargs.get("single_cls", False)))
        self._fused: Any = None  # Any: FastDetectPipeline, made per process on first use
        self._fused_key: tuple[Any, ...] | None = None
        self._rng, self._np_rng = random.Random(0), np.random.RandomState(0)
        kwargs.setdefault("channels", self.data.get("channels", 3))
        super().__init__(*args, **kwargs)
        self.mosaic = self.augment

    # ----------------------------------------------------------------------------------- labels

    def get_labels(self) -> Sequence[Sample]:
        """Read, verify and cache the label files; drops unusable images from `im_files`.

        Raises:
            DatasetError: no usable image.
            LabelError: no label file at all (training), or boxes where polygons are needed.
        """
        self.label_files = img2label_paths(self.im_files)
        scan = scan_files(
            self.im_files, self.label_files, self._rule, cache_path(self.label_files), self.prefix
        )
        self._announce(scan)
        scan = scan.pick(scan.usable.tolist())
        self.im_files, self.label_files = scan.im_files, scan.lb_files
        return LabelView(self._suitable(scan.store), self.im_files)

    def _announce(self, scan: Scan) -> None:
        """Log counts and problems; raise when the set cannot be used at all."""
        found, missing, empty, corrupt, total = scan.counts
        folder = Path(self.label_files[0]).parent
        LOGGER.info(
            f"{self.prefix}{folder}: {found} labeled images, {missing + empty} backgrounds, {corrupt} corrupt"
        )
        problems = scan.all_problems()
        if corrupt == total:
            texts = list(dict.fromkeys(str(problem) for problem in problems))
            raise DatasetError(
                f"{self.prefix}no usable image in {self.img_path}:\n" + "\n".join(texts[:20])
            )
        log_problems(problems, self.prefix)
        if found == 0:
            text = f"{self.prefix}no label files found in {folder} for the images of {self.img_path}. {HELP_URL}"
            if self.augment:
                raise LabelError(text)
            LOGGER.warning(text)

    def _suitable(self, store: LabelStore) -> LabelStore:
        """The labels, without polygons if these are incomplete and not needed."""
        polygons, objects = store.polygon_count, store.objects
        if objects == 0:
            LOGGER.warning(
                f"{self.prefix}no objects in the labels of {self.img_path}; training may not work"
            )
        elif polygons != objects:
            if self.use_segments or self.use_obb:
                raise LabelError(
                    f"{self.prefix}task {self.task} needs a polygon for every object, but {self.img_path} has "
                    f"{objects} boxes and {polygons} polygons; use an OBB or segment data set. {HELP_URL}"
                )
            if polygons:
                LOGGER.warning(
                    f"{self.prefix}{polygons} polygons for {objects} boxes: only boxes are used; do not mix "
                    "detection and segmentation labels"
                )
                return store.without_polygons()
        return store

    def update_labels_info(self, label: Sample) -> Sample:
        """Replace the raw boxes, polygons and keypoints by one `Instances` object."""
        from ultralytics.utils.instance import Instances
        from ultralytics.utils.ops import resample_segments

        segments, count = label.pop("segments", []), OBB_POINTS if self.use_obb else POLYGON_POINTS
        if len(segments):
            longest = max(len(segment) for segment in segments)
            count = longest + 1 if count < longest else count
            points = np.stack(resample_segments(segments, n=count), axis=0)
        else:
            points = np.zeros((0, count, 2), np.float32)
        label["instances"] = Instances(
            label.pop("bboxes"),
            points,
            label.pop("keypoints", None),
            bbox_format=label.pop("bbox_format"),
            normalized=label.pop("normalized"),
        )
        return label

    # ------------------------------------------------------------------------------- transforms

    def build_transforms(self, hyp: Any = None) -> Any:  # Any: settings namespace; Compose
        """Training or validation transforms ending in tensors; `hyp` itself is not changed."""
        from ultralytics.data.augment import Compose, LetterBox, v8_transforms

        settings = copy.copy(self.hyp if hyp is None else hyp)
        if self.augment:
            if self.rect:
                settings.mosaic = settings.mixup = settings.cutmix = 0.0
            transforms = v8_transforms(self, self.imgsz, settings)
        else:
            transforms = Compose([LetterBox(new_shape=(self.imgsz, self.imgsz), scaleup=False)])
        transforms.append(self.last_step(settings))
        self._built, self._built_print, self._built_hyp = (
            transforms,
            fingerprint(transforms),
            settings,
        )
        self._fused = self._fused_key = None
        return transforms

    def last_step(self, settings: Any) -> Any:  # Any: settings namespace; callable on samples
        """The transform that turns a sample into tensors."""
        from ultralytics.data.augment import Format

        return Format(
            bbox_format="xywh",
            normalize=True,
            return_mask=self.use_segments,
            return_keypoint=self.use_keypoints,
            return_obb=self.use_obb,
            batch_idx=True,
            mask_ratio=settings.mask_ratio,
            mask_overlap=settings.overlap_mask,
            bgr=settings.bgr if self.augment else 0.0,
        )

    def close_mosaic(self, hyp: Any) -> None:  # Any: settings namespace
        """End mosaic, copy-paste, mixup and cutmix; `hyp` is not changed.

        The transforms are built anew, unless they were replaced or edited: these steps then stop, and all others stay.
        """
        settings = copy.copy(hyp)
        settings.mosaic = settings.copy_paste = settings.mixup = settings.cutmix = 0.0
        self.hyp = settings
        if self.transforms is not self._built or not self._is_unedited():
            stop_mixing(self.transforms)
            return
        self.transforms = self.build_transforms(settings)

    def _is_unedited(self) -> bool:
        return bool(fingerprint(self._built) == self._built_print)

    # ---------------------------------------------------------------------------------- samples

    def __getitem__(self, index: int) -> Sample:
        """The transformed sample, see the class for which pipeline makes it."""
        if isinstance(index, SampleIndex):
            fused = self._pipeline((index.epoch, len(self._built.transforms)))
            if fused is not None:
                return self._fused_sample(fused, index)
        else:
            fused = self._pipeline((-1, len(self._built.transforms)))
            if fused is not None:
                out = fused.output()
                self._use_pool(None)
                self.load_image(int(index))
                return fused(int(index), random, np.random, self._partners(self.buffer), out)
        return super().__getitem__(index)

    def __getitems__(self, indexes: list[int]) -> list[Sample]:
        """The samples of a batch; fused ones write their pixels side by side, so joining them is free."""
        first = indexes[0]
        plain = type(self).__getitem__ is not YOLODataset.__getitem__ or "__getitem__" in vars(self)
        if not plain and isinstance(first, SampleIndex):
            fused = self._pipeline((first.epoch, len(self._built.transforms)))
            if fused is not None:
                block = batch_memory((len(indexes), self.imgsz, self.imgsz, 3))
                return [
                    self._fused_sample(fused, index, slot)  # type: ignore[arg-type]  # all are marked
                    for index, slot in zip(indexes, block, strict=True)
                ]
        return [self[index] for index in indexes]

    def _fused_sample(
        self, fused: Any, index: SampleIndex, out: torch.Tensor | None = None
    ) -> Sample:
        self._use_pool(index.pool)
        self._rng.seed(index.seed)
        self._np_rng.seed(index.seed & 0xFFFFFFFF)
        return fused(int(index), self._rng, self._np_rng, self._partners(index.pool), out)

    def _partners(self, pool: Sequence[int]) -> Sequence[int]:
        """Where mosaic partners come from: the whole set when it is in memory."""
        return range(len(self)) if self.cache == "ram" else pool

    def _pipeline(self, key: tuple[int, int]) -> Any:  # Any: FastDetectPipeline or None
        """The fused pipeline when it may be used; looked at again in every epoch and after edits."""
        if self.transforms is not self._built:
            return None
        if key != self._fused_key:
            self._fused_key = key
            self._fused = self._make_pipeline()
        return self._fused

    def _make_pipeline(self) -> Any:  # Any: FastDetectPipeline or None
        if not self.augment or self.pixel_mode == "exact" or not self._is_stock():
            return None
        from ultralytics.data.augment.fused import choose_pipeline

        kind = choose_pipeline(self, self._built_hyp)
        if kind is None:
            return None
        return self._fused or kind(self, self.imgsz, self._built_hyp)

    def _is_stock(self) -> bool:
        """Whether neither a subclass, nor a patched instance, nor an edited transform asks for other samples."""
        hooks = all(
            getattr(type(self), name) is stock and name not in vars(self)
            for name, stock in self.stock_hooks().items()
        )
        return hooks and not self._labels.has_extras and self._is_unedited()

    @classmethod
    def stock_hooks(cls) -> dict[str, Any]:  # Any: functions
        """The methods that a fused pipeline stands for, by name; a class of the library names its own."""
        return {
            "get_image_and_label": BaseDataset.get_image_and_label,
            "update_labels_info": YOLODataset.update_labels_info,
            "build_transforms": YOLODataset.build_transforms,
            "last_step": YOLODataset.last_step,
        }

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        state["_fused"] = state["_fused_key"] = None
        return state
