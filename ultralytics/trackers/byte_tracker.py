"""ByteTrack: confident detections are matched first, faint ones may only continue a track (arXiv 2110.06864).

`BYTETracker.update` is the frame of the whole family; other trackers replace single steps. Boxes are pixels of the
original picture; a track counts frames from 1. Specification chapter 75, sections 3 and 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from ultralytics.trackers.basetrack import BaseTrack, TrackState
from ultralytics.trackers.detections import Detections
from ultralytics.trackers.utils import matching
from ultralytics.trackers.utils.kalman_filter import KalmanFilterXYAH

__all__ = ["BYTETracker", "Moves", "STrack"]

Array = NDArray[Any]
Tracks = list[Any]  # Any: tracks of the class a tracker uses

FAINT_DISTANCE = 0.5  # most distance of a faint detection from the track it continues
CONFIRM_DISTANCE = 0.7  # most cost of the detection that confirms a track
SAME_DISTANCE = 0.15  # two tracks closer than this are one
REMEMBERED = 1000  # removed tracks kept


class STrack(BaseTrack):
    """A track, or a detection that may become one.

    Args:
        xywh: (cx, cy, w, h, row) or (cx, cy, w, h, angle, row); `row` is the place among all detections of the frame.
        score: confidence.
        cls: class number.
    """

    shared_kalman: ClassVar[Any] = KalmanFilterXYAH()
    still: ClassVar[slice] = slice(7, 8)  # velocities that a track which is not seen loses

    def __init__(self, xywh: Array, score: float, cls: Any) -> None:
        super().__init__()
        if len(xywh) not in (5, 6):
            raise AssertionError(f"a detection is 5 or 6 numbers, got {len(xywh)}: {xywh}")
        self._box = np.asarray(xywh[:4], dtype=np.float64)
        self.kalman_filter: Any = None
        self.mean: Array | None = None
        self.covariance: Array | None = None
        self.tracklet_len = 0
        self.score = score
        self.cls = cls
        self.idx = xywh[-1]
        self.angle = xywh[4] if len(xywh) == 6 else None

    # ---------------------------------------------------------------- life

    def activate(self, kalman_filter: Any, frame_id: int, track_id: int | None = None) -> None:
        """Begin in a frame; confirmed at once only in the first."""
        self.kalman_filter = kalman_filter
        self.track_id = self.next_id() if track_id is None else track_id
        self.mean, self.covariance = kalman_filter.initiate(self.convert_coords(self._box))
        self.tracklet_len = 0
        self.state = TrackState.Tracked
        self.is_activated = frame_id == 1
        self.frame_id = self.start_frame = frame_id

    def update(self, new_track: STrack, frame_id: int) -> None:
        """Continue with a detection."""
        self._take(new_track, frame_id)
        self.tracklet_len += 1

    def re_activate(self, new_track: STrack, frame_id: int, track_id: int | None = None) -> None:
        """Continue after having been lost; the number stays unless another is given."""
        self._take(new_track, frame_id)
        self.tracklet_len = 0
        if track_id is not None:
            self.track_id = track_id

    def _take(self, found: STrack, frame_id: int) -> None:
        self._correct(found)
        self.frame_id = frame_id
        self.state = TrackState.Tracked
        self.is_activated = True
        self.score, self.cls, self.idx = found.score, found.cls, found.idx
        self.angle = _nearest_turn(found.angle, self.angle)

    def _correct(self, found: STrack) -> None:
        measured = self.convert_coords(found._box)
        self.mean, self.covariance = self.kalman_filter.update(self.mean, self.covariance, measured)

    def predict(self) -> None:
        """Move on by one frame."""
        self.multi_predict([self])

    @classmethod
    def multi_predict(cls, stracks: Sequence[Self]) -> None:
        """Move tracks on by one frame."""
        if not stracks:
            return
        means = np.stack([track.mean for track in stracks])  # type: ignore[misc]
        covariances = np.stack([track.covariance for track in stracks])  # type: ignore[misc]
        means[[track.state != TrackState.Tracked for track in stracks], cls.still] = 0
        means, covariances = cls.shared_kalman.multi_predict(means, covariances)
        for track, mean, covariance in zip(stracks, means, covariances, strict=True):
            track.mean, track.covariance = mean, covariance

    # ---------------------------------------------------------------- geometry

    def convert_coords(self, xywh: Array) -> Array:
        """What the filter measures of a centre box (4,)."""
        x, y, w, h = xywh
        return np.array([x, y, w / h, h])

    def state_box(self) -> Array:
        """Centre box (4,) of the filtered state."""
        x, y, ratio, height = self.mean[:4]  # type: ignore[index]
        return np.array([x, y, ratio * height, height])

    @property
    def xywh(self) -> Array:
        """Centre box (4,): filtered, or as detected before the track began."""
        return self._box if self.mean is None else self.state_box()

    @property
    def tlwh(self) -> Array:
        """Left, top, width, height."""
        box = self.xywh.copy()
        box[:2] -= box[2:] / 2
        return box

    @property
    def xyxy(self) -> Array:
        """Corners."""
        x, y, w, h = self.xywh
        return np.array([x - w / 2, y - h / 2, x + w / 2, y + h / 2])

    @property
    def xywha(self) -> Array:
        """Centre box and angle (5,); without an angle the centre box."""
        return self.xywh if self.angle is None else np.concatenate((self.xywh, [self.angle]))

    @property
    def result(self) -> list[float]:
        """Box, track number, score, class, row of the detection."""
        box = self.xyxy if self.angle is None else self.xywha
        return [*box.tolist(), self.track_id, self.score, self.cls, self.idx]

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(id={self.track_id}, frames={self.start_frame}-{self.end_frame})"
        )


def _nearest_turn(angle: Any, previous: Any) -> Any:  # Any: a number or None
    """The same direction as `angle`, written so that it is near the one before; boxes repeat after half a turn."""
    if angle is None or previous is None:
        return angle
    return angle + np.pi * np.round((previous - angle) / np.pi)


@dataclass
class Moves:
    """What happened to tracks in one frame."""

    activated: Tracks = field(default_factory=list)
    refound: Tracks = field(default_factory=list)
    lost: Tracks = field(default_factory=list)
    removed: Tracks = field(default_factory=list)

    def match(self, track: Any, found: Any, frame_id: int) -> None:
        """Give a detection to a track."""
        if track.state == TrackState.Tracked:
            track.update(found, frame_id)
            self.activated.append(track)
        else:
            track.re_activate(found, frame_id)
            self.refound.append(track)

    def lose(self, tracks: Sequence[Any]) -> None:
        """Mark tracks as lost; those that are already stay as they are."""
        for track in tracks:
            if track.state != TrackState.Lost:
                track.mark_lost()
                self.lost.append(track)

    def remove(self, tracks: Sequence[Any]) -> None:
        """Mark tracks as removed."""
        for track in tracks:
            track.mark_removed()
            self.removed.append(track)


class BYTETracker:
    """Follow objects through the frames of one video.

    Args:
        args: the keys of a tracker file as attributes.
    """

    track_class: ClassVar[type[STrack]] = STrack
    required: ClassVar[tuple[str, ...]] = (
        *("track_high_thresh", "track_low_thresh", "new_track_thresh"),
        *("track_buffer", "match_thresh", "fuse_score"),
    )

    def __init__(self, args: Any) -> None:
        missing = [key for key in self.required if not hasattr(args, key)]
        if missing:
            raise AttributeError(f"the tracker file lacks: {', '.join(missing)}")
        self.args = args
        self.max_frames_lost = args.track_buffer
        self.kalman_filter = self.get_kalmanfilter()
        self.reset()

    def reset(self) -> None:
        """Forget all tracks and count frames and numbers from 1 again."""
        self.tracked_stracks: Tracks = []
        self.lost_stracks: Tracks = []
        self.removed_stracks: Tracks = []
        self.removed_stracks_frame: Tracks = []
        self.frame_id = 0
        self.kalman_filter = self.get_kalmanfilter()
        self.reset_id()

    def reset_id(self) -> None:
        """Number new tracks from 1 again."""
        self._last_number = 0

    def get_kalmanfilter(self) -> Any:
        """The filter of the tracks."""
        return self.track_class.shared_kalman

    # ---------------------------------------------------------------- one frame

    def update(
        self,
        results: Any,  # Any: Boxes, OBB, or rows of numbers
        img: Array | None = None,
        feats: Array | None = None,
        **kwargs: Any,  # what only some trackers take
    ) -> Array:
        """Follow the objects into the next frame.

        Args:
            results: detections: an object with conf, cls and xywh (or xywhr), or an array of rows
                [x1, y1, x2, y2, score, class] or [cx, cy, w, h, angle, score, class].
            img: the frame (h, w, c), for trackers that look at it.
            feats: appearance (N, s) of the detections.
            **kwargs: ignored by trackers that have no use for it.

        Returns:
            float32 rows [x1, y1, x2, y2, id, score, class, row], for rotated boxes
            [cx, cy, w, h, angle, id, score, class, row]; `row` is the place among `results`.
        """
        found = Detections.of(results, feats)
        self.frame_id += 1
        moves = Moves()
        certain, faint = self._split(found)
        high, low = self._tracks_of(certain, img), self._tracks_of(faint, img)
        unconfirmed = [track for track in self.tracked_stracks if not track.is_activated]
        confirmed = [track for track in self.tracked_stracks if track.is_activated]
        pool = joined(confirmed, self.lost_stracks)
        self.multi_predict(pool)
        self._compensate(img, certain, pool, unconfirmed)
        left, high = self._match(
            pool, high, self.get_dists(pool, high), self.args.match_thresh, moves
        )
        left, high = self._recover(left, high, moves)
        self._continue(left, low, moves)
        costs = self.get_dists(unconfirmed, high)
        unseen, high = self._match(unconfirmed, high, costs, CONFIRM_DISTANCE, moves)
        moves.remove(unseen)
        self._begin(high, moves)
        moves.remove(self._stale())
        self._merge(moves)
        shown = [track.result for track in self.tracked_stracks if self._is_shown(track)]
        return np.asarray(shown, dtype=np.float32)

    def _split(self, found: Detections) -> tuple[Detections, Detections]:
        """Confident and faint detections; boxes without extent belong to neither."""
        solid = (found.xywh[:, 2:4] > 0).all(axis=1)
        high, low = self.args.track_high_thresh, self.args.track_low_thresh
        certain = solid & (found.conf >= high)
        faint = solid & (found.conf > low) & (found.conf < high)
        return found[certain], found[faint]

    def _tracks_of(self, found: Detections, img: Array | None) -> Tracks:
        return self.init_track(found, img) if len(found) else []

    def init_track(self, results: Any, img: Array | None = None) -> Tracks:
        """Detections as tracks that have not begun."""
        found = Detections.of(results)
        rows = zip(found.boxes_with_rows(), found.conf, found.cls, strict=True)
        return [self.track_class(box, score, cls) for box, score, cls in rows]

    def multi_predict(self, tracks: Tracks) -> None:
        """Move tracks on by one frame."""
        self.track_class.multi_predict(tracks)

    def get_dists(self, tracks: Tracks, detections: Tracks) -> Array:
        """Cost (T, D) of giving detections to tracks."""
        distance = matching.iou_distance(tracks, detections)
        return matching.fuse_score(distance, detections) if self.args.fuse_score else distance

    def _compensate(
        self, img: Array | None, found: Detections, pool: Tracks, unconfirmed: Tracks
    ) -> None:
        """Take the motion of the camera out; this tracker assumes none."""

    def _match(
        self, tracks: Tracks, detections: Tracks, costs: Array, limit: float, moves: Moves
    ) -> tuple[Tracks, Tracks]:
        """Pair tracks and detections; returns those left alone."""
        pairs, alone, unused = matching.linear_assignment(costs, limit)
        for row, column in pairs.tolist():
            moves.match(tracks[row], detections[column], self.frame_id)
        return [tracks[i] for i in alone], [detections[j] for j in unused]

    def _recover(self, left: Tracks, high: Tracks, moves: Moves) -> tuple[Tracks, Tracks]:
        """A further attempt with confident detections; this tracker makes none."""
        return left, high

    def _continue(self, left: Tracks, low: Tracks, moves: Moves) -> None:
        """Let faint detections continue tracks that were seen in the frame before; the others are lost."""
        seen = [track for track in left if track.state == TrackState.Tracked]
        distance = matching.iou_distance(seen, low)
        unseen, _ = self._match(seen, low, distance, FAINT_DISTANCE, moves)
        self._miss(unseen, moves)

    def _miss(self, unseen: Tracks, moves: Moves) -> None:
        """What happens to tracks that were not seen in this frame."""
        moves.lose(unseen)

    def _begin(self, high: Tracks, moves: Moves) -> None:
        """Start tracks from confident detections that nobody claimed."""
        for track in high:
            if track.score >= self.args.new_track_thresh:
                self._activate(track, moves)

    def _activate(self, track: Any, moves: Moves) -> None:
        self._last_number += 1
        track.activate(self.kalman_filter, self.frame_id, self._last_number)
        moves.activated.append(track)

    def _stale(self) -> Tracks:
        """Tracks that have been lost for too long."""
        return [t for t in self.lost_stracks if self.frame_id - t.end_frame > self.max_frames_lost]

    def _merge(self, moves: Moves) -> None:
        """Bring the lists up to date. Removals count from the next frame on, so a track can return until then."""
        tracked = [t for t in self.tracked_stracks if t.state == TrackState.Tracked]
        tracked = joined(joined(tracked, moves.activated), moves.refound)
        lost = without(self.lost_stracks, tracked) + moves.lost
        lost = without(lost, self.removed_stracks)
        self.tracked_stracks, self.lost_stracks = without_duplicates(tracked, lost)
        self.removed_stracks_frame = moves.removed
        self.removed_stracks = [*self.removed_stracks, *moves.removed][-REMEMBERED:]

    def _is_shown(self, track: Any) -> bool:
        return bool(track.is_activated)


def joined(first: Tracks, second: Tracks) -> Tracks:
    """Both lists, without the tracks of the second that the first has."""
    known = {track.track_id for track in first}
    return [*first, *(track for track in second if track.track_id not in known)]


def without(first: Tracks, second: Tracks) -> Tracks:
    """The first list without tracks of the second."""
    gone = {track.track_id for track in second}
    return [track for track in first if track.track_id not in gone]


def without_duplicates(tracked: Tracks, lost: Tracks) -> tuple[Tracks, Tracks]:
    """Both lists without the shorter-lived of two tracks in one place; of equally old ones the tracked one goes."""
    close = np.argwhere(matching.iou_distance(tracked, lost) < SAME_DISTANCE)
    drop_tracked, drop_lost = set(), set()
    for p, q in close.tolist():
        ages = [track.frame_id - track.start_frame for track in (tracked[p], lost[q])]
        if ages[0] > ages[1]:
            drop_lost.add(q)
        else:
            drop_tracked.add(p)
    return (
        [track for p, track in enumerate(tracked) if p not in drop_tracked],
        [track for q, track in enumerate(lost) if q not in drop_lost],
    )
