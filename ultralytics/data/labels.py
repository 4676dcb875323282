"""All labels of a data set in a few flat arrays, and the list of dictionaries that users see and edit.

Boxes are float32 rows (class, cx, cy, w, h) in fractions of the image; polygon points are fractions too.
Objects of image i are rows offsets[i] to offsets[i + 1]; the polygon of object j is points point_offsets[j] to
point_offsets[j + 1], an empty run meaning none. No Python object is kept per image.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from ultralytics.data.problems import LabelError
from ultralytics.geometry.outlines import Outlines

__all__ = ["LabelRecord", "LabelStore", "LabelView", "StoreBuilder", "join_stores"]

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Label = dict[str, Any]  # Any: arrays, sizes, flags and whatever users add

CHUNK_IMAGES = 4096


@dataclass
class LabelStore:
    """The labels of n images with M objects.

    Attributes:
        block: (M, 5) float32 class, cx, cy, w, h.
        offsets: (n + 1,) int64 into the rows of `block`.
        shapes: (n, 2) int32 height and width of the images as displayed.
        points: (P, 2) float32 polygon points of all objects, None when no object has a polygon.
        point_offsets: (M + 1,) int64 into `points`, None together with it.
        keypoints: (M, K, 3) float32 x, y, visibility, or None.
    """

    block: Floats
    offsets: Integers
    shapes: npt.NDArray[np.int32]
    points: Floats | None = None
    point_offsets: Integers | None = None
    keypoints: Floats | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def objects(self) -> int:
        """Number of objects."""
        return len(self.block)

    @property
    def counts(self) -> Integers:
        """Number of objects of each image."""
        return np.diff(self.offsets)

    @property
    def polygon_count(self) -> int:
        """Number of objects that have a polygon."""
        return (
            0 if self.point_offsets is None else int(np.count_nonzero(np.diff(self.point_offsets)))
        )

    @property
    def image_index(self) -> Integers:
        """Image of every object, (M,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def rows(self, i: int) -> Floats:
        """View of the rows of image i, (N, 5)."""
        return self.block[self.offsets[i] : self.offsets[i + 1]]

    def polygons(self, i: int) -> list[Floats]:
        """Views of the polygons of image i, one (P, 2) array per object that has one."""
        return [polygon for polygon in self.outlines(i).split() if len(polygon)]

    def outlines(self, i: int) -> Outlines:
        """The polygons of image i in one flat array; the points are a view."""
        if self.points is None or self.point_offsets is None:
            return Outlines(np.zeros((0, 2), np.float32), np.zeros(1, np.int64))
        edges = self.point_offsets[self.offsets[i] : self.offsets[i + 1] + 1]
        return Outlines(self.points[edges[0] : edges[-1]], edges - edges[0])

    def keypoints_of(self, i: int) -> Floats | None:
        """View of the keypoints of image i, (N, K, 3), or None when the set has none."""
        if self.keypoints is None:
            return None
        return self.keypoints[self.offsets[i] : self.offsets[i + 1]]

    def without_polygons(self) -> LabelStore:
        """The same boxes without polygons; arrays are shared."""
        return replace(self, points=None, point_offsets=None)

    def pick_images(self, order: npt.ArrayLike) -> LabelStore:
        """The labels of the given images, in that order."""
        images = np.asarray(order, np.int64)
        rows = _runs(self.offsets, images)
        counts = np.diff(self.offsets)[images]
        return replace(self._pick_rows(rows), offsets=_cumulate(counts), shapes=self.shapes[images])

    def keep_objects(self, mask: Bools) -> LabelStore:
        """The labels of the objects where the mask (M,) is set; images stay, possibly empty."""
        counts = np.bincount(self.image_index[mask], minlength=len(self))
        return replace(self._pick_rows(np.flatnonzero(mask)), offsets=_cumulate(counts))

    def _pick_rows(self, rows: Integers) -> LabelStore:
        points, point_offsets = self.points, self.point_offsets
        if points is not None and point_offsets is not None:
            points, lengths = points[_runs(point_offsets, rows)], np.diff(point_offsets)[rows]
            point_offsets = _cumulate(lengths)
        keypoints = None if self.keypoints is None else self.keypoints[rows]
        return replace(
            self,
            block=self.block[rows],
            points=points,
            point_offsets=point_offsets,
            keypoints=keypoints,
        )


def join_stores(first: LabelStore, second: LabelStore) -> LabelStore:
    """The images of two stores, one after the other."""
    points = point_offsets = keypoints = None
    if first.points is not None or second.points is not None:
        points = np.concatenate([_points(first), _points(second)])
        point_offsets = _cumulate(np.concatenate([_lengths(first), _lengths(second)]))
    parts = [k for k in (first.keypoints, second.keypoints) if k is not None and len(k)]
    if parts:
        keypoints = np.concatenate(parts)
    elif first.keypoints is not None:
        keypoints = first.keypoints
    else:
        keypoints = second.keypoints
    return LabelStore(
        block=np.concatenate([first.block, second.block]),
        offsets=_cumulate(np.concatenate([np.diff(first.offsets), np.diff(second.offsets)])),
        shapes=np.concatenate([first.shapes, second.shapes]),
        points=points,
        point_offsets=point_offsets,
        keypoints=keypoints,
    )


def _points(store: LabelStore) -> Floats:
    return np.zeros((0, 2), np.float32) if store.points is None else store.points


def _lengths(store: LabelStore) -> Integers:
    offsets = store.point_offsets
    return np.zeros(store.objects, np.int64) if offsets is None else np.diff(offsets)


def _cumulate(counts: npt.NDArray[Any]) -> Integers:  # Any: counts of every integer type
    return np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))


