"""A picture with the boxes of its label file, in a window of matplotlib."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ultralytics.data.images import read_image
from ultralytics.data.verify import read_label_text
from ultralytics.errors import DatasetError
from ultralytics.utils.plotting.colors import colors

__all__ = ["visualize_image_annotations"]

LUMINANCE = (0.2126, 0.7152, 0.0722)  # of red, green and blue
COLUMNS = 5


def visualize_image_annotations(
    image_path: str | Path, txt_path: str | Path, label_map: Mapping[int, str]
) -> None:
    """Show a picture with the boxes and class names of its label file.

    Args:
        image_path: the picture.
        txt_path: rows of class, centre, width and height as fractions.
        label_map: class index -> name.

    Raises:
        DatasetError: a row with another number of columns.
    """
    from matplotlib import patches, pyplot

    picture = read_image(str(image_path))[..., ::-1]
    height, width = picture.shape[:2]
    _, axes = pyplot.subplots(1)
    for line in read_label_text(txt_path).splitlines():
        words = line.split()
        if len(words) != COLUMNS:
            raise DatasetError(f"{txt_path}: {len(words)} columns where a box has {COLUMNS}")
        number = int(float(words[0]))
        x, y, w, h = (float(word) for word in words[1:])
        shade = tuple(channel / 255 for channel in colors(number))
        corner = ((x - w / 2) * width, (y - h / 2) * height)
        axes.add_patch(
            patches.Rectangle(
                corner, w * width, h * height, linewidth=2, edgecolor=shade, facecolor="none"
            )
        )
        dark = sum(part * channel for part, channel in zip(LUMINANCE, shade, strict=True)) < 0.5
        axes.text(
            corner[0],
            corner[1] - 5,
            label_map[number],
            color="white" if dark else "black",
            backgroundcolor=shade,
        )
    axes.imshow(picture)
    axes.axis("off")
    pyplot.show()
