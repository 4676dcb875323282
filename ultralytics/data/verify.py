"""One image and its label text: is it usable, and what does it say.

Sizes are (height, width) as displayed, so with EXIF orientation applied. Nothing here writes to a user's file: a JPEG
whose end marker is missing is decoded once in memory and kept or rejected, never repaired on disk.

Two readers share the same row rules. `parse_rows` is strict, as the public `verify_image_label` is documented: one bad
row rejects the file. `salvage_rows` drops the bad rows and names them; a file that the strict reader accepts gives the
same rows, except that removed duplicates leave the order of the rest alone. A file without one good row, or one that
mixes boxes and polygons, stays rejected: training on it would teach that its objects are background.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from ultralytics.data.formats import IMG_FORMATS

__all__ = [
    "LabelRows",
    "LabelRule",
    "check_image",
    "exif_size",
    "parse_rows",
    "read_label_text",
    "salvage_rows",
    "verify_image",
    "verify_image_label",
]

Floats = npt.NDArray[np.float32]
EXIF_ORIENTATION = 274
MIN_SIDE = 10
HIGH, LOW = 1.01, -0.01
DECODER_DECIDES = {"webp", "tiff"}


def exif_size(img: Image.Image) -> tuple[int, int]:
    """Width and height as displayed: swapped when the EXIF orientation turns the picture by 90 degrees."""
    width, height = img.size
    return (height, width) if _is_turned(img) else (width, height)


def _is_turned(img: Image.Image) -> bool:
    try:
        if img.format == "PNG":  # its getexif() would decode the whole picture
            exif = Image.Exif()
            exif.load(img.info.get("exif") or b"")
        else:
            exif = img.getexif()
        return exif.get(EXIF_ORIENTATION, 1) in (5, 6, 7, 8)
    except (OSError, SyntaxError, ValueError):  # damaged metadata of a readable picture
        return False


def check_image(file: str | Path) -> tuple[str, tuple[int, int]]:
    """Verify one image file.

    Returns:
        A message (empty when there is nothing to say) and (height, width).

    Raises:
        AssertionError: smaller than 10 pixels, or content of an unsupported format.
        OSError, SyntaxError, ValueError: not a readable image.
    """
    try:
        with Image.open(file) as picture:
            kind = (picture.format or "").lower()
            turned = _is_turned(picture)
            width, height = (picture.size[1], picture.size[0]) if turned else picture.size
            picture.verify()
    except UnidentifiedImageError:
        raise ValueError("not a readable image (content of no known format)") from None
    if turned and kind in DECODER_DECIDES:
        height, width = _decoded_size(file)
    if min(height, width) < MIN_SIDE:
        raise AssertionError(
            f"image of {width}x{height} pixels, at least {MIN_SIDE}x{MIN_SIDE} needed"
        )
    if kind not in IMG_FORMATS | {"jpeg2000"}:
        raise AssertionError(f"image content is {kind or 'unknown'}, not a supported image format")
    message = _check_jpeg_end(file) if kind in ("jpeg", "jpg") else ""
    return message, (height, width)


def _decoded_size(file: str | Path) -> tuple[int, int]:
    from ultralytics.utils.patches import imread

    image = imread(str(file))
    if image is None:
        raise ValueError("image cannot be decoded")
    return int(image.shape[0]), int(image.shape[1])


def _check_jpeg_end(file: str | Path) -> str:
    """Decode a JPEG that does not end with its end marker; raises when data is really missing."""
    with open(file, "rb") as stream:
        stream.seek(-2, os.SEEK_END)
        if stream.read() == b"\xff\xd9":
            return ""
    with Image.open(file) as picture:
        ImageOps.exif_transpose(picture).load()
    return "JPEG data does not end with an end marker; it decodes completely and is used as it is"


def _reason(error: Exception) -> str:
    """Text of an error; its type when there is none."""
    return str(error) or type(error).__name__


def verify_image(args: tuple[tuple[str, int], str]) -> tuple[tuple[str, int], int, int, str]:
    """Verify one classification sample: ((file, class), prefix) to (sample, found, corrupt, message)."""
    (file, label), prefix = args
    try:
        note, _ = check_image(file)
    except Exception as error:  # noqa: BLE001  decoders raise anything on hostile files; reported as corrupt
        return (file, label), 0, 1, f"{prefix}{file}: ignoring corrupt image: {_reason(error)}"
    return (file, label), 1, 0, f"{prefix}{file}: {note}" if note else ""


@dataclass(frozen=True)
class LabelRule:
    """What a label file may contain.

    Attributes:
        class_count: class ids must be below it.
        keypoint: rows are pose rows.
        kpt_shape: (K, D), or (0, 0) for data without keypoints.
        single_class: class ids are not compared with `class_count`.
    """

    class_count: int
    keypoint: bool = False
    kpt_shape: tuple[int, int] = (0, 0)
    single_class: bool = False

    @property
    def pose_columns(self) -> int:
        """Length of a pose row, 5 when the data has no keypoints."""
        return 5 + self.kpt_shape[0] * self.kpt_shape[1]


@dataclass
class LabelRows:
    """The objects of one label file.

    Attributes:
        rows: (N, 5) float32 class, cx, cy, w, h.
        polygons: one (P, 2) float32 array per row, or nothing.
        keypoints: (N, K, 3) float32 for pose rules, else None.
        duplicates: number of rows removed because they were repeated.
        bad: (1-based line, reason) of dropped rows.
    """

    rows: Floats
    polygons: list[Floats] = field(default_factory=list)
    keypoints: Floats | None = None
    duplicates: int = 0
    bad: list[tuple[int, str]] = field(default_factory=list)


Lines = list[tuple[int, list[str]]]


def read_label_text(file: str | Path | IO[bytes]) -> str:
    """Text of a label file: UTF-8, byte order mark removed."""
    data = Path(file).read_bytes() if isinstance(file, (str, Path)) else file.read()
    return data.decode("utf-8-sig")


def _split(text: str, rule: LabelRule) -> Lines:
    """Non-blank lines as (number, words); pose rows of other tasks lose their keypoints."""
    lines = [(i, line.split()) for i, line in enumerate(text.splitlines(), 1)]
    lines = [(i, words) for i, words in lines if words]
    if not rule.keypoint and rule.pose_columns > 5:
        lines = [(i, w[:5] if len(w) == rule.pose_columns else w) for i, w in lines]
    return lines


def parse_rows(text: str, rule: LabelRule, keep_order: bool = False) -> LabelRows:
    """Read a label text of which every row must be good (spec 30, 2.5).

    Args:
        text: the file's content.
        rule: what is allowed.
        keep_order: leave the remaining rows in file order after removing duplicates; otherwise
            they come out sorted.

    Raises:
        ValueError: the first rule that is broken, in words.
    """
    lines = _split(text, rule)
    if not lines:
        return _no_rows(rule)
    parsed = _read_numbers([words for _, words in lines], rule)
    broken = _broken_rule(parsed, rule)
    if broken:
        raise ValueError(broken)
    return _unique(_derive_visibility(parsed, rule), keep_order)


def _no_rows(rule: LabelRule) -> LabelRows:
    keypoints = np.zeros((0, rule.kpt_shape[0], 3), np.float32) if rule.keypoint else None
    return LabelRows(np.zeros((0, 5), np.float32), keypoints=keypoints)


def _is_polygon_file(rows: Sequence[Sequence[str]], rule: LabelRule) -> bool:
    return not rule.keypoint and any(len(words) > 6 for words in rows)


def _read_numbers(rows: Sequence[Sequence[str]], rule: LabelRule) -> LabelRows:
    """Numbers without any range check; raises ValueError when the columns do not fit."""
    if _is_polygon_file(rows, rule):
        return _read_polygons(rows)
    wanted = rule.pose_columns if rule.keypoint else 5
    short = next((len(words) for words in rows if len(words) != wanted), None)
    if short is not None:
        raise ValueError(f"labels require {wanted} columns, {short} found")
    numbers = np.array(rows, np.float32)
    if not rule.keypoint:
        return LabelRows(numbers)
    keypoints = numbers[:, 5:].reshape(len(numbers), *rule.kpt_shape)
    return LabelRows(numbers[:, :5], keypoints=keypoints)


def _read_polygons(rows: Sequence[Sequence[str]]) -> LabelRows:
    polygons = []
    for words in rows:
        if len(words) == 5:
            raise ValueError("boxes and polygons are mixed in one file")
        if len(words) < 7 or len(words) % 2 == 0:
            raise ValueError(
                f"a polygon needs a class and at least 3 x y pairs, {len(words)} columns found"
            )
        polygons.append(np.array(words[1:], np.float32).reshape(-1, 2))
    classes = np.array([words[0] for words in rows], np.float32)
    low = np.array([polygon.min(0) for polygon in polygons])
    high = np.array([polygon.max(0) for polygon in polygons])
    boxes = np.concatenate(((low + high) / 2, high - low), 1)
    return LabelRows(np.concatenate((classes[:, None], boxes), 1), polygons)


def _broken_rule(parsed: LabelRows, rule: LabelRule) -> str:
    """The first broken range rule over all rows, or an empty text. NaN breaks the upper bound."""
    rows, keypoints = parsed.rows, parsed.keypoints
    places = rows[:, 1:] if keypoints is None else keypoints[..., :2]
    if not places.max(initial=0.0) <= HIGH:
        return (
            f"coordinates out of bounds: {places.max():g} is above 1 (normalize by the image size)"
        )
    lowest = rows.min() if keypoints is None else min(rows.min(), keypoints.min(initial=0.0))
    if not (lowest >= 0 or (lowest >= LOW and rows[:, 3:5].min() >= 0)):
        return f"negative value {min(lowest, rows[:, 3:5].min()):g}"
    classes = rows[:, 0]
    if (classes != np.floor(classes)).any():
        return f"class {classes[classes != np.floor(classes)][0]:g} is not a whole number"
    top = 0.0 if rule.single_class else float(classes.max())
    if top >= rule.class_count:
        return f"class {top:g} is not in 0..{rule.class_count - 1} (the data set has {rule.class_count} names)"
    return ""


def _derive_visibility(parsed: LabelRows, rule: LabelRule) -> LabelRows:
    """Give (x, y) keypoints a third column: 0 for negative coordinates, else 1."""
    points = parsed.keypoints
    if points is not None and rule.kpt_shape[1] == 2:
        seen = ((points[..., 0] >= 0) & (points[..., 1] >= 0)).astype(np.float32)
        parsed.keypoints = np.concatenate((points, seen[..., None]), -1)
    return parsed


def _unique(parsed: LabelRows, keep_order: bool) -> LabelRows:
    """Remove repeated rows; polygon rows are equal only if class and every point agree."""
    rows, polygons, keypoints = parsed.rows, parsed.polygons, parsed.keypoints
    if len(rows) < 2:
        return parsed
    if polygons:
        keys = [row[:1].tobytes() + p.tobytes() for row, p in zip(rows, polygons, strict=True)]
        first = {key: i for i, key in reversed(list(enumerate(keys)))}
        index = np.array([first[key] for key in sorted(first)])
    else:
        parts = [rows] if keypoints is None else [rows, keypoints.reshape(len(rows), -1)]
        index = np.unique(np.concatenate(parts, 1), axis=0, return_index=True)[1]
    if len(index) == len(rows):
        return parsed
    index = np.sort(index) if keep_order else index
    return LabelRows(
        rows[index],
        [polygons[i] for i in index.tolist()] if polygons else [],
        None if keypoints is None else keypoints[index],
        parsed.duplicates + len(rows) - len(index),
        parsed.bad,
    )


def salvage_rows(text: str, rule: LabelRule) -> LabelRows:
    """Read a label text, dropping and naming the bad rows.

    Raises:
        ValueError: the file mixes boxes and polygons, or no row of it is good.
    """
    try:
        return parse_rows(text, rule, keep_order=True)
    except ValueError:
        pass  # find out which rows are to blame
    lines = _split(text, rule)
    polygon_file = _is_polygon_file([words for _, words in lines], rule)
    if polygon_file and any(len(words) == 5 for _, words in lines):
        raise ValueError("boxes and polygons are mixed in one file")
    good: list[LabelRows] = []
    bad: list[tuple[int, str]] = []
    for number, words in lines:
        try:
            good.append(_read_one(words, rule, polygon_file))
        except ValueError as error:
            bad.append((number, _reason(error)))
    if not good:
        raise ValueError(f"no usable row; line {bad[0][0]}: {bad[0][1]}")
    merged = LabelRows(
        np.concatenate([one.rows for one in good]),
        [polygon for one in good for polygon in one.polygons],
        np.concatenate([one.keypoints for one in good if one.keypoints is not None])
        if rule.keypoint
        else None,
        bad=bad,
    )
    return _unique(merged, keep_order=True)


def _read_one(words: list[str], rule: LabelRule, polygon_file: bool) -> LabelRows:
    parsed = _read_polygons([words]) if polygon_file else _read_numbers([words], rule)
    broken = _broken_rule(parsed, rule)
    if broken:
        raise ValueError(broken)
    return _derive_visibility(parsed, rule)


# Any: the result mixes arrays, counters and None, as the interface fixes it
def verify_image_label(args: tuple[Any, ...]) -> list[Any]:
    """Verify one image and its label file, strictly: one bad row rejects the pair.

    Args:
        args: image file, label file, message prefix, keypoint flag, number of classes, K, D and
            optionally single_cls.

    Returns:
        [image file, rows (N, 5), (h, w), polygons, keypoints (N, K, 3) or None, missing, found,
        empty, corrupt, message]; the first five are None and corrupt is 1 on failure.
    """
    im_file, lb_file, prefix, keypoint, class_count, k, d, *rest = args
    rule = LabelRule(int(class_count), bool(keypoint), (int(k), int(d)), bool(rest and rest[0]))
    missing = found = empty = 0
    try:
        note, shape = check_image(im_file)
        parsed = _no_rows(rule)
        if os.path.isfile(lb_file):
            found = 1
            parsed = parse_rows(read_label_text(lb_file), rule)
            empty = int(len(parsed.rows) == 0)
        else:
            missing = 1
    except Exception as error:  # noqa: BLE001  decoders raise anything on hostile files; reported as corrupt
        message = f"{prefix}{im_file}: ignoring corrupt image/label: {_reason(error)}"
        return [None, None, None, None, None, missing, found, empty, 1, message]
    if parsed.duplicates:
        note = f"{parsed.duplicates} duplicate labels removed"
    message = f"{prefix}{im_file}: {note}" if note else ""
    tail = [missing, found, empty, 0, message]
    return [im_file, parsed.rows, shape, parsed.polygons, parsed.keypoints, *tail]
