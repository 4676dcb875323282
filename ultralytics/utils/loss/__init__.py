"""Training losses. Each file holds one family; this package is their public home."""

from __future__ import annotations

from ultralytics.utils.loss.basic import (
    BCEDiceLoss,
    FocalLoss,
    MultiChannelDiceLoss,
    VarifocalLoss,
    v8ClassificationLoss,
)
from ultralytics.utils.loss.boxes import BboxLoss, DFLoss, RotatedBboxLoss
from ultralytics.utils.loss.detect import v8DetectionLoss
from ultralytics.utils.loss.e2e import E2EDetectLoss, E2ELoss
from ultralytics.utils.loss.keypoints import KeypointLoss, RLELoss
from ultralytics.utils.loss.obb import v8OBBLoss
from ultralytics.utils.loss.pose import PoseLoss26, v8PoseLoss
from ultralytics.utils.loss.prompts import TVPDetectLoss, TVPSegmentLoss
from ultralytics.utils.loss.segment import SegmentLoss26, v8SegmentationLoss
from ultralytics.utils.loss.semantic import SemanticSegmentationLoss, SemSegLoss
from ultralytics.utils.publishing import publish

__all__ = [
    "BCEDiceLoss",
    "BboxLoss",
    "DFLoss",
    "E2EDetectLoss",
    "E2ELoss",
    "FocalLoss",
    "KeypointLoss",
    "MultiChannelDiceLoss",
    "PoseLoss26",
    "RLELoss",
    "RotatedBboxLoss",
    "SegmentLoss26",
    "SemSegLoss",
    "SemanticSegmentationLoss",
    "TVPDetectLoss",
    "TVPSegmentLoss",
    "VarifocalLoss",
    "v8ClassificationLoss",
    "v8DetectionLoss",
    "v8OBBLoss",
    "v8PoseLoss",
    "v8SegmentationLoss",
]

publish(__name__, __all__)
