"""TrackTrack: pairs that choose each other, step by step, and new tracks only where nothing is (CVPR 2025).

Specification chapter 75, section 6. T = tracks, D = detections.
"""

from __future__ import annotations

from collections import deque
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ultralytics.trackers.basetrack import TrackState
from ultralytics.trackers.bot_sort import AppearanceTracker, BOTrack
from ultralytics.trackers.byte_tracker import Moves, STrack, Tracks
from ultralytics.trackers.detections import Detections
from ultralytics.trackers.utils import matching

__all__ = ["TRACKTRACK", "TTrack", "iterative_assignment"]

Array = NDArray[Any]

REMEMBERED_FRAMES = 4
STEPS = 3  # frames that corner velocities average over
NEAR_IOU = 0.10  # pairs that overlap less are not considered
SMALL = 1e-5
RECOVERED_ROW = -1
DEFAULTS: dict[str, float] = {
    "match_thresh": 0.7,
    "new_track_thresh": 0.7,
    "lost_match_thr": 0.0,
    "iou_weight": 0.5,
    "reid_weight": 0.5,
    "conf_weight": 0.1,
    "angle_weight": 0.05,
    "penalty_p": 0.2,
    "penalty_q": 0.4,
    "reduce_step": 0.05,
    "tai_thr": 0.55,
    "min_track_len": 3,
}


class TTrack(BOTrack):
    """A track that remembers its latest boxes and how its corners moved."""

    alpha = 0.95
    min_track_len = 3

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.prev_score = self.score
        self.velocity = np.zeros((4, 2))  # left top, left bottom, right top, right bottom
        self.history: deque[tuple[int, Array]] = deque(maxlen=REMEMBERED_FRAMES)

    def _alpha(self) -> float:
        return self.alpha + (1 - self.alpha) * (1 - self.score)

    def activate(self, kalman_filter: Any, frame_id: int, track_id: int | None = None) -> None:
        """Begin in a frame; confirmed in the first, or when no further detection is needed."""
        super().activate(kalman_filter, frame_id, track_id)
        self.state = TrackState.Tracked if self.min_track_len <= 1 else TrackState.New
        self.is_activated = frame_id == 1 or self.state == TrackState.Tracked
        self.history.append((frame_id, self.xyxy))

    def update(self, new_track: Any, frame_id: int) -> None:
        """Continue with a detection; confirmed after `min_track_len` of them."""
        was_tracked, was_activated = self.state == TrackState.Tracked, self.is_activated
        self.prev_score = self.score
        self._take(new_track, frame_id)
        self.tracklet_len += 1
        self.history.append((frame_id, new_track.xyxy))
        self.velocity = self._corner_velocity()
        if not (was_tracked or self.tracklet_len + 1 >= self.min_track_len):
            self.state, self.is_activated = TrackState.New, was_activated

    def re_activate(self, new_track: Any, frame_id: int, track_id: int | None = None) -> None:
        """Continue after having been lost; the corner velocity stays."""
        self.prev_score = self.score
        super().re_activate(new_track, frame_id, track_id)
        self.history.append((frame_id, self.xyxy))

    def _correct(self, found: STrack) -> None:
        self.mean, self.covariance = self.kalman_filter.update(
            self.mean, self.covariance, self.convert_coords(found._box), confidence=found.score
        )

    def box_before(self, steps: int) -> Array:
        """Corners so many frames ago, else the newest ones."""
        wanted = self.frame_id - steps
        known = dict(self.history)
        box: Array = known.get(wanted, self.history[-1][1])
        return box

    def _corner_velocity(self) -> Array:
        now = _corners(self.history[-1][1])
        steps = [_unit(now - _corners(self.box_before(dt))) / dt for dt in range(1, STEPS + 1)]
        return np.asarray(sum(steps) / STEPS)


def _corners(boxes: Array) -> Array:
    """(..., 4, 2) corners of (..., 4) boxes: left top, left bottom, right top, right bottom."""
    return np.stack(
        [boxes[..., [0, 1]], boxes[..., [0, 3]], boxes[..., [2, 1]], boxes[..., [2, 3]]], axis=-2
    )


def _unit(vectors: Array) -> Array:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: Array = vectors / (length + SMALL)
    return unit


def iterative_assignment(
    cost: Array, thresh: float, reduce_step: float = 0.05
) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """Take all pairs that are each other's best below the limit, lower the limit, and repeat until there is none.

    Args:
        cost: (T, D) costs.
        thresh: limit of the first round; pairs at the limit are not taken.
        reduce_step: how much the limit falls.

    Returns:
        Pairs, rows left alone, columns left alone.
    """
    rows, columns = [*range(cost.shape[0])], [*range(cost.shape[1])]
    pairs: list[tuple[int, int]] = []
    while rows and columns:
        part = cost[np.ix_(rows, columns)]
        best_column, best_row = part.argmin(axis=1), part.argmin(axis=0)
        chosen = [
            (i, int(j))
            for i, j in enumerate(best_column)
            if best_row[j] == i and part[i, j] < thresh
        ]
        if not chosen:
            break
        pairs += [(rows[i], columns[j]) for i, j in chosen]
        gone_rows, gone_columns = {i for i, _ in chosen}, {j for _, j in chosen}
        rows = [row for i, row in enumerate(rows) if i not in gone_rows]
        columns = [column for j, column in enumerate(columns) if j not in gone_columns]
        thresh -= reduce_step
    return pairs, rows, columns


