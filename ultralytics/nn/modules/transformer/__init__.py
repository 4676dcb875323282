"""Attention layers. Checkpoints name every class here as `ultralytics.nn.modules.transformer.X`."""

from ultralytics.nn.modules.transformer.deformable import (
    DeformableTransformerDecoder,
    DeformableTransformerDecoderLayer,
    MSDeformAttn,
)
from ultralytics.nn.modules.transformer.encoder import (
    AIFI,
    TransformerBlock,
    TransformerEncoderLayer,
    TransformerLayer,
)
from ultralytics.nn.modules.transformer.mlp import MLP, LayerNorm2d, MLPBlock
from ultralytics.utils.publishing import publish

__all__ = (
    "AIFI",
    "MLP",
    "DeformableTransformerDecoder",
    "DeformableTransformerDecoderLayer",
    "LayerNorm2d",
    "MLPBlock",
    "MSDeformAttn",
    "TransformerBlock",
    "TransformerEncoderLayer",
    "TransformerLayer",
)

publish(__name__, __all__)
