"""Device requests, their errors, timing helpers; seeds and deterministic switches."""

from __future__ import annotations

import logging
import os
import random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from ultralytics.utils import torch_utils
from ultralytics.utils.autodevice import GPUInfo
from ultralytics.utils.torch_utils import device as module
from ultralytics.utils.torch_utils import parse_device, seeds, select_device


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (None, ""),
        ("none", ""),
        ("None", ""),
        ("", ""),
        ("cpu", "cpu"),
        ("CPU", "cpu"),
        (torch.device("cpu"), "cpu"),
        ("cuda", "0"),
        ("cuda:0", "0"),
        ("cuda:0,1", "0,1"),
        (torch.device("cuda", 1), "1"),
        (0, "0"),
        ("0", "0"),
        ([0, 1], "0,1"),
        ((0, 1), "0,1"),
        ("[0, 1]", "0,1"),
        (["0", "1"], "0,1"),
        ("0,,01", "0,1"),
        ("mps", "mps"),
        ("npu:0,1", "npu:0,1"),
        ("xpu", "xpu"),
        ("xpu:0", "xpu:0"),
        ("intel:gpu", "intel:gpu"),
    ],
)
def test_parse_device(request_: Any, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert parse_device(request_) == text


@pytest.mark.parametrize(
    ("visible", "request_", "text"),
    [
        ("2,3", "2,3", "0,1"),
        ("2,3", "1", "1"),
        ("2,3", "5", "5"),
        ("", "3", "3"),
        ("1,0", "1", "1"),
    ],
)
def test_physical_ids_become_positions(
    visible: str, request_: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert parse_device(request_) == text


class FakeNvml:
    """Three GPUs: busy, idle with little free memory, idle with much."""

    NVML_TEMPERATURE_GPU = 0

    class NVMLError(Exception):
        """As the real one."""

    use = (90, 5, 5)
    free = (60, 10, 50)

    def __init__(self) -> None:
        self.closed = 0

    def nvmlInit(self) -> None:
        """Ready."""

    def nvmlShutdown(self) -> None:
        self.closed += 1

    def nvmlDeviceGetCount(self) -> int:
        return 3

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetName(self, gpu: int) -> bytes:
        return f"Card {gpu}".encode()

    def nvmlDeviceGetMemoryInfo(self, gpu: int) -> Any:
        mib = 1 << 20
        free = self.free[gpu]
        return SimpleNamespace(total=100 * mib, free=free * mib, used=(100 - free) * mib)

    def nvmlDeviceGetUtilizationRates(self, gpu: int) -> Any:
        return SimpleNamespace(gpu=self.use[gpu])

    def nvmlDeviceGetTemperature(self, gpu: int, sensor: int) -> int:
        return 40

    def nvmlDeviceGetPowerUsage(self, gpu: int) -> int:
        raise self.NVMLError

    def nvmlDeviceGetEnforcedPowerLimit(self, gpu: int) -> int:
        return 300_000


@pytest.mark.parametrize(
    ("kwargs", "ids"),
    [
        ({}, [2]),
        ({"count": 3}, [2, 1, 0]),
        ({"count": 3, "min_memory_fraction": 0.2}, [2, 0]),
        ({"count": 3, "min_util_fraction": 0.5}, [2, 1]),
        ({"count": 2, "indices": [0, 1]}, [1, 0]),
        ({"count": 0}, []),
    ],
)
def test_idle_gpus_by_use_then_memory(kwargs: dict[str, Any], ids: list[int]) -> None:
    state = random.getstate()
    assert GPUInfo(FakeNvml()).select_idle_gpu(**kwargs) == ids
    assert random.getstate() == state


def test_gpu_facts_and_shutdown(caplog: pytest.LogCaptureFixture) -> None:
    nvml = FakeNvml()
    info = GPUInfo(nvml)
    assert info.gpu_stats[1] == {
        "index": 1,
        "name": "Card 1",
        "utilization": 5,
        "memory_used": 90,
        "memory_total": 100,
        "memory_free": 10,
        "temperature": 40,
        "power_draw": -1,
        "power_limit": 300,
    }
    with caplog.at_level(logging.INFO, "ultralytics"):
        info.print_status()
    assert len(caplog.messages) == 4
    info.shutdown()
    info.shutdown()
    assert nvml.closed == 1
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        info.select_idle_gpu(min_memory_fraction=2)


@pytest.mark.parametrize(("request_", "text"), [("-1", "2"), ("-1,-1", "2,0"), ("2,-1", "2,0")])
def test_minus_one_takes_idle_gpus(
    request_: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ultralytics.utils.autodevice._load_nvml", FakeNvml)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert parse_device(request_) == text


def test_an_idle_gpu_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ultralytics.utils.autodevice._load_nvml", lambda: None)
    assert parse_device(-1) == ""
    with pytest.raises(ValueError, match="idle GPU"):
        select_device(-1)


@pytest.mark.parametrize("device", ["cpu", torch.device("cpu"), "CPU"])
def test_the_cpu_and_its_line(device: Any, caplog: pytest.LogCaptureFixture) -> None:
    threads = torch.get_num_threads()
    with caplog.at_level(logging.INFO, "ultralytics"):
        assert select_device(device) == torch.device("cpu")
        select_device("cpu", verbose=False)
    assert torch.get_num_threads() == threads
    assert len(caplog.messages) == (0 if isinstance(device, torch.device) else 1)
    for line in caplog.messages:
        assert f"torch-{torch.__version__}" in line
        assert "CPU (" in line


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
@pytest.mark.parametrize(
    "device", [0, "0,1", "cuda", "cuda:7", [0, 1], torch.device("cuda"), "abc"]
)
def test_gpus_that_are_not_there(device: Any) -> None:
    assert select_device("") == torch.device("cpu")
    with pytest.raises(ValueError, match=r"not available: .*device_count\(\) is 0"):
        select_device(device)


@pytest.mark.parametrize("device", ["mps", "xpu", "xpu:0", "npu:0"])
def test_other_devices_that_are_not_there(device: str) -> None:
    kind = device.split(":")[0]
    backend = torch.backends.mps if kind == "mps" else getattr(torch, kind, None)
    if backend is not None and backend.is_available():
        pytest.skip(f"{kind} is there")
    with pytest.raises(ValueError, match=kind):
        select_device(device)


def test_several_gpus(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    chosen: list[int] = []
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setattr(module, "get_gpu_info", lambda i: f"Card{i}, 9 MiB")
    with caplog.at_level(logging.INFO, "ultralytics"):
        assert select_device("1,0") == torch.device("cuda:1")
    first, second = caplog.messages[0].split("\n")
    assert first.endswith(" CUDA:1 (Card1, 9 MiB)")
    assert second.endswith(" CUDA:0 (Card0, 9 MiB)")
    assert first.index("CUDA:") == second.index("CUDA:")
    assert select_device("") == torch.device("cuda:1")
    assert chosen == []
    assert select_device("cuda:0") == torch.device("cuda:0")
    assert chosen == [0]
    with pytest.raises(ValueError, match="named more than once"):
        select_device("0,0")
    with pytest.raises(ValueError, match=r"one of \[0, 1\]"):
        select_device("2")


def test_other_runtimes_pass_through() -> None:
    assert str(select_device("intel:gpu")) == "intel:gpu"
    assert select_device(torch.device("meta")) == torch.device("meta")


def test_helpers_on_the_cpu() -> None:
    assert torch_utils.get_torch_device_backend("cpu") is torch.cpu
    with pytest.raises(ValueError, match="no backend"):
        torch_utils.get_torch_device_backend("abacus:0")
    assert torch_utils.time_sync(torch.device("cpu")) <= torch_utils.time_sync()
    with torch_utils.autocast(False, device="cpu"):
        assert not torch.is_autocast_enabled("cpu")

    @torch_utils.smart_inference_mode()
    def double(x: torch.Tensor) -> torch.Tensor:
        return x * 2

    assert double(torch.ones(1)).is_inference()
    with torch_utils.torch_distributed_zero_first(-1):
        pass
    if not torch.cuda.is_available():
        with torch_utils.cuda_memory_usage() as usage:
            pass
        assert usage == {"memory": 0}


def test_every_published_name_exists() -> None:
    for name in torch_utils.__all__:
        assert getattr(torch_utils, name) is not None
    assert torch_utils.TORCH_2_0 is True
    assert torch_utils.de_parallel is torch_utils.unwrap_model


def test_seeds_repeat_all_generators() -> None:
    def draw() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    torch_utils.init_seeds(3)
    first = draw()
    torch_utils.init_seeds(3)
    assert draw() == first
    torch_utils.init_seeds(2**40)
    assert draw() != first


def test_deterministic_switches_go_on_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "77")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    before = seeds.Switches.current()
    torch_utils.init_seeds(5, deterministic=True)
    torch_utils.init_seeds(6, deterministic=True)
    try:
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.is_deterministic_algorithms_warn_only_enabled()
        assert torch.backends.cudnn.deterministic
        assert not torch.utils.deterministic.fill_uninitialized_memory
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
        assert os.environ["PYTHONHASHSEED"] == "6"
    finally:
        torch_utils.unset_deterministic()
    assert seeds.Switches.current() == before
    torch_utils.unset_deterministic()
    assert seeds.Switches.current() == before
    assert os.environ["PYTHONHASHSEED"] == "77"
