"""Sample data sets that are rendered on this computer: no download, the same pictures every time.

A data set YAML asks for one with the key `generator`. The set is written beside its place and renamed when it is
complete, so a folder that exists is whole; `.sample` in it names the recipe that made it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ultralytics.data.scenes import CLASSES, ROUND, Scene, Shape, render_scene
from ultralytics.errors import DatasetError, DatasetNotFound, nearest
from ultralytics.utils.logging import LOGGER
from ultralytics.utils.plotting.colors import colors

__all__ = [
    "GENERATORS",
    "corner_lines",
    "detect_lines",
    "ensure_sample",
    "keypoint_lines",
    "polygon_lines",
]

MARKER = ".sample"
SEED = 20
SPLITS = {"train": 96, "val": 32}
CLASS_SPLITS = {"train": 30, "val": 10}  # pictures of a class
SIZES_HW = ((320, 320), (288, 352), (352, 288), (256, 320), (320, 384))
JPEG_QUALITY = 92
PNG_EVERY = 8  # every n-th picture is a PNG, so that both readers are used


def ensure_sample(name: str, root: Path | None = None) -> Path:
    """Folder of a rendered data set, made now unless it is there.

    Args:
        name: key of `GENERATORS`.
        root: folder to use instead of `<datasets_dir>/<name>`.

    Raises:
        DatasetNotFound: no such generator.
        DatasetError: the folder exists but was not made by a generator; it is left alone.
    """
    if name not in GENERATORS:
        known = ", ".join(GENERATORS)
        raise DatasetNotFound(
            f"no sample set {name!r}{nearest(name, GENERATORS)}; there is: {known}"
        )
    recipe, write = GENERATORS[name]
    folder = _default_root(name) if root is None else root
    if _recipe_of(folder) == recipe:
        return folder
    if folder.exists() and _recipe_of(folder) is None:
        raise DatasetError(f"{folder} is not a rendered sample set; move it or set datasets_dir")
    LOGGER.info(f"Rendering the sample data set {name} in {folder}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder.parent) as scratch:
        made = Path(scratch) / "made"
        write(made)
        (made / MARKER).write_text(recipe, encoding="utf-8")
        _swap(made, folder, Path(scratch) / "old", recipe)
    return folder


def _default_root(name: str) -> Path:
    from ultralytics.utils.settings import SETTINGS

    return Path(SETTINGS["datasets_dir"]) / name


def _recipe_of(folder: Path) -> str | None:
    marker = folder / MARKER
    return marker.read_text(encoding="utf-8") if marker.is_file() else None


def _swap(made: Path, folder: Path, old: Path, recipe: str) -> None:
    """Put the finished folder in place; another process may have done so first."""
    if folder.exists():
        os.replace(folder, old)
    try:
        os.replace(made, folder)
    except OSError:
        if _recipe_of(folder) != recipe:
            raise
    shutil.rmtree(old, ignore_errors=True)


def detect_lines(scene: Scene) -> list[str]:
    """Label lines `class cx cy w h`, normalised to the picture."""
    height, width = scene.image.shape[:2]
    lines = []
    for shape in scene.shapes:
        x1, y1, x2, y2 = shape.box(height, width)
        centre = (x1 + x2) / 2 / width, (y1 + y2) / 2 / height
        size = (x2 - x1) / width, (y2 - y1) / height
        lines.append(f"{shape.label} " + " ".join(f"{v:.6f}" for v in (*centre, *size)))
    return lines


def corner_lines(scene: Scene) -> list[str]:
    """Label lines `class x1 y1 x2 y2 x3 y3 x4 y4`, normalised to the picture."""
    height, width = scene.image.shape[:2]
    lines = []
    for shape in scene.shapes:
        values = (shape.corners() / (width, height)).ravel().tolist()
        lines.append(f"{shape.label} " + " ".join(f"{v:.6f}" for v in values))
    return lines


def keypoint_lines(scene: Scene) -> list[str]:
    """Label lines `class cx cy w h`, then x, y and visibility of five points; those outside the picture are zeros."""
    height, width = scene.image.shape[:2]
    lines = []
    for index, (line, shape) in enumerate(zip(detect_lines(scene), scene.shapes, strict=True)):
        places = shape.points() / (width, height)
        for (x, y), seen in zip(places.tolist(), scene.visibility(index).tolist(), strict=True):
            line += f" {x:.6f} {y:.6f} {seen}" if seen else " 0 0 0"
        lines.append(line)
    return lines


def polygon_lines(scene: Scene) -> list[str]:
    """Label lines `class x1 y1 ... xn yn` of the outlines, normalised to the picture, which holds all of them."""
    height, width = scene.image.shape[:2]
    lines = []
    for shape in scene.shapes:
        values = (shape.outline / (width, height)).ravel().tolist()
        lines.append(f"{shape.label} " + " ".join(f"{v:.6f}" for v in values))
    return lines


def _scenes(split: str, stretch: tuple[float, float] = ROUND) -> Iterator[tuple[int, Scene]]:
    """The numbered scenes of a split."""
    for number in range(SPLITS[split]):
        rng = np.random.default_rng([SEED, list(SPLITS).index(split), number])
        height, width = SIZES_HW[int(rng.integers(len(SIZES_HW)))]
        count = int(rng.integers(1, 5))
        yield number, render_scene(rng, height, width, count=count, stretch=stretch)


def _write_shapes(
    root: Path, lines: Callable[[Scene], list[str]], stretch: tuple[float, float] = ROUND
) -> None:
    for split in SPLITS:
        images, labels = root / "images" / split, root / "labels" / split
        images.mkdir(parents=True)
        labels.mkdir(parents=True)
        for number, scene in _scenes(split, stretch):
            suffix = ".png" if number % PNG_EVERY == PNG_EVERY - 1 else ".jpg"
            file = images / f"{number:03d}{suffix}"
            file.write_bytes(_encode(scene.image, suffix))
            text = "\n".join(lines(scene)) + "\n"
            (labels / f"{file.stem}.txt").write_text(text, encoding="utf-8")


def _write_ids(root: Path) -> None:
    """Images and class maps, images/<split> and masks/<split>."""
    for split in SPLITS:
        images, masks = root / "images" / split, root / "masks" / split
        images.mkdir(parents=True)
        masks.mkdir(parents=True)
        for number, scene in _scenes(split):
            (images / f"{number:03d}.jpg").write_bytes(_encode(scene.image, ".jpg"))
            (masks / f"{number:03d}.png").write_bytes(_encode(scene.class_map(), ".png"))


def _write_colours(root: Path) -> None:
    """Images and painted masks, <split>/image and <split>/annotation; the background is black."""
    painted = np.array([*(colors(i, bgr=True) for i in range(len(CLASSES))), (0, 0, 0)], np.uint8)
    for split in SPLITS:
        images, masks = root / split / "image", root / split / "annotation"
        images.mkdir(parents=True)
        masks.mkdir(parents=True)
        for number, scene in _scenes(split):
            name = f"{number:03d}.png"
            (images / name).write_bytes(_encode(scene.image, ".png"))
            (masks / name).write_bytes(_encode(painted[scene.class_map()], ".png"))


def _encode(picture: NDArray[np.uint8], suffix: str) -> bytes:
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if suffix == ".jpg" else []
    done, data = cv2.imencode(suffix, picture, options)
    if not done:
        raise DatasetError(f"OpenCV cannot write {suffix} pictures")
    return data.tobytes()


def _write_classes(root: Path) -> None:
    """Cut single shapes out of scenes until every class has its number of pictures."""
    for split_number, (split, wanted) in enumerate(CLASS_SPLITS.items()):
        counts = dict.fromkeys(CLASSES, 0)
        for name in CLASSES:
            (root / split / name).mkdir(parents=True)
        number = 0
        while min(counts.values()) < wanted:
            rng = np.random.default_rng([SEED, len(CLASSES), split_number, number])
            scene = render_scene(rng, *SIZES_HW[0], count=4)
            number += 1
            for shape in scene.shapes:
                name = CLASSES[shape.label]
                if counts[name] < wanted:
                    place = root / split / name / f"{counts[name]:03d}.jpg"
                    place.write_bytes(_encode(_around(scene.image, shape), ".jpg"))
                    counts[name] += 1


def _around(image: NDArray[np.uint8], shape: Shape) -> NDArray[np.uint8]:
    """The part of a scene that shows a shape and half its size around it."""
    height, width = image.shape[:2]
    x1, y1, x2, y2 = shape.box(height, width)
    side = max(x2 - x1, y2 - y1) * 1.5
    left, top = (int(max(0, (a + b - side) / 2)) for a, b in ((x1, x2), (y1, y2)))
    return np.ascontiguousarray(image[top : top + int(side), left : left + int(side)])


# Name -> recipe (changed whenever the pictures change) and the function that writes the set into a new folder.
GENERATORS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "shapes": ("shapes 1", partial(_write_shapes, lines=detect_lines)),
    "shapes-cls": ("shapes-cls 1", _write_classes),
    "shapes-pose": ("shapes-pose 1", partial(_write_shapes, lines=keypoint_lines)),
    "shapes-seg": (
        "shapes-seg 1",
        partial(_write_shapes, lines=polygon_lines, stretch=(1.01, 1.6)),
    ),
    "shapes-sem": ("shapes-sem 1", _write_ids),
    "shapes-semseg": ("shapes-semseg 1", _write_colours),
    "shapes-obb": ("shapes-obb 1", partial(_write_shapes, lines=corner_lines, stretch=(1.6, 2.8))),
}
