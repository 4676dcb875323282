"""Deep OC-SORT: OC-SORT with appearance, trusted as far as the detection, and camera motion (arXiv 2302.11813).

Specification chapter 75, section 5.3.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ultralytics.trackers.bot_sort import AppearanceTracker
from ultralytics.trackers.byte_tracker import BYTETracker, STrack, Tracks
from ultralytics.trackers.oc_sort import OCSORT, OCSortTrack
from ultralytics.trackers.utils import matching
from ultralytics.trackers.utils.features import smooth_feature
from ultralytics.trackers.utils.gmc import move_centres

__all__ = ["DeepOCSORT", "DeepOCSortTrack"]

Array = NDArray[Any]

ALPHA = 0.95  # share of the appearance so far that stays when the detection is fully trusted
DEFAULTS = {"proximity_thresh": 0.5, "appearance_thresh": 0.75}


class DeepOCSortTrack(OCSortTrack):
    """A track of OC-SORT with appearance."""

    alpha_fixed = ALPHA
    det_thresh = 0.25  # score at which the appearance of a detection counts for nothing

    def __init__(self, xywh: Array, score: float, cls: Any, feat: Array | None = None) -> None:
        super().__init__(xywh, score, cls)
        self.curr_feat, self.smooth_feat = smooth_feature(feat, None, self.alpha_fixed)

    def _take(self, found: Any, frame_id: int) -> None:
        super()._take(found, frame_id)
        trust = max((self.score - self.det_thresh) / (1 - self.det_thresh), 0.0)
        alpha = self.alpha_fixed + (1 - self.alpha_fixed) * (1 - trust)
        current, self.smooth_feat = smooth_feature(found.curr_feat, self.smooth_feat, alpha)
        self.curr_feat = self.curr_feat if current is None else current


class DeepOCSORT(OCSORT, AppearanceTracker):
    """Deep OC-SORT. Arguments as `BYTETracker`, with the keys of deepocsort.yaml."""

    track_class: ClassVar[type[STrack]] = DeepOCSortTrack
    required: ClassVar[tuple[str, ...]] = BYTETracker.required

    def __init__(self, args: Any) -> None:
        for key, value in DEFAULTS.items():
            if not hasattr(args, key):
                setattr(args, key, value)
        super().__init__(args)

    def init_track(self, results: Any, img: Array | None = None) -> Tracks:
        """Detections as tracks that have not begun."""
        tracks = super().init_track(results, img)
        for track in tracks:
            track.alpha_fixed = getattr(self.args, "alpha_fixed_emb", ALPHA)
            track.det_thresh = self.args.track_high_thresh
        return tracks

    def get_dists(self, tracks: Tracks, detections: Tracks) -> Array:
        """Cost (T, D): the smaller of motion and appearance."""
        cost = super().get_dists(tracks, detections)
        return self._with_appearance(
            cost, matching.iou_distance(tracks, detections), tracks, detections
        )

    def recovery_cost(self, tracks: Tracks, detections: Tracks) -> Array:
        """Cost (T, D): the smaller of the last observation's overlap and appearance."""
        cost = super().recovery_cost(tracks, detections)
        return self._with_appearance(
            cost, self.last_seen_distance(tracks, detections), tracks, detections
        )

    def _with_appearance(
        self, cost: Array, distance: Array, tracks: Tracks, detections: Tracks
    ) -> Array:
        if not self.with_reid:
            return cost
        far = distance > 1 - self.args.proximity_thresh
        return np.minimum(cost, self.appearance_cost(tracks, detections, far))

    def move_tracks(self, tracks: Tracks, motion: Array) -> None:
        """Let centres, velocities and last observations follow the camera."""
        move_centres(tracks, motion)
        for track in tracks:
            corners = track.last_observation
            centre = (corners[:2] + corners[2:]) / 2
            shift = motion[:, :2] @ centre + motion[:, 2] - centre
            track.last_observation = corners + np.tile(shift, 2)
