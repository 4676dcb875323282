"""Large images with painted masks cut into tiles, and Cityscapes tiles put together again.

Tiles go to <split>/image and <split>/annotation under one name, `<stem>__<left>__<top>[__<tenths>].png`: corner in
pixels of the image they were cut from, and its scale in tenths. The last tile of a row or column is moved inside, so
all have one size. Specification chapter 30, section 1.9.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ultralytics.data.colours import ColourTable, colour_ids
from ultralytics.data.formats import is_image
from ultralytics.data.masks import IGNORE
from ultralytics.errors import ConfigValueError, DatasetNotFound
from ultralytics.utils.environment import NUM_THREADS
from ultralytics.utils.files import atomic_write
from ultralytics.utils.logging import LOGGER

__all__ = ["Cityscape2YOLO", "Potsdam2YOLO", "YOLO2Cityscape", "tile_corners"]

Picture = npt.NDArray[np.uint8]
SPLITS = ("train", "val", "test")
IMAGE_MARK, COLOUR_MARK, ID_MARK = "_leftImg8bit", "_gtFine_color", "_gtFine_labelIds"
TILE_NAME = re.compile(r"(?P<stem>.+?)__(?P<left>\d+)__(?P<top>\d+)(?:__(?P<tenths>\d+))?")
KINDS = {"color": COLOUR_MARK, "labelId": ID_MARK}
# Areas of the Potsdam benchmark without published reference at the time of the contest.
POTSDAM_VAL = frozenset(
    [
        "2_13",
        "2_14",
        "3_13",
        "3_14",
        "4_13",
        "4_14",
        "4_15",
        "5_13",
        "5_14",
        "5_15",
        "6_13",
        "6_14",
        "6_15",
        "7_13",
    ]
)
POTSDAM_NAME = re.compile(r"potsdam_(\d+_\d+)")


def tile_corners(size: int, tile: int, step: int) -> list[int]:
    """Where tiles along one side begin; the last one ends at the border, a short side has one tile."""
    if not 0 < step <= tile:
        raise ConfigValueError(f"a tile of {tile} pixels cannot move by {step}; use 1 to {tile}")
    last = max(size - tile, 0)
    return [*range(0, last, step), last]


@dataclass(frozen=True)
class Tiling:
    """How images are cut: scaled by `ratio` first, into tiles of `size` pixels every `step`."""

    ratio: float
    size: int
    step: int

    def cut(self, picture: Picture, how: int) -> Iterator[tuple[int, int, Picture]]:
        """Left, top and pixels of every tile; `how` is OpenCV's way to resize."""
        if self.ratio != 1:
            picture = np.asarray(
                cv2.resize(picture, None, fx=self.ratio, fy=self.ratio, interpolation=how), np.uint8
            )
        height, width = picture.shape[:2]
        for top in tile_corners(height, self.size, self.step):
            for left in tile_corners(width, self.size, self.step):
                yield left, top, picture[top : top + self.size, left : left + self.size]


def Cityscape2YOLO(
    cityscapes_path: str | Path,
    yolo_data_path: str | Path,
    img_size: int = 512,
    ratio: float = 0.5,
) -> None:
    """Cut Cityscapes into tiles with colour-coded masks, the data set `CityscapesYOLO.yaml` describes.

    Args:
        cityscapes_path: folder of leftImg8bit_trainvaltest and gtFine_trainvaltest as the archives unpack.
        yolo_data_path: folder to write train, val and test into.
        img_size: side of the tiles.
        ratio: images are scaled by it first.

    Raises:
        DatasetNotFound: no images, or an image of train or val without its mask.
    """
    source = Path(cityscapes_path)
    images = source / "leftImg8bit_trainvaltest" / "leftImg8bit"
    masks = source / "gtFine_trainvaltest" / "gtFine"
    pairs: list[Pair] = []
    for split in SPLITS:
        target = Path(yolo_data_path) / split
        for file in sorted((images / split).glob(f"*/*{IMAGE_MARK}.png")):
            stem = file.stem.removesuffix(IMAGE_MARK)
            mask = masks / split / file.parent.name / f"{stem}{COLOUR_MARK}.png"
            pairs.append(Pair(file, None if split == "test" else mask, target, stem))
    _cut_all(pairs, Tiling(ratio, img_size, img_size), f"__{int(10 * ratio)}", images)


