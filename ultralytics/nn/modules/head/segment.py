"""Instance segmentation heads: boxes, and per anchor the coefficients that mix shared mask prototypes.

A mask is the sign of coefficients . prototypes inside the box. Shapes: B images, A anchors, nm coefficients; prototypes
have twice the resolution of the finest level. Pixels of masks are never computed here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from ultralytics.nn.modules.block import Proto, Proto26
from ultralytics.nn.modules.conv import Conv
from ultralytics.nn.modules.head.detect import Detect, Prediction, flatten_levels

__all__ = ["Segment", "Segment26", "join_prototypes"]

Prototypes = Tensor | tuple[Tensor, Tensor]  # with the semantic logits of training


class Segment(Detect):
    """Detection head with mask coefficients and prototypes (YOLACT, arXiv 1904.02689, section 3.1).

    Returns of `forward`: those of `Detect`, whose P gains "mask_coefficient" (B, nm, A) and "proto" (B, nm, h, w);
    y gains nm columns after its last. Evaluation gives ((y, proto), P), and with `export` (y, proto).
    """

    branch_parts = {**Detect.branch_parts, "mask_head": "cv4"}

    if TYPE_CHECKING:
        one2one_cv4: nn.ModuleList | None

    def __init__(
        self,
        nc: int = 80,
        nm: int = 32,
        npr: int = 256,
        reg_max: int = 16,
        end2end: bool = False,
        ch: Sequence[int] = (),
    ) -> None:
        super().__init__(nc, reg_max, end2end, ch)
        self.nm = nm
        self.npr = npr
        self.proto: nn.Module = self._make_prototypes(ch)
        width = max(ch[0] // 4, nm)
        self.cv4: nn.ModuleList | None = nn.ModuleList(
            nn.Sequential(Conv(c, width, 3), Conv(width, width, 3), nn.Conv2d(width, nm, 1))
            for c in ch
        )
        if end2end:
            self._add_twins("cv4")

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
        mask_head: nn.ModuleList | None = None,
    ) -> Prediction:
        """Raw predictions of one branch, without prototypes; empty when the branch was fused away."""
        preds = super().forward_head(x, box_head, cls_head)
        if mask_head is not None:
            preds["mask_coefficient"] = flatten_levels(mask_head, x)
        return preds

    def forward(self, x: list[Tensor]) -> Any:  # Any: see the class
        proto = self.prototypes(x)
        return join_prototypes(self, super().forward(x), proto)

    def _columns(self, x: Prediction) -> list[Tensor]:
        return [*super()._columns(x), x["mask_coefficient"]]


class Segment26(Segment):
    """The same on prototypes from all levels, with a semantic map as an additional training target.

    In training "proto" is a pair: prototypes and class logits (B, nc, h0, w0) at the finest level.
    """

    def _make_prototypes(self, ch: Sequence[int]) -> nn.Module:
        return Proto26(ch, self.npr, self.nm, self.nc)

    def prototypes(self, x: Sequence[Tensor]) -> Prototypes:
        """Prototype masks of a batch, and in training the semantic logits."""
        return self.proto(x)

    @property
    def class_layers(self) -> list[str]:
        """Names of layers whose outputs are the classes, with that of the semantic map."""
        semantic = getattr(self.proto, "semseg", None)
        last = [] if semantic is None else [f"proto.semseg.{len(semantic) - 1}"]
        return [*super().class_layers, *last]

    @property
    def has_training_parts(self) -> bool:
        """Whether parts are left that inference does not read."""
        return super().has_training_parts or getattr(self.proto, "semseg", None) is not None

    def fuse(self) -> None:
        """Drop the branch that is not selected and the semantic map, for good."""
        super().fuse()
        if isinstance(self.proto, Proto26):
            self.proto.fuse()


def join_prototypes(head: Detect, outputs: Any, proto: Prototypes) -> Any:  # Any: see `Segment`
    """What a box head returned, with prototypes where its mode wants them."""
    if head.training:
        return _with_prototypes(outputs, proto)
    if head.export:
        return outputs, proto
    y, preds = outputs
    return (y, proto), _with_prototypes(preds, proto)


def _with_prototypes(preds: Prediction, proto: Prototypes) -> Prediction:
    """The prototypes beside the raw predictions; the one-to-one branch does not teach them."""
    if "one2one" not in preds:
        return {**preds, "proto": proto}
    apart = tuple(p.detach() for p in proto) if isinstance(proto, tuple) else proto.detach()
    return {
        "one2many": {**preds["one2many"], "proto": proto} if preds["one2many"] else {},
        "one2one": {**preds["one2one"], "proto": apart},
    }
