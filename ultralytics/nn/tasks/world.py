"""YOLO-World networks: classes are texts, which also guide the neck."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ultralytics.nn.modules import C2fAttn, ImagePoolingAttn, WorldDetect
from ultralytics.nn.tasks.base import Batch, Call
from ultralytics.nn.tasks.detection import DetectionModel
from ultralytics.nn.text_model import encode_texts

__all__ = ["WorldModel"]

ENCODER = "clip:ViT-B/32"
EMBEDDING = 512  # width of that encoder


class WorldModel(DetectionModel):
    """Detection network of classes given as texts.

    Attributes:
        txt_feats: (1, K, 512) embeddings of the classes; meaningless numbers until `set_classes` or training.
        clip_model: kept text encoder, if any.
    """

    txt_feats: Tensor | None = None
    clip_model: nn.Module | None = None

    def __init__(
        self,
        cfg: str | Path | dict[str, Any] = "yolov8s-world.yaml",  # Any: content of a model file
        ch: int = 3,
        nc: int | None = None,
        verbose: bool = True,
    ) -> None:
        super().__init__(cfg, ch, nc, verbose)
        self.txt_feats = torch.randn(1, self.yaml["nc"], EMBEDDING)
        self.clip_model = None

    @property
    def _world_head(self) -> WorldDetect:
        head = self.model[-1]
        assert isinstance(head, WorldDetect)  # what model files of this family end in
        return head

    def set_classes(
        self, text: Sequence[str], batch: int = 80, cache_clip_model: bool = False
    ) -> None:
        """Make texts the classes. Names are left to the caller.

        Args:
            text: one text per class.
            batch: texts encoded at once.
            cache_clip_model: keep the text encoder in the network.
        """
        self.txt_feats = self.get_text_pe(text, batch, cache_clip_model)
        self._world_head.nc = len(text)

    def get_text_pe(
        self, text: Sequence[str], batch: int = 80, cache_clip_model: bool = False
    ) -> Tensor:
        """Embeddings (1, K, 512) of texts.

        Raises:
            MissingExtra: the package that encodes texts is not installed.
            ConfigValueError: no text.
        """
        return encode_texts(self, ENCODER, text, batch, keep=cache_clip_model)

    def predict(  # type: ignore[override]
        self,
        x: Tensor,
        profile: bool = False,
        txt_feats: Tensor | None = None,
        augment: bool = False,
        embed: Sequence[int] | None = None,
    ) -> Any:  # Any: see `WorldDetect`
        """Run the network.

        Args:
            x: (B, C, H, W) images in [0, 1].
            profile: log time and size of every row.
            txt_feats: (1 or B, K, 512) embeddings of the classes; those of the network when absent.
            augment: has no effect, this family has one scale.
            embed: row numbers; instead of predictions, one vector per image of their pooled outputs.
        """
        if augment:
            return self._predict_augment(x)
        return self._predict_once(x, profile, embed, self._guide(x, txt_feats))

    def _caller(self, x: Any) -> Call:  # Any: as the base class
        return self._guide(x, None)

    def _guide(self, x: Tensor, given: Tensor | None) -> Call:
        """How rows are called for a batch: with the texts where they take any."""
        head = self._world_head
        own = self.txt_feats if given is None else given
        if own is None:
            own = x.new_zeros(1, head.nc, EMBEDDING)
        texts = own.to(x)
        if head.export or texts.shape[0] != x.shape[0]:
            texts = texts.expand(x.shape[0], -1, -1)
        updated = texts

        def call(row: nn.Module, inputs: Any) -> Any:  # Any: between rows
            nonlocal updated
            if isinstance(row, ImagePoolingAttn):
                updated = row(inputs, updated)
                return inputs
            if isinstance(row, C2fAttn):
                return row(inputs, updated)
            return row(inputs, texts) if isinstance(row, WorldDetect) else row(inputs)

        return call

    def loss(
        self, batch: Batch, preds: Any = None
    ) -> tuple[Tensor, Any]:  # Any: raw predictions; named values
        """As the base class; a batch may hold "txt_feats" (B, K, 512), embeddings of its classes."""
        if preds is None:
            preds = self.predict(batch["img"], txt_feats=batch.get("txt_feats"))
        return super().loss(batch, preds)
