"""Convolution layers. Checkpoints name every class here as `ultralytics.nn.modules.conv.X`."""

from ultralytics.nn.modules.conv.attention import CBAM, ChannelAttention, SpatialAttention
from ultralytics.nn.modules.conv.basic import (
    Conv,
    Conv2,
    ConvTranspose,
    DWConv,
    DWConvTranspose2d,
    Focus,
    GhostConv,
    LightConv,
    autopad,
)
from ultralytics.nn.modules.conv.rep import RepConv
from ultralytics.nn.modules.conv.wiring import Concat, Index
from ultralytics.utils.publishing import publish

_CLASSES = (
    "CBAM",
    "ChannelAttention",
    "Concat",
    "Conv",
    "Conv2",
    "ConvTranspose",
    "DWConv",
    "DWConvTranspose2d",
    "Focus",
    "GhostConv",
    "Index",
    "LightConv",
    "RepConv",
    "SpatialAttention",
)
__all__ = (
    "CBAM",
    "ChannelAttention",
    "Concat",
    "Conv",
    "Conv2",
    "ConvTranspose",
    "DWConv",
    "DWConvTranspose2d",
    "Focus",
    "GhostConv",
    "Index",
    "LightConv",
    "RepConv",
    "SpatialAttention",
    "autopad",
)

publish(__name__, _CLASSES)
