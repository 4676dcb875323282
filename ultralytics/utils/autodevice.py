"""NVIDIA GPUs and how busy they are, through NVML.

Without the NVML library everything is empty and one warning is logged. Memory is in MiB, power in
watts, temperature in degrees Celsius; an unknown value is -1.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, TypedDict

from ultralytics.utils.logging import LOGGER

__all__ = ["GPUInfo", "GPUStats"]

MIB = 1 << 20


class GPUStats(TypedDict):
    """State of one GPU."""

    index: int
    name: str
    utilization: int
    memory_used: int
    memory_total: int
    memory_free: int
    temperature: int
    power_draw: int
    power_limit: int


class GPUInfo:
    """A snapshot of all GPUs, taken at construction and by `refresh_stats`.

    Args:
        nvml: the binding to use; None means the installed `pynvml`.
    """

    def __init__(self, nvml: Any = None) -> None:  # Any: pynvml has no types
        self.gpu_stats: list[GPUStats] = []
        self.nvml: Any = nvml if nvml is not None else _load_nvml()
        self.nvml_available = self.nvml is not None and self._start()
        if self.nvml_available:
            self.refresh_stats()

    def _start(self) -> bool:
        try:
            self.nvml.nvmlInit()
        except self.nvml.NVMLError as error:
            LOGGER.warning(f"NVML does not start ({error}); idle GPUs cannot be found.")
            return False
        return True

    def shutdown(self) -> None:
        """Release NVML. Further calls do nothing."""
        if self.nvml_available:
            self.nvml_available = False
            self.nvml.nvmlShutdown()

    def refresh_stats(self) -> None:
        """Take a new snapshot."""
        count = self.nvml.nvmlDeviceGetCount() if self.nvml_available else 0
        self.gpu_stats = [self._stats(index) for index in range(count)]

    def _stats(self, index: int) -> GPUStats:
        nvml = self.nvml
        gpu = nvml.nvmlDeviceGetHandleByIndex(index)
        memory = nvml.nvmlDeviceGetMemoryInfo(gpu)
        name = nvml.nvmlDeviceGetName(gpu)

        def known(read: Callable[[], float]) -> int:
            try:
                return int(read())
            except nvml.NVMLError:
                return -1

        return GPUStats(
            index=index,
            name=name.decode() if isinstance(name, bytes) else str(name),
            utilization=known(lambda: nvml.nvmlDeviceGetUtilizationRates(gpu).gpu),
            memory_used=memory.used // MIB,
            memory_total=memory.total // MIB,
            memory_free=memory.free // MIB,
            temperature=known(
                lambda: nvml.nvmlDeviceGetTemperature(gpu, nvml.NVML_TEMPERATURE_GPU)
            ),
            power_draw=known(lambda: nvml.nvmlDeviceGetPowerUsage(gpu) // 1000),
            power_limit=known(lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(gpu) // 1000),
        )

    def print_status(self) -> None:
        """Log the snapshot as a table."""
        self.refresh_stats()
        if not self.gpu_stats:
            LOGGER.info("No NVIDIA GPU found.")
            return
        width = max(len(gpu["name"]) for gpu in self.gpu_stats)
        LOGGER.info(f"{'GPU':>3}  {'name':<{width}}  {'use':>5}  {'memory':>17}  temp  power")
        for gpu in self.gpu_stats:
            memory = f"{gpu['memory_used']}/{gpu['memory_total']} MiB"
            power = f"{gpu['power_draw']}/{gpu['power_limit']} W"
            LOGGER.info(
                f"{gpu['index']:>3}  {gpu['name']:<{width}}  {gpu['utilization']:>4}%  "
                f"{memory:>17}  {gpu['temperature']:>3}C  {power}"
            )

    def select_idle_gpu(
        self,
        count: int = 1,
        min_memory_fraction: float = 0,
        min_util_fraction: float = 0,
        indices: Sequence[int] | None = None,
    ) -> list[int]:
        """Ids of the least used GPUs, then those with most free memory, then any.

        Args:
            count: how many are wanted; fewer are returned when fewer qualify.
            min_memory_fraction: free part of the memory a GPU must have, in [0, 1].
            min_util_fraction: idle part of its time a GPU must have, in [0, 1].
            indices: ids to choose among; None means all.

        Raises:
            ValueError: a fraction is outside [0, 1].
        """
        for fraction in (min_memory_fraction, min_util_fraction):
            if not 0 <= fraction <= 1:
                raise ValueError(f"a fraction must lie in [0, 1], not {fraction}")
        if count <= 0:
            return []
        self.refresh_stats()
        suited = [
            gpu
            for gpu in self.gpu_stats
            if (indices is None or gpu["index"] in indices)
            and gpu["memory_free"] >= min_memory_fraction * max(gpu["memory_total"], 1)
            and 100 - gpu["utilization"] >= min_util_fraction * 100
        ]
        order = random.Random()  # private: the choice must not move the global generator
        suited.sort(key=lambda gpu: (gpu["utilization"], -gpu["memory_free"], order.random()))
        return [gpu["index"] for gpu in suited[:count]]


def _load_nvml() -> ModuleType | None:
    try:
        import pynvml  # type: ignore[import-not-found,unused-ignore]
    except ModuleNotFoundError:
        LOGGER.warning("Finding idle GPUs needs NVML: pip install nvidia-ml-py")
        return None
    return pynvml
