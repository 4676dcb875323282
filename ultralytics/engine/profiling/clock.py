"""Time by stage: a stage is what lies between two marks.

On a GPU marks are events of the stream, so that measuring makes nothing wait; they are read when all is over. The time
a GPU is without work is then part of the stage during which it had none.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch

from ultralytics.utils.torch_utils.device import time_sync

__all__ = ["StageClock"]


class StageClock:
    """Adds up the milliseconds between marks.

    Args:
        device: where the work is done.
        now: seconds of a clock, for devices without events.
    """

    def __init__(self, device: torch.device, now: Callable[[], float] = time.perf_counter) -> None:
        self.device = device
        self._now = now
        self._marks: list[tuple[str, Any]] = []  # Any: seconds, or an event of the device

    def mark(self, stage: str) -> None:
        """End a stage; the first mark only starts the clock."""
        self._marks.append((stage, self._stamp()))

    def totals(self) -> dict[str, float]:
        """Milliseconds of each stage, in the order of their first marks."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        sums: dict[str, float] = {}
        for (_, start), (stage, stop) in pairwise(self._marks):
            is_event = not isinstance(stop, float)
            spent = start.elapsed_time(stop) if is_event else (stop - start) * 1e3
            sums[stage] = sums.get(stage, 0.0) + spent
        return sums

    def _stamp(self) -> Any:
        if self.device.type == "cuda":
            event = torch.cuda.Event(enable_timing=True)
            event.record(torch.cuda.current_stream(self.device))
            return event
        time_sync(self.device)
        return self._now()
