"""Re-parameterised 3x3 convolution: parallel paths while training, one kernel afterwards (RepVGG, arXiv 2101.03697)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ultralytics.nn.modules.conv.basic import Conv
from ultralytics.utils.torch_utils.fusion import folded_weights

__all__ = ["RepConv"]


class RepConv(nn.Module):
    """act(3x3(x) + 1x1(x) [+ normalised x]).

    The identity path exists only with `bn=True`, equal channel counts and stride 1. `d` and `deploy` are
    accepted for compatibility and have no effect.
    """

    default_act: nn.Module = nn.SiLU()

    def __init__(
        self,
        c1: int,
        c2: int,
        k: int = 3,
        s: int = 1,
        p: int = 1,
        g: int = 1,
        d: int = 1,
        act: bool | nn.Module | None = True,
        bn: bool = False,
        deploy: bool = False,
    ) -> None:
        super().__init__()
        if k != 3 or p != 1:
            raise ValueError(f"RepConv needs a kernel of 3 and a padding of 1, got k={k}, p={p}")
        self.g, self.c1, self.c2 = g, c1, c2
        if act is True:
            act = self.default_act
        self.act = act if isinstance(act, nn.Module) else nn.Identity()
        self.bn = nn.BatchNorm2d(c1) if bn and c1 == c2 and s == 1 else None
        self.conv1 = Conv(c1, c2, k, s, p=p, g=g, act=False)
        self.conv2 = Conv(c1, c2, 1, s, p=p - k // 2, g=g, act=False)

    def forward(self, x: Tensor) -> Tensor:
        total = self.conv1(x) + self.conv2(x)
        return self.act(total if self.bn is None else total + self.bn(x))

    def forward_fuse(self, x: Tensor) -> Tensor:
        """After `fuse_convs`: one kernel."""
        return self.act(self.conv(x))

    def get_equivalent_kernel_bias(self) -> tuple[Tensor, Tensor]:
        """Kernel (c2, c1/g, 3, 3) and bias (c2,) of the single convolution with the same result."""
        kernel, bias = folded_weights(self.conv1.conv.weight, None, self.conv1.bn)
        point, point_bias = folded_weights(self.conv2.conv.weight, None, self.conv2.bn)
        kernel, bias = kernel + F.pad(point, [1, 1, 1, 1]), bias + point_bias
        if self.bn is not None:
            same, same_bias = folded_weights(self._identity_kernel(kernel), None, self.bn)
            kernel, bias = kernel + same, bias + same_bias
        return kernel, bias

    def _identity_kernel(self, like: Tensor) -> Tensor:
        width = self.c1 // self.g
        kernel = torch.zeros_like(like)
        outputs = torch.arange(self.c1, device=like.device)
        kernel[outputs, outputs % width, 1, 1] = 1
        return kernel

    @torch.no_grad()
    def fuse_convs(self) -> None:
        """Replace all paths by one convolution `conv` with a bias. Works in place; a second call does nothing."""
        if not hasattr(self, "conv1"):
            return
        kernel, bias = self.get_equivalent_kernel_bias()
        model = self.conv1.conv
        self.conv = nn.Conv2d(
            model.in_channels,
            model.out_channels,
            kernel_size=model.kernel_size,  # type: ignore[arg-type]
            stride=model.stride,  # type: ignore[arg-type]
            padding=model.padding,  # type: ignore[arg-type]
            dilation=model.dilation,  # type: ignore[arg-type]
            groups=model.groups,
            bias=True,
            device=kernel.device,
            dtype=kernel.dtype,
        ).requires_grad_(False)
        self.conv.weight.data, self.conv.bias.data = kernel, bias  # type: ignore[union-attr]
        del self.conv1, self.conv2, self.bn
