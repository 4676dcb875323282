"""Fully connected stacks, and layer normalisation of feature maps."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["MLP", "LayerNorm2d", "MLPBlock"]


class MLPBlock(nn.Module):
    """Two linear layers with an activation between them, back to the width of the input."""

    def __init__(self, embedding_dim: int, mlp_dim: int, act: type[nn.Module] = nn.GELU) -> None:
        super().__init__()
        self.lin1 = nn.Linear(embedding_dim, mlp_dim)
        self.lin2 = nn.Linear(mlp_dim, embedding_dim)
        self.act = act()

    def forward(self, x: Tensor) -> Tensor:
        return self.lin2(self.act(self.lin1(x)))


class MLP(nn.Module):
    """`num_layers` linear layers with activations between them.

    Args:
        input_dim, hidden_dim, output_dim: widths; all inner layers have the hidden width.
        num_layers: how many linear layers.
        act: class of the activation.
        sigmoid: end in a sigmoid.
        residual: add the input to the output of the last layer.
        out_norm: normalisation after that.

    Raises:
        ValueError: `residual` with different widths of input and output.
    """

    # objects of older files lack what later versions added
    act: nn.Module
    sigmoid = False
    residual = False

    def __init__(
        self,
        input_dim: int,
        hidden_dim: int,
        output_dim: int,
        num_layers: int,
        act: type[nn.Module] = nn.ReLU,
        sigmoid: bool = False,
        residual: bool = False,
        out_norm: nn.Module | None = None,
    ) -> None:
        super().__init__()
        if residual and input_dim != output_dim:
            raise ValueError(
                f"residual=True needs equal widths, got input {input_dim} and output {output_dim}"
            )
        widths = [input_dim, *[hidden_dim] * (num_layers - 1), output_dim]
        self.num_layers = num_layers
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.sigmoid = sigmoid
        self.act = act()
        self.residual = residual
        self.out_norm = out_norm if isinstance(out_norm, nn.Module) else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = x
        act = self._modules.get("act")
        for index, layer in enumerate(self.layers):
            y = layer(y)
            if index < len(self.layers) - 1:
                y = F.relu(y) if act is None else act(y)
        if self.residual:
            y = y + x
        norm = self._modules.get("out_norm")
        if norm is not None:
            y = norm(y)
        return y.sigmoid() if self.sigmoid else y


class LayerNorm2d(nn.Module):
    """Layer normalisation over the channels of (B, C, H, W) maps."""

    def __init__(self, num_channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(num_channels))
        self.bias = nn.Parameter(torch.zeros(num_channels))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        spread, mean = torch.var_mean(x, dim=1, correction=0, keepdim=True)
        normal = (x - mean) * torch.rsqrt(spread + self.eps)
        return normal * self.weight[:, None, None] + self.bias[:, None, None]
