"""The default detection pipeline in one piece: mosaic, affine, colour, flips, tensors.

Gives what the separate transforms give, from flat label arrays and reused buffers, without copies of
labels or intermediate canvases. Numbers are drawn in the documented order (chapter 30, 5.2) from the
generators passed in. In "fast" pixel mode a warp that only scales and moves snaps its translation to
whole source pixels, at most half a source pixel away, and labels follow (chapter 80, 1.2, method C);
"exact" keeps the drawn matrix (method A). Images leave as (3, S, S) views of (S, S, 3) memory.
"""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ultralytics.data.augment.affine import (
    MAX_ASPECT,
    MIN_AREA_SHARE,
    MIN_SIDE_PX,
    Matrix,
    draw_matrix,
)
from ultralytics.data.augment.albumentations import Albumentations
from ultralytics.data.augment.colour import change_planes
from ultralytics.data.augment.mosaic import FILL, corners_of_four

__all__ = [
    "FastDetectPipeline",
    "NumpyRandom",
    "Patch",
    "Pixels",
    "Placing",
    "PythonRandom",
    "Source",
    "boxes_on_canvas",
    "label_entries",
    "moved_boxes",
    "patch_places",
    "snap",
]

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

SMALLEST_SNAPPED_SCALE = 0.45  # below it the resized part would be larger than the mosaic itself
RANGES = ("degrees", "translate", "scale", "shear", "perspective")
LABEL_FLAGS = ("use_segments", "use_keypoints", "use_obb", "use_class_maps")
PRIVATE = ("mixup", "cutmix", "copy_paste", "perspective")  # settings only the ordinary path knows


class PythonRandom(Protocol):
    """What is used of `random.Random`; the module itself fits."""

    def random(self) -> float: ...
    def uniform(self, a: float, b: float) -> float: ...
    def randint(self, a: int, b: int) -> int: ...
    def choices(self, population: Sequence[int], *, k: int) -> list[int]: ...


class NumpyRandom(Protocol):
    """What is used of `numpy.random.RandomState`; the module itself fits."""

    def uniform(self, low: float, high: float, size: int) -> npt.NDArray[np.float64]: ...


class Labels(Protocol):
    """Flat labels: `rows(i)` is the (N, 5) block class, cx, cy, w, h of image i, in fractions."""

    def rows(self, i: int) -> Floats: ...


class Source(Protocol):
    """What the pipeline needs of a data set."""

    im_files: Sequence[str]
    store: Labels
    buffer: Sequence[int]

    def __len__(self) -> int: ...
    def load_image(self, i: int) -> tuple[Pixels, tuple[int, int], tuple[int, int]]: ...


class Patch(NamedTuple):
    """An image and its objects at a place on the canvas."""

    image: Pixels
    left: int
    top: int
    rows: Floats
    number: int


class Part(NamedTuple):
    """A rectangle of the canvas."""

    x: int
    y: int
    width: int
    height: int


class Placing(NamedTuple):
    """Where the objects of the patches go: canvas size if there is one, matrix, drawn scale, mirroring."""

    canvas: tuple[int, int] | None
    matrix: Matrix
    scale: float
    flip: tuple[bool, bool]


