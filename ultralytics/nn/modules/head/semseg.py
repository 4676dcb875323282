"""The semantic segmentation head: one class name, two designs.

Published weights of two families call their head `SemanticSegment`. The plain design is a convolution on P3 and, for
training, another on P4. The object-context design reads P3, P4 and P5. Which one an object is follows from its
children, so that models read from files need no marker. Maps are (B, C, h, w); h and w are those of P3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ultralytics.nn.modules.conv import Conv
from ultralytics.nn.modules.head.context import (
    ChennelGather,
    ContextGather,
    SpatialOCR,
    gated_projection,
)

__all__ = ["SemanticSegment"]

P3_STRIDE = 8
BYTE_CLASSES = 256
BAKING_FORMATS = ("onnx", "mnn", "openvino")  # their graphs end in a class map
OPTIONAL_BAKING_FORMATS = ("engine", "hailo")  # likewise when `bake_argmax` is set

# Any below: a tensor, or a pair of them while training


class SemanticSegment(nn.Module):
    """Class logits for every pixel.

    Plain design, `SemanticSegment(nc, ch)`: training gives (logits (B, nc, h, w), auxiliary logits of P4), or logits
    alone with one input; otherwise logits; `export` gives logits enlarged eight times, or the class map (B, H, W).

    Object-context design, `SemanticSegment(nc, ns, npr, ch)`: everything is enlarged `ns` times; training gives
    (auxiliary logits, logits), otherwise logits.
    """

    export = False
    format: str | None = None
    bake_argmax = False

    def __init__(
        self,
        nc: int = 19,
        ns: int | Sequence[int] | None = None,
        npr: int = 256,
        channel: bool | Sequence[int] = True,
        ch: Sequence[int] = (),
    ) -> None:
        """Build the design that the arguments belong to.

        Args:
            nc: classes.
            ns: enlargement of the object-context design; channels of the levels in the plain one.
            npr: width of the attention.
            channel: gate the attention with a channel context, as later published weights do; channels of the
                levels when they come fourth.
            ch: channels of the levels.
        """
        super().__init__()
        self.nc = nc
        if ns is None or isinstance(ns, Sequence):
            self._build_plain(ch if ns is None else ns)
        elif isinstance(channel, Sequence):
            self._build_context(ns, npr, True, channel)
        else:
            self._build_context(ns, npr, channel, ch)

    @property
    def has_context(self) -> bool:
        """Whether this is the object-context design."""
        return "norm_head" in self._modules

    @property
    def class_layers(self) -> tuple[str, ...]:
        """Names of the layers with one output per class."""
        if self.has_context:
            return "norm_head.1", "cls_head"
        return "classifier.1", "aux_head.1"

    def forward(self, x: list[Tensor]) -> Any:
        return self._with_context(x) if self.has_context else self._plainly(x)

    # plain design

    def _build_plain(self, ch: Sequence[int]) -> None:
        self.nl = len(ch)
        self.stride = torch.zeros(self.nl)  # filled once the network is built
        self.classifier = nn.Sequential(Conv(ch[0], ch[0], 3), nn.Conv2d(ch[0], self.nc, 1))
        self.aux_head = (
            nn.Sequential(Conv(ch[1], ch[0], 3), nn.Conv2d(ch[0], self.nc, 1))
            if self.nl > 1
            else None
        )

    def _plainly(self, x: list[Tensor]) -> Any:
        logits = self.classifier(x[0])
        if self.training:
            return logits if self.aux_head is None else (logits, self.aux_head(x[1]))
        if not self.export:
            return logits
        enlarged = F.interpolate(
            logits, scale_factor=P3_STRIDE, mode="bilinear", align_corners=False
        )
        return self._exported(enlarged)

    # object-context design

    def _build_context(self, ns: int, npr: int, channel: bool, ch: Sequence[int]) -> None:
        self.ns = ns
        self.npr = npr
        self.chs = sum(ch)
        self.conv = nn.Conv2d(self.chs, 2 * npr, 3, padding=1)
        self.cls_head = nn.Conv2d(2 * npr, self.nc, 3, padding=1)
        self.norm_head = nn.Sequential(Conv(self.chs, self.chs, 3), nn.Conv2d(self.chs, self.nc, 1))
        self.context_gather = ContextGather(self.nc)
        if channel:
            self.channel_gather = ChennelGather(self.nc)
        self.context_ocr = SpatialOCR(2 * npr, npr, 2 * npr)
        if channel:
            self.channel_conv = Conv(2 * npr * self.nc, npr, 1)

    def _with_context(self, x: list[Tensor]) -> Any:
        size = x[0].shape[2:]
        joined = torch.cat([x[0], *(_enlarged(level, size) for level in x[1:])], dim=1)
        auxiliary = self.norm_head(joined)
        features = self.conv(joined)
        regions = self.context_gather(features, auxiliary)
        gate = None
        if "channel_conv" in self._modules:
            gate = gated_projection(self.channel_conv, features, self.channel_gather(auxiliary))
        logits = self.cls_head(self.context_ocr(features, regions, gate))
        full = [int(side) * self.ns for side in size]
        if self.training:
            return _enlarged(auxiliary, full), _enlarged(logits, full)
        enlarged = _enlarged(logits, full)
        return self._exported(enlarged) if self.export else enlarged

    # both

    def _exported(self, logits: Tensor) -> Tensor:
        """What an exported graph ends in: logits, or the class of every pixel for runtimes that compute it well."""
        baked = self.format in BAKING_FORMATS
        if not (baked or (self.bake_argmax and self.format in OPTIONAL_BAKING_FORMATS)):
            return logits
        classes = logits.argmax(dim=1) if self.nc > 1 else (logits > 0).squeeze(1)
        return classes.to(torch.uint8 if self.nc <= BYTE_CLASSES else torch.int32)


def _enlarged(maps: Tensor, size: Sequence[int]) -> Tensor:
    return F.interpolate(maps, size=tuple(size), mode="bilinear", align_corners=True)
