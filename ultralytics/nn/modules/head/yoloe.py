"""YOLOE: box and mask heads whose classes are embeddings of texts or of image regions, or a built-in vocabulary.

Shapes as in `detect`; K classes, D embedding width. Source: arXiv 2503.07465.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ultralytics.nn.modules.block import (
    SAVPE,
    BNContrastiveHead,
    Proto,
    Proto26,
    Residual,
    SwiGLUFFN,
)
from ultralytics.nn.modules.conv import Conv
from ultralytics.nn.modules.head.detect import Detect, Prediction, flatten_levels
from ultralytics.nn.modules.head.segment import Prototypes, join_prototypes
from ultralytics.nn.modules.head.world import embedding_branches
from ultralytics.utils.torch_utils.fusion import fuse_conv_and_bn

__all__ = ["LRPCHead", "YOLOEDetect", "YOLOESegment", "YOLOESegment26"]

LEVELS = 3  # what region prompts are made for


class LRPCHead(nn.Module):
    """One level of a built-in vocabulary: a filter proposes positions, only those are compared with all classes.

    Args:
        vocab: 1x1 convolution to class logits.
        pf: 1x1 convolution of the filter.
        loc: 1x1 convolution to box distances.
        enabled: use the filter.
    """

    def __init__(
        self, vocab: nn.Module, pf: nn.Module, loc: nn.Module, enabled: bool = True
    ) -> None:
        super().__init__()
        self.vocab = self.conv2linear(vocab) if enabled and isinstance(vocab, nn.Conv2d) else vocab
        self.pf = pf
        self.loc = loc
        self.enabled = enabled

    @staticmethod
    def conv2linear(conv: nn.Conv2d) -> nn.Linear:
        """The same product for lists of positions.

        Raises:
            ValueError: the kernel covers more than one position.
        """
        if conv.kernel_size != (1, 1):
            raise ValueError(f"only 1x1 convolutions are products, got {conv.kernel_size}")
        linear = nn.Linear(conv.in_channels, conv.out_channels, bias=conv.bias is not None)
        linear.to(conv.weight)
        linear.weight.data = conv.weight.data.flatten(1)
        if conv.bias is not None:
            linear.bias.data = conv.bias.data
        return linear

    def forward(
        self, cls_feat: Tensor, loc_feat: Tensor, conf: float
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Box distances (B, C, h, w), class logits (B, nc, n) and the n positions they belong to.

        Positions are a mask (h * w), the union over the images; None means all. A position that an image's own
        filter rejected scores minus infinity there.

        Args:
            cls_feat, loc_feat: (B, C, h, w) features.
            conf: lowest probability of the filter; 0 turns it off.
        """
        boxes = self.loc(loc_feat)
        if not self.enabled:
            dense = self.vocab(cls_feat).flatten(2)
            every = torch.ones(dense.shape[2], dtype=torch.bool, device=dense.device)
            return boxes, dense, every
        pixels = cls_feat.flatten(2).transpose(1, 2)
        if conf <= 0:
            return boxes, self.vocab(pixels).transpose(1, 2), None
        # a filter made from a whole vocabulary proposes whatever one of its classes would
        kept = self.pf(cls_feat).flatten(2).amax(dim=1).sigmoid() > conf  # (B, h * w)
        mask = kept.any(dim=0)
        scores = self.vocab(pixels[:, mask]).transpose(1, 2)
        return boxes, scores.masked_fill(~kept[:, None, mask], float("-inf")), mask


