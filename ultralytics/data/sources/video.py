"""Reading frames of video files past the damaged ones."""

from __future__ import annotations

from typing import Any

__all__ = ["grab_next"]

MOST_DAMAGED = 30  # frames in a row that are passed over before a video counts as ended


def grab_next(capture: Any, left: float) -> int:  # Any: cv2.VideoCapture
    """Go to the next frame that can be read.

    Args:
        capture: open video.
        left: frames that should still come; damaged ones are passed over only while this says that more follow.

    Returns:
        How many frames were passed, the readable one included; 0 at the end of the video.
    """
    passed = 1
    while not capture.grab():
        if passed >= min(left, MOST_DAMAGED):
            return 0
        passed += 1
    return passed