def Potsdam2YOLO(
    image_dir: str | Path,
    label_dir: str | Path,
    save_dir: str | Path,
    ratio: float = 1.0,
    imgsz: int = 640,
    overlap: int = 128,
) -> None:
    """Cut the ISPRS Potsdam areas into overlapping tiles, the data set `Potsdam.yaml` describes.

    Args:
        image_dir: pictures top_potsdam_<area>_RGB.tif.
        label_dir: painted masks top_potsdam_<area>_label.tif.
        save_dir: folder to write train and val into; the fourteen areas of the contest's test are val.
        ratio: images are scaled by it first.
        imgsz: side of the tiles.
        overlap: pixels that neighbours share.

    Raises:
        DatasetNotFound: no images, or one without its mask.
        ConfigValueError: tiles that would not move.
    """
    masks = {_area(file): file for file in _pictures(label_dir)}
    pairs = []
    for file in _pictures(image_dir):
        area = _area(file)
        split = "val" if area in POTSDAM_VAL else "train"
        lacking = Path(label_dir) / f"top_potsdam_{area}_label.tif"
        pairs.append(Pair(file, masks.get(area, lacking), Path(save_dir) / split, file.stem))
    _cut_all(pairs, Tiling(ratio, imgsz, imgsz - overlap), "", Path(image_dir))


def YOLO2Cityscape(
    image_dir: str | Path | None,
    annotation_color_dir: str | Path,
    cityscapes_image_dir: str | Path | None,
    cityscapes_annotation_dir: str | Path,
    type: str = "color",
    overlap: float = 0.5,
) -> None:
    """Put tiles of `Cityscape2YOLO` together to whole images and masks under the names of Cityscapes.

    Args:
        image_dir: tiles of images, or None for masks alone.
        annotation_color_dir: tiles of painted masks, of the data set or predicted.
        cityscapes_image_dir: where whole images go.
        cityscapes_annotation_dir: where whole masks go.
        type: "color" keeps the colours, "labelId" writes the official ids, 0 for everything unknown.
        overlap: scale of tiles whose names do not tell it.

    Raises:
        ConfigValueError: another type.
        DatasetNotFound: no tiles.
    """
    if type not in KINDS:
        raise ConfigValueError(f"type={type!r} is not one of {', '.join(KINDS)}")
    if image_dir is not None and cityscapes_image_dir is not None:
        for stem, picture in _whole(image_dir, overlap, cv2.INTER_LINEAR):
            _write(Path(cityscapes_image_dir) / f"{stem}{IMAGE_MARK}.png", picture)
    convert: Callable[[Picture], Picture] = _official_ids() if type == "labelId" else lambda x: x
    for stem, picture in _whole(annotation_color_dir, overlap, cv2.INTER_NEAREST):
        _write(Path(cityscapes_annotation_dir) / f"{stem}{KINDS[type]}.png", convert(picture))


# ------------------------------------------------------------------------------------------ cutting


@dataclass(frozen=True)
class Pair:
    """An image, its mask if it should have one, and where their tiles go."""

    image: Path
    mask: Path | None
    target: Path
    stem: str


def _cut_all(pairs: Sequence[Pair], tiling: Tiling, ending: str, place: Path) -> None:
    if not pairs:
        raise DatasetNotFound(f"no images to cut below {place}")
    lacking = [pair for pair in pairs if pair.mask is not None and not pair.mask.is_file()]
    if lacking:
        raise DatasetNotFound(
            f"{len(lacking)} images have no mask, for example {lacking[0].mask} of {lacking[0].image}"
        )
    with ThreadPoolExecutor(NUM_THREADS) as pool:
        count = sum(pool.map(lambda pair: _cut(pair, tiling, ending), pairs))
    LOGGER.info(f"{len(pairs)} images cut into {count} tiles of {tiling.size} pixels")


