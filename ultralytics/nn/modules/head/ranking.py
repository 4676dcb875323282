"""The k largest scores of a row, with a defined order among equals."""

from __future__ import annotations

from torch import Tensor

from ultralytics.nn.modules.utils import is_recording

__all__ = ["best"]


def best(scores: Tensor, k: int, exact: bool = True) -> tuple[Tensor, Tensor]:
    """Values and positions (B, k) of the largest scores of (B, N), in descending order.

    Args:
        scores: one row per image.
        k: how many, at most N.
        exact: equal scores come in order of their position. Off for exported graphs, where one operator
            must do and the order among equals belongs to the runtime.
    """
    if not exact or is_recording():
        values, positions = scores.topk(k, dim=1)
        return values, positions
    if scores.device.type == "cpu":
        # a full sort costs several times a selection: do it only when the selection is ambiguous
        values, positions = scores.topk(min(k + 1, scores.shape[1]), dim=1)
        if not bool((values[:, 1:] == values[:, :-1]).any()):
            return values[:, :k], positions[:, :k]
    values, positions = scores.sort(dim=1, descending=True, stable=True)
    return values[:, :k], positions[:, :k]
