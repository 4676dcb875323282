"""Choosing and describing the device, timing on it, autocast and inference decorators.

The caller's thread count and environment are never changed. A device that was named but is not there
is an error.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any, TypeVar

import torch

from ultralytics.errors import ConfigValueError
from ultralytics.utils.environment import PYTHON_VERSION
from ultralytics.utils.logging import LOGGER

__all__ = [
    "autocast",
    "cuda_memory_usage",
    "get_cpu_info",
    "get_gpu_info",
    "get_torch_device_backend",
    "parse_device",
    "select_device",
    "smart_inference_mode",
    "time_sync",
    "torch_distributed_zero_first",
]

Call = TypeVar("Call", bound=Callable[..., Any])
DeviceLike = torch.device | str | int | Sequence[int] | None

FOREIGN = ("tpu", "intel", "vulkan")  # names that other runtimes understand
OTHER_BACKENDS = ("npu", "xpu")
MIN_IDLE_MEMORY = 0.2  # fraction of its memory that an "idle" GPU must have free
MIB = 1 << 20


def parse_device(device: DeviceLike) -> str:
    """Canonical text of a device request: "", "cpu", "mps", "0", "0,1", "npu:0,1", "xpu".

    CUDA prefixes, brackets, spaces and leading zeros go away. Each -1 becomes an idle GPU, or nothing
    where there is none. Ids past the visible count that are physical ids listed in
    CUDA_VISIBLE_DEVICES become the position in that list.
    """
    text = re.sub(r"[\s\[\]()'\"]", "", "" if device is None else str(device).lower())
    if text == "none":
        return ""
    if text.startswith(FOREIGN):
        return text
    if text in {"cuda", "cuda:"}:
        return "0"
    prefix, separator, ids = text.rpartition(":")
    if prefix not in {"", "cuda"}:
        return prefix + separator + _clean_ids(ids)
    return _translate(_fill_idle(_clean_ids(ids.replace("cuda", ""))))


def _clean_ids(text: str) -> str:
    parts = [part for part in text.split(",") if part]
    return ",".join(str(int(p)) if p.lstrip("-").isdecimal() else p for p in parts)


def _fill_idle(ids: str) -> str:
    parts = ids.split(",")
    wanted = parts.count("-1")
    if not wanted:
        return ids
    from ultralytics.utils.autodevice import GPUInfo

    named = [int(p) for p in parts if p.isdecimal()]
    info = GPUInfo()
    try:
        free = info.select_idle_gpu(count=wanted + len(named), min_memory_fraction=MIN_IDLE_MEMORY)
    finally:
        info.shutdown()
    chosen = iter([str(i) for i in free if i not in named][:wanted])
    filled = [next(chosen, "") if p == "-1" else p for p in parts]
    return ",".join(p for p in filled if p)


def _translate(ids: str) -> str:
    """Positions for ids that only make sense as physical ids of CUDA_VISIBLE_DEVICES."""
    visible = [
        p.strip() for p in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if p.strip()
    ]
    parts = [
        str(visible.index(p)) if p.isdecimal() and int(p) >= len(visible) and p in visible else p
        for p in ids.split(",")
    ]
    return ",".join(parts)


def select_device(
    device: DeviceLike = "", newline: bool = False, verbose: bool = True
) -> torch.device:
    """The torch device for a request; of several GPUs, the first.

    Args:
        device: see `parse_device`; "" takes the current GPU if there is one, else the CPU. A single
            GPU that was named becomes the default device of the process. Names of other runtimes
            ("intel:gpu", "tpu", "vulkan") are returned unchanged.
        newline: end the log line with an empty line.
        verbose: log one line with versions and device.

    Raises:
        ValueError: the device is not there, or a GPU is named twice.
    """
    if isinstance(device, torch.device) and device.type != "cuda":
        return device
    request = parse_device(device)
    if request.startswith(FOREIGN):
        return request  # type: ignore[return-value]  # belongs to another runtime
    if not request and "-1" in str(device):
        raise ConfigValueError(
            f"device={device} asks for an idle GPU, but none is there or free enough"
        )
    kind, _, ids = request.rpartition(":") if ":" in request else (request, "", "")
    if kind == "cpu":
        chosen, text = torch.device("cpu"), f"CPU ({get_cpu_info()})"
    elif kind == "mps":
        chosen, text = _select_mps()
    elif kind in OTHER_BACKENDS:
        chosen, text = _select_other(kind, ids)
    elif request or torch.cuda.is_available():
        chosen, text = _select_cuda(request, device)
    else:
        chosen, text = torch.device("cpu"), f"CPU ({get_cpu_info()})"
    if verbose:
        LOGGER.info(_device_line(text) + ("\n" if newline else ""))
    return chosen


def _device_line(text: str) -> str:
    from ultralytics import __version__

    head = f"Ultralytics {__version__} Python-{PYTHON_VERSION} torch-{torch.__version__} "
    return head + text.replace("\n", "\n" + " " * len(head))


def _select_mps() -> tuple[torch.device, str]:
    if not torch.backends.mps.is_available():
        raise ConfigValueError(
            "device=mps was asked for, but this machine or this torch has no MPS device"
        )
    return torch.device("mps"), f"MPS ({get_cpu_info()})"


def _select_other(kind: str, ids: str) -> tuple[torch.device, str]:
    backend = get_torch_device_backend(kind)
    indexes = [int(i) for i in ids.split(",") if i]
    _refuse_duplicates(indexes)
    if not backend.is_available() or any(i >= backend.device_count() for i in indexes):
        raise ConfigValueError(f"device={kind}:{ids} was asked for, but torch finds no such device")
    return torch.device(kind, indexes[0] if indexes else 0), f"{kind.upper()}:{ids or 0}"


def _select_cuda(request: str, device: DeviceLike) -> tuple[torch.device, str]:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    parts = request.split(",") if request else [str(torch.cuda.current_device())]
    if not count or not all(part.isdecimal() and int(part) < count for part in parts):
        raise ConfigValueError(
            f"device={device} is not available: torch.cuda.is_available() is "
            f"{torch.cuda.is_available()}, torch.cuda.device_count() is {count}, "
            f"CUDA_VISIBLE_DEVICES is {os.environ.get('CUDA_VISIBLE_DEVICES')}. "
            f"Use device=cpu or one of {list(range(count))}."
        )
    indexes = [int(part) for part in parts]
    _refuse_duplicates(indexes)
    if request and len(indexes) == 1:
        torch.cuda.set_device(indexes[0])
    lines = [f"CUDA:{i} ({get_gpu_info(i)})" for i in indexes]
    return torch.device("cuda", indexes[0]), "\n".join(lines)


def _refuse_duplicates(indexes: list[int]) -> None:
    twice = [i for i, times in Counter(indexes).items() if times > 1]
    if twice:
        raise ConfigValueError(f"device {twice[0]} is named more than once in {indexes}")


def get_torch_device_backend(device: torch.device | str) -> ModuleType:
    """torch's module for a kind of device (`torch.cuda`, `torch.mps`, `torch.xpu`, ...).

    Raises:
        ValueError: this torch has no such module.
    """
    kind = device.type if isinstance(device, torch.device) else str(device).split(":")[0]
    backend = getattr(torch, kind, None)
    if not isinstance(backend, ModuleType):
        raise ConfigValueError(f"torch {torch.__version__} has no backend for device {kind!r}")
    return backend


def get_cpu_info() -> str:
    """Name of the processor."""
    from ultralytics.utils.cpu import CPUInfo

    return CPUInfo.name()


def get_gpu_info(index: int) -> str:
    """Name and memory of a GPU as "name, N MiB"."""
    properties = torch.cuda.get_device_properties(index)
    return f"{properties.name}, {properties.total_memory // MIB} MiB"


def time_sync(device: torch.device | None = None) -> float:
    """Seconds of a clock, read after the work queued on the device is done."""
    if device is None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
    elif device.type != "cpu":
        synchronize = getattr(get_torch_device_backend(device), "synchronize", None)
        if synchronize is not None:
            synchronize() if device.type == "mps" else synchronize(device)
    return time.time()


def autocast(enabled: bool, device: str = "cuda") -> torch.amp.autocast:
    """Automatic mixed precision for a block, on a kind of device."""
    return torch.amp.autocast(device, enabled=enabled)


def smart_inference_mode(mode: bool = True) -> Callable[[Call], Call]:
    """Decorator: run a function in inference mode."""
    return torch.inference_mode(mode)


@contextlib.contextmanager
def torch_distributed_zero_first(local_rank: int) -> Iterator[None]:
    """Let the first process of each machine run a block before the others enter it."""
    together = torch.distributed.is_available() and torch.distributed.is_initialized()
    if together and local_rank not in {-1, 0}:
        torch.distributed.barrier()
    yield
    if together and local_rank == 0:
        torch.distributed.barrier()


@contextlib.contextmanager
def cuda_memory_usage(device: torch.device | None = None) -> Iterator[dict[str, int]]:
    """Yield a dictionary whose "memory" holds, after the block, the bytes reserved on a GPU."""
    usage = {"memory": 0}
    if not torch.cuda.is_available():
        yield usage
        return
    torch.cuda.empty_cache()
    yield usage
    usage["memory"] = torch.cuda.memory_reserved(device)