def _runs(offsets: Integers, chosen: Integers) -> Integers:
    """Indexes of all elements in the chosen runs, run after run."""
    lengths = np.diff(offsets)[chosen]
    first = np.repeat(offsets[:-1][chosen] - (np.cumsum(lengths) - lengths), lengths)
    return np.asarray(first + np.arange(int(lengths.sum())), np.int64)


@dataclass
class StoreBuilder:
    """Collects labels image by image; small arrays are joined every few thousand images."""

    _parts: dict[str, list[npt.NDArray[Any]]] = field(default_factory=dict)  # Any: several types
    _images: int = 0

    def add(
        self,
        rows: Floats,
        polygons: Sequence[Floats] = (),
        keypoints: Floats | None = None,
        shape: Sequence[int] = (0, 0),
    ) -> None:
        """Append one image.

        Args:
            rows: (N, 5) class, cx, cy, w, h.
            polygons: one (P, 2) array per row, or nothing for an image without polygons.
            keypoints: (N, K, 3) or None.
            shape: height and width of the image.

        Raises:
            LabelError: the number of polygons is neither 0 nor N.
        """
        if len(polygons) not in (0, len(rows)):
            raise LabelError(
                f"{len(polygons)} polygons for {len(rows)} objects; give one per object"
            )
        put = self._put
        put("block", np.asarray(rows, np.float32).reshape(-1, 5))
        put("counts", np.array([len(rows)], np.int64))
        put("shapes", np.array([shape], np.int32))
        put("lengths", np.array([len(p) for p in polygons] or [0] * len(rows), np.int64))
        for polygon in polygons:
            put("points", np.asarray(polygon, np.float32).reshape(-1, 2))
        if keypoints is not None:
            put("keypoints", np.asarray(keypoints, np.float32))
        self._images += 1
        if self._images % CHUNK_IMAGES == 0:
            self._parts = {name: [np.concatenate(parts)] for name, parts in self._parts.items()}

    def build(self) -> LabelStore:
        """Everything added so far."""
        points = self._joined("points", (0, 2), np.float32)
        lengths = self._joined("lengths", (0,), np.int64)
        keypoints = self._parts.get("keypoints")
        return LabelStore(
            block=self._joined("block", (0, 5), np.float32),
            offsets=_cumulate(self._joined("counts", (0,), np.int64)),
            shapes=self._joined("shapes", (0, 2), np.int32),
            points=points if len(points) else None,
            point_offsets=_cumulate(lengths) if len(points) else None,
            keypoints=np.concatenate(keypoints) if keypoints else None,
        )

    def _put(self, name: str, part: npt.NDArray[Any]) -> None:  # Any: see _parts
        self._parts.setdefault(name, []).append(part)

    def _joined(self, name: str, empty: tuple[int, ...], dtype: type) -> npt.NDArray[Any]:
        parts = self._parts.get(name)
        return np.concatenate(parts) if parts else np.zeros(empty, dtype)


def _watched(base: type, method: str) -> Callable[..., Any]:
    """A mutating method of a list or dict that reports the change afterwards."""
    plain = getattr(base, method)

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:  # Any: as the built-in method
        result = plain(self, *args, **kwargs)
        self.changed()
        return result

    call.__name__ = method
    return call


