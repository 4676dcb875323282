"""BoT-SORT: ByteTrack with width and height in the filter, camera motion and appearance (arXiv 2206.14651).

Specification chapter 75, section 5.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ultralytics.trackers.byte_tracker import BYTETracker, STrack, Tracks
from ultralytics.trackers.detections import Detections
from ultralytics.trackers.utils import matching
from ultralytics.trackers.utils.features import smooth_feature
from ultralytics.trackers.utils.gmc import GMC, move_centre_size
from ultralytics.trackers.utils.kalman_filter import KalmanFilterXYWH
from ultralytics.trackers.utils.reid import build_encoder

__all__ = ["BOTSORT", "AppearanceTracker", "BOTrack"]

Array = NDArray[Any]


class BOTrack(STrack):
    """A track with appearance whose filter holds width and height.

    Args:
        xywh, score, cls: as `STrack`.
        feat: appearance (s,) of the detection, or None.
        feat_history: ignored; kept for compatibility.
    """

    shared_kalman: ClassVar[Any] = KalmanFilterXYWH()
    still: ClassVar[slice] = slice(6, 8)
    alpha = 0.9  # share of the appearance so far that stays

    def __init__(
        self,
        xywh: Array,
        score: float,
        cls: Any,
        feat: Array | None = None,
        feat_history: int = 50,
    ) -> None:
        super().__init__(xywh, score, cls)
        self.curr_feat, self.smooth_feat = smooth_feature(feat, None, self.alpha)

    def update_features(self, feat: Array | None) -> None:
        """Mix the appearance of a detection into that of the track."""
        current, self.smooth_feat = smooth_feature(feat, self.smooth_feat, self._alpha())
        self.curr_feat = self.curr_feat if current is None else current

    def _alpha(self) -> float:
        return self.alpha

    def _take(self, found: Any, frame_id: int) -> None:
        super()._take(found, frame_id)
        self.update_features(found.curr_feat)

    def convert_coords(self, xywh: Array) -> Array:
        """The box itself is measured."""
        return np.asarray(xywh, dtype=np.float64)

    def state_box(self) -> Array:
        """Centre box (4,) of the filtered state."""
        box: Array = self.mean[:4].copy()  # type: ignore[index]
        return box


class AppearanceTracker(BYTETracker):
    """A tracker that may look at the pictures: at their motion, and at how objects look.

    `args.gmc_method`, `args.with_reid` and `args.model` say so; `encoder` gives the appearance of boxes in a picture.
    """

    required: ClassVar[tuple[str, ...]] = (
        *BYTETracker.required,
        *("gmc_method", "proximity_thresh", "appearance_thresh", "with_reid"),
    )

    def __init__(self, args: Any) -> None:
        self.gmc = GMC(method=getattr(args, "gmc_method", "sparseOptFlow"))
        super().__init__(args)
        self.with_reid = bool(getattr(args, "with_reid", False))
        self.encoder = build_encoder(
            self.with_reid, getattr(args, "model", "auto"), getattr(args, "device", None)
        )

    def reset(self) -> None:
        """Forget all tracks and the last picture."""
        super().reset()
        self.gmc.reset_params()

    def features_of(self, found: Detections, img: Array | None) -> Sequence[Array | None]:
        """Appearance of each detection; None where it is unknown."""
        if not self.with_reid:
            return [None] * len(found)
        if found.feats is not None:
            return [*found.feats]
        if self.encoder is None or img is None:
            return [None] * len(found)
        crops: Sequence[Array | None] = self.encoder(img, found.xywh)
        return crops

    def init_track(self, results: Any, img: Array | None = None) -> Tracks:
        """Detections as tracks that have not begun."""
        found = Detections.of(results)
        rows = zip(
            found.boxes_with_rows(),
            found.conf,
            found.cls,
            self.features_of(found, img),
            strict=True,
        )
        kind: Any = self.track_class  # Any: its constructor also takes the feature
        return [kind(box, score, cls, feature) for box, score, cls, feature in rows]

    def _compensate(
        self, img: Array | None, found: Detections, pool: Tracks, unconfirmed: Tracks
    ) -> None:
        if img is None:
            return
        motion = self.gmc.apply(img, found.xyxy)
        self.move_tracks(pool, motion)
        self.move_tracks(unconfirmed, motion)

    def move_tracks(self, tracks: Tracks, motion: Array) -> None:
        """Let tracks follow the camera."""
        move_centre_size(tracks, motion)

    def appearance_cost(self, tracks: Tracks, detections: Tracks, far: Array) -> Array:
        """Half the cosine distance; 1 for pairs that look different or are `far` apart."""
        cost = matching.embedding_distance(tracks, detections) / 2
        cost[cost > 1 - self.args.appearance_thresh] = 1
        cost[far] = 1
        return cost


class BOTSORT(AppearanceTracker):
    """BoT-SORT. Arguments as `BYTETracker`, with the keys of botsort.yaml."""

    track_class: ClassVar[type[STrack]] = BOTrack

    def get_dists(self, tracks: Tracks, detections: Tracks) -> Array:
        """Cost (T, D): the smaller of overlap and appearance."""
        distance = matching.iou_distance(tracks, detections)
        far = distance > 1 - self.args.proximity_thresh
        if self.args.fuse_score:
            distance = matching.fuse_score(distance, detections)
        if not self.with_reid:
            return distance
        return np.minimum(distance, self.appearance_cost(tracks, detections, far))
