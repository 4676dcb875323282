"""Where the time of a training goes, stage by stage."""

from ultralytics.engine.profiling.run import profile_training
from ultralytics.engine.profiling.table import Profile

__all__ = ["Profile", "profile_training"]