class YOLOEDetect(Detect):
    """Box head of three levels for prompts.

    `forward` takes the maps and, as last entry, class embeddings (B, K, D) of unit length, and returns what `Detect`
    does for K classes. With a built-in vocabulary (`lrpc`) embeddings are not used, positions that no image's filter
    proposed are left out of y and of "scores", and P has "index", the mask of what is left.

    Args:
        nc: classes until prompts are given.
        embed: embedding width.
        with_bn: must be true.
        reg_max: bins per box side.
        end2end: add the one-to-one branch.
        ch: channels of each level.

    Raises:
        ValueError: sizes that this head is not made for.
    """

    branch_parts = {**Detect.branch_parts, "contrastive_head": "cv4"}

    is_fused = False
    conf = 0.001  # of the filter of a built-in vocabulary

    if TYPE_CHECKING:
        lrpc: nn.ModuleList
        one2one_cv4: nn.ModuleList | None

    def __init__(
        self,
        nc: int = 80,
        embed: int = 512,
        with_bn: bool = True,
        reg_max: int = 16,
        end2end: bool = False,
        ch: Sequence[int] = (),
    ) -> None:
        super().__init__(nc, reg_max, end2end, ch)
        width = max(ch[0], min(nc, 100))
        if not with_bn or width > embed or len(ch) != LEVELS:
            raise ValueError(
                f"this head needs with_bn=True, {LEVELS} levels and class branches of at most {embed} "
                f"channels; got with_bn={with_bn}, {len(ch)} levels and {width} channels"
            )
        self.embed = embed
        self.cv3 = embedding_branches(self, nc, embed, ch)
        self.cv4: nn.ModuleList | None = nn.ModuleList(BNContrastiveHead(embed) for _ in ch)
        if end2end:
            self.one2one_cv3 = deepcopy(self.cv3)
            self._add_twins("cv4")
        self.reprta: nn.Module = Residual(SwiGLUFFN(embed, embed))
        self.savpe = SAVPE(ch, width, embed)

    @property
    def class_layers(self) -> list[str]:
        """None: classes are not stored."""
        return []

    # prompts

    def get_tpe(self, tpe: Tensor | None) -> Tensor | None:
        """Class embeddings of unit length from embeddings of texts (B, K, D); None stays None."""
        return None if tpe is None else F.normalize(self.reprta(tpe), dim=-1, p=2)

    def get_vpe(self, x: Sequence[Tensor], vpe: Tensor) -> Tensor:
        """Class embeddings of image regions.

        Args:
            x: the maps.
            vpe: (B, K, h, w) masks at the size of the finest map, or embeddings (B, K, D), which are returned.
        """
        if vpe.shape[1] == 0:
            return x[0].new_zeros(x[0].shape[0], 0, self.embed)
        return self.savpe(x[: self.nl], vpe) if vpe.ndim == 4 else vpe

    def fuse(self, txt_feats: Tensor | None = None) -> None:
        """Fold class embeddings into the class branches, or without them drop the branch that is not selected.

        Args:
            txt_feats: (1, K, D) or (K, D) embeddings of unit length. Only the first ones count.

        Raises:
            ValueError: embeddings while the head is in training mode.
        """
        if txt_feats is None:
            super().fuse()
        elif not self.is_fused:
            if self.training:
                raise ValueError("class embeddings can only be folded into a head in eval mode")
            self._fold(txt_feats.reshape(-1, txt_feats.shape[-1]))

    @torch.no_grad()
    def _fold(self, embeddings: Tensor) -> None:
        branches: list[Any] = [self.one2many, *([self.one2one] if self.is_dual else [])]
        for branch in branches:
            for cls, fit in zip(
                branch["cls_head"] or (), branch["contrastive_head"] or (), strict=True
            ):
                cls[-1] = _folded(cls[-1], fit, embeddings)
                fit.fuse()
        self.reprta = nn.Identity()
        self._count_classes(len(embeddings))
        self.is_fused = True

    # forward

    @property
    def has_vocabulary(self) -> bool:
        """Whether classes are built in."""
        return "lrpc" in self._modules

    def forward(self, x: list[Tensor]) -> Any:  # Any: see the class
        if not self.has_vocabulary:
            return super().forward(x)
        if self.training:
            raise ValueError("a head with a built-in vocabulary has no training form")
        raw = self.forward_lrpc(x)
        y = self._inference(raw)
        if self.end2end:
            y = self.postprocess(y.permute(0, 2, 1))
        return y if self.export else (y, raw)

    def forward_head(
        self,
        x: Sequence[Tensor],
        box_head: nn.ModuleList | None = None,
        cls_head: nn.ModuleList | None = None,
        contrastive_head: nn.ModuleList | None = None,
    ) -> Prediction:
        """Raw predictions of one branch for maps and class embeddings; empty when the branch was fused away."""
        if box_head is None or cls_head is None or contrastive_head is None:
            return {}
        *maps, embeddings = x
        levels = zip(cls_head, contrastive_head, maps, strict=True)
        scores = [fit(branch(level), embeddings).flatten(2) for branch, fit, level in levels]
        self._count_classes(scores[0].shape[1])
        return {
            "boxes": flatten_levels(box_head, maps),
            "scores": torch.cat(scores, dim=-1),
            "feats": maps,
        }

    def forward_lrpc(self, x: Sequence[Tensor]) -> Prediction:
        """Raw predictions of a built-in vocabulary; distances are those of all positions."""
        maps = x[: self.nl]
        branch = self.one2one if self.end2end else self.one2many
        twin = "one2one_lrpc" in self._modules and self.end2end
        levels = self._modules["one2one_lrpc" if twin else "lrpc"]
        conf = 0.0 if self.export and not self.dynamic else self.conf
        parts = [
            level(cls(features), box(features), conf)
            for level, cls, box, features in zip(
                levels,  # type: ignore[call-overload]
                branch["cls_head"],
                branch["box_head"],
                maps,
                strict=True,
            )
        ]
        masks = [mask for _, _, mask in parts if mask is not None]
        return {
            "boxes": torch.cat([boxes.flatten(2) for boxes, _, _ in parts], dim=-1),
            "scores": torch.cat([scores for _, scores, _ in parts], dim=-1),
            "feats": maps,
            "index": torch.cat(masks) if len(masks) == len(parts) else None,
        }

    def _get_decode_boxes(self, x: Prediction) -> Tensor:
        boxes = super()._get_decode_boxes(x)
        index = x.get("index")
        return boxes if index is None else boxes[..., index]

    # initial state

    def bias_init(self) -> None:
        """Start boxes at 2 cells per side and classes at about 5 objects in a 640 px image (needs `stride`)."""
        branches: list[Any] = [self.one2many, *([self.one2one] if self.is_dual else [])]
        for branch in branches:
            parts = [branch[name] or () for name in ("box_head", "cls_head", "contrastive_head")]
            for box, cls, fit, stride in zip(*parts, self.stride, strict=True):
                box[-1].bias.data[:] = 2.0
                cls[-1].bias.data[:] = 0.0
                fit.bias.data[:] = math.log(5 / self.nc / (640 / float(stride)) ** 2)