class TRACKTRACK(AppearanceTracker):
    """TrackTrack. Arguments as `BYTETracker`, with the keys of tracktrack.yaml.

    `update` also takes `dets_del`: detections (xywh or xywhr, conf, cls) that suppression had removed.
    """

    track_class: ClassVar[type[STrack]] = TTrack
    required: ClassVar[tuple[str, ...]] = ("track_high_thresh", "track_low_thresh", "track_buffer")

    def __init__(self, args: Any) -> None:
        self.options = {key: getattr(args, key, value) for key, value in DEFAULTS.items()}
        super().__init__(args)

    def init_track(self, results: Any, img: Array | None = None) -> Tracks:
        """Detections as tracks that have not begun."""
        tracks = super().init_track(results, img)
        for track in tracks:
            track.min_track_len = self.options["min_track_len"]
        return tracks

    def update(
        self,
        results: Any,  # Any: Boxes, OBB, or rows of numbers
        img: Array | None = None,
        feats: Array | None = None,
        dets_del: tuple[Array, Array, Array] | None = None,
        **kwargs: Any,
    ) -> Array:
        """Follow the objects into the next frame; see `BYTETracker.update`.

        Args:
            results: detections.
            img: the frame.
            feats: appearance of the detections.
            dets_del: boxes, scores and classes of detections that suppression removed.
            **kwargs: ignored.
        """
        found = Detections.of(results, feats)
        self.frame_id += 1
        moves = Moves()
        certain, faint = self._split(found)
        high = self._tracks_of(certain, img)
        low, recovered = self._plain_tracks(faint), self._plain_tracks(self._recovered(dets_del))
        unconfirmed = [t for t in self.tracked_stracks if t.state != TrackState.Tracked]
        confirmed = [t for t in self.tracked_stracks if t.state == TrackState.Tracked]
        lost_before = [*self.lost_stracks]
        pool = [*confirmed, *lost_before]
        self._compensate(img, certain, pool, unconfirmed)
        self.multi_predict([*pool, *unconfirmed])
        left, high = self._first(pool, high, low, recovered, moves)
        unseen, high = self._pair(unconfirmed, high, self.options["match_thresh"], moves)
        moves.lose([t for t in left if t.state == TrackState.Tracked])
        moves.remove(unseen)
        if self.options["lost_match_thr"] > 0:
            gone = [t for t in left if t in lost_before]
            _, high = self._pair(gone, high, self.options["lost_match_thr"], moves)
        self._begin(high, moves)
        moves.remove(self._stale())
        self._merge(moves)
        shown = [track.result for track in self.tracked_stracks if self._is_shown(track)]
        return np.asarray(shown, dtype=np.float32)

    def _split(self, found: Detections) -> tuple[Detections, Detections]:
        """Confident and faint detections. Boxes without extent stay, as in the recorded sequences."""
        high, low = self.args.track_high_thresh, self.args.track_low_thresh
        return found[found.conf >= high], found[(found.conf > low) & (found.conf < high)]

    def _recovered(self, removed: tuple[Array, Array, Array] | None) -> Detections:
        """Detections that suppression removed, if confident."""
        if removed is None:
            return Detections.of(np.zeros((0, 6), np.float32))
        box, conf, cls = (np.asarray(values) for values in removed)
        rows = np.full(len(conf), RECOVERED_ROW)
        return Detections(box, conf, cls, rows)[conf > self.args.track_high_thresh]

    def _plain_tracks(self, found: Detections) -> Tracks:
        """Tracks without appearance, which is computed for confident detections only."""
        plain = Detections(found.xywh, found.conf, found.cls, found.rows)
        return self._tracks_of(plain, None)

    def _first(
        self, pool: Tracks, high: Tracks, low: Tracks, recovered: Tracks, moves: Moves
    ) -> tuple[Tracks, Tracks]:
        """All tracks against all detections; faint and recovered ones pay a penalty."""
        columns = [*high, *low, *recovered]
        cost = self.get_dists(pool, columns)
        cost[:, len(high) : len(high) + len(low)] += self.options["penalty_p"]
        cost[:, len(high) + len(low) :] += self.options["penalty_q"]
        cost = cost.clip(0, 1)
        pairs, alone, unused = iterative_assignment(
            cost, self.options["match_thresh"], self.options["reduce_step"]
        )
        for row, column in pairs:
            moves.match(pool[row], columns[column], self.frame_id)
        return [pool[i] for i in alone], [high[j] for j in unused if j < len(high)]

    def _pair(
        self, tracks: Tracks, detections: Tracks, limit: float, moves: Moves
    ) -> tuple[Tracks, Tracks]:
        cost = self.get_dists(tracks, detections)
        pairs, alone, unused = iterative_assignment(cost, limit, self.options["reduce_step"])
        for row, column in pairs:
            track, found = tracks[row], detections[column]
            if track.state == TrackState.New:
                track.update(found, self.frame_id)
                moves.activated.append(track)
            else:
                moves.match(track, found, self.frame_id)
        return [tracks[i] for i in alone], [detections[j] for j in unused]

    def get_dists(self, tracks: Tracks, detections: Tracks) -> Array:
        """Cost (T, D) in [0, 1] of overlap, appearance, trend of the score and turn of the corners."""
        if not tracks or not detections:
            return np.zeros((len(tracks), len(detections)))
        own = np.array([track.xyxy for track in tracks])
        seen = np.array([found.xyxy for found in detections])
        iou = matching.box_overlap(own, seen)
        cost = 1 - _height_overlap(own, seen) * iou
        if self.with_reid:
            cost = self._with_looks(cost, tracks, detections)
        scores = np.array([found.score for found in detections])
        trend = np.array([2 * track.score - track.prev_score for track in tracks])
        cost = cost + self.options["conf_weight"] * np.abs(trend[:, None] - scores)
        turn = _corner_turn(tracks, seen)
        cost = cost + self.options["angle_weight"] * turn * scores
        return np.where(iou > NEAR_IOU, cost, 1).clip(0, 1)

    def _with_looks(self, cost: Array, tracks: Tracks, detections: Tracks) -> Array:
        """Mixed with the cosine distance where both sides have an appearance."""
        looks = np.full(cost.shape, np.nan)
        for row, track in enumerate(tracks):
            own = track.curr_feat if track.smooth_feat is None else track.smooth_feat
            for column, found in enumerate(detections):
                if own is not None and found.curr_feat is not None:
                    looks[row, column] = np.clip(1 - float(own @ found.curr_feat), 0, 1)
        mixed = self.options["iou_weight"] * cost + self.options["reid_weight"] * looks
        return np.where(np.isnan(looks), cost, mixed)

    def _begin(self, high: Tracks, moves: Moves) -> None:
        """Start tracks where nothing is tracked, the most confident first."""
        boxes = joined_boxes(self.tracked_stracks, moves.activated)
        for track in sorted(high, key=lambda track: -track.score):
            is_free = _most(track.xyxy, boxes) <= self.options["tai_thr"]
            if is_free and track.score > self.options["new_track_thresh"]:
                self._activate(track, moves)
                boxes.append(track.xyxy)

    def _is_shown(self, track: Any) -> bool:
        return bool(track.is_activated and track.frame_id == self.frame_id)

    def _merge(self, moves: Moves) -> None:
        fresh = [t for t in moves.activated if t.state == TrackState.New]
        for track in fresh:
            track.state = TrackState.Tracked  # part of the list like the others
        super()._merge(moves)
        for track in fresh:
            track.state = TrackState.New


