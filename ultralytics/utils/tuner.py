"""Public home of the search on Ray Tune; the work is done in `engine.tuner.ray`."""

from typing import TYPE_CHECKING

from ultralytics._lazy import attach

if TYPE_CHECKING:
    from ultralytics.engine.tuner.ray import run_ray_tune as run_ray_tune

__getattr__, __dir__, __all__ = attach(__name__, {"run_ray_tune": "ultralytics.engine.tuner.ray"})
