"""Showing pictures while a run goes on."""

from __future__ import annotations

import platform
from typing import Any

import cv2
import numpy as np

__all__ = ["show_picture"]

IMAGE_WAIT_MS = 300
FRAME_WAIT_MS = 1
SCREEN_SHARE = 0.9
FALLBACK_SCREEN = (1920, 1080)


def show_picture(
    title: str, image: np.ndarray[Any, Any], windows: list[str], is_image: bool
) -> bool:
    """Show a picture in the window of its source; True when the key q was pressed.

    Args:
        title: of the window, one per source.
        image: BGR picture.
        windows: titles that are open; a new one is appended.
        is_image: give the viewer time, instead of going on with the next frame.
    """
    if title not in windows and platform.system() in ("Linux", "Windows"):
        windows.append(title)
        cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        cv2.resizeWindow(title, *_fitted(image.shape[1], image.shape[0]))
    cv2.imshow(title, image)
    key = cv2.waitKey(IMAGE_WAIT_MS if is_image else FRAME_WAIT_MS)
    return key & 0xFF == ord("q")


def _fitted(width: int, height: int) -> tuple[int, int]:
    limits = (SCREEN_SHARE * side for side in _screen_size())
    scale = min(1.0, *(limit / side for limit, side in zip(limits, (width, height), strict=True)))
    return int(width * scale), int(height * scale)


def _screen_size() -> tuple[int, int]:
    try:
        import tkinter
    except ImportError:  # Python built without it
        return FALLBACK_SCREEN
    try:
        root = tkinter.Tk()
    except tkinter.TclError:  # no display
        return FALLBACK_SCREEN
    size = root.winfo_screenwidth(), root.winfo_screenheight()
    root.destroy()
    return size
