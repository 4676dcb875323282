"""Errors under the path older code imports them from. The package's own are in `ultralytics.errors`."""

from __future__ import annotations

from ultralytics.errors import UltralyticsError

__all__ = ["HUBModelError"]


class HUBModelError(UltralyticsError):
    """A hosted model that cannot be found."""

    def __init__(self, message: str = "the hosted model was not found") -> None:
        super().__init__(message)
