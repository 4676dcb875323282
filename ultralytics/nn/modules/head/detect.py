"""Box heads: raw predictions while training, decoded boxes afterwards.

Shapes: B images, L levels, A anchors of all levels (finest first, row-major inside), R bins per box side, nc classes.
Raw boxes are distances in units of the stride ("grid"); decoded boxes are pixels of the network input.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from ultralytics.geometry.anchors import dist2bbox, make_anchors
from ultralytics.nn.modules.block import DFL
from ultralytics.nn.modules.conv import Conv, DWConv
from ultralytics.nn.modules.head.ranking import best
from ultralytics.nn.modules.scope import current_scope
from ultralytics.nn.modules.utils import is_recording
from ultralytics.utils.logging import LOGGER

__all__ = ["Detect", "flatten_levels", "v10Detect"]

ONE_TO_ONE = "one2one_"
CLASS_BRANCHES = ("cv3", ONE_TO_ONE + "cv3")
CACHED = ("anchors", "strides", "shape", "_grid")

Branch = Mapping[str, Any]  # Any: lists of layers that are indexed
Grid = tuple[tuple[tuple[int, int], ...], Tensor, Tensor]  # level sizes, points, strides
Prediction = dict[str, Any]  # Any: raw tensors, the list of maps, or one such dictionary per branch


class Detect(nn.Module):
    """Anchor-free detection head with one branch, or two for NMS-free inference.

    With `end2end` a second, one-to-one branch is trained beside the one-to-many branch on detached features.
    Which of them is decoded at inference is a separate switch, the property `end2end`, off by default.

    Returns of `forward`, P = {"boxes" (B, 4R, A), "scores" (B, nc, A) logits, "feats" L maps}:
        training: P, or {"one2many": P, "one2one": P};
        otherwise (y, same), and only y when `export`. y is (B, 4 + nc, A) with boxes xywh (xyxy when `xyxy`)
        and scores in [0, 1]; with `end2end` it is (B, k, 6) rows x1, y1, x2, y2, score, class.
    """

    dynamic = False
    export = False
    format: str | None = None
    max_det = 300
    agnostic_nms = False
    shape: torch.Size | None = None
    anchors = torch.empty(0)
    strides = torch.empty(0)
    legacy = False
    xyxy = False
    # what `forward_head` takes from a branch -> the child that is it
    branch_parts: ClassVar[Mapping[str, str]] = {"box_head": "cv2", "cls_head": "cv3"}
    _end2end = False
    _grid: Grid = ((), torch.empty(0), torch.empty(0))

    if TYPE_CHECKING:
        one2one_cv2: nn.ModuleList | None
        one2one_cv3: nn.ModuleList | None

    def __init__(
        self, nc: int = 80, reg_max: int = 16, end2end: bool = False, ch: Sequence[int] = ()
    ) -> None:
        super().__init__()
        self.nc = nc
        self.nl = len(ch)
        self.reg_max = reg_max
        self.no = nc + 4 * reg_max
        self.stride = torch.zeros(self.nl)  # filled once the network is built
        box_width = max(16, ch[0] // 4, 4 * reg_max)
        class_width = max(ch[0], min(nc, 100))
        self.cv2: nn.ModuleList | None = nn.ModuleList(
            nn.Sequential(
                Conv(c, box_width, 3),
                Conv(box_width, box_width, 3),
                nn.Conv2d(box_width, 4 * reg_max, 1),
            )
            for c in ch
        )
        self.cv3: nn.ModuleList | None = nn.ModuleList(
            self._class_branch(c, class_width, nc) for c in ch
        )
        self.dfl: nn.Module = DFL(reg_max) if reg_max > 1 else nn.Identity()
        if end2end:
            self._add_twins("cv2", "cv3")

    def _class_branch(self, c: int, width: int, outputs: int) -> nn.Sequential:
        scope = current_scope().legacy
        if self.legacy if scope is None else scope:
            parts: list[nn.Module] = [Conv(c, width, 3), Conv(width, width, 3)]
        else:
            parts = [
                nn.Sequential(DWConv(c, c, 3), Conv(c, width, 1)),
                nn.Sequential(DWConv(width, width, 3), Conv(width, width, 1)),
            ]
        return nn.Sequential(*parts, nn.Conv2d(width, outputs, 1))

    def _add_twins(self, *names: str) -> None:
        for name in names:
            setattr(self, ONE_TO_ONE + name, deepcopy(getattr(self, name)))

    def __getstate__(self) -> dict[str, Any]:  # Any: the instance dictionary
        return {key: value for key, value in self.__dict__.items() if key not in CACHED}

    # branches

    @property
    def is_dual(self) -> bool:
        """Whether a one-to-one branch is present."""
        return getattr(self, "one2one_cv2", None) is not None

    @property
    def end2end(self) -> bool:
        """Whether inference decodes the one-to-one branch."""
        return self.is_dual and bool(self._end2end or self.cv2 is None)

    @end2end.setter
    def end2end(self, value: bool) -> None:
        self._end2end = bool(value)
        if value and not self.is_dual:
            LOGGER.warning("end2end=True has no effect: this head has no one-to-one branch.")
        elif not value and self.is_dual and self.cv2 is None:
            LOGGER.warning("end2end=False has no effect: the one-to-many branch was fused away.")

    @property
    def one2many(self) -> dict[str, nn.ModuleList | None]:
        """Parts of the branch that is always trained."""
        return {part: getattr(self, name) for part, name in self.branch_parts.items()}

    @property
    def one2one(self) -> dict[str, nn.ModuleList | None]:
        """Parts of the NMS-free branch."""
        return {part: getattr(self, ONE_TO_ONE + name) for part, name in self.branch_parts.items()}

    @property
    def class_layers(self) -> list[str]:
        """Names of layers whose outputs are the classes; their rows move with class names between data sets."""
        return [
            f"{name}.{level}.{len(branch) - 1}"
            for name in CLASS_BRANCHES
            for level, branch in enumerate(getattr(self, name, None) or ())
        ]

    @property
    def has_training_parts(self) -> bool:
        """Whether parts are left that inference does not read, which `fuse` drops."""
        return self.is_dual and self.cv2 is not None

    def fuse(self) -> None:
        """Drop the branch that `end2end` does not select, for good. Heads with one branch stay as they are."""
        keep_twins = self.end2end
        twins = [name for name, _ in self.named_children() if name.startswith(ONE_TO_ONE)]
        for name in twins:
            setattr(self, name.removeprefix(ONE_TO_ONE) if keep_twins else name, None)

    def _count_classes(self, count: int) -> None:
        """Adopt the number of classes of a call; an exported graph has the number it was made with."""
        if not self.export:
            self.nc = count
            self.no = count + 4 * self.reg_max

    # forward

    def forward_head(
        self,
        x: Sequence[Tensor],
        box_head: nn.ModuleList | None = None,
        cls_head: nn.ModuleList | None = None,
    ) -> Prediction:
        """Raw predictions of one branch; empty when the branch was fused away."""
        if box_head is None or cls_head is None:
            return {}
        return {
            "boxes": flatten_levels(box_head, x),
            "scores": flatten_levels(cls_head, x),
            "feats": x,
        }

    def forward(self, x: list[Tensor]) -> Any:  # Any: see the class
        preds = self.forward_head(x, **self.one2many)
        chosen = preds
        if self.is_dual:
            apart = [level.detach() for level in x] if self.training else x
            twin = self.forward_head(apart, **self.one2one)
            chosen = twin if self.end2end else preds
            preds = {"one2many": preds, "one2one": twin}
        if self.training:
            return preds
        y = self._inference(chosen)
        if self.end2end:
            y = self.postprocess(y.permute(0, 2, 1))
        return y if self.export else (y, preds)

    def _inference(self, x: Prediction) -> Tensor:
        return torch.cat(self._columns(x), dim=1)

    def _columns(self, x: Prediction) -> list[Tensor]:
        """What y is made of, each (B, C, A): boxes, scores; heads that predict more append it."""
        return [self._get_decode_boxes(x), x["scores"].sigmoid()]

    def _get_decode_boxes(self, x: Prediction) -> Tensor:
        points, strides = self._anchor_grid(x["feats"])
        return self.decode_boxes(self.dfl(x["boxes"]), points.unsqueeze(0)) * strides

    def _anchor_grid(self, feats: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Points (2, A) and strides (1, A). Kept between calls while sizes, type and device stay the same.

        What belongs together is stored in one attribute, so that threads never see half of a change.
        """
        like = feats[0]
        if self.dynamic:
            return self._make_grid(feats)
        levels = tuple((int(f.shape[2]), int(f.shape[3])) for f in feats)
        known, points, strides = self._grid
        usable = (
            known == levels
            and (points.dtype, points.device) == (like.dtype, like.device)
            and (torch.is_inference_mode_enabled() or not points.is_inference())
        )
        if not usable:
            points, strides = self._make_grid(feats)
            if not is_recording():
                self._grid = (levels, points, strides)
                self.anchors, self.strides, self.shape = points, strides, like.shape
        return points, strides

    def _make_grid(self, feats: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        points, strides = make_anchors(feats, self.stride, 0.5)
        return points.transpose(0, 1), strides.transpose(0, 1)

    def decode_boxes(self, bboxes: Tensor, anchors: Tensor, xywh: bool = True) -> Tensor:
        """Boxes (B, 4, A) in grid units from distances; corners when decoding end to end or asked by `xyxy`."""
        return dist2bbox(bboxes, anchors, xywh=xywh and not self.end2end and not self.xyxy, dim=1)

    # selection without suppression

    def postprocess(self, preds: Tensor) -> Tensor:
        """The k = min(max_det, A) best rows of (B, A, 4 + nc + extra), as (B, k, 6 + extra), best first.

        A row is the box, its score, the class number, and what followed the scores. Equal scores keep the
        lower anchor, then the lower class.
        """
        boxes, scores, extra = preds.split((4, self.nc, preds.shape[-1] - 4 - self.nc), dim=-1)
        values, classes, anchors = self.get_topk_index(scores, self.max_det)
        rows = [boxes.gather(1, anchors.expand(-1, -1, 4)), values, classes]
        if extra.shape[-1]:
            rows.append(extra.gather(1, anchors.expand(-1, -1, extra.shape[-1])))
        return torch.cat(rows, dim=-1)

    def get_topk_index(self, scores: Tensor, max_det: int) -> tuple[Tensor, Tensor, Tensor]:
        """Best entries of (B, A, nc) scores: values, class numbers (float) and anchor numbers, each (B, k, 1)."""
        anchors, classes = scores.shape[1:]
        k = max_det if self.export and self.dynamic else min(max_det, anchors)
        peak, peak_class = scores.max(dim=-1)
        top, kept = best(peak, k, exact=not self.export)
        kept = kept.unsqueeze(-1)
        if self.agnostic_nms:
            labels = peak_class.unsqueeze(-1).gather(1, kept)
            return top.unsqueeze(-1), labels.to(scores.dtype), kept
        candidates = scores.gather(1, kept.expand(-1, -1, classes)).flatten(1)
        values, entries = best(candidates, k, exact=not self.export)
        rows = entries.div(classes, rounding_mode="floor").unsqueeze(-1)
        labels = entries.remainder(classes).unsqueeze(-1)
        return values.unsqueeze(-1), labels.to(scores.dtype), kept.gather(1, rows)

    # initial state

    def bias_init(self) -> None:
        """Start boxes at 2 cells per side and classes at about 5 objects in a 640 px image (needs `stride`)."""
        branches: list[Branch] = [self.one2many, *([self.one2one] if self.is_dual else [])]
        for branch in branches:
            pairs = zip(
                branch["box_head"] or (), branch["cls_head"] or (), self.stride, strict=True
            )
            for box, cls, stride in pairs:
                box[-1].bias.data[:] = 2.0
                prior = 5 / self.nc / (640 / float(stride)) ** 2
                cls[-1].bias.data[: self.nc] = math.log(prior)


def flatten_levels(branch: nn.ModuleList, levels: Sequence[Tensor]) -> Tensor:
    """One branch on every level, positions row-major, levels in order: (B, C, A)."""
    return torch.cat([part(x).flatten(2) for part, x in zip(branch, levels, strict=True)], dim=-1)


class v10Detect(Detect):
    """YOLOv10 head: always two branches, lighter class branch (arXiv 2405.14458)."""

    def __init__(self, nc: int = 80, ch: Sequence[int] = ()) -> None:
        super().__init__(nc, 16, end2end=True, ch=ch)

    def _class_branch(self, c: int, width: int, outputs: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Sequential(Conv(c, c, 3, g=c), Conv(c, width, 1)),
            nn.Sequential(Conv(width, width, 3, g=width), Conv(width, width, 1)),
            nn.Conv2d(width, outputs, 1),
        )