@torch.no_grad()
def _folded(conv: nn.Conv2d, fit: BNContrastiveHead, embeddings: Tensor) -> nn.Conv2d:
    """One 1x1 convolution in place of a convolution to embeddings, their normalisation, and the comparison."""
    plain = fuse_conv_and_bn(conv, fit.norm)
    scaled = embeddings.to(plain.weight) * fit.logit_scale.exp()
    bias = plain.bias
    assert bias is not None  # folding always adds one
    made = nn.Conv2d(plain.in_channels, len(scaled), 1).requires_grad_(False).to(plain.weight)
    made.weight.copy_((scaled @ plain.weight.flatten(1))[..., None, None])
    made.bias.copy_(scaled @ bias + fit.bias)  # type: ignore[union-attr]
    return made


class YOLOESegment(YOLOEDetect):
    """`YOLOEDetect` with mask coefficients and prototypes; returns are extended as in `Segment`.

    Args:
        nc: classes until prompts are given.
        nm: coefficients per mask.
        npr: width of the prototype layers.
        embed, with_bn, reg_max, end2end, ch: as for `YOLOEDetect`.
    """

    branch_parts = {**YOLOEDetect.branch_parts, "mask_head": "cv5"}

    if TYPE_CHECKING:
        one2one_cv5: nn.ModuleList | None

    def __init__(
        self,
        nc: int = 80,
        nm: int = 32,
        npr: int = 256,
        embed: int = 512,
        with_bn: bool = True,
        reg_max: int = 16,
        end2end: bool = False,
        ch: Sequence[int] = (),
    ) -> None:
        super().__init__(nc, embed, with_bn, reg_max, end2end, ch)
        self.nm = nm
        self.npr = npr
        self.proto = self._make_prototypes(ch)
        width = max(ch[0] // 4, nm)
        self.cv5: nn.ModuleList | None = nn.ModuleList(
            nn.Sequential(Conv(c, width, 3), Conv(width, width, 3), nn.Conv2d(width, nm, 1))
            for c in ch
        )
        if end2end:
            self._add_twins("cv5")

    def _make_prototypes(self, ch: Sequence[int]) -> nn.Module:
        return Proto(ch[0], self.npr, self.nm)

    def prototypes(self, x: Sequence[Tensor]) -> Prototypes:
        """Prototype masks of a batch."""
        return self.proto(x[0])

    def forward_head(
        self,
        x: Sequence[Tensor],
        box_head: nn.ModuleList | None = None,
        cls_head: nn.ModuleList | None = None,
        contrastive_head: nn.ModuleList | None = None,
        mask_head: nn.ModuleList | None = None,
    ) -> Prediction:
        """Raw predictions of one branch, without prototypes; empty when the branch was fused away."""
        preds = super().forward_head(x, box_head, cls_head, contrastive_head)
        if preds and mask_head is not None:
            preds["mask_coefficient"] = flatten_levels(mask_head, preds["feats"])
        return preds

    def forward_lrpc(self, x: Sequence[Tensor]) -> Prediction:
        """Raw predictions of a built-in vocabulary; coefficients are those of the positions that are left."""
        preds = super().forward_lrpc(x)
        masks = (self.one2one if self.end2end else self.one2many)["mask_head"]
        assert masks is not None  # only the branch that is not selected is ever dropped
        coefficients, index = flatten_levels(masks, preds["feats"]), preds["index"]
        preds["mask_coefficient"] = coefficients if index is None else coefficients[..., index]
        return preds

    def forward(self, x: list[Tensor]) -> Any:  # Any: see the class
        proto = self.prototypes(x)
        return join_prototypes(self, super().forward(x), proto)

    def _columns(self, x: Prediction) -> list[Tensor]:
        return [*super()._columns(x), x["mask_coefficient"]]

    @property
    def has_training_parts(self) -> bool:
        """Whether parts are left that inference does not read, which `fuse` drops."""
        return super().has_training_parts or getattr(self.proto, "semseg", None) is not None

    def fuse(self, txt_feats: Tensor | None = None) -> None:
        """As `YOLOEDetect`; also drops the semantic map of the prototypes, for good."""
        super().fuse(txt_feats)
        if isinstance(self.proto, Proto26):
            self.proto.fuse()


class YOLOESegment26(YOLOESegment):
    """The same on prototypes from all levels, which do not teach the layers below them."""

    def _make_prototypes(self, ch: Sequence[int]) -> nn.Module:
        return Proto26(ch, self.npr, self.nm, self.nc)

    def prototypes(self, x: Sequence[Tensor]) -> Prototypes:
        """Prototype masks of a batch."""
        return self.proto([level.detach() for level in x[: self.nl]], return_semantic=False)
