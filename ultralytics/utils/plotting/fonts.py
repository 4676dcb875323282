"""TrueType fonts for PIL text. The default is the DejaVu Sans that matplotlib ships; nothing is downloaded."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

__all__ = ["font_file", "load_font"]


@lru_cache(maxsize=1)
def _bundled() -> Path | None:
    spec = find_spec("matplotlib")
    if spec is None or spec.origin is None:
        return None
    file = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
    return file if file.is_file() else None


def font_file(font: str) -> Path | None:
    """The file of a font: the given path if it exists, else the bundled one, else None."""
    return Path(font) if Path(font).is_file() else _bundled()


@lru_cache(maxsize=32)
def load_font(font: str, size: int) -> FreeTypeFont | ImageFont:
    """A PIL font at a size in pixels; PIL's built-in face when no file is found."""
    from PIL import ImageFont

    file = font_file(font)
    return ImageFont.load_default(size) if file is None else ImageFont.truetype(str(file), size)