class FastDetectPipeline:
    """Index to finished training sample of a detection data set.

    Pipelines of other label files extend `objects` and say in `label_flags` which data sets are theirs.
    """

    label_flags: frozenset[str] = frozenset()  # attributes of the data set that are set

    def __init__(self, dataset: Any, imgsz: int, hyp: Any) -> None:
        """Read the settings.

        Args:
            dataset: a `Source`; `pixel_mode` ("fast" or "exact") and `cache` are read if present.
            imgsz: side of the samples.
            hyp: settings with the attributes of the augmentation table.
        """
        self.dataset = dataset
        self.imgsz = imgsz
        self.exact = getattr(dataset, "pixel_mode", "fast") == "exact"
        self.whole_set = getattr(dataset, "cache", None) == "ram"
        self.mosaic, self.bgr = hyp.mosaic, hyp.bgr
        self.flipud, self.fliplr = hyp.flipud, hyp.fliplr
        self.gains = (hyp.hsv_h, hyp.hsv_s, hyp.hsv_v)
        self.ranges = _Ranges(*(getattr(hyp, name) for name in RANGES))
        self.albumentations = Albumentations()
        self._local = threading.local()

    @classmethod
    def supports(cls, dataset: Any, hyp: Any) -> bool:
        """Whether this pipeline does all that the settings and the data set ask for."""
        data = getattr(dataset, "data", None) or {}
        flags = {flag for flag in LABEL_FLAGS if getattr(dataset, flag, False)}
        return not (
            flags != cls.label_flags
            or getattr(dataset, "rect", False)
            or data.get("channels", 3) != 3
            or any(getattr(hyp, name, 0) for name in PRIVATE)
            or getattr(hyp, "augmentations", None)
        )

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k != "_local"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _local=threading.local())

    def __call__(
        self,
        index: int,
        rng: PythonRandom = random,
        np_rng: NumpyRandom = np.random,
        pool: Sequence[int] | None = None,
        out: Tensor | None = None,
    ) -> dict[str, Any]:
        """Make one sample.

        Args:
            index: number of the image.
            rng: source of decisions and geometry.
            np_rng: source of colour gains.
            pool: numbers to choose mosaic partners from; `dataset.buffer` when None.
            out: uint8 memory (S, S, 3) for the image, for instance one slot of a batch.

        Returns:
            `img`, `cls` (N, 1), `bboxes` (N, 4) fractions, `batch_idx` (N,), `im_file`, `ori_shape`,
            `resized_shape` and `ratio_pad`, as the ordinary path.
        """
        side = self.imgsz
        if out is None:
            out = self.output()
        first, (h0, w0), (h, w) = self.dataset.load_image(index)
        is_mosaic = rng.uniform(0, 1) <= self.mosaic
        if is_mosaic:
            patches, canvas = self._mosaic_of(index, first, rng, pool)
        else:
            patches = [Patch(first, 0, 0, self.dataset.store.rows(index), index)]
            canvas = (first.shape[1], first.shape[0])
        matrix, scale = draw_matrix(self.ranges, canvas, (side, side), rng.uniform)
        rng.uniform(0, 1)  # gate of MixUp
        rng.uniform(0, 1)  # gate of CutMix
        changes = self.albumentations if self.albumentations.transform is not None else None
        gate = rng.random() if changes is not None else 0.0
        gains = np_rng.uniform(-1, 1, 3) * self.gains if any(self.gains) else None
        flip = (rng.random() < self.flipud, rng.random() < self.fliplr)
        to_rgb = rng.uniform(0, 1) > self.bgr

        pixels, matrix = self._warp(patches, canvas, matrix)
        if changes is not None:
            # the gate is always open; its number makes the package's own draws repeatable
            pixels = changes.change_pixels(pixels, None if rng is random else int(gate * 2**32))
        self._finish(pixels, gains, flip, to_rgb, out.numpy())
        placing = Placing(canvas if is_mosaic else None, matrix, scale, flip)
        return {
            "im_file": self.dataset.im_files[index],
            "ori_shape": (h0, w0),
            "resized_shape": (side, side),
            "ratio_pad": (h / h0, w / w0),
            "img": out.permute(2, 0, 1),
            **self.objects(patches, placing),
        }

    def objects(self, patches: list[Patch], placing: Placing) -> dict[str, Tensor]:
        """The label entries of a sample: `cls`, `bboxes` and `batch_idx`."""
        rows, old = boxes_on_canvas(patches, placing.canvas)
        keep, new = moved_boxes(old, placing, self.imgsz)
        return label_entries(rows[keep, :1], new[keep], placing.flip, self.imgsz)

    def output(self) -> Tensor:
        """Memory for one sample.

        Take it before images are loaded: these stay in a buffer, and would otherwise fill the larger hole that
        the sample before has left, which wastes a quarter of the memory.
        """
        return torch.empty((self.imgsz, self.imgsz, 3), dtype=torch.uint8)

    def _mosaic_of(
        self, index: int, first: Pixels, rng: PythonRandom, pool: Sequence[int] | None
    ) -> tuple[list[Patch], tuple[int, int]]:
        """Four patches around a drawn centre, and the canvas size."""
        dataset, side = self.dataset, self.imgsz
        if self.whole_set:
            partners = [rng.randint(0, len(dataset) - 1) for _ in range(3)]
        else:
            partners = rng.choices(dataset.buffer if pool is None else pool, k=3)
        images = [first, *(dataset.load_image(i)[0] for i in partners)]
        low = side / 2 if side % 2 == 0 else (side + 1) // 2
        yc, xc = (int(rng.uniform(low, 2 * side - low)) for _ in range(2))
        corners = corners_of_four([image.shape[:2] for image in images], xc, yc)
        patches = [
            Patch(image, left, top, dataset.store.rows(i), i)
            for i, image, (left, top) in zip([index, *partners], images, corners, strict=True)
        ]
        return patches, (2 * side, 2 * side)

    def _warp(
        self, patches: list[Patch], canvas: tuple[int, int], matrix: Matrix
    ) -> tuple[Pixels, Matrix]:
        """The output before colour changes, and the matrix that was really used."""
        side = self.imgsz
        scale = float(matrix[0, 0])
        only_scales = matrix[0, 1] == 0 and matrix[1, 0] == 0 and scale == matrix[1, 1]
        if only_scales and scale >= SMALLEST_SNAPPED_SCALE and not self.exact:
            part, matrix = snap(matrix, side)
            seen = self._assemble(patches, canvas, part)
            size = round(part.width * scale)
            into = self._memory("resized", (size, size, 3))
            resized = cv2.resize(seen, None, dst=into, fx=scale, fy=scale)
            return resized[:side, :side], matrix
        part = visible_part(matrix, side, canvas)
        if part.width <= 0 or part.height <= 0:
            blank = self._memory("resized", (side, side, 3))
            blank.fill(FILL)
            return blank, matrix
        seen = self._assemble(patches, canvas, part)
        local = matrix[:2].astype(np.float64)
        local[:, 2] += local[:, :2] @ (part.x, part.y)
        warped = cv2.warpAffine(
            seen,
            local,
            dsize=(side, side),
            dst=self._memory("resized", (side, side, 3)),
            borderValue=(FILL,) * 3,
        )
        return warped, matrix

    def _assemble(self, patches: list[Patch], canvas: tuple[int, int], part: Part) -> Pixels:
        """The pixels of one part of the canvas, which may reach beyond it; gray where no patch is."""
        pieces, covered = [], 0
        for image, left, top, *_ in patches:
            x1, x2 = (
                max(left, part.x, 0),
                min(left + image.shape[1], part.x + part.width, canvas[0]),
            )
            y1, y2 = max(top, part.y, 0), min(top + image.shape[0], part.y + part.height, canvas[1])
            if x1 < x2 and y1 < y2:
                pieces.append((image[y1 - top : y2 - top, x1 - left : x2 - left], x1, y1))
                covered += (x2 - x1) * (y2 - y1)
        is_full = covered == part.width * part.height
        if is_full and len(pieces) == 1:
            return pieces[0][0]
        pixels = self._memory("canvas", (part.height, part.width, 3))
        if not is_full:
            pixels.fill(FILL)
        for piece, x, y in pieces:
            height, width = piece.shape[:2]
            top, left = y - part.y, x - part.x
            pixels[top : top + height, left : left + width] = piece
        return pixels

    def _finish(
        self,
        pixels: Pixels,
        gains: npt.NDArray[np.float64] | None,
        flip: tuple[bool, bool],
        to_rgb: bool,
        out: Pixels,
    ) -> None:
        """Change colours, order the channels and mirror, ending in `out`."""
        height, width, _ = out.shape
        code = -1 if all(flip) else int(flip[1]) if any(flip) else None
        # The canvas has been warped and is free again.
        hsv, planes, mirrored = self._memory("canvas", (3, out.size))
        if gains is None:
            unflipped = out if code is None else hsv.reshape(out.shape)
            if to_rgb:
                cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=unflipped)
            else:
                unflipped[:] = pixels
            if code is not None:
                cv2.flip(unflipped, code, dst=out)
            return
        hsv, planes = hsv.reshape(out.shape), planes.reshape(3, height, width)
        cv2.cvtColor(pixels, cv2.COLOR_BGR2HSV, dst=hsv)
        cv2.split(hsv, list(planes))
        change_planes(planes, gains)
        if code is not None:  # single planes mirror faster than pixels of three bytes
            mirrored = mirrored.reshape(planes.shape)
            for plane, into in zip(planes, mirrored, strict=True):
                cv2.flip(plane, code, dst=into)
            planes = mirrored
        cv2.merge(list(planes), dst=hsv)
        cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB if to_rgb else cv2.COLOR_HSV2BGR, dst=out)

    def _memory(self, name: str, shape: tuple[int, ...]) -> Pixels:
        """Reused memory of this thread; its content is whatever was there."""
        size = math.prod(shape)
        flat: Pixels | None = getattr(self._local, name, None)
        if flat is None or flat.size < size:
            flat = np.empty(size, np.uint8)
            setattr(self._local, name, flat)
        return flat[:size].reshape(shape)


