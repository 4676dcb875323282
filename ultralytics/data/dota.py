"""Annotations of the DOTA benchmark to label files of class and four corners."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from ultralytics.data.formats import is_image
from ultralytics.data.verify import exif_size
from ultralytics.errors import DatasetNotFound, nearest
from ultralytics.utils.files import atomic_write
from ultralytics.utils.logging import LOGGER

__all__ = ["convert_dota_to_yolo_obb"]

SPLITS = ("train", "val")
FIELDS = 9  # four corners and a class; a difficulty mark may follow
CLASSES = (  # DOTA 1.0, then what 1.5 and 2.0 added
    "plane",
    "ship",
    "storage-tank",
    "baseball-diamond",
    "tennis-court",
    "basketball-court",
    "ground-track-field",
    "harbor",
    "bridge",
    "large-vehicle",
    "small-vehicle",
    "helicopter",
    "roundabout",
    "soccer-ball-field",
    "swimming-pool",
    "container-crane",
    "airport",
    "helipad",
)
NUMBERS = {name: number for number, name in enumerate(CLASSES)}


def convert_dota_to_yolo_obb(dota_root_path: str | Path) -> None:
    """Write labels/{train,val} from labels/{train,val}_original.

    Lines of the originals hold eight corner coordinates in pixels, a class and perhaps a difficulty mark; shorter
    ones, as in their header, are passed over. Coordinates are written as fractions with six significant digits.

    Args:
        dota_root_path: folder with images/{train,val} and labels/{train,val}_original.

    Raises:
        DatasetNotFound: no image in either split, or an image without annotation file.
        KeyError: a class that DOTA does not have.
    """
    root = Path(dota_root_path)
    images = {
        split: sorted(file for file in (root / "images" / split).glob("*") if is_image(str(file)))
        for split in SPLITS
    }
    if not any(images.values()):
        raise DatasetNotFound(f"no images found in {root / 'images'}/{{train,val}}")
    for split, files in images.items():
        target = root / "labels" / split
        target.mkdir(parents=True, exist_ok=True)
        for file in files:
            original = root / "labels" / f"{split}_original" / f"{file.stem}.txt"
            if not original.is_file():
                raise DatasetNotFound(f"{file} has no annotation file {original}")
            lines = _label_lines(file, original)
            atomic_write(target / original.name, "".join(f"{line}\n" for line in lines))
        LOGGER.info(f"Converted the annotations of {len(files)} {split} images in {target}")


def _label_lines(image: Path, original: Path) -> list[str]:
    with Image.open(image) as picture:
        size = exif_size(picture)
    lines = []
    for line in original.read_text(encoding="utf-8").splitlines():
        fields = line.split()
        if len(fields) < FIELDS:
            continue
        name = fields[FIELDS - 1]
        if name not in NUMBERS:
            raise KeyError(f"{original}: DOTA has no class {name!r}{nearest(name, NUMBERS)}")
        values = [float(text) / size[i % 2] for i, text in enumerate(fields[: FIELDS - 1])]
        lines.append(f"{NUMBERS[name]} " + " ".join(f"{value:.6g}" for value in values))
    return lines
