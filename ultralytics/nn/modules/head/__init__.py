"""Prediction heads. Checkpoints name every class here as `ultralytics.nn.modules.head.X`."""

from ultralytics.nn.modules.head.classify import Classify
from ultralytics.nn.modules.head.context import (
    ChennelGather,
    ContextGather,
    ObjectAttentionBlock2D,
    SpatialOCR,
)
from ultralytics.nn.modules.head.depth import Depth
from ultralytics.nn.modules.head.detect import Detect, v10Detect
from ultralytics.nn.modules.head.obb import OBB, OBB26
from ultralytics.nn.modules.head.pose import Pose, Pose26
from ultralytics.nn.modules.head.rtdetr import RTDETRDecoder
from ultralytics.nn.modules.head.segment import Segment, Segment26
from ultralytics.nn.modules.head.semseg import SemanticSegment
from ultralytics.nn.modules.head.world import WorldDetect
from ultralytics.nn.modules.head.yoloe import LRPCHead, YOLOEDetect, YOLOESegment, YOLOESegment26
from ultralytics.utils.publishing import publish

__all__ = (
    "OBB",
    "OBB26",
    "ChennelGather",
    "Classify",
    "ContextGather",
    "Depth",
    "Detect",
    "LRPCHead",
    "ObjectAttentionBlock2D",
    "Pose",
    "Pose26",
    "RTDETRDecoder",
    "Segment",
    "Segment26",
    "SemanticSegment",
    "SpatialOCR",
    "WorldDetect",
    "YOLOEDetect",
    "YOLOESegment",
    "YOLOESegment26",
    "v10Detect",
)

publish(__name__, __all__)
