"""Endless pictures of a screen, through the optional `mss` package."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from ultralytics.data.sources.types import Batch, SourceTypes
from ultralytics.errors import MissingExtra, SourceError

__all__ = ["LoadScreenshots"]


class LoadScreenshots:
    """One frame of a monitor, or of a part of it, per step; it never ends.

    Args:
        source: "screen [monitor] [left top width height]"; monitor 0 is all of them together, the region is relative
            to the monitor.
        channels: 3 for BGR, 1 for grey.

    Raises:
        MissingExtra: `mss` is not installed.
        SourceError: the text has another form, or there is no such monitor.
    """

    def __init__(self, source: str, channels: int = 3) -> None:
        try:
            import mss
        except ModuleNotFoundError as error:
            raise MissingExtra("screen sources need: pip install mss") from error
        screen, region = parse_screen(source)
        self.sct: Any = mss.mss()  # Any: the package is optional
        monitors = self.sct.monitors
        if screen >= len(monitors):
            raise SourceError(f"there is no monitor {screen}; the highest is {len(monitors) - 1}")
        origin = monitors[screen]
        left, top, width, height = region or (0, 0, origin["width"], origin["height"])
        self.screen = screen
        self.monitor = {"left": origin["left"] + left, "top": origin["top"] + top}
        self.monitor |= {"width": width, "height": height}
        self.grey = channels == 1
        self.mode = "stream"
        self.bs = 1
        self.fps = 30
        self.frame = 0
        self.source_type = SourceTypes(screenshot=True)

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> LoadScreenshots:
        return self

    def __next__(self) -> Batch:
        pixels = np.asarray(self.sct.grab(self.monitor))[..., :3]
        image = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)[..., None] if self.grey else pixels
        place = ",".join(str(self.monitor[key]) for key in ("left", "top", "width", "height"))
        info = f"screen {self.screen} (LTWH): {place}: "
        self.frame += 1
        return [str(self.screen)], [np.ascontiguousarray(image)], [info]

    def close(self) -> None:
        """Release the screen."""
        self.sct.close()


def parse_screen(source: str) -> tuple[int, tuple[int, int, int, int] | None]:
    """Monitor number and region of a screen text; the region is None for the whole monitor.

    Raises:
        SourceError: numbers are missing or not whole.
    """
    words = source.split()[1:]
    try:
        numbers = [int(word) for word in words]
    except ValueError:
        numbers = [0] * 9
    if len(numbers) not in (0, 1, 4, 5):
        raise SourceError(
            f"{source!r} is not of the form: screen [monitor] [left top width height]"
        )
    region = numbers[-4:] if len(numbers) >= 4 else None
    screen = numbers[0] if len(numbers) in (1, 5) else 0
    return screen, (region[0], region[1], region[2], region[3]) if region else None
