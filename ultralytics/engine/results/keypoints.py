"""Keypoints of instances, in pixels of the original picture.

Rows are (N, K, 2) or (N, K, 3) with a visibility score last. Coordinates are kept whatever their score.
"""

from __future__ import annotations

from functools import cached_property

from ultralytics.engine.results.base import Array, BaseTensor, divided

__all__ = ["Keypoints"]


class Keypoints(BaseTensor):
    """K points per instance.

    Args:
        keypoints: (N, K, 2) or (N, K, 3); (K, ...) is one instance.
        orig_shape: (height, width) of the picture.
    """

    def __init__(self, keypoints: Array, orig_shape: tuple[int, int]) -> None:
        super().__init__(keypoints[None, :] if keypoints.ndim == 2 else keypoints, orig_shape)
        self.has_visible = self.data.shape[-1] == 3

    @cached_property
    def xy(self) -> Array:
        """Coordinates in pixels, (N, K, 2)."""
        return self.data[..., :2]

    @cached_property
    def xyn(self) -> Array:
        """Coordinates as fractions of the picture, (N, K, 2)."""
        height, width = self.orig_shape
        return divided(self.data[..., :2], width, height)

    @cached_property
    def conf(self) -> Array | None:
        """Visibility score per point, (N, K), or None when the model gives none."""
        return self.data[..., 2] if self.has_visible else None
