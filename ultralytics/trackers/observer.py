"""What trackers want to know of post-processing: appearance of detections, and what suppression removed.

Specification chapter 75, sections 6.4 and 7.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["Observer", "pooled_features"]

SAME_IOU = 0.97  # boxes that overlap more are the same detection


class Observer:
    """Watches a predictor's post-processing.

    Args:
        head: layer whose input maps give the appearance, or None.
        recovers: whether removed detections are wanted.
    """

    def __init__(self, head: Any, recovers: bool) -> None:  # Any: a detection head
        self.recovers = recovers
        self.looks = head is not None
        self._maps: list[Tensor] = []
        self._facts: list[dict[str, Any]] = []
        self._handle = head.register_forward_pre_hook(self._keep) if head is not None else None

    @staticmethod
    def head_with_maps(predictor: Any) -> Any:  # Any: a predictor; a detection head or None
        """The head of a predictor's network, if detections can be traced back to its input maps."""
        from ultralytics.nn.modules import Detect

        backend = predictor.model
        head = backend.base_model.model[-1] if backend.pt else None
        return head if isinstance(head, Detect) and not backend.end2end else None

    def _keep(self, _: Any, inputs: tuple[Any, ...]) -> None:
        self._maps = [*inputs[0]]

    def close(self) -> None:
        """Stop watching."""
        if self._handle is not None:
            self._handle.remove()

    def watch(self, results: list[Any], anchors: list[Tensor], loose: list[Any] | None) -> None:
        """Take the facts of a batch.

        Args:
            results: its results.
            anchors: anchor number of every detection, per image.
            loose: results of a suppression that keeps more, or None.
        """
        self._facts = [{} for _ in results]
        for i, facts in enumerate(self._facts):
            if self.looks and len(results[i]) == len(anchors[i]):  # segment drops empty masks later
                features = pooled_features([level[i] for level in self._maps], anchors[i])
                facts["feats"] = results[i].feats = features.float().cpu().numpy()
            if self.recovers:
                facts["dets_del"] = None if loose is None else _removed(results[i], loose[i])

    def replace(self, facts: list[dict[str, Any]]) -> None:
        """Take facts of a batch that were put together elsewhere, such as those of tiles."""
        self._facts = facts

    def facts_of(self, i: int) -> dict[str, Any]:
        """Arguments of a tracker's update for the i-th result."""
        return self._facts[i] if i < len(self._facts) else {}


def pooled_features(maps: list[Tensor], anchors: Tensor) -> Tensor:
    """Features (N, s) of cells: channels of every map (C, H, W) averaged in groups down to the fewest, s.

    Args:
        maps: of one image, finest first.
        anchors: (N,) numbers over all maps, row by row.
    """
    width = min(level.shape[0] for level in maps)
    rows = [
        level.flatten(1).T.reshape(-1, width, level.shape[0] // width).mean(dim=-1)
        for level in maps
    ]
    return torch.cat(rows)[anchors]


def _removed(result: Any, loose: Any) -> tuple[Any, Any, Any] | None:
    """Boxes, scores and classes that only the loose suppression kept."""
    from ultralytics.geometry.iou import box_iou
    from ultralytics.geometry.rotated import batch_probiou

    if result.obb is None:
        kept, more = result.boxes, loose.boxes
        overlap = box_iou(more.xyxy, kept.xyxy)
    else:
        kept, more = result.obb, loose.obb
        overlap = batch_probiou(more.xywhr, kept.xywhr)
    if not len(kept) or not len(more):
        return None
    gone = overlap.amax(dim=1) < SAME_IOU
    if not gone.any():
        return None
    rest = more[gone]
    box = rest.xywh if result.obb is None else rest.xywhr
    return tuple(values.cpu().numpy() for values in (box, rest.conf, rest.cls))
