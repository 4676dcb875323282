"""Appearance of boxes from a network: any classifier, or an exported model whose output is the embedding.

Specification chapter 75, section 7.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

__all__ = ["ReID", "build_encoder"]

Array = NDArray[Any]

GAIN, PAD_PX = 1.02, 10  # a crop is a little larger than its box
NATIVE = "auto"  # features come with the detections


class ReID:
    """Embeddings of the objects of a picture.

    Args:
        model: weights file (.pt: the second last layer is the embedding), or an exported embedding network.
        imgsz: side of a crop, for networks that do not fix it.
        device: where it runs.
        fp16: half precision where the device has it.
    """

    def __init__(
        self, model: str | Path, imgsz: int = 224, device: Any = None, fp16: bool = False
    ) -> None:
        self.imgsz = imgsz
        self._embed = _embedder(str(model), device, fp16)

    def __call__(self, img: Array, dets: Array) -> list[Array | None]:
        """Embedding of every box; None for one that lies outside the picture.

        Args:
            img: picture (h, w, 3), BGR.
            dets: centre boxes (N, 4 or more) in its pixels.
        """
        crops = [self._crop(img, box) for box in np.asarray(dets, np.float64)[:, :4]]
        whole = [crop for crop in crops if crop is not None]
        if not whole:
            return [None] * len(crops)
        vectors = iter(self._embed(torch.cat(whole)))
        return [None if crop is None else next(vectors) for crop in crops]

    def _crop(self, img: Array, box: Array) -> Tensor | None:
        """RGB values in [0, 1] as (1, 3, s, s)."""
        half = (box[2:] * GAIN + PAD_PX) / 2
        height, width = img.shape[:2]
        x1, y1 = np.maximum(box[:2] - half, 0).astype(int)
        x2, y2 = np.minimum(box[:2] + half, (width, height)).astype(int)
        if x2 <= x1 or y2 <= y1:
            return None
        pixels = torch.from_numpy(np.ascontiguousarray(img[y1:y2, x1:x2, ::-1]))
        values = pixels.permute(2, 0, 1)[None].float() / 255
        size = (self.imgsz, self.imgsz)
        return nn.functional.interpolate(values, size, mode="bilinear", align_corners=False)


@lru_cache(maxsize=4)
def _embedder(model: str, device: Any, fp16: bool) -> Callable[[Tensor], Sequence[Array]]:
    """One network per file and device, shared by the trackers of all streams."""
    from ultralytics.nn.autobackend import AutoBackend

    backend = AutoBackend(model, device=device, fp16=fp16, verbose=False).eval()
    embed = [len(backend.base_model.model) - 2] if backend.pt else None  # type: ignore[arg-type]

    def run(batch: Tensor) -> Sequence[Array]:
        output = backend(batch.to(backend.device), embed=embed)
        rows = output if isinstance(output, (tuple, list)) else (output,)
        vectors = torch.stack(list(rows)) if embed else rows[0]
        return [*vectors.float().cpu().numpy()]

    return run


def build_encoder(
    with_reid: bool, model: str | None, device: Any = None
) -> Callable[[Array, Array], list[Array | None]] | None:
    """What computes appearance for a tracker; None when nothing has to, or it comes with the detections."""
    if not with_reid or model in (None, "", NATIVE):
        return None
    return ReID(str(model), device=device)
