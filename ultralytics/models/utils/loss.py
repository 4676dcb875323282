"""Losses of transformer decoders."""

from ultralytics.utils.loss.rtdetr import DETRLoss, RTDETRDetectionLoss
from ultralytics.utils.publishing import publish

__all__ = ("DETRLoss", "RTDETRDetectionLoss")

publish(__name__, __all__)
