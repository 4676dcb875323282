"""What a decoder answers, as detections: there is nothing to suppress, only to leave out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ultralytics.geometry.boxes import xywh2xyxy

__all__ = ["select_rows"]


def select_rows(
    preds: Any, conf: float, classes: Sequence[int] | None, max_det: int
) -> tuple[list[Tensor], list[Tensor]]:
    """Rows (n, 6) of every image and their numbers; best first, with corners as fractions of the input.

    Args:
        preds: rows (B, k, 6) as `RTDETRDecoder` gives them, best first, or a pair that begins with them.
        conf: rows must be more confident.
        classes: rows must be of these classes; None means any.
        max_det: most rows of an image.
    """
    answers: Tensor = preds[0] if isinstance(preds, (list, tuple)) else preds
    keep = answers[..., 4] > conf
    if classes is not None:
        wanted = torch.tensor(list(classes), device=answers.device, dtype=answers.dtype)
        keep &= torch.isin(answers[..., 5], wanted)
    rows, numbers = [], []
    for answer, kept in zip(answers, keep, strict=True):
        number = kept.nonzero()[:max_det, 0]
        row = answer[number]
        rows.append(torch.cat((xywh2xyxy(row[:, :4]), row[:, 4:]), dim=1))
        numbers.append(number)
    return rows, numbers
