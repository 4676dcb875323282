"""OC-SORT: direction of motion from observations, and a corrected path for tracks that come back (arXiv 2203.14360).

Specification chapter 75, section 5.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ultralytics.trackers.basetrack import TrackState
from ultralytics.trackers.byte_tracker import BYTETracker, Moves, STrack, Tracks
from ultralytics.trackers.utils import matching

__all__ = ["OCSORT", "OCSortTrack", "direction_cost"]

Array = NDArray[Any]

STILL_PX = 1e-6  # shorter shifts have no direction
DELTA_T, INERTIA, USE_BYTE = 3, 0.2, False


class OCSortTrack(STrack):
    """A track that remembers where it was seen.

    Attributes:
        observations: frame number -> corners of the detection, of the latest frames.
        last_observation: corners of the latest detection.
        velocity: unit vector of its motion; None before the second detection.
    """

    delta_t = DELTA_T

    def __init__(self, xywh: Array, score: float, cls: Any, *args: Any) -> None:
        super().__init__(xywh, score, cls, *args)
        self.observations: dict[int, Array] = {}
        self.last_observation: Array | None = None
        self.velocity: Array | None = None
        self._seen_state: tuple[Any, Any] = (None, None)

    def activate(self, kalman_filter: Any, frame_id: int, track_id: int | None = None) -> None:
        """Begin in a frame."""
        super().activate(kalman_filter, frame_id, track_id)
        self._observe(self)

    def _take(self, found: STrack, frame_id: int) -> None:
        super()._take(found, frame_id)
        self._observe(found)

    def _observe(self, found: STrack) -> None:
        """Remember a detection; `found` is the detection, or this track in its first frame."""
        x, y, w, h = found._box
        corners = np.array([x - w / 2, y - h / 2, x + w / 2, y + h / 2])
        self.last_observation = self.observations[self.frame_id] = corners
        for frame in sorted(self.observations)[: -(self.delta_t + 2)]:
            del self.observations[frame]
        self.velocity = self._direction()
        self._seen_state = (self.mean, self.covariance)

    def _direction(self) -> Array | None:
        if len(self.observations) < 2:
            return None
        frames = sorted(self.observations)
        old = [frame for frame in frames if frame <= self.frame_id - self.delta_t]
        start = self.observations[old[-1] if old else frames[0]]
        shift = _centres(self.observations[self.frame_id]) - _centres(start)
        length = float(np.linalg.norm(shift))
        return np.zeros(2) if length < STILL_PX else shift / length

    def replay(self, found: STrack, frame_id: int) -> None:
        """Walk the filter again from where the track was last seen, on a straight line to where it is now."""
        gap = frame_id - self.frame_id
        if gap <= 1 or self.last_observation is None:
            return
        self.mean, self.covariance = self._seen_state
        corners = found.xyxy
        for step in range(1, gap):
            self._move_on()
            share = step / gap
            between = (1 - share) * self.last_observation + share * corners
            measured = self.convert_coords(_centre_box(between))
            self.mean, self.covariance = self.kalman_filter.update(
                self.mean, self.covariance, measured
            )
        self._move_on()

    def _move_on(self) -> None:
        self.mean, self.covariance = self.kalman_filter.predict(self.mean, self.covariance)


def _centres(corners: Array) -> Array:
    centres: Array = (corners[..., :2] + corners[..., 2:]) / 2
    return centres


def _centre_box(corners: Array) -> Array:
    return np.concatenate((_centres(corners), corners[2:] - corners[:2]))


def direction_cost(tracks: Sequence[Any], detections: Sequence[Any]) -> Array:
    """(T, D) angle between where tracks went and where detections are, in half turns; 0 where there is no direction."""
    cost = np.zeros((len(tracks), len(detections)), np.float32)
    if not len(detections):
        return cost
    targets = np.array([_centres(found.xyxy) for found in detections])
    for row, track in enumerate(tracks):
        if track.velocity is None:
            continue
        shift = targets - _centres(track.last_observation)
        length = np.linalg.norm(shift, axis=1)
        moved = length > STILL_PX
        unit = shift[moved] / length[moved, None]
        cost[row, moved] = np.arccos(np.clip(unit @ track.velocity, -1, 1)) / np.pi
    return cost


class OCSORT(BYTETracker):
    """OC-SORT. Arguments as `BYTETracker`, with the keys of ocsort.yaml."""

    track_class: ClassVar[type[STrack]] = OCSortTrack

    def __init__(self, args: Any) -> None:
        self.delta_t = getattr(args, "delta_t", DELTA_T)
        self.inertia = getattr(args, "inertia", INERTIA)
        self.use_byte = getattr(args, "use_byte", USE_BYTE)
        super().__init__(args)

    def init_track(self, results: Any, img: Array | None = None) -> Tracks:
        """Detections as tracks that have not begun."""
        tracks = super().init_track(results, img)
        for track in tracks:
            track.delta_t = self.delta_t
        return tracks

    def get_dists(self, tracks: Tracks, detections: Tracks) -> Array:
        """Cost (T, D): overlap, and how far the motion would turn."""
        return super().get_dists(tracks, detections) + self.inertia * direction_cost(
            tracks, detections
        )

    def _recover(self, left: Tracks, high: Tracks, moves: Moves) -> tuple[Tracks, Tracks]:
        """Match by where tracks were last seen, and correct the path of those that come back."""
        seen = [track for track in left if track.state == TrackState.Tracked]
        pool = [*seen, *(track for track in left if track.state != TrackState.Tracked)]
        costs = self.recovery_cost(pool, high)
        pairs, alone, unused = matching.linear_assignment(costs, self.args.match_thresh)
        for row, column in pairs.tolist():
            track, found = pool[row], high[column]
            if track.state != TrackState.Tracked:
                track.replay(found, self.frame_id)
            moves.match(track, found, self.frame_id)
        return [pool[i] for i in alone], [high[j] for j in unused]

    def recovery_cost(self, tracks: Tracks, detections: Tracks) -> Array:
        """Cost (T, D) by the place where tracks were last seen."""
        distance = self.last_seen_distance(tracks, detections)
        return matching.fuse_score(distance, detections) if self.args.fuse_score else distance

    @staticmethod
    def last_seen_distance(tracks: Tracks, detections: Tracks) -> Array:
        """1 - IoU (T, D) of the last observations; rotated objects by their predicted boxes."""
        if tracks and tracks[0].angle is not None:
            return matching.iou_distance(tracks, detections)
        return matching.iou_distance(
            [track.last_observation for track in tracks], [found.xyxy for found in detections]
        )

    def _continue(self, left: Tracks, low: Tracks, moves: Moves) -> None:
        if self.use_byte:
            super()._continue(left, low, moves)
        else:
            self._miss([track for track in left if track.state == TrackState.Tracked], moves)
