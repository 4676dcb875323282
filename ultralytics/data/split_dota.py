"""Large aerial images to overlapping tiles, and their corner labels with them.

The layout is that of every data set: images/<split> and labels/<split>. A tile is called <image>__<side>__<x>___<y>,
with the offset of its upper left corner in pixels, from which results of tiles are put together again
(`ultralytics.models.yolo.obb.merge`). Labels are rows of class and four corners: fractions of the image or tile in
files, pixels of the image between the two. Shape suffixes: N = labels; M = windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import ceil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from ultralytics.data.formats import img2label_paths
from ultralytics.data.images import find_images, read_image
from ultralytics.data.verify import exif_size
from ultralytics.errors import DatasetError, DatasetNotFound
from ultralytics.geometry.clipping import area_inside, polygon_area
from ultralytics.utils.files import atomic_write
from ultralytics.utils.tqdm import TQDM

__all__ = [
    "bbox_iof",
    "crop_and_save",
    "get_window_obj",
    "get_windows",
    "load_yolo_dota",
    "split_images_and_labels",
    "split_test",
    "split_trainval",
]

Array = npt.NDArray[Any]  # Any: pixel coordinates of every number type
Annotation = dict[str, Any]  # Any: ori_size (h, w), label (N, 9), filepath

LABELLED = ("train", "val")
COLUMNS = 9  # class and four corners


def bbox_iof(polygon1: Array, bbox2: Array, eps: float = 1e-6) -> Array:
    """Share (N, M) of each polygon that lies inside each box.

    Args:
        polygon1: (N, 8) corners of quadrilaterals.
        bbox2: (M, 4) boxes xyxy in the same unit.
        eps: least area a polygon counts with.
    """
    corners = np.asarray(polygon1, np.float64).reshape(-1, 4, 2)
    boxes = np.asarray(bbox2, np.float64).reshape(-1, 4)
    share: Array = area_inside(corners, boxes) / np.maximum(polygon_area(corners), eps)[:, None]
    return share


def load_yolo_dota(data_root: str | Path, split: str = "train") -> list[Annotation]:
    """Images of a split with their labels.

    Args:
        data_root: folder with images/<split> and labels/<split>. An image without label file is background.
        split: train or val.

    Returns:
        One dictionary per image, sorted by name: "ori_size" (height, width), "label" (N, 9) of class and corners as
        fractions, "filepath".

    Raises:
        AssertionError: another split.
        DatasetNotFound: no image there.
        DatasetError: a label file with rows that are no class and four corners.
    """
    if split not in LABELLED:
        raise AssertionError(f"split={split!r} must be one of {', '.join(LABELLED)}")
    files = _images(Path(data_root) / "images" / split)
    labels = img2label_paths(files)
    return [_annotation(file, Path(label)) for file, label in zip(files, labels, strict=True)]


def get_windows(
    im_size: tuple[int, int],
    crop_sizes: Sequence[int] = (1024,),
    gaps: Sequence[int] = (200,),
    im_rate_thr: float = 0.6,
    eps: float = 0.01,
) -> Array:
    """Windows (M, 4) xyxy in pixels that cover an image; those of a row or column overlap by the gap.

    Args:
        im_size: height and width of the image.
        crop_sizes: side of the windows, one or more.
        gaps: overlap for each side.
        im_rate_thr: share of a window that must lie inside the image.
        eps: when no window has that share, those within this of the best one are kept.

    Raises:
        AssertionError: a gap not smaller than its side.
    """
    height, width = im_size
    boxes = []
    for side, gap in zip(crop_sizes, gaps, strict=True):
        if side <= gap:
            raise AssertionError(f"crop size {side} must be larger than its gap {gap}")
        columns, rows = _starts(width, side, side - gap), _starts(height, side, side - gap)
        boxes += [(x, y, x + side, y + side) for x, y in product(columns, rows)]
    windows = np.array(boxes, dtype=np.int64)
    visible = np.clip(windows, 0, [width, height, width, height])
    share = (visible[:, 2:] - visible[:, :2]).prod(axis=1) / (windows[:, 2:] - windows[:, :2]).prod(
        axis=1
    )
    enough = share > im_rate_thr
    return windows[enough if enough.any() else share >= share.max() - eps]


def get_window_obj(anno: Annotation, windows: Array, iof_thr: float = 0.7) -> list[Array]:
    """Labels of each window, in pixels of the whole image.

    Args:
        anno: entry of `load_yolo_dota`.
        windows: (M, 4) boxes xyxy.
        iof_thr: least share of a label that must lie inside.
    """
    height, width = anno["ori_size"]
    label = anno["label"].copy()
    label[:, 1::2] *= width
    label[:, 2::2] *= height
    if not len(label):
        return [label for _ in windows]
    share = bbox_iof(label[:, 1:], windows)
    return [label[inside] for inside in (share >= iof_thr).T]


def crop_and_save(
    anno: Annotation,
    windows: Array,
    window_objs: Sequence[Array],
    im_dir: str | Path,
    lb_dir: str | Path,
    allow_background_images: bool = True,
    suffix: str = ".jpg",
) -> None:
    """Write the tiles of one image and their label files.

    Args:
        anno: entry of `load_yolo_dota`.
        windows: (M, 4) boxes xyxy; what lies outside the image is cut off, so tiles at its border are smaller.
        window_objs: labels of each window in pixels of the image.
        im_dir: folder for the tiles.
        lb_dir: folder for their labels; a tile without labels gets no file.
        allow_background_images: write tiles without labels too.
        suffix: format of the tiles; ".png" loses nothing.

    Raises:
        DatasetNotFound: the image cannot be read.
        DatasetError: a tile cannot be written.
    """
    image = read_image(anno["filepath"])
    stem = Path(anno["filepath"]).stem
    for window, rows in zip(windows.tolist(), window_objs, strict=True):
        if not len(rows) and not allow_background_images:
            continue
        tile, name = _tile(image, window), _tile_name(stem, window)
        _write_picture(Path(im_dir) / f"{name}{suffix}", tile)
        if len(rows):
            height, width = tile.shape[:2]
            points = (rows[:, 1:].reshape(-1, 4, 2) - window[:2]) / (width, height)
            pairs = zip(rows[:, 0], points.reshape(-1, 8).tolist(), strict=True)
            lines = [" ".join([f"{int(c)}", *(f"{v:.6g}" for v in row)]) for c, row in pairs]
            atomic_write(Path(lb_dir) / f"{name}.txt", "".join(f"{line}\n" for line in lines))


def split_images_and_labels(
    data_root: str | Path,
    save_dir: str | Path,
    split: str = "train",
    crop_sizes: Sequence[int] = (1024,),
    gaps: Sequence[int] = (200,),
    suffix: str = ".jpg",
) -> None:
    """Cut the images and labels of a split into tiles.

    Args:
        data_root: folder with images/<split> and labels/<split>.
        save_dir: folder for the same layout with tiles.
        split: train or val.
        crop_sizes: side of the tiles, one or more.
        gaps: overlap for each side.
        suffix: format of the tiles.
    """
    im_dir, lb_dir = _made(save_dir, "images", split), _made(save_dir, "labels", split)
    annotations = load_yolo_dota(data_root, split)
    for anno in TQDM(annotations, total=len(annotations), desc=f"{split} tiles"):
        windows = get_windows(anno["ori_size"], crop_sizes, gaps)
        crop_and_save(anno, windows, get_window_obj(anno, windows), im_dir, lb_dir, suffix=suffix)


def split_trainval(
    data_root: str | Path,
    save_dir: str | Path,
    crop_size: int = 1024,
    gap: int = 200,
    rates: Sequence[float] = (1.0,),
    suffix: str = ".jpg",
) -> None:
    """Cut the train and val splits into tiles.

    Args:
        data_root: folder with images/{train,val} and labels/{train,val}.
        save_dir: folder for the same layout with tiles.
        crop_size: side of the tiles in pixels.
        gap: overlap of neighbouring tiles.
        rates: scales of the images; a rate of 0.5 gives tiles of twice the side and gap.
        suffix: format of the tiles; ".png" loses nothing.
    """
    sizes, gaps = _scaled(crop_size, rates), _scaled(gap, rates)
    for split in LABELLED:
        split_images_and_labels(data_root, save_dir, split, sizes, gaps, suffix)


def split_test(
    data_root: str | Path,
    save_dir: str | Path,
    crop_size: int = 1024,
    gap: int = 200,
    rates: Sequence[float] = (1.0,),
    suffix: str = ".jpg",
) -> None:
    """Cut the images of the test split into tiles; arguments as for `split_trainval`."""
    sizes, gaps = _scaled(crop_size, rates), _scaled(gap, rates)
    im_dir = _made(save_dir, "images", "test")
    files = _images(Path(data_root) / "images" / "test")
    for file in TQDM(files, total=len(files), desc="test tiles"):
        image = read_image(file)
        height, width = image.shape[:2]
        for window in get_windows((height, width), sizes, gaps).tolist():
            name = _tile_name(Path(file).stem, window)
            _write_picture(im_dir / f"{name}{suffix}", _tile(image, window))


def _images(folder: Path) -> list[str]:
    files = sorted(find_images(folder))
    if not files:
        raise DatasetNotFound(f"no images found in {folder}")
    return files


def _annotation(file: str, label_file: Path) -> Annotation:
    with Image.open(file) as picture:
        width, height = exif_size(picture)
    rows = _read_rows(label_file) if label_file.is_file() else np.zeros((0, COLUMNS), np.float32)
    return {"ori_size": (height, width), "label": rows, "filepath": file}


def _read_rows(file: Path) -> Array:
    lines = [line.split() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    if any(len(line) != COLUMNS for line in lines):
        raise DatasetError(f"{file}: every line must hold a class and four corners (9 numbers)")
    try:
        return np.array(lines, np.float32).reshape(-1, COLUMNS)
    except ValueError as error:
        raise DatasetError(f"{file}: {error}") from None


def _starts(length: int, side: int, step: int) -> list[int]:
    """Offsets along one axis; the last window is moved back so that it ends with the image."""
    if length <= side:
        return [0]
    return [min(step * i, length - side) for i in range(ceil((length - side) / step + 1))]


def _scaled(value: int, rates: Sequence[float]) -> list[int]:
    return [int(value / rate) for rate in rates]


def _made(root: str | Path, *parts: str) -> Path:
    folder = Path(root).joinpath(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _tile_name(stem: str, window: Sequence[int]) -> str:
    x1, y1, x2, _ = window
    return f"{stem}__{x2 - x1}__{x1}___{y1}"


def _tile(image: Array, window: Sequence[int]) -> Array:
    x1, y1, x2, y2 = window
    return image[y1:y2, x1:x2]


def _write_picture(file: Path, picture: Array) -> None:
    done, data = cv2.imencode(file.suffix, picture)
    if not done:
        raise DatasetError(f"OpenCV cannot write {file}")
    atomic_write(file, data.tobytes())
