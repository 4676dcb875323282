"""Constant-velocity Kalman filters of boxes, one frame per step (specification chapter 75, section 3.4).

A state is four numbers of a box followed by their change per frame. Noise grows with the size of the box. All functions
return new arrays. N = tracks; 8 = state; 4 = measured numbers. Float64, pixels.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["KalmanFilterXYAH", "KalmanFilterXYWH"]

Floats = NDArray[np.float64]
Metric = Literal["maha", "gaussian"]

POSITION_WEIGHT = 1 / 20  # standard deviation of a position, per pixel of size
VELOCITY_WEIGHT = 1 / 160
LEAST_NOISE = 0.05  # share of the measurement noise that full confidence leaves
MOTION = np.eye(8) + np.eye(8, k=4)  # positions move by their velocities


def _solve(spread: Floats, right: Floats) -> Floats:
    """`spread` inverse times `right`; directions without any noise, those of a box without extent, give zero."""
    try:
        return np.asarray(np.linalg.solve(spread, right), np.float64)
    except np.linalg.LinAlgError:
        inverse: Floats = np.linalg.pinv(spread, hermitian=True).astype(np.float64)
        return inverse @ right


class _BoxFilter:
    """What both filters share; children say how noise follows from a box."""

    def _std(self, box: Floats, weight: float, of_ratio: float) -> Floats:
        """(..., 4) standard deviations for boxes (..., 4): `weight` per pixel of size, `of_ratio` for a side ratio."""
        raise NotImplementedError

    def _state_std(self, box: Floats, position: float = 1.0, velocity: float = 1.0) -> Floats:
        """(..., 8) standard deviations of states with these boxes, as multiples of those of one step."""
        parts = (
            self._std(box, position * POSITION_WEIGHT, 1e-2),
            self._std(box, velocity * VELOCITY_WEIGHT, 1e-5),
        )
        return np.concatenate(parts, axis=-1)

    def initiate(self, measurement: ArrayLike) -> tuple[Floats, Floats]:
        """State (8,) and covariance (8, 8) of a new track from a measured box (4,); it does not move yet."""
        box = np.asarray(measurement, dtype=np.float64)
        std = self._state_std(box, position=2.0, velocity=10.0)
        return np.concatenate((box, np.zeros(4))), np.diag(std**2)

    def predict(self, mean: Floats, covariance: Floats) -> tuple[Floats, Floats]:
        """State and covariance one frame later."""
        means, covariances = self.multi_predict(mean[None], covariance[None])
        return means[0], covariances[0]

    def multi_predict(self, mean: Floats, covariance: Floats) -> tuple[Floats, Floats]:
        """`predict` for states (N, 8) and covariances (N, 8, 8)."""
        std = self._state_std(mean[:, :4])
        moved = MOTION @ covariance @ MOTION.T
        diagonal = np.arange(8)
        moved[:, diagonal, diagonal] += std**2
        return mean @ MOTION.T, moved

    def project(
        self, mean: Floats, covariance: Floats, confidence: float = 0.0
    ) -> tuple[Floats, Floats]:
        """Expected measurement (4,) and its covariance (4, 4); confidence in [0, 1] lowers the noise."""
        noise = self._std(mean[:4], POSITION_WEIGHT, 1e-1) ** 2 * max(1 - confidence, LEAST_NOISE)
        return mean[:4].copy(), covariance[:4, :4] + np.diag(noise)

    def update(
        self, mean: Floats, covariance: Floats, measurement: ArrayLike, confidence: float = 0.0
    ) -> tuple[Floats, Floats]:
        """State and covariance after a box (4,) was measured."""
        expected, spread = self.project(mean, covariance, confidence)
        gain = _solve(spread, covariance[:4]).T
        surprise = np.asarray(measurement, dtype=np.float64) - expected
        return mean + gain @ surprise, covariance - gain @ spread @ gain.T

    def gating_distance(
        self,
        mean: Floats,
        covariance: Floats,
        measurements: ArrayLike,
        only_position: bool = False,
        metric: Metric = "maha",
    ) -> Floats:
        """Squared distance of measured boxes (M, 4) from a state, as (M,).

        Args:
            mean: state (8,).
            covariance: its covariance.
            measurements: boxes.
            only_position: compare centres only.
            metric: "maha" for Mahalanobis, "gaussian" for Euclidean.

        Raises:
            ValueError: another metric.
        """
        used = slice(0, 2 if only_position else 4)
        expected, spread = self.project(mean, covariance)
        gap = np.asarray(measurements, dtype=np.float64)[:, used] - expected[used]
        if metric == "gaussian":
            return np.asarray((gap**2).sum(axis=1))
        if metric != "maha":
            raise ValueError(f"metric={metric!r} is unknown; use 'maha' or 'gaussian'")
        return np.asarray((gap * _solve(spread[used, used], gap.T).T).sum(axis=1))


class KalmanFilterXYAH(_BoxFilter):
    """Centre x, centre y, width / height, height. Noise follows the height, that of the ratio is fixed."""

    def _std(self, box: Floats, weight: float, of_ratio: float) -> Floats:
        std = np.repeat(box[..., 3:4] * weight, 4, axis=-1)
        std[..., 2] = of_ratio
        return std


class KalmanFilterXYWH(_BoxFilter):
    """Centre x, centre y, width, height. Noise follows width and height."""

    def _std(self, box: Floats, weight: float, of_ratio: float) -> Floats:
        return np.concatenate((box[..., 2:4], box[..., 2:4]), axis=-1) * weight
