"""Where the time of a training goes, stage by stage."""

from ultralytics.engine.profiling.run import profile_training
from ultralytics.engine.profiling.table import TrainingProfile

__all__ = ["TrainingProfile", "profile_training"]
