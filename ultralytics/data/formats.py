"""Names and paths of data set files: image suffixes, label paths, digests of file lists.

Suffixes are lower case and without a dot.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence

__all__ = [
    "FORMATS_HELP_MSG",
    "HELP_URL",
    "IMG_FORMATS",
    "VID_FORMATS",
    "get_hash",
    "img2label_paths",
    "is_image",
]

HELP_URL = "See docs.ultralytics.com/datasets for the expected folder layout and label format."
IMG_FORMATS = {
    *(
        "avif",
        "bmp",
        "dng",
        "heic",
        "heif",
        "jp2",
        "jpeg",
        "jpg",
        "mpo",
        "png",
        "tif",
        "tiff",
        "webp",
    ),
}
VID_FORMATS = {
    *("asf", "avi", "gif", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "ts", "wmv", "webm"),
}
FORMATS_HELP_MSG = (
    f"Supported image suffixes: {', '.join(sorted(IMG_FORMATS))}. "
    f"Supported video suffixes: {', '.join(sorted(VID_FORMATS))}."
)


def is_image(path: str) -> bool:
    """Whether the suffix is one of an image format, in any letter case."""
    return path.rpartition(".")[2].lower() in IMG_FORMATS


def img2label_paths(
    img_paths: Sequence[str], label_dir: str = "labels", suffix: str = ".txt"
) -> list[str]:
    """Label file of every image: the last folder named `images` becomes `label_dir`, the suffix is replaced.

    A path without an `images` folder keeps its folder. A leading `images/` counts as a file prefix, not as a
    folder below another one, and stays (spec 30, 2.2).
    """
    old, new = f"{os.sep}images{os.sep}", f"{os.sep}{label_dir}{os.sep}"
    return [new.join(path.rsplit(old, 1)).rsplit(".", 1)[0] + suffix for path in img_paths]


def get_hash(paths: Iterable[str]) -> str:
    """SHA-256 over the names, sizes and modification times of files; a missing file counts by its name."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(os.fsencode(path) + b"\0")
        try:
            found = os.stat(path)
        except OSError:
            digest.update(b"\0")
        else:
            digest.update(f"{found.st_size}:{found.st_mtime_ns}".encode() + b"\0")
    return digest.hexdigest()
