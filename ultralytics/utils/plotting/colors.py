"""The fixed palette of drawings and which text colour is readable on each of its colours.

Colours are (r, g, b) tuples of 0-255 unless a name says BGR.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["DARK_TEXT_ON", "Colors", "colors", "legend_entries"]

PALETTE = (
    0x042AFF, 0x0BDBEB, 0xF3F3F3, 0x00DFB7, 0x111F68, 0xFF6FDD, 0xFF444F, 0xCCED00, 0x00F344, 0xBD00FF,
    0x00B4FF, 0xDD00BA, 0x00FFFF, 0x26C000, 0x01FFB3, 0x7D24FF, 0x7B0068, 0xFF1B6C, 0xFC6D2F, 0xA2FF0B,
)  # fmt: skip
DARK_TEXT_ON = frozenset({1, 2, 3, 5, 7, 8, 12, 14, 19})  # palette places too light for white text

POSE_PALETTE = (
    (255, 128, 0),
    (255, 153, 51),
    (255, 178, 102),
    (230, 230, 0),
    (255, 153, 255),
    (153, 204, 255),
    (255, 102, 255),
    (255, 51, 255),
    (102, 178, 255),
    (51, 153, 255),
    (255, 153, 153),
    (255, 102, 102),
    (255, 51, 51),
    (153, 255, 153),
    (102, 255, 102),
    (51, 255, 51),
    (0, 255, 0),
    (0, 0, 255),
    (255, 0, 0),
    (255, 255, 255),
)


def split_rgb(code: int) -> tuple[int, int, int]:
    """Red, green and blue of 0xRRGGBB."""
    return code >> 16, code >> 8 & 255, code & 255


class Colors:
    """Palette lookup; indexes beyond its length start again."""

    def __init__(self) -> None:
        self.palette = [split_rgb(code) for code in PALETTE]
        self.n = len(self.palette)
        self.pose_palette = np.array(POSE_PALETTE, dtype=np.uint8)

    def __call__(
        self, i: Any, bgr: bool = False
    ) -> tuple[int, int, int]:  # Any: int or scalar tensor
        """Colour of an index, as RGB or BGR."""
        red, green, blue = self.palette[int(i) % self.n]
        return (blue, green, red) if bgr else (red, green, blue)

    @staticmethod
    def hex2rgb(h: str) -> tuple[int, int, int]:
        """Turn "#RRGGBB" into three numbers."""
        return split_rgb(int(h.lstrip("#")[:6], 16))


colors = Colors()


def legend_entries(
    pixels: Mapping[int, int], names: Mapping[int, str]
) -> list[tuple[str, tuple[int, int, int]]]:
    """Name and BGR colour of the classes of a map, the most frequent first; ids without a name are left out.

    Args:
        pixels: number of pixels by class id.
        names: class names; a single class has id 1 in the map.
    """
    known = {1: names[0]} if len(names) == 1 else names
    ranked = sorted(pixels, key=lambda index: -pixels[index])
    return [(str(known[i]), colors(i, bgr=True)) for i in ranked if i in known]
