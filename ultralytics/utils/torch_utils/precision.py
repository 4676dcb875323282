"""Precision, memory format and compilation choices of a training run.

Full precision is the default everywhere but on CUDA, where half precision is used when a probe of the network itself
passes. Specification chapter 40, section 6; chapter 80, section 3.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

import torch
from torch import Tensor, nn

from ultralytics.errors import ConfigValueError, nearest
from ultralytics.utils.logging import LOGGER

__all__ = [
    "Precision",
    "attempt_compile",
    "choose_precision",
    "computes_half_poorly",
    "is_half_precision_sound",
    "prefers_channels_last",
    "wants_channels_last",
]

# Turing cards without tensor cores and older ones compute wrong values in half precision; parts of their names.
POOR_HALF = ("1660", "1650", "1630", "t400", "t550", "t600", "t1000", "t1200", "t2000", "k40m")
COMPILE_MODES = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")
PROBE_SIZE = 256  # pixels; a multiple of every stride in use
PROBE_TOLERANCE = 0.1  # half against full precision, relative to the largest full-precision value


@dataclass(frozen=True)
class Precision:
    """Arithmetic of the forward pass: full, or autocast to fp16 or bf16 on a device."""

    kind: Literal["fp32", "fp16", "bf16"]
    device_type: str

    @property
    def is_mixed(self) -> bool:
        """Whether the forward pass runs under autocast."""
        return self.kind != "fp32"

    def autocast(self) -> contextlib.AbstractContextManager[None]:
        """Context for the forward pass and the loss."""
        if not self.is_mixed:
            return contextlib.nullcontext()
        dtype = torch.bfloat16 if self.kind == "bf16" else torch.float16
        return torch.autocast(self.device_type, dtype=dtype)

    def scaler(self) -> torch.amp.GradScaler:
        """Gradient scaler; it does something for fp16 only."""
        return torch.amp.GradScaler(self.device_type, enabled=self.kind == "fp16")


def choose_precision(amp: bool | str, device: torch.device, model: nn.Module) -> Precision:
    """Precision for a training run.

    Args:
        amp: True or "fp16", "bf16", False or "fp32". fp16 is left alone off GPUs, and where the network or the card
            cannot stand it; bf16 has to be asked for, and is then used.
        device: where the network lives.
        model: network, probed for soundness in the chosen arithmetic.

    Raises:
        ConfigValueError: bf16 was asked for on a device that has no such arithmetic.
    """
    wanted = {True: "fp16", False: "fp32"}.get(amp, amp) if isinstance(amp, bool) else amp
    if wanted == "bf16":
        if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
            raise ConfigValueError("amp=bf16 needs a GPU with bfloat16; use amp=True for float16")
        if not is_half_precision_sound(model, device, torch.bfloat16):
            LOGGER.warning(
                "bfloat16 changes this network's output by more than a tenth; training goes on with "
                "amp=bf16 as asked, amp=False is the safe choice."
            )
        return Precision("bf16", device.type)
    if wanted == "fp32" or device.type not in ("cuda", "xpu"):
        return Precision("fp32", device.type)
    if device.type == "cuda" and computes_half_poorly(torch.cuda.get_device_name(device)):
        LOGGER.warning("This card computes float16 unreliably; training in float32.")
        return Precision("fp32", device.type)
    if not is_half_precision_sound(model, device):
        LOGGER.warning("float16 changes this network's output too much here; training in float32.")
        return Precision("fp32", device.type)
    return Precision("fp16", device.type)


def computes_half_poorly(name: str) -> bool:
    """Whether a card is one whose half precision gives wrong numbers."""
    return any(card in name.lower() for card in POOR_HALF)


def is_half_precision_sound(
    model: nn.Module, device: torch.device, dtype: torch.dtype = torch.float16
) -> bool:
    """Compare one forward pass of the network in float32 and under autocast to half precision.

    The image is a fixed pattern; statistics and gradients of the network are not touched. Both
    outputs must be finite and differ by at most a tenth of the largest value.
    """
    channels = next(p for p in model.parameters() if p.ndim == 4).shape[1]
    ramp = torch.linspace(0, 1, PROBE_SIZE, device=device)
    image = (ramp[:, None] * ramp[None, :]).expand(1, channels, PROBE_SIZE, PROBE_SIZE)
    training = {m: m.training for m in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            full = _first_tensor(model(image.contiguous())).float()
            with torch.autocast(device.type, dtype=dtype):
                half = _first_tensor(model(image.contiguous())).float()
    finally:
        for module, was_training in training.items():
            module.training = was_training
    if not (torch.isfinite(half).all() and half.shape == full.shape):
        return False
    return bool((half - full).abs().max() <= PROBE_TOLERANCE * full.abs().max())


def _first_tensor(output: object) -> Tensor:
    while not isinstance(output, Tensor):
        output = next(iter(output.values())) if isinstance(output, dict) else output[0]  # type: ignore[index]
    return output


def prefers_channels_last(device: torch.device) -> bool:
    """Whether convolutions of a device run faster with the channel axis last, whatever their precision."""
    is_x86 = platform.machine().lower() in ("x86_64", "amd64")
    return device.type == "cpu" and is_x86 and platform.system() in ("Linux", "Windows")


def wants_channels_last(setting: bool | None, device: torch.device) -> bool:
    """Whether to train with the channel axis last in memory.

    Args:
        setting: None decides by device (CUDA and x86 processors gain from it), True asks for it,
            False forbids it.
        device: where the network lives.
    """
    gains = device.type == "cuda" or prefers_channels_last(device)
    if setting and not gains:
        LOGGER.warning(f"channels_last=True has no effect on device {device.type}.")
    return gains if setting is None else bool(setting and gains)


def attempt_compile(
    model: nn.Module, device: torch.device, mode: bool | str = "default"
) -> nn.Module:
    """Compile a network with inductor, or return it unchanged when no compiler is at hand.

    Args:
        model: network.
        device: where it runs; the compiler differs by device.
        mode: False returns the network unchanged; True means "default"; otherwise a mode name of
            torch.compile.

    Raises:
        ConfigValueError: there is no such mode.
    """
    if mode is False:
        return model
    name = "default" if mode is True else str(mode)
    if name not in COMPILE_MODES:
        raise ConfigValueError(
            f"compile={name} is no mode of torch.compile{nearest(name, COMPILE_MODES)}; choose one of: "
            f"true, {', '.join(COMPILE_MODES)}"
        )
    missing = _missing_compiler(device)
    if missing:
        LOGGER.warning(f"compile={mode} needs {missing}; running uncompiled.")
        return model
    try:
        compiled = torch.compile(model, mode=name, backend="inductor")
    except RuntimeError as error:
        LOGGER.warning(f"torch.compile is not available here ({error}); running uncompiled.")
        return model
    return compiled  # type: ignore[return-value]


def _missing_compiler(device: torch.device) -> str:
    """What torch's code generator would look for in vain on this machine; nothing if it is there."""
    if device.type == "cpu":
        named = os.environ.get("CXX")
        compilers = (named,) if named else ("g++", "clang++", "cl")
        found = any(shutil.which(compiler) for compiler in compilers)
        return "" if found else f"a C++ compiler ({', '.join(compilers)})"
    if device.type == "cuda":
        return "" if find_spec("triton") else "the package triton"
    return ""
