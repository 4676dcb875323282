"""Search for hyperparameters. `search` proposes, `history` remembers, `tuner` trains and keeps the best."""

from ultralytics.engine.tuner.tuner import Tuner
from ultralytics.utils.publishing import publish

__all__ = ["Tuner"]

publish(__name__, __all__)
