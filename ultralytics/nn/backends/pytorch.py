"""Native networks: a module in memory or a .pt file.

The network is copied, then prepared for inference: batch norms folded, activations in place, channels last in memory
on x86 processors, convolution and activation in one call on a CPU. The module that was given stays as it was and can
go on training.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ultralytics.nn.backends.base import BaseBackend
from ultralytics.nn.backends.names import check_class_names
from ultralytics.nn.backends.onednn import fuse_calls, separate_calls
from ultralytics.nn.modules.conv import Conv
from ultralytics.nn.tasks import load_checkpoint
from ultralytics.utils.logging import LOGGER
from ultralytics.utils.torch_utils.precision import prefers_channels_last

__all__ = ["PyTorchBackend"]

LEAST_STRIDE = 32


class PyTorchBackend(BaseBackend):
    """A native network.

    Args:
        weight: module, or .pt file, read without running code from it.
        device: where it runs.
        fp16: half precision; on a CPU it is refused with a warning.
        fuse: fold batch norms and drop the branch that is not used.
        channels_last: memory layout; None decides by device.
        end2end: which branch of a dual head is used; None keeps what the network says.
        verbose: log the network's size.
    """

    name = "pt"

    def __init__(
        self,
        weight: nn.Module | str | Path,
        device: torch.device,
        fp16: bool = False,
        fuse: bool = True,
        channels_last: bool | None = None,
        end2end: bool | None = None,
        verbose: bool = True,
    ) -> None:
        if fp16 and device.type == "cpu":
            LOGGER.warning("Half precision is not available on a CPU; running in float32.")
            fp16 = False
        super().__init__(device, fp16)
        model = _copied(weight, device)
        if end2end is not None and hasattr(model, "end2end"):
            model.end2end = end2end
        if fuse and hasattr(model, "fuse"):
            model = model.fuse(verbose=verbose)
        model = model.half() if fp16 else model.float()
        if channels_last is None:
            channels_last = prefers_channels_last(device)
        self.channels_last = channels_last
        layout = torch.channels_last if channels_last else torch.contiguous_format
        model = model.to(memory_format=layout)
        _activate_in_place(model)
        if isinstance(weight, nn.Module):
            _own_memory(model, weight)
        if device.type == "cpu" and fuse:
            fuse_calls(model)
        self.model: Any = model  # Any: the library's networks and plain modules
        self._compiled: _Compiled | None = None
        self._describe()

    def _describe(self) -> None:
        model = self.model
        stride = getattr(model, "stride", None)
        self.stride = max(
            int(torch.as_tensor(stride).max()) if stride is not None else 0, LEAST_STRIDE
        )
        names = getattr(model, "names", None)
        self.names = check_class_names(names) if names else {}
        self.nc = len(self.names)
        self.task = str(getattr(model, "task", "") or "")
        architecture = getattr(model, "yaml", None) or {}
        self.channels = int(architecture.get("channels", 3))
        self.end2end = bool(getattr(model, "end2end", False))
        self.kpt_shape = getattr(model, "kpt_shape", None)

    def compile_network(self, mode: bool | str) -> None:
        """Compile plain forward passes; the first call on a shape takes a while.

        Weights are frozen into the compiled code on a CPU. Where compiling fails, for want of a C++ compiler for
        instance, one warning is given and the network runs uncompiled.

        Args:
            mode: False leaves the network alone, True is "default", otherwise a mode of `torch.compile`.
        """
        if not mode:
            return
        name = "default" if mode is True else str(mode)
        separate_calls(self.model)  # the compiler fuses by itself
        _recompute_anchors(self.model)
        self._compiled = _Compiled(self.model, name, freezing=self.device.type == "cpu")

    def forward(
        self,
        im: Tensor,
        augment: bool = False,
        embed: Iterable[int] | None = None,
        **kwargs: Any,
    ) -> Any:  # Any: outputs differ by task
        """Run the network on an NCHW batch; plain passes use the compiled code if there is any."""
        if augment or embed:
            return self.model(im, augment=augment, embed=embed, **kwargs)
        network = self._compiled or self.model
        return network(im, **kwargs)


class _Compiled:
    """A compiled network that falls back to the plain one when it cannot be built.

    Freezing is a setting of the compiler as a whole; it is on only while this network is called.
    """

    def __init__(self, model: nn.Module, mode: str, freezing: bool) -> None:
        self.model = model
        self.freezing = freezing
        self.compiled: Callable[..., Any] | None = torch.compile(model, mode=mode)

    def __call__(self, im: Tensor, **kwargs: Any) -> Any:  # Any: as the network
        if self.compiled is None:
            return self.model(im, **kwargs)
        try:
            with torch._inductor.config.patch(freezing=self.freezing):
                return self.compiled(im, **kwargs)
        except RuntimeError as error:
            output = self.model(im, **kwargs)  # a failure of the network itself surfaces here
            first_line = str(error).strip().splitlines()[:1]
            LOGGER.warning(f"torch.compile failed, running uncompiled: {' '.join(first_line)}")
            self.compiled = None
            return output


def _copied(weight: nn.Module | str | Path, device: torch.device) -> Any:  # Any: as `model`
    """A network of our own for inference, on the device.

    Only the structure is copied: tensors are new objects over the same memory. Folding and changes of layout replace
    most of them; `_own_memory` copies the rest.
    """
    if isinstance(weight, nn.Module):
        shared: dict[int, Any] = {id(b): b.detach() for b in weight.buffers()}
        for parameter in weight.parameters():
            shared[id(parameter)] = nn.Parameter(parameter.detach(), requires_grad=False)
        model: Any = copy.deepcopy(weight, shared).to(device)
    else:
        model = load_checkpoint(str(weight), device=device)[0]
    return model.eval().requires_grad_(False)


def _own_memory(model: nn.Module, source: nn.Module) -> None:
    """Copy the tensors that still share memory with the network they came from."""
    theirs = {t.untyped_storage().data_ptr() for t in (*source.parameters(), *source.buffers())}
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.untyped_storage().data_ptr() in theirs:
            tensor.data = tensor.data.clone()


def _activate_in_place(model: nn.Module) -> None:
    """Let convolution blocks overwrite the convolution's output, which nothing else reads."""
    for module in model.modules():
        if isinstance(module, Conv) and type(getattr(module, "act", None)) is nn.SiLU:
            module.act = nn.SiLU(inplace=True)


def _recompute_anchors(model: nn.Module) -> None:
    """Let heads compute their anchors in the compiled code, where they become constants, instead of looking them up.

    The look-up asks for the inference mode, which a compiler cannot follow.
    """
    for module in model.modules():
        if hasattr(module, "anchors") and hasattr(module, "dynamic"):
            module.dynamic = True  # type: ignore[assignment]
