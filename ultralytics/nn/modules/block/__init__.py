"""Building blocks. Checkpoints name every class here as `ultralytics.nn.modules.block.X`."""

from ultralytics.nn.modules.block.area import A2C2f, AAttn, ABlock
from ultralytics.nn.modules.block.attention import C2PSA, PSA, Attention, C2fPSA, C3k2, PSABlock
from ultralytics.nn.modules.block.bottleneck import (
    Bottleneck,
    BottleneckCSP,
    GhostBottleneck,
    RepBottleneck,
    ResNetBlock,
    ResNetLayer,
)
from ultralytics.nn.modules.block.csp import (
    C1,
    C2,
    C3,
    C3TR,
    C2f,
    C3f,
    C3Ghost,
    C3k,
    C3x,
    RepC3,
    RepCSP,
)
from ultralytics.nn.modules.block.elan import (
    CIB,
    ELAN1,
    C2fCIB,
    CBFuse,
    CBLinear,
    RepNCSPELAN4,
    RepVGGDW,
)
from ultralytics.nn.modules.block.flow import RealNVP
from ultralytics.nn.modules.block.hgnet import HGBlock, HGStem
from ultralytics.nn.modules.block.open_vocabulary import (
    SAVPE,
    BNContrastiveHead,
    C2fAttn,
    ContrastiveHead,
    ImagePoolingAttn,
    MaxSigmoidAttnBlock,
    Residual,
    SwiGLUFFN,
)
from ultralytics.nn.modules.block.pooling import SPP, SPPELAN, SPPF, AConv, ADown, SCDown
from ultralytics.nn.modules.block.proto import DFL, Proto, Proto26
from ultralytics.nn.modules.block.torchvision import TorchVision
from ultralytics.utils.publishing import publish

__all__ = (
    "C1",
    "C2",
    "C2PSA",
    "C3",
    "C3TR",
    "CIB",
    "DFL",
    "ELAN1",
    "PSA",
    "SAVPE",
    "SPP",
    "SPPELAN",
    "SPPF",
    "A2C2f",
    "AAttn",
    "ABlock",
    "AConv",
    "ADown",
    "Attention",
    "BNContrastiveHead",
    "Bottleneck",
    "BottleneckCSP",
    "C2f",
    "C2fAttn",
    "C2fCIB",
    "C2fPSA",
    "C3Ghost",
    "C3f",
    "C3k",
    "C3k2",
    "C3x",
    "CBFuse",
    "CBLinear",
    "ContrastiveHead",
    "GhostBottleneck",
    "HGBlock",
    "HGStem",
    "ImagePoolingAttn",
    "MaxSigmoidAttnBlock",
    "PSABlock",
    "Proto",
    "Proto26",
    "RealNVP",
    "RepBottleneck",
    "RepC3",
    "RepCSP",
    "RepNCSPELAN4",
    "RepVGGDW",
    "ResNetBlock",
    "ResNetLayer",
    "Residual",
    "SCDown",
    "SwiGLUFFN",
    "TorchVision",
)

publish(__name__, __all__)
