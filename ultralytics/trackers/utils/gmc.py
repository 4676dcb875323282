"""Motion of the camera between two frames, and how tracks follow it (specification chapter 75, section 8).

A motion is a (2, 3) matrix from the previous to the current frame, in pixels of the frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ultralytics.utils.logging import LOGGER

__all__ = ["GMC", "move_centre_size", "move_centres"]

Array = NDArray[Any]

METHODS = ("sparseOptFlow", "orb", "sift", "ecc", "none")
MOST_CORNERS, CORNER_QUALITY = 400, 0.01
FEWEST_PAIRS = 4
BORDER = 0.02  # share of the picture at each side in which no features are looked for
RATIO = 0.9  # best match against second best
FAR = 0.25  # share of the picture that a feature may move
SPREAD = 2.5  # standard deviations from the mean shift
ECC_STEPS, ECC_PRECISION = 5000, 1e-6


class GMC:
    """Estimates the motion of a camera from pictures.

    Args:
        method: "sparseOptFlow", "orb", "sift", "ecc", or "none" (also None) for a camera that stands still.
        downscale: pictures are made smaller by this factor first.

    Raises:
        ValueError: another method.
    """

    def __init__(self, method: str | None = "sparseOptFlow", downscale: int = 2) -> None:
        name = "none" if method in (None, "None") else str(method)
        if name not in METHODS:
            raise ValueError(f"Unknown GMC method: {method}; choose one of {', '.join(METHODS)}")
        self.method = None if name == "none" else name
        self.downscale = max(1, downscale)
        self.has_warned = (
            False  # once per sequence; the frames of a still or blank one would repeat it
        )
        if name == "orb":
            self._detector: Any = cv2.FastFeatureDetector.create(20)
            self._extractor: Any = cv2.ORB.create()
            self._matcher = cv2.BFMatcher(cv2.NORM_HAMMING)
        elif name == "sift":
            self._detector = self._extractor = cv2.SIFT.create(
                nOctaveLayers=3, contrastThreshold=0.02, edgeThreshold=20
            )
            self._matcher = cv2.BFMatcher(cv2.NORM_L2)
        self.reset_params()

    def reset_params(self) -> None:
        """Forget the previous frame."""
        self._previous: Any = None  # Any: what the method keeps of a frame

    def apply(self, frame: Array, boxes: Array | None = None) -> Array:
        """Motion since the last call; identity at the first and where it cannot be told.

        Args:
            frame: picture (h, w, c) or (h, w).
            boxes: corners (N, 4) of objects, whose own motion must not count.
        """
        if self.method is None:
            return np.eye(2, 3)
        estimate = {
            "sparseOptFlow": self._by_flow,
            "ecc": self._by_intensity,
            "orb": self._by_features,
            "sift": self._by_features,
        }[self.method]
        try:
            return estimate(self._shrunk(frame), boxes)
        except cv2.error as error:
            LOGGER.warning(f"Camera motion is unknown in this frame: {error.err}")
            return np.eye(2, 3)

    def _shrunk(self, frame: Array) -> Array:
        grey = (
            cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
            if frame.ndim == 3 and frame.shape[2] == 3
            else frame
        )
        if grey.ndim == 3:
            grey = np.ascontiguousarray(grey[..., 0])
        if self.method == "ecc":
            grey = cv2.GaussianBlur(grey, (3, 3), 1.5)
        if self.downscale == 1:
            return grey
        height, width = grey.shape
        return cv2.resize(grey, (width // self.downscale, height // self.downscale))

    def _by_flow(self, grey: Array, boxes: Array | None) -> Array:
        points = cv2.goodFeaturesToTrack(
            grey, MOST_CORNERS, CORNER_QUALITY, minDistance=0, blockSize=3
        )
        before, self._previous = self._previous, (grey, points)
        if before is None or before[1] is None:
            return np.eye(2, 3)
        moved, status, _ = cv2.calcOpticalFlowPyrLK(before[0], grey, before[1], None)
        found = status.ravel() == 1
        return self._affine(before[1].reshape(-1, 2)[found], moved.reshape(-1, 2)[found])

    def _by_intensity(self, grey: Array, boxes: Array | None) -> Array:
        before, self._previous = self._previous, grey
        motion = np.eye(2, 3, dtype=np.float32)
        if before is None:
            return np.eye(2, 3)
        stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, ECC_STEPS, ECC_PRECISION)
        _, motion = cv2.findTransformECC(before, grey, motion, cv2.MOTION_EUCLIDEAN, stop, None, 1)
        motion[:, 2] *= self.downscale
        return np.asarray(motion, np.float64)

    def _by_features(self, grey: Array, boxes: Array | None) -> Array:
        found = self._detector.detect(grey, self._mask(grey.shape, boxes))
        points, words = self._extractor.compute(grey, found)
        before, self._previous = self._previous, (points, words)
        if before is None or before[1] is None or words is None:
            return np.eye(2, 3)
        pairs = [pair for pair in self._matcher.knnMatch(before[1], words, 2) if len(pair) == 2]
        good = [best for best, second in pairs if best.distance < RATIO * second.distance]
        old = np.array([before[0][m.queryIdx].pt for m in good], np.float64).reshape(-1, 2)
        new = np.array([points[m.trainIdx].pt for m in good], np.float64).reshape(-1, 2)
        near = (np.abs(old - new) < FAR * np.array(grey.shape[::-1])).all(axis=1)
        old, new = old[near], new[near]
        shift = old - new
        if len(shift):
            usual = (np.abs(shift - shift.mean(0)) <= SPREAD * shift.std(0)).all(axis=1)
            old, new = old[usual], new[usual]
        return self._affine(old, new)

    def _mask(self, shape: tuple[int, ...], boxes: Array | None) -> Array:
        height, width = shape
        mask = np.zeros(shape, np.uint8)
        mask[
            int(BORDER * height) : int((1 - BORDER) * height),
            int(BORDER * width) : int((1 - BORDER) * width),
        ] = 255
        for x1, y1, x2, y2 in (
            (np.asarray(boxes)[:, :4] / self.downscale).astype(int) if boxes is not None else ()
        ):
            mask[max(y1, 0) : max(y2, 0), max(x1, 0) : max(x2, 0)] = 0
        return mask

    def _affine(self, old: Array, new: Array) -> Array:
        motion = None
        if len(old) > FEWEST_PAIRS:
            motion, _ = cv2.estimateAffinePartial2D(old, new, method=cv2.RANSAC)
        if motion is None:
            if not self.has_warned:
                self.has_warned = True
                LOGGER.warning(
                    "Too few points agree on the motion of the camera in a frame; it counts as still there."
                )
            return np.eye(2, 3)
        motion[:, 2] *= self.downscale
        return np.asarray(motion, np.float64)


def move_centre_size(tracks: Sequence[Any], motion: Array) -> None:
    """Move tracks whose state is (cx, cy, w, h, velocities) with the camera, in place."""
    turn, shift = motion[:2, :2], motion[:2, 2]
    stretch = float(np.linalg.norm(turn[:, 0]))
    angle = np.arctan2(turn[1, 0], turn[0, 0])
    for track in tracks:
        size = np.abs(turn) if track.angle is None else stretch * np.eye(2)
        _transform(track, turn, size, shift)
        if track.angle is not None:
            track.angle = track.angle + angle


def move_centres(tracks: Sequence[Any], motion: Array) -> None:
    """Move tracks whose state is (cx, cy, ratio, height, velocities) with the camera, in place; sizes stay."""
    for track in tracks:
        _transform(track, motion[:2, :2], np.eye(2), motion[:2, 2])


def _transform(track: Any, turn: Array, size: Array, shift: Array) -> None:
    blocks = np.zeros((8, 8))
    for start, block in ((0, turn), (2, size), (4, turn), (6, size)):
        blocks[start : start + 2, start : start + 2] = block
    track.mean = blocks @ track.mean
    track.mean[:2] += shift
    track.covariance = blocks @ track.covariance @ blocks.T
