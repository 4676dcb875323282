"""RT-DETR detection networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ultralytics.nn.modules import RTDETRDecoder
from ultralytics.nn.tasks.base import Batch
from ultralytics.nn.tasks.detection import DetectionModel
from ultralytics.utils.logging import LOGGER

__all__ = ["RTDETRDetectionModel"]


class RTDETRDetectionModel(DetectionModel):
    """Detection network that ends in the decoder of RT-DETR; arguments as `DetectionModel`."""

    criterion_takes_targets = True  # unlike criteria called with predictions and a batch
    counting_side = 128  # px; smaller images have fewer positions than there are queries

    def __init__(
        self,
        cfg: str | Path | dict[str, Any] = "rtdetr-l.yaml",  # Any: content of a model file
        ch: int = 3,
        nc: int | None = None,
        verbose: bool = True,
    ) -> None:
        super().__init__(cfg, ch, nc, verbose)

    def predict(  # type: ignore[override]
        self,
        x: Tensor,
        profile: bool = False,
        batch: Batch | None = None,
        augment: bool = False,
        embed: Sequence[int] | None = None,
    ) -> Any:  # Any: see `RTDETRDecoder`
        """Run the network.

        Args:
            x: (B, C, H, W) images in [0, 1].
            profile: log time and size of every row.
            batch: labels that denoising queries are made from in training, see `targets_of`.
            augment: has no effect, this family has one scale.
            embed: row numbers; instead of predictions, one vector per image of their pooled outputs.
        """
        if augment:
            LOGGER.warning("RT-DETR has no augmented inference; running at one scale.")

        def call(row: nn.Module, inputs: Any) -> Any:  # Any: between rows
            return row(inputs, batch) if isinstance(row, RTDETRDecoder) else row(inputs)

        return self._predict_once(x, profile, embed, call)

    def init_criterion(self) -> Callable[..., Any]:
        """Loss on matched queries."""
        from ultralytics.utils.loss.rtdetr import RTDETRDetectionLoss

        head = self.model[-1]
        assert isinstance(head, RTDETRDecoder)  # what model files of this family end in
        return RTDETRDetectionLoss(nc=head.nc, use_vfl=True)

    def loss(
        self, batch: Batch, preds: Any = None
    ) -> tuple[Tensor, dict[str, Tensor]]:  # Any: raw predictions
        """Sum of all terms of a batch, and the detached terms of the last layer.

        Args:
            batch: "img" (B, C, H, W) in [0, 1], "cls", "bboxes" (G, 4) as fractions, "batch_idx".
            preds: outputs of `predict`; computed when absent.
        """
        if getattr(self, "criterion", None) is None:
            self.criterion = self.init_criterion()
        targets = targets_of(batch)
        if preds is None:
            preds = self.predict(batch["img"], batch=targets)
        raw = preds if self.training else preds[1]
        boxes, scores, noisy = _split(*raw)
        criterion: Any = self.criterion  # Any: takes more than the losses of other networks
        terms = criterion((boxes, scores), targets, **noisy)
        total = torch.stack(list(terms.values())).sum()
        return total, {name: terms[key].detach() for name, key in criterion.items.items()}


def targets_of(batch: Batch) -> Batch:
    """Labels as the decoder and its loss take them: "cls", "bboxes", "batch_idx" and "gt_groups", labels per image."""
    image = batch["batch_idx"].view(-1).long()
    return {
        "cls": batch["cls"].view(-1).long(),
        "bboxes": batch["bboxes"],
        "batch_idx": image,
        "gt_groups": torch.bincount(image, minlength=len(batch["img"])).tolist(),
    }


def _split(
    boxes: Tensor, scores: Tensor, enc_boxes: Tensor, enc_scores: Tensor, meta: Any
) -> tuple[Tensor, Tensor, dict[str, Any]]:  # Any: facts about denoising queries
    """Predictions of matching queries with those of the encoder as first layer; and of denoising queries apart."""
    noisy: dict[str, Any] = {"dn_bboxes": None, "dn_scores": None, "dn_meta": meta}
    if meta is not None:
        noisy["dn_bboxes"], boxes = boxes.split(meta["dn_num_split"], dim=2)
        noisy["dn_scores"], scores = scores.split(meta["dn_num_split"], dim=2)
    joined_boxes = torch.cat((enc_boxes[None], boxes))
    return joined_boxes, torch.cat((enc_scores[None], scores)), noisy
