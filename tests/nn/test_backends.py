"""Choosing a runtime, and the native one: same numbers, faster layout, the given network untouched."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from ultralytics.errors import NotAvailable
from ultralytics.nn.autobackend import AutoBackend, check_class_names, default_class_names
from ultralytics.nn.backends import onednn, pytorch
from ultralytics.nn.backends.formats import format_of
from ultralytics.nn.backends.onednn import FusedCall, fuse_calls, separate_calls
from ultralytics.nn.modules.conv import Conv, RepConv
from ultralytics.nn.tasks import DetectionModel


@pytest.fixture(scope="module")
def network() -> DetectionModel:
    torch.manual_seed(0)
    model = DetectionModel("yolo26n.yaml", nc=3, verbose=False)
    for module in model.modules():  # statistics as after some training
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)  # type: ignore[union-attr]
            module.running_var.uniform_(0.8, 1.2)  # type: ignore[union-attr]
    return model.eval()


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("best.pt", "pt"),
        ("best.pt.onnx", "onnx"),
        ("BEST.ONNX", "onnx"),
        ("a_qnn.onnx", "qnn"),
        ("a_edgetpu.tflite", "edgetpu"),
        ("a.tflite", "litert"),
        ("runs/x_openvino_model/", "openvino"),
        ("x_saved_model", "saved_model"),
        ("a.mlmodel", "coreml"),
        ("http://host:8000/yolo", "triton"),
        ("grpc://host/yolo", "triton"),
    ],
)
def test_formats(name: str, kind: str) -> None:
    assert format_of(name) == kind


def test_opencv_runs_onnx_only() -> None:
    assert format_of("a.onnx", dnn=True) == "dnn"
    assert format_of("a.pt", dnn=True) == "pt"


@pytest.mark.parametrize("name", ["a.foo", "a_web_model", "x.xml", "http://host"])
def test_unknown_formats(name: str) -> None:
    with pytest.raises(TypeError, match="not a supported model format"):
        AutoBackend(name)


def test_known_formats_without_runtime_are_named() -> None:
    with pytest.raises(NotAvailable, match="running onnx models"):
        AutoBackend("best.onnx")


@pytest.mark.parametrize("names", [["a", "b"], {0: "a", 1: "b"}, {"0": "a", "1": "b"}])
def test_class_names(names: object) -> None:
    assert check_class_names(names) == {0: "a", 1: "b"}  # type: ignore[arg-type]


@pytest.mark.parametrize("names", [{}, {0: "a", 5: "b"}])
def test_wrong_class_names(names: dict[int | str, object]) -> None:
    with pytest.raises(KeyError):
        check_class_names(names)


def test_names_without_a_data_set() -> None:
    names = default_class_names()
    assert len(names) == 999
    assert names[998] == "class998"


def test_outputs_are_those_of_the_network(network: DetectionModel, image: torch.Tensor) -> None:
    with torch.no_grad():
        expected = network(image)[0]
    backend = AutoBackend(network, verbose=False)
    assert_close(backend(image)[0], expected, atol=2e-3, rtol=1e-4)
    assert_close(backend(image[:, :, :32, :64])[0].shape, torch.Size([2, 7, 42]))


def test_what_a_backend_says(network: DetectionModel) -> None:
    backend = AutoBackend(network, verbose=False)
    assert (backend.format, backend.pt, backend.stride, backend.nc, backend.channels) == (
        "pt",
        True,
        32,
        3,
        3,
    )
    assert backend.names == network.names
    assert backend.fp16 is backend.dynamic is backend.end2end is False
    assert backend.imgsz is None
    assert backend.device == torch.device("cpu")
    assert backend.base_model is backend.backend.model
    with pytest.raises(AttributeError):
        _ = backend.nothing_of_the_kind


def test_the_branch_without_suppression(network: DetectionModel, image: torch.Tensor) -> None:
    backend = AutoBackend(network, verbose=False, end2end=True)
    assert backend.end2end
    assert backend(image)[0].shape[-1] == 6
    assert not network.end2end


def test_the_given_network_is_untouched(network: DetectionModel, image: torch.Tensor) -> None:
    before = {key: value.clone() for key, value in network.state_dict().items()}
    AutoBackend(network, verbose=False)(image)
    assert_close(network.state_dict(), before)
    assert all(p.requires_grad for n, p in network.named_parameters() if "dfl" not in n)
    assert not any("forward" in vars(module) for module in network.modules())
    assert not any(m.inplace for m in network.modules() if type(m) is nn.SiLU)


def test_half_precision_is_refused_on_a_cpu(
    network: DetectionModel, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="ultralytics"):
        backend = AutoBackend(network, fp16=True, verbose=False)
    assert "Half precision" in caplog.text
    assert backend.fp16 is False
    assert next(backend.parameters()).dtype == torch.float32


# ---- fused calls -----------------------------------------------------------------------------------------------------


@pytest.fixture(params=[(1, 1, 1), (3, 2, 1), (3, 1, 8)], ids=["pointwise", "strided", "depthwise"])
def block(request: pytest.FixtureRequest) -> Conv:
    torch.manual_seed(0)
    kernel, stride, groups = request.param
    made = Conv(8, 8, kernel, stride, g=groups)
    made.conv = nn.Conv2d(8, 8, kernel, stride, kernel // 2, groups=groups)
    del made.bn
    made.forward = made.forward_fuse  # type: ignore[method-assign]
    return made.requires_grad_(False)


@pytest.mark.skipif(not onednn.is_available(), reason="torch without the oneDNN calls")
@pytest.mark.parametrize("activation", [nn.SiLU(), nn.ReLU(), nn.Identity()], ids=str)
def test_fused_calls_compute_the_same(block: Conv, activation: nn.Module) -> None:
    block.act = activation
    plain = copy.deepcopy(block)
    assert fuse_calls(block) == 1
    for size in ((1, 8, 16, 16), (3, 8, 5, 7), (1, 8, 16, 16)):
        x = torch.randn(size)
        kept = x.clone()
        assert_close(block(x), plain(x))
        assert_close(x, kept)
        last = x.contiguous(memory_format=torch.channels_last)
        assert_close(block(last), plain(last))


@pytest.mark.skipif(not onednn.is_available(), reason="torch without the oneDNN calls")
def test_other_blocks_are_fused_once_they_are_one_convolution() -> None:
    torch.manual_seed(0)
    relu, rep = Conv(8, 8, 3, act=nn.ReLU()), RepConv(8, 8)
    model = nn.Sequential(relu, rep).eval()
    assert fuse_calls(nn.Sequential(copy.deepcopy(rep))) == 2  # its two branches, one by one
    relu.conv = nn.Conv2d(8, 8, 3, padding=1)
    del relu.bn
    relu.forward = relu.forward_fuse  # type: ignore[method-assign]
    rep.fuse_convs()
    rep.forward = rep.forward_fuse  # type: ignore[method-assign]
    model.requires_grad_(False)
    x = torch.randn(2, 8, 9, 9)
    wanted = model(x)
    assert fuse_calls(model) == 2
    assert_close(model(x), wanted)


@pytest.mark.skipif(not onednn.is_available(), reason="torch without the oneDNN calls")
def test_gradients_and_other_dtypes_go_the_separate_way(block: Conv) -> None:
    plain = copy.deepcopy(block)
    fuse_calls(block)
    x = torch.randn(1, 8, 8, 8, requires_grad=True)
    block(x).sum().backward()
    assert x.grad is not None
    block.double()
    plain.double()
    assert_close(block(x.detach().double()), plain(x.detach().double()))


def test_fused_calls_are_undone(block: Conv) -> None:
    before = block.forward
    fuse_calls(block)
    separate_calls(block)
    assert block.forward == before
    assert not isinstance(block.forward, FusedCall)


# ---- compiling -------------------------------------------------------------------------------------------------------


@pytest.fixture
def broken_compiler(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    calls: list[int] = []

    def compile_nothing(model: nn.Module, mode: str) -> object:
        def fail(*args: object, **kwargs: object) -> None:
            calls.append(1)
            raise RuntimeError("no C++ compiler found")

        return fail

    monkeypatch.setattr(pytorch.torch, "compile", compile_nothing)
    return calls  # type: ignore[return-value]


def test_without_a_compiler_one_warning_is_given(
    network: DetectionModel,
    image: torch.Tensor,
    broken_compiler: list[int],
    caplog: pytest.LogCaptureFixture,
) -> None:
    backend = AutoBackend(network, verbose=False)
    expected = backend(image)[0]
    backend.compile_network(True)
    with caplog.at_level(logging.WARNING, logger="ultralytics"):
        outputs = [backend(image)[0] for _ in range(3)]
    for output in outputs:
        assert_close(output, expected, atol=1e-3, rtol=1e-4)
    assert len(broken_compiler) == 1
    assert [r.message for r in caplog.records if "no C++ compiler" in r.message] == [
        caplog.records[-1].message
    ]


@pytest.mark.slow
def test_a_compiled_network(network: DetectionModel, image: torch.Tensor) -> None:
    backend = AutoBackend(network, verbose=False)
    expected = backend(image)[0]
    backend.compile_network("default")
    for _ in range(2):
        assert_close(backend(image)[0], expected, atol=1e-3, rtol=1e-4)


def test_weights_files(network: DetectionModel, image: torch.Tensor, tmp_path: Path) -> None:
    torch.save({"model": copy.deepcopy(network).half(), "train_args": {}}, tmp_path / "w.pt")
    backend = AutoBackend(tmp_path / "w.pt", verbose=False)
    assert backend.task == "detect"
    assert_close(
        backend(image)[0], AutoBackend(network, verbose=False)(image)[0], atol=0.5, rtol=0.05
    )


def test_the_copy_for_inference_shares_no_memory_with_the_network() -> None:
    network = DetectionModel("yolo11n.yaml", nc=2, verbose=False)
    backend = pytorch.PyTorchBackend(network, torch.device("cpu"), verbose=False)
    image = torch.rand(1, 3, 64, 64)
    before = backend(image)[0].clone()
    with torch.no_grad():
        for tensor in (*network.parameters(), *network.buffers()):
            if tensor.is_floating_point():
                tensor.add_(1.0)
    assert torch.equal(backend(image)[0], before)