def _cut(pair: Pair, tiling: Tiling, ending: str) -> int:
    count = 0
    parts = [(pair.image, "image", cv2.INTER_AREA)]
    if pair.mask is not None:
        parts.append((pair.mask, "annotation", cv2.INTER_NEAREST))
    for file, folder, how in parts:
        for left, top, tile in tiling.cut(_read(file), how):
            name = f"{pair.stem}__{left}__{top}{ending}.png"
            _write(pair.target / folder / name, tile)
            count += folder == "image"
    return count


def _area(file: Path) -> str:
    found = POTSDAM_NAME.search(file.stem)
    if found is None:
        raise DatasetNotFound(f"{file} is not named like top_potsdam_2_10_RGB.tif")
    return found[1]


# ---------------------------------------------------------------------------------------- stitching


def _whole(folder: str | Path, scale: float, how: int) -> Iterator[tuple[str, Picture]]:
    """Stem and pixels of every image whose tiles are in a folder, at the size before scaling."""
    tiles: dict[str, list[tuple[Path, Any]]] = defaultdict(list)  # Any: a match object
    for file in _pictures(folder):
        found = TILE_NAME.fullmatch(file.stem)
        if found is not None:
            tiles[found["stem"]].append((file, found))
    if not tiles:
        raise DatasetNotFound(f"no tiles named <stem>__<left>__<top>__<tenths>.png in {folder}")
    for stem, parts in sorted(tiles.items()):
        placed = [(int(m["left"]), int(m["top"]), _read(file)) for file, m in parts]
        tenths = parts[0][1]["tenths"]
        ratio = int(tenths) / 10 if tenths else scale
        yield stem, _stitched(placed, ratio, how)


def _stitched(placed: Sequence[tuple[int, int, Picture]], ratio: float, how: int) -> Picture:
    height = max(top + tile.shape[0] for _, top, tile in placed)
    width = max(left + tile.shape[1] for left, _, tile in placed)
    canvas = np.zeros((height, width, 3), np.uint8)
    for left, top, tile in placed:
        canvas[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    if ratio == 1:
        return canvas
    size = (round(width / ratio), round(height / ratio))
    return np.asarray(cv2.resize(canvas, size, interpolation=how), np.uint8)


def _official_ids() -> Callable[[Picture], Picture]:
    """Function from painted masks (BGR) to the ids of Cityscapes, as its own description maps them."""
    from ultralytics.cfg.paths import DATASETS_CFG_DIR
    from ultralytics.utils.yaml_io import YAML

    painted = YAML.load(DATASETS_CFG_DIR / "CityscapesYOLO.yaml")
    plain = YAML.load(DATASETS_CFG_DIR / "cityscapes.yaml")
    table = ColourTable.of({**painted, "names": dict(enumerate(painted["names"]))})
    ids = np.zeros(IGNORE + 1, np.uint8)
    for official, train in plain["label_mapping"].items():
        if isinstance(train, int):
            ids[train] = official
    return lambda picture: ids[colour_ids(picture, table)]


# -------------------------------------------------------------------------------------------- files


def _pictures(folder: str | Path) -> list[Path]:
    return sorted(file for file in Path(folder).glob("*") if is_image(file.name))


def _read(file: Path) -> Picture:
    from ultralytics.utils.patches import imread

    picture = imread(str(file))
    if picture is None:
        raise DatasetNotFound(f"{file} cannot be decoded")
    return picture


def _write(file: Path, picture: Picture) -> None:
    done, data = cv2.imencode(".png", picture)
    if not done:
        raise OSError(f"{file} cannot be encoded")
    file.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(file, data.tobytes())
