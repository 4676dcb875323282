"""The fixed palette of drawings and which text colour is readable on each of its colours.

Colours are (r, g, b) tuples of 0-255 unless a name says BGR.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["DARK_TEXT_ON", "Colors", "colors"]

PALETTE_HEX = (
    "042AFF 0BDBEB F3F3F3 00DFB7 111F68 FF6FDD FF444F CCED00 00F344 BD00FF "
    "00B4FF DD00BA 00FFFF 26C000 01FFB3 7D24FF 7B0068 FF1B6C FC6D2F A2FF0B"
).split()
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


class Colors:
    """Palette lookup; indexes beyond its length start again."""

    def __init__(self) -> None:
        self.palette = [self.hex2rgb(f"#{code}") for code in PALETTE_HEX]
        self.n = len(self.palette)
        self.pose_palette = np.array(POSE_PALETTE, dtype=np.uint8)

    def __call__(self, i: Any, bgr: bool = False) -> tuple[int, int, int]:  # Any: int or scalar tensor
        """Colour of an index, as RGB or BGR."""
        red, green, blue = self.palette[int(i) % self.n]
        return (blue, green, red) if bgr else (red, green, blue)

    @staticmethod
    def hex2rgb(h: str) -> tuple[int, int, int]:
        """Turn "#RRGGBB" into three numbers."""
        value = int(h.lstrip("#")[:6], 16)
        return value >> 16, value >> 8 & 255, value & 255


colors = Colors()
