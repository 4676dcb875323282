"""Several networks as one: all their detections side by side, for suppression to sort out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Ensemble"]


class Ensemble(nn.ModuleList):
    """A list of networks that is called like one of them; they must agree on classes."""

    def forward(
        self, x: Tensor, augment: bool = False, profile: bool = False
    ) -> tuple[Tensor, None]:
        """Predictions of all members, (B, 4 + nc, sum of their anchors), and None for the raw ones.

        Args:
            x: (B, C, H, W) images in [0, 1].
            augment, profile: passed to every member.
        """
        members = [member(x, augment=augment, profile=profile)[0] for member in self]
        return torch.cat(members, dim=2), None