def joined_boxes(tracked: Tracks, activated: Tracks) -> list[Array]:
    """Boxes of tracks that are followed now."""
    own = [t.xyxy for t in tracked if t.state == TrackState.Tracked]
    return own + [t.xyxy for t in activated]


def _most(box: Array, others: list[Array]) -> float:
    """Largest IoU of a box with others."""
    if not others:
        return 0.0
    return float(matching.box_overlap(box[None], np.array(others)).max())


def _height_overlap(a_T4: Array, b_D4: Array) -> Array:
    """Overlap (T, D) of the vertical extents."""
    low = np.maximum(a_T4[:, None, 1], b_D4[None, :, 1])
    high = np.minimum(a_T4[:, None, 3], b_D4[None, :, 3])
    top = np.minimum(a_T4[:, None, 1], b_D4[None, :, 1])
    bottom = np.maximum(a_T4[:, None, 3], b_D4[None, :, 3])
    return np.asarray(((high - low) / (bottom - top + 1e-9)).clip(0, 1))


def _corner_turn(tracks: Tracks, seen_D4: Array) -> Array:
    """(T, D) mean angle between the motion of corners and the way to detections, in half turns."""
    start = np.array([_corners(track.box_before(STEPS)) for track in tracks])
    way = _unit(_corners(seen_D4)[None] - start[:, None])
    velocity = np.array([track.velocity for track in tracks])[:, None]
    cosine = np.clip((way * velocity).sum(axis=-1), -1, 1)
    return np.asarray(np.abs(np.arccos(cosine)).mean(axis=-1) / np.pi)
