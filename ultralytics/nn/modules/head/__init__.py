"""Prediction heads. Checkpoints name every class here as `ultralytics.nn.modules.head.X`."""

from ultralytics.nn.modules.head.detect import Detect, v10Detect
from ultralytics.utils.publishing import publish

__all__ = ("Detect", "v10Detect")

publish(__name__, __all__)
