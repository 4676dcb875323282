"""Usage analytics under the known path. This package collects and sends nothing.

Not to be confused with `ultralytics.events`, the callback bus.
"""

from __future__ import annotations

__all__ = ["Events", "events"]


class Events:
    """Object that accepts reports and drops them."""

    enabled = False

    def __call__(self, *args: object, **kwargs: object) -> None:
        """Nothing."""


events = Events()
