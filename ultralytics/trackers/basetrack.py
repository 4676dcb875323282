"""The life of a track: its states, its number, when it was last seen."""

from __future__ import annotations

from itertools import count
from typing import Any

__all__ = ["BaseTrack", "TrackState"]


class TrackState:
    """States of a track."""

    New = 0
    Tracked = 1
    Lost = 2
    Removed = 3


class BaseTrack:
    """One object followed through frames.

    Attributes:
        track_id: its number, 0 before it is activated.
        is_activated: whether it is confirmed.
        state: one of `TrackState`.
        score: confidence of its latest detection.
        start_frame: number of the frame in which it began.
        frame_id: number of the frame in which it was last seen.
    """

    _numbers = count(1)

    def __init__(self) -> None:
        self.track_id = 0
        self.is_activated = False
        self.state = TrackState.New
        self.score = 0.0
        self.start_frame = 0
        self.frame_id = 0

    @property
    def end_frame(self) -> int:
        """Number of the frame in which it was last seen."""
        return self.frame_id

    @staticmethod
    def next_id() -> int:
        """A number of the process-wide count, for tracks that no tracker numbers."""
        return next(BaseTrack._numbers)

    @staticmethod
    def reset_id() -> None:
        """Start the process-wide count anew."""
        BaseTrack._numbers = count(1)

    def activate(self, *args: Any) -> None:
        """Begin."""
        raise NotImplementedError(f"{type(self).__name__} cannot be activated")

    def predict(self) -> None:
        """Move on by one frame."""
        raise NotImplementedError(f"{type(self).__name__} does not predict")

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Take over a detection."""
        raise NotImplementedError(f"{type(self).__name__} takes no detections")

    def mark_lost(self) -> None:
        """It was not found in this frame."""
        self.state = TrackState.Lost

    def mark_removed(self) -> None:
        """It has been lost for too long."""
        self.state = TrackState.Removed
