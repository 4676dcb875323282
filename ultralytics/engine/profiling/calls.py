"""Time spent in the picture libraries while samples are made, by kind of work.

Whatever the task, the pipeline and transforms of the user's own, pixels are decoded, warped and coloured by functions
of OpenCV, PIL and torchvision. Those are replaced by timed ones for as long as a `CallTimes` is entered.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

__all__ = ["CallTimes"]

# Stage -> "module:owner.name" of each function.
CALLS = {
    "decode": (
        *("cv2:imdecode", "cv2:imread", "cv2:imdecodemulti"),
        *("PIL.Image:open", "PIL.ImageFile:ImageFile.load"),
    ),
    "warp": (
        *("cv2:warpAffine", "cv2:warpPerspective", "cv2:resize", "cv2:copyMakeBorder", "cv2:flip"),
        *("PIL.Image:Image.resize", "PIL.Image:Image.transform", "PIL.Image:Image.transpose"),
    ),
    "colour": (
        *("cv2:cvtColor", "cv2:LUT", "cv2:split", "cv2:merge", "cv2:convertScaleAbs"),
        *("PIL.Image:blend", "PIL.Image:Image.point"),
    ),
}


class CallTimes:
    """Milliseconds by stage; a call made by another timed call counts with that one."""

    def __init__(self) -> None:
        self.milliseconds = dict.fromkeys((*CALLS, "collate"), 0.0)
        self._is_inside = False

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, timed."""

        def call(*args: Any, **kwargs: Any) -> Any:  # Any: those of the function
            if self._is_inside:
                return function(*args, **kwargs)
            self._is_inside, start = True, time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self._is_inside = False
                self.milliseconds[stage] += (time.perf_counter() - start) * 1e3

        return call

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Time the functions of `CALLS` of this process until the block ends."""
        with contextlib.ExitStack() as undo:
            for stage, places in CALLS.items():
                for place in places:
                    module, _, path = place.partition(":")
                    *owners, name = path.split(".")
                    owner: Any = import_module(module)
                    for part in owners:
                        owner = getattr(owner, part)
                    original = getattr(owner, name, None)
                    if original is not None:
                        undo.callback(setattr, owner, name, original)
                        setattr(owner, name, self.timed(stage, original))
            yield
