"""Losses of keypoints on positive anchors. Shape suffixes: N = objects, K = keypoints."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["KeypointLoss", "RLELoss"]

SMALL = 1e-9


class KeypointLoss(nn.Module):
    """One minus the similarity of each keypoint (the term of the COCO keypoint score).

    Args:
        sigmas: K fall-off constants.
    """

    def __init__(self, sigmas: Tensor) -> None:
        super().__init__()
        self.sigmas = sigmas

    def forward(self, pred_kpts: Tensor, gt_kpts: Tensor, kpt_mask: Tensor, area: Tensor) -> Tensor:
        """Mean over objects and keypoints; objects with few visible points are weighted up.

        Args:
            pred_kpts: (N, K, 2 or more) points.
            gt_kpts: (N, K, 2 or more) labelled points in the same unit.
            kpt_mask: (N, K) visibility.
            area: (N, 1) object areas in squared units.
        """
        squared_NK = (pred_kpts[..., :2] - gt_kpts[..., :2]).square().sum(dim=-1)
        scale_NK = (2 * self.sigmas).square() * (area + SMALL) * 2
        visible_N = (kpt_mask != 0).sum(dim=1)
        factor_N1 = (kpt_mask.shape[1] / (visible_N + SMALL)).view(-1, 1)
        return (factor_N1 * (1 - (-squared_NK / scale_NK).exp()) * kpt_mask).mean()


class RLELoss(nn.Module):
    """Residual log-likelihood of keypoint errors (Li et al. 2021, eq. 9).

    Args:
        use_target_weight: multiply by the given weights.
        size_average: divide by the number of points.
        residual: add the likelihood of a Laplace distribution to that of the flow.
    """

    def __init__(
        self, use_target_weight: bool = True, size_average: bool = True, residual: bool = True
    ) -> None:
        super().__init__()
        self.use_target_weight = use_target_weight
        self.size_average = size_average
        self.residual = residual

    def forward(
        self,
        sigma: Tensor,
        log_phi: Tensor,
        error: Tensor,
        target_weight: Tensor | None = None,
    ) -> Tensor:
        """Sum over points and coordinates.

        Args:
            sigma: (N, 2) predicted deviations.
            log_phi: (N,) log-likelihood of the normalised error under the flow.
            error: (N, 2) normalised errors.
            target_weight: (N,) weights of the points.
        """
        loss = sigma.log() - log_phi.unsqueeze(1)
        if self.residual:
            loss = loss + torch.log(sigma * 2) + error.abs()
        if self.use_target_weight:
            if target_weight is None:
                message = "target_weight is needed while use_target_weight is on"
                raise AssertionError(message)  # the class that callers of this interface know
            loss = loss * (
                target_weight.unsqueeze(1) if target_weight.dim() == 1 else target_weight
            )
        if self.size_average:
            loss = loss / len(loss)
        return loss.sum()