class _Ranges(NamedTuple):
    """Ranges of the affine draws, named as the settings."""

    degrees: float
    translate: float
    scale: float | tuple[float, float]
    shear: float
    perspective: float


def snap(matrix: Matrix, side: int) -> tuple[Part, Matrix]:
    """Whole-pixel source square for an output of `side` pixels, and the matrix it stands for.

    Resizing the square by the scale s samples source position (x + 0.5) / s - 0.5, so the translation
    becomes -s (x0 + 0.5 / s - 0.5) for a whole x0; it differs from the given one by at most s / 2.
    """
    s = float(matrix[0, 0])
    to_corner = 0.5 / s - 0.5
    x0, y0 = (round(-float(t) / s - to_corner) for t in matrix[:2, 2])
    width = int(np.ceil((side - 0.5) / s + 1.5))
    while round(width * s) < side:
        width += 1
    snapped = matrix.copy()
    snapped[:2, 2] = (-s * (x0 + to_corner), -s * (y0 + to_corner))
    return Part(x0, y0, width, width), snapped


def visible_part(matrix: Matrix, side: int, canvas: tuple[int, int]) -> Part:
    """Rectangle of the canvas that a warp to side x side pixels can read; may be empty."""
    last = side - 1
    corners = np.array([(0, last, 0, last), (0, 0, last, last), (1, 1, 1, 1)], np.float64)
    x, y, _ = np.linalg.inv(matrix.astype(np.float64)) @ corners
    x1, y1 = (max(int(np.floor(v.min())) - 1, 0) for v in (x, y))
    x2, y2 = (min(int(np.ceil(v.max())) + 2, size) for v, size in ((x, canvas[0]), (y, canvas[1])))
    return Part(x1, y1, x2 - x1, y2 - y1)


