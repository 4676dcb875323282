"""Objects of one image: boxes that know their format, with polygons and keypoints that move along.

Shape suffixes: N objects, P polygon points, K keypoints. Coordinates are pixels or fractions of the
image; `Instances.normalized` says which. Geometry changes arrays in place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt

from ultralytics.geometry import boxes as convert
from ultralytics.geometry.rotated import cut_rotated
from ultralytics.geometry.segments import resample_segments

__all__ = ["Bboxes", "Instances", "to_2tuple", "to_4tuple"]

Array = npt.NDArray[Any]  # Any: every float dtype
Index = int | slice | Sequence[int] | Array

FORMATS = ("xyxy", "xywh", "ltwh")
CONVERSIONS: dict[tuple[str, str], Callable[[Array], Array]] = {
    ("xyxy", "xywh"): convert.xyxy2xywh,
    ("xyxy", "ltwh"): convert.xyxy2ltwh,
    ("xywh", "xyxy"): convert.xywh2xyxy,
    ("xywh", "ltwh"): convert.xywh2ltwh,
    ("ltwh", "xyxy"): convert.ltwh2xyxy,
    ("ltwh", "xywh"): convert.ltwh2xywh,
}


def to_2tuple(value: Any) -> Any:  # Any: whatever the caller spreads over two places
    """The value twice, unless it already is a sequence."""
    return _spread(value, 2)


def to_4tuple(value: Any) -> Any:  # Any: whatever the caller spreads over four places
    """The value four times, unless it already is a sequence."""
    return _spread(value, 4)


class Bboxes:
    """Boxes (N, 4) in one of three formats: corners, centre and size, left top corner and size."""

    def __init__(self, bboxes: Array, format: str = "xyxy") -> None:
        """Take over an array (N, 4) or (4,) without copying it."""
        _check_format(format)
        bboxes = bboxes[None] if bboxes.ndim == 1 else bboxes
        if bboxes.ndim != 2 or bboxes.shape[1] != 4:
            raise AssertionError(f"boxes must have the shape (N, 4), not {bboxes.shape}")
        self.bboxes = bboxes
        self.format = format

    def __len__(self) -> int:
        return len(self.bboxes)

    def __getitem__(self, index: Index) -> Bboxes:
        """The chosen rows; a single number keeps the first axis."""
        return Bboxes(_rows(self.bboxes, index), self.format)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} boxes, format={self.format!r})"

    def convert(self, format: str) -> None:
        """Change the format in place."""
        _check_format(format)
        if format != self.format:
            self.bboxes = CONVERSIONS[self.format, format](self.bboxes)
            self.format = format

    def areas(self) -> Array:
        """Width times height (N,), negative or positive as the corners say."""
        sides = self.bboxes[:, 2:]
        if self.format == "xyxy":
            sides = sides - self.bboxes[:, :2]
        return sides[:, 0] * sides[:, 1]

    def mul(self, scale: float | Sequence[float]) -> None:
        """Multiply the four columns in place by one factor or by four."""
        self.bboxes *= _four(scale, self.bboxes)

    def add(self, offset: float | Sequence[float]) -> None:
        """Add one number or four to the columns in place."""
        self.bboxes += _four(offset, self.bboxes)

    @classmethod
    def concatenate(cls, boxes_list: Sequence[Bboxes], axis: int = 0) -> Bboxes:
        """Join several sets; the format is that of the first, a single set is returned as it is."""
        if not boxes_list:
            return cls(np.empty((0, 4)))
        if len(boxes_list) == 1:
            return boxes_list[0]
        return cls(np.concatenate([b.bboxes for b in boxes_list], axis), boxes_list[0].format)


class Instances:
    """Boxes, polygons and keypoints of the objects of one image, moved together.

    Attributes:
        segments: (N, P, 2) polygon points, or (0, 0, 2) when the objects have no outlines.
        keypoints: (N, K, 3) x, y and visibility, or None.
        normalized: coordinates are fractions of the image instead of pixels.
    """

    def __init__(
        self,
        bboxes: Array,
        segments: Array | None = None,
        keypoints: Array | None = None,
        bbox_format: str = "xywh",
        normalized: bool = True,
    ) -> None:
        """Take over the arrays without copying them."""
        self._bboxes = Bboxes(bboxes, bbox_format)
        self.segments = np.zeros((0, 0, 2), np.float32) if segments is None else segments
        self.keypoints = keypoints
        self.normalized = normalized

    def __len__(self) -> int:
        return len(self._bboxes)

    def __getitem__(self, index: Index) -> Instances:
        """The chosen objects as a new set; a single number keeps the first axis."""
        return Instances(
            _rows(self.bboxes, index),
            _rows(self.segments, index) if len(self.segments) else self.segments,
            None if self.keypoints is None else _rows(self.keypoints, index),
            self._bboxes.format,
            self.normalized,
        )

    def __repr__(self) -> str:
        unit = "fractions" if self.normalized else "pixels"
        return f"{type(self).__name__}({len(self)} objects, {self._bboxes.format}, {unit})"

    @property
    def bboxes(self) -> Array:
        """The box array (N, 4) in the current format."""
        return self._bboxes.bboxes

    @property
    def bbox_areas(self) -> Array:
        """Width times height of every box (N,)."""
        return self._bboxes.areas()

    def convert_bbox(self, format: str) -> None:
        """Change the box format in place."""
        self._bboxes.convert(format)

    def scale(self, scale_w: float, scale_h: float, bbox_only: bool = False) -> None:
        """Multiply x by `scale_w` and y by `scale_h`."""
        self._bboxes.mul((scale_w, scale_h, scale_w, scale_h))
        if not bbox_only:
            for points in self._points():
                points[..., 0] *= scale_w
                points[..., 1] *= scale_h

    def denormalize(self, w: int, h: int) -> None:
        """Fractions to pixels of a w x h image; nothing happens when they are pixels already."""
        if self.normalized:
            self.scale(w, h)
            self.normalized = False

    def normalize(self, w: int, h: int) -> None:
        """Pixels of a w x h image to fractions; nothing happens when they are fractions already."""
        if not self.normalized:
            self.scale(1 / w, 1 / h)
            self.normalized = True

    def add_padding(self, padw: int, padh: int) -> None:
        """Move everything right and down by whole pixels. Raises AssertionError on fractions."""
        if self.normalized:
            raise AssertionError("padding is in pixels; call denormalize first")
        corners = self._bboxes.format == "xyxy"
        self._bboxes.add((padw, padh, padw, padh) if corners else (padw, padh, 0, 0))
        for points in self._points():
            points[..., 0] += padw
            points[..., 1] += padh

    def flipud(self, h: float) -> None:
        """Mirror top and bottom of an image of height `h`; keypoints keep their order."""
        self._mirror(1, h)

    def fliplr(self, w: float) -> None:
        """Mirror left and right of an image of width `w`; keypoints keep their order."""
        self._mirror(0, w)

    def clip(self, w: int, h: int, preserve_obb: bool = False) -> None:
        """Cut pixel coordinates at the border of a w x h image.

        Keypoints strictly outside lose their visibility. With `preserve_obb` a polygon that leaves the
        image becomes the rectangle around its visible part that has the original angle, so corners may
        still lie outside; one that is not visible at all becomes zero.
        """
        before = self._bboxes.format
        self.convert_bbox("xyxy")
        if preserve_obb:
            for i, polygon in enumerate(self.segments):
                if ((polygon < 0) | (polygon > (w, h))).any():
                    self.bboxes[i], corners = cut_rotated(polygon, w, h)
                    self.segments[i] = resample_segments([corners], n=len(polygon))[0]
        else:
            _clamp(self.bboxes[:, 0::2], w)
            _clamp(self.bboxes[:, 1::2], h)
            _clamp(self.segments[..., 0], w)
            _clamp(self.segments[..., 1], h)
        self.convert_bbox(before)
        if self.keypoints is not None:
            clip_keypoints(self.keypoints, w, h)

    def remove_zero_area_boxes(self) -> Array:
        """Drop objects whose box has no area; returns the mask (N,) of those that stay."""
        good = self.bbox_areas > 0
        if not good.all():
            self._bboxes = self._bboxes[good]
            if len(self.segments):
                self.segments = self.segments[good]
            if self.keypoints is not None:
                self.keypoints = self.keypoints[good]
        return good

    def update(
        self, bboxes: Array, segments: Array | None = None, keypoints: Array | None = None
    ) -> None:
        """Replace the given parts; boxes are understood in the current format."""
        self._bboxes = Bboxes(bboxes, self._bboxes.format)
        if segments is not None:
            self.segments = segments
        if keypoints is not None:
            self.keypoints = keypoints

    @classmethod
    def concatenate(cls, instances_list: Sequence[Instances], axis: int = 0) -> Instances:
        """Join several sets; format and units are those of the first.

        Polygons of different length are resampled to the longest. A single set is returned as it is.
        """
        if not instances_list:
            return cls(np.empty((0, 4), np.float32))
        first = instances_list[0]
        if len(instances_list) == 1:
            return first
        keypoints = [x.keypoints for x in instances_list if x.keypoints is not None]
        return cls(
            Bboxes.concatenate([x._bboxes for x in instances_list], axis).bboxes,
            _join_segments([x.segments for x in instances_list], axis),
            np.concatenate(keypoints, axis) if first.keypoints is not None else None,
            first._bboxes.format,
            first.normalized,
        )

    def _points(self) -> list[Array]:
        return [p for p in (self.segments, self.keypoints) if p is not None]

    def _mirror(self, axis: int, size: float) -> None:
        boxes, far = self.bboxes, axis + 2
        if self._bboxes.format == "xyxy":
            low = boxes[:, axis].copy()
            boxes[:, axis] = size - boxes[:, far]
            boxes[:, far] = size - low
        elif self._bboxes.format == "ltwh":
            boxes[:, axis] = size - boxes[:, axis] - boxes[:, far]
        else:
            boxes[:, axis] = size - boxes[:, axis]
        for points in self._points():
            points[..., axis] = size - points[..., axis]


def clip_keypoints(keypoints_NK3: Array, w: int, h: int) -> None:
    """Hide keypoints strictly outside a w x h image and move them to its border, in place."""
    x, y = keypoints_NK3[..., 0], keypoints_NK3[..., 1]
    keypoints_NK3[..., 2][(x < 0) | (y < 0) | (x > w) | (y > h)] = 0
    _clamp(x, w)
    _clamp(y, h)


def _join_segments(parts: list[Array], axis: int) -> Array:
    length = max(p.shape[1] for p in parts)
    same = []
    for part in parts:
        if part.shape[1] != length:
            rows = resample_segments(list(part), n=length)
            part = np.stack(rows) if rows else np.zeros((0, length, 2), np.float32)
        same.append(part)
    return np.concatenate(same, axis)


def _rows(array: Array, index: Index) -> Array:
    if isinstance(index, (int, np.integer)):
        return array[[index]]
    rows: Array = array[index]
    return rows


def _clamp(view: Array, high: float) -> None:
    np.clip(view, 0, high, out=view)


def _four(values: float | Sequence[float], like: Array) -> Array:
    if isinstance(values, Iterable) and len(values) != 4:
        raise AssertionError(f"expected one number or four, got {len(values)}")
    return np.asarray(values, like.dtype)


def _check_format(name: str) -> None:
    if name not in FORMATS:
        raise AssertionError(f"invalid box format {name!r}; choose one of {', '.join(FORMATS)}")


def _spread(value: Any, count: int) -> Any:  # Any: see to_2tuple
    return value if isinstance(value, Iterable) else tuple(repeat(value, count))
