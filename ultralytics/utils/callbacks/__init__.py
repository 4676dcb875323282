"""Default callback table and the experiment loggers that settings switch on."""

from typing import TYPE_CHECKING

from ultralytics._lazy import attach

if TYPE_CHECKING:
    from ultralytics.utils.callbacks.base import (
        add_integration_callbacks as add_integration_callbacks,
    )
    from ultralytics.utils.callbacks.base import default_callbacks as default_callbacks
    from ultralytics.utils.callbacks.base import get_default_callbacks as get_default_callbacks

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "add_integration_callbacks": f"{__name__}.base",
        "default_callbacks": f"{__name__}.base",
        "get_default_callbacks": f"{__name__}.base",
    },
)