def boxes_on_canvas(patches: list[Patch], canvas: tuple[int, int] | None) -> tuple[Floats, Floats]:
    """Rows (N, 5) of all patches, and their boxes (N, 4) as pixel corners.

    With a canvas size, boxes are cut at the canvas, as a mosaic does.
    """
    rows = np.concatenate([patch.rows for patch in patches])
    places = patch_places(patches).repeat([len(patch.rows) for patch in patches], axis=0)
    centre = rows[:, 1:3] * places[:, :2] + places[:, 2:]
    half = rows[:, 3:5] * places[:, :2] * np.float32(0.5)
    boxes = np.concatenate((centre - half, centre + half), axis=1)
    if canvas is not None:
        np.maximum(boxes, 0, out=boxes)
        np.minimum(boxes, np.array((*canvas, *canvas), np.float32), out=boxes)
    return rows, boxes


def patch_places(patches: list[Patch]) -> Floats:
    """Width, height, left and top of each patch, (patches, 4)."""
    places = [(p.image.shape[1], p.image.shape[0], p.left, p.top) for p in patches]
    return np.array(places, np.float32)


def label_entries(
    classes: Floats, boxes_N4: Floats, flip: tuple[bool, bool], side: int
) -> dict[str, Tensor]:
    """Tensors of classes (N, 1) and of pixel corners (N, 4), which become mirrored centre boxes in fractions."""
    size = boxes_N4[:, 2:] - boxes_N4[:, :2]
    boxes = np.concatenate(((boxes_N4[:, :2] + boxes_N4[:, 2:]) * np.float32(0.5), size), axis=1)
    boxes /= side
    for axis, wanted in ((1, flip[0]), (0, flip[1])):
        if wanted:
            boxes[:, axis] = 1 - boxes[:, axis]
    return {
        "cls": torch.from_numpy(classes),
        "bboxes": torch.from_numpy(boxes),
        "batch_idx": torch.zeros(len(boxes)),
    }


def moved_boxes(old: Floats, placing: Placing, side: int) -> tuple[npt.NDArray[np.bool_], Floats]:
    """Which boxes are worth keeping, and all of them moved and cut at the output."""
    new = _moved(old, placing.matrix)
    np.maximum(new, 0, out=new)
    np.minimum(new, side, out=new)
    before = (old[:, 2:] - old[:, :2]) * np.float32(placing.scale)
    after = new[:, 2:] - new[:, :2]
    w, h = after[:, 0], after[:, 1]
    keep = (after > MIN_SIDE_PX).all(axis=1)
    keep &= w * h > MIN_AREA_SHARE * before[:, 0] * before[:, 1]
    keep &= np.maximum(w, h) < MAX_ASPECT * np.minimum(w, h)
    return keep, new


def _moved(boxes_N4: Floats, matrix: Matrix) -> Floats:
    """Boxes around the transformed boxes."""
    if matrix[0, 1] == 0 and matrix[1, 0] == 0:
        (sx, _, tx), (_, sy, ty) = matrix[:2].tolist()
        factors, shifts = np.array(((sx, sy, sx, sy), (tx, ty, tx, ty)), np.float32)
        return boxes_N4 * factors + shifts
    corners = boxes_N4[:, [0, 1, 2, 3, 0, 3, 2, 1]].reshape(-1, 2)
    moved = (corners @ matrix[:2, :2].T + matrix[:2, 2]).reshape(-1, 4, 2)
    return np.concatenate((moved.min(axis=1), moved.max(axis=1)), axis=1)
