"""FastTracker: ByteTrack that recognises when a track is hidden behind another (arXiv 2508.14370).

Specification chapter 75, section 5.4.
"""

from __future__ import annotations

from collections import deque
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ultralytics.trackers.basetrack import TrackState
from ultralytics.trackers.byte_tracker import BYTETracker, Moves, STrack, Tracks
from ultralytics.trackers.utils import matching

__all__ = ["FASTTrack", "FASTTracker"]

Array = NDArray[Any]

PATIENCE = 2  # frames a track may be missed before it is lost
SPARE_HISTORY = 4
NEVER = 1.0  # value of init_iou_suppress that suppresses nothing
DEFAULTS: dict[str, float] = {
    "reset_velocity_offset_occ": 5,
    "reset_pos_offset_occ": 3,
    "enlarge_bbox_occ": 1.1,
    "dampen_motion_occ": 0.5,
    "active_occ_to_lost_thresh": 10,
    "occ_cover_thresh": 0.7,
    "occ_reappear_window": 40,
    "init_iou_suppress": 0.7,
}


class FASTTrack(STrack):
    """A track that knows whether it is hidden, and its latest states."""

    def __init__(self, xywh: Array, score: float, cls: Any) -> None:
        super().__init__(xywh, score, cls)
        self.not_matched = 0
        self.is_occluded = False
        self.occluded_len = 0
        self.last_occluded_frame = -1
        self.was_recently_occluded = False
        self.history: deque[tuple[Any, Any]] = deque(maxlen=9)

    def activate(self, kalman_filter: Any, frame_id: int, track_id: int | None = None) -> None:
        """Begin in a frame."""
        super().activate(kalman_filter, frame_id, track_id)
        self.history.append((self.mean, self.covariance))

    def _take(self, found: STrack, frame_id: int) -> None:
        super()._take(found, frame_id)
        self.history.append((self.mean, self.covariance))
        self.not_matched = self.occluded_len = 0
        self.is_occluded = False

    def hide(self, frame_id: int, args: dict[str, float]) -> None:
        """Go back to a state before the cover disturbed it, larger and slower."""
        self.is_occluded = self.was_recently_occluded = True
        self.occluded_len = 1
        self.last_occluded_frame = frame_id
        mean = np.array(self.mean)
        at_velocity = int(args["reset_velocity_offset_occ"])
        at_position = int(args["reset_pos_offset_occ"])
        if len(self.history) >= at_velocity:
            mean[4:] = self.history[-at_velocity][0][4:]
        if len(self.history) >= at_position:
            earlier, self.covariance = self.history[-at_position]
            mean[:4] = earlier[:4]
        mean[3] *= args["enlarge_bbox_occ"]
        mean[4:] *= args["dampen_motion_occ"]
        self.mean = mean


class FASTTracker(BYTETracker):
    """FastTracker. Arguments as `BYTETracker`, with the keys of fasttrack.yaml."""

    track_class: ClassVar[type[STrack]] = FASTTrack

    def __init__(self, args: Any) -> None:
        self.occlusion = {key: getattr(args, key, value) for key, value in DEFAULTS.items()}
        super().__init__(args)

    def init_track(self, results: Any, img: Array | None = None) -> Tracks:
        """Detections as tracks that have not begun."""
        offsets = [int(self.occlusion[f"reset_{name}_offset_occ"]) for name in ("velocity", "pos")]
        tracks = super().init_track(results, img)
        for track in tracks:
            track.history = deque(maxlen=max(offsets) + SPARE_HISTORY)
        return tracks

    def _miss(self, unseen: Tracks, moves: Moves) -> None:
        """Tracks that nobody saw: hidden ones wait longer before they are lost."""
        visible = [t for t in moves.activated if t.is_activated and not t.is_occluded]
        window = self.occlusion["occ_reappear_window"]
        for track in unseen:
            track.not_matched += 1
            others = [t for t in visible if t.track_id != track.track_id]
            is_covered = _cover(track, others) > self.occlusion["occ_cover_thresh"]
            if is_covered and not track.is_occluded:
                track.hide(self.frame_id, self.occlusion)
            elif track.is_occluded:
                track.occluded_len += 1
            if self.frame_id - track.last_occluded_frame > window:
                track.was_recently_occluded = False
            waits = track.is_occluded and (
                track.occluded_len <= self.occlusion["active_occ_to_lost_thresh"]
            )
            if track.not_matched > PATIENCE and not waits:
                moves.lose([track])

    def _begin(self, high: Tracks, moves: Moves) -> None:
        """Start tracks where there is none yet."""
        limit = self.occlusion["init_iou_suppress"]
        active = [track for track in moves.activated if track.is_activated]
        active += moves.refound
        active += [t for t in self.tracked_stracks if t.state == TrackState.Tracked]
        boxes = [track.xyxy for track in active]
        for track in high:
            if track.score < self.args.new_track_thresh:
                continue
            if limit < NEVER and boxes:
                overlap = 1 - matching.iou_distance([track.xyxy], boxes)
                if overlap.max() >= limit:
                    continue
            self._activate(track, moves)
            boxes.append(track.xyxy)

    def _stale(self) -> Tracks:
        window = self.occlusion["occ_reappear_window"]
        return [
            track
            for track in super()._stale()
            if not track.was_recently_occluded or self.frame_id - track.last_occluded_frame > window
        ]

    def _is_shown(self, track: Any) -> bool:
        return bool(track.is_activated and track.frame_id == self.frame_id)


def _cover(track: Any, others: Tracks) -> float:
    """Largest share of a track's box that one of the others covers."""
    if not others:
        return 0.0
    own, boxes = track.xyxy, np.array([other.xyxy for other in others])
    low, high = np.maximum(boxes[:, :2], own[:2]), np.minimum(boxes[:, 2:], own[2:])
    shared = (high - low).clip(min=0).prod(axis=1)
    return float(shared.max() / max((own[2:] - own[:2]).prod(), 1e-9))
