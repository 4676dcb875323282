"""Distance head: one value per pixel.

Inputs are the levels P3, P4, P5 of the neck, finest first; the map is predicted at a quarter of the image size.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ultralytics.nn.modules.conv import Conv

__all__ = ["Depth"]

LOG_RANGE = (-4.0, 5.0)  # natural logarithm of the smallest and largest distance
START = 0.182  # bias of the last layer: distances start at exp(0.182) = 1.2
TO_IMAGE = 4  # image pixels per cell of the map


class Depth(nn.Module):
    """Levels joined from coarse to fine, then the logarithm of the distance.

    Two stored numbers turn logarithms z into distances after training: exp(cal_a * z + cal_b).

    Returns of `forward`, h x w the size of a quarter of the image:
        training: {"depth": (B, 1, h, w) distances, uncalibrated};
        otherwise: (B, 1, h, w) distances, and (B, 1, 4h, 4w) when `export`.
    """

    export = False
    format: str | None = None

    def __init__(self, c_mid: int = 256, ch: Sequence[int] = ()) -> None:
        super().__init__()
        self.nl = len(ch)
        self.cal_a: Tensor
        self.cal_b: Tensor
        self.register_buffer("cal_a", torch.ones(1))
        self.register_buffer("cal_b", torch.zeros(1))
        self.proj = nn.ModuleList(Conv(c, c_mid, 1) for c in ch)
        self.refine = nn.ModuleList(
            nn.Sequential(Conv(c_mid, c_mid, 3), Conv(c_mid, c_mid, 3)) for _ in ch[1:]
        )
        last = nn.Conv2d(c_mid // 4, 1, 1)
        nn.init.constant_(last.bias, START)  # type: ignore[arg-type]
        self.head = nn.Sequential(
            Conv(c_mid, c_mid // 2, 3),
            nn.ConvTranspose2d(c_mid // 2, c_mid // 2, 2, 2),
            Conv(c_mid // 2, c_mid // 4, 3),
            last,
        )

    def forward(self, x: Sequence[Tensor]) -> Tensor | dict[str, Tensor]:
        maps = [project(level) for project, level in zip(self.proj, x, strict=True)]
        joined = maps[-1]
        for refine, finer in zip(reversed(self.refine), reversed(maps[:-1]), strict=True):
            joined = refine(_enlarged(joined, finer.shape[2:]) + finer)
        logs = self.head(joined).clamp(*LOG_RANGE)
        if self.training:
            return {"depth": logs.exp()}
        distances = torch.exp(self.cal_a * logs + self.cal_b)
        if not self.export:
            return distances
        return _enlarged(distances, [TO_IMAGE * side for side in distances.shape[2:]])


def _enlarged(x: Tensor, size_hw: Sequence[int]) -> Tensor:
    return F.interpolate(x, size=tuple(size_hw), mode="bilinear", align_corners=True)