class WatchedList(list[Any]):
    """A list that reports every change of its items."""

    def __init__(self, items: Iterable[Any], changed: Callable[[], None]) -> None:
        super().__init__(items)
        self.changed = changed

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (list(self),)


class LabelRecord(dict[str, Any]):
    """The label of one image as a dictionary; assigning to a key changes the data set.

    Its arrays are views of the store, so editing them in place takes effect as well. Copies and pickles are
    plain dictionaries.
    """

    def __init__(self, items: Mapping[str, Any], changed: Callable[[], None]) -> None:
        super().__init__(items)
        self.changed = changed

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


for _name in (
    "__setitem__",
    "__delitem__",
    "__ior__",
    "clear",
    "pop",
    "popitem",
    "setdefault",
    "update",
):
    setattr(LabelRecord, _name, _watched(dict, _name))
for _name in (
    "__setitem__",
    "__delitem__",
    "__iadd__",
    "append",
    "clear",
    "extend",
    "insert",
    "pop",
    "remove",
):
    setattr(WatchedList, _name, _watched(list, _name))


class LabelView(Sequence[Label]):
    """The labels as a list of dictionaries, made on access.

    Records changed by the user are kept (with any keys they added) and written back to the store before it
    is read again.
    """

    def __init__(self, store: LabelStore, im_files: Sequence[str]) -> None:
        self._store = store
        self._files = im_files
        self._kept: dict[int, LabelRecord] = {}
        self._stale: set[int] = set()

    @classmethod
    def from_records(cls, records: Sequence[Mapping[str, Any]]) -> LabelView:
        """Take over labels given as dictionaries; keys beyond the known ones are kept."""
        if isinstance(records, LabelView):
            return records
        builder = StoreBuilder()
        for record in records:
            builder.add(*_parts_of(record))
        view = cls(builder.build(), [str(record.get("im_file", "")) for record in records])
        for i, record in enumerate(records):
            if set(record) - KNOWN_KEYS:
                view[i] = dict(record)
        return view

    @property
    def store(self) -> LabelStore:
        """The flat arrays, with all edits."""
        if self._stale:
            self._write_back()
        return self._store

    @property
    def has_extras(self) -> bool:
        """Whether the user added keys of their own to any label."""
        return any(set(record) - KNOWN_KEYS for record in self._kept.values())

    def pick(self, order: npt.ArrayLike) -> LabelView:
        """The labels of the given images, in that order."""
        chosen = np.asarray(order, np.int64).tolist()
        view = LabelView(self.store.pick_images(chosen), [self._files[i] for i in chosen])
        for new, old in enumerate(chosen):
            if old in self._kept:
                view[new] = dict(self._kept[old])
        return view

    def with_store(self, store: LabelStore) -> LabelView:
        """The same images with other arrays; keys that users added stay."""
        view = LabelView(store, self._files)
        for i, record in self._kept.items():
            view[i] = {**view[i], **{k: v for k, v in record.items() if k not in KNOWN_KEYS}}
        return view

    def sample(self, i: int) -> Label:
        """A private copy of one label without `shape`, ready for transforms."""
        if i in self._kept:
            label: Label = copy.deepcopy(dict(self._kept[i]))
            label.pop("shape", None)
            return label
        store = self._store
        rows = store.rows(i).copy()
        keypoints = store.keypoints_of(i)
        return {
            "im_file": self._files[i],
            "cls": rows[:, 0:1],
            "bboxes": rows[:, 1:5],
            "segments": [polygon.copy() for polygon in store.polygons(i)],
            "keypoints": None if keypoints is None else keypoints.copy(),
            "normalized": True,
            "bbox_format": "xywh",
        }

    def __len__(self) -> int:
        return len(self._store)

    def __iter__(self) -> Iterator[Label]:
        return (self[i] for i in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> Label: ...
    @overload
    def __getitem__(self, index: slice) -> list[Label]: ...
    def __getitem__(self, index: int | slice) -> Label | list[Label]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        i = self._position(index)
        return self._kept[i] if i in self._kept else self._record(i)

    def __setitem__(self, index: int, label: Mapping[str, Any]) -> None:
        i = self._position(index)
        record = LabelRecord(label, lambda: None)
        record.changed = lambda: self._edited(i, record)
        record.changed()

    def __repr__(self) -> str:
        return f"LabelView({len(self)} images, {self.store.objects} objects)"

    def __reduce__(self) -> tuple[Any, ...]:
        extra = {i: dict(record) for i, record in self._kept.items()}
        return _restore, (self.store, self._files, extra)

    def _position(self, index: int) -> int:
        if not -len(self) <= index < len(self):
            raise IndexError(f"image {index} of {len(self)}")
        return int(index) % len(self)

    def _record(self, i: int) -> LabelRecord:
        store = self._store
        rows = store.rows(i)
        record = LabelRecord(
            {
                "im_file": self._files[i],
                "shape": tuple(store.shapes[i].tolist()),
                "cls": rows[:, 0:1],
                "bboxes": rows[:, 1:5],
                "keypoints": store.keypoints_of(i),
                "normalized": True,
                "bbox_format": "xywh",
            },
            lambda: None,
        )
        changed = lambda: self._edited(i, record)
        dict.__setitem__(record, "segments", WatchedList(store.polygons(i), changed))
        record.changed = changed
        return record

    def _edited(self, i: int, record: LabelRecord) -> None:
        self._kept[i] = record
        self._stale.add(i)

    def _write_back(self) -> None:
        """Put edited records into the arrays, in place where sizes allow, and let them view the arrays."""
        changed = {i: _parts_of(self._kept[i]) for i in self._stale}
        if not all(_overwrite(self._store, i, parts) for i, parts in changed.items()):
            builder = StoreBuilder()
            for i in range(len(self._store)):
                builder.add(*(changed.get(i) or _stored_parts(self._store, i)))
            self._store = builder.build()
        self._stale.clear()
        for i, record in self._kept.items():
            fresh = self._record(i)
            dict.update(record, {key: fresh[key] for key in VIEW_KEYS})


KNOWN_KEYS = {
    *("im_file", "shape", "cls", "bboxes", "segments", "keypoints", "normalized", "bbox_format"),
}
VIEW_KEYS = ("cls", "bboxes", "keypoints")


def _restore(store: LabelStore, files: Sequence[str], extra: Mapping[int, Label]) -> LabelView:
    view = LabelView(store, files)
    for i, label in extra.items():
        view[i] = label
    return view


Parts = tuple[Floats, Sequence[Floats], Floats | None, Any]  # Any: (height, width) of any kind


def _overwrite(store: LabelStore, i: int, parts: Parts) -> bool:
    """Write one image's label into the arrays; False when it has another size than before."""
    rows, polygons, keypoints, shape = parts
    old_rows, old_polygons, old_keypoints = store.rows(i), store.polygons(i), store.keypoints_of(i)
    same = len(rows) == len(old_rows) and [*map(len, polygons)] == [*map(len, old_polygons)]
    if not same or (keypoints is None) is not (old_keypoints is None):
        return False
    if (
        keypoints is not None
        and old_keypoints is not None
        and np.shape(keypoints) != old_keypoints.shape
    ):
        return False
    old_rows[:] = rows
    for old, new in zip(old_polygons, polygons, strict=True):
        old[:] = new
    if keypoints is not None and old_keypoints is not None:
        old_keypoints[:] = keypoints
    store.shapes[i] = shape
    return True


def _stored_parts(store: LabelStore, i: int) -> Parts:
    rows, polygons = store.rows(i), store.polygons(i)
    complete = polygons if len(polygons) == len(rows) else ()
    return rows, complete, store.keypoints_of(i), store.shapes[i]


def _parts_of(label: Mapping[str, Any]) -> Parts:
    """Rows, polygons, keypoints and shape of one label dictionary."""
    if label.get("bbox_format", "xywh") != "xywh" or not label.get("normalized", True):
        raise LabelError(
            f"{label.get('im_file')}: labels are stored as fractions in xywh format, got "
            f"bbox_format={label.get('bbox_format')!r}, normalized={label.get('normalized')!r}"
        )
    boxes = np.asarray(label["bboxes"], np.float32).reshape(-1, 4)
    classes = np.asarray(label["cls"], np.float32).reshape(-1, 1)
    if len(boxes) != len(classes):
        raise LabelError(f"{label.get('im_file')}: {len(classes)} classes for {len(boxes)} boxes")
    segments = label.get("segments")
    polygons = segments if segments is not None and len(segments) == len(boxes) else ()
    rows = np.concatenate((classes, boxes), 1)
    return rows, polygons, label.get("keypoints"), label.get("shape", (0, 0))
