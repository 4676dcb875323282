"""Every layer of the library keeps the rules of `check_layer`, and `check_layer` notices layers that do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ultralytics.nn import modules
from ultralytics.nn.conformance import check_layer
from ultralytics.nn.modules import activation, block, conv, head, transformer
from ultralytics.nn.tasks import layers, register_module

IMAGE = torch.rand(2, 16, 16, 16, generator=torch.Generator().manual_seed(0))
LEVELS = [IMAGE, IMAGE[:, :, ::2, ::2], IMAGE[:, :, ::4, ::4]]
TOKENS = IMAGE[..., 0, 0].reshape(2, 1, 16).expand(2, 5, 16).contiguous()
GUIDE = TOKENS  # five texts
WIDTHS = [16, 16, 16]
SAME = (2, 16, 16, 16)
HALF = (2, 32, 8, 8)
WIDER = (2, 32, 16, 16)

# Constructor arguments, inputs of forward, size of the first output.
CASES: dict[str, tuple[tuple[Any, ...], tuple[Any, ...], tuple[int, ...]]] = {
    "AGLU": ((), (IMAGE,), SAME),
    # conv
    "CBAM": ((16,), (IMAGE,), SAME),
    "ChannelAttention": ((16,), (IMAGE,), SAME),
    "SpatialAttention": ((), (IMAGE,), SAME),
    "Concat": ((), ([IMAGE, IMAGE],), WIDER),
    "Index": ((1,), (LEVELS,), (2, 16, 8, 8)),
    "Conv": ((16, 32, 3, 2), (IMAGE,), HALF),
    "Conv2": ((16, 32, 3, 2), (IMAGE,), HALF),
    "LightConv": ((16, 32, 3), (IMAGE,), WIDER),
    "DWConv": ((16, 32, 3, 2), (IMAGE,), HALF),
    "DWConvTranspose2d": ((16, 8, 2, 2), (IMAGE,), (2, 8, 32, 32)),
    "ConvTranspose": ((16, 8), (IMAGE,), (2, 8, 32, 32)),
    "Focus": ((16, 32, 3), (IMAGE,), HALF),
    "GhostConv": ((16, 32, 3, 2), (IMAGE,), HALF),
    "RepConv": ((16, 32), (IMAGE,), WIDER),
    # block
    "DFL": ((4,), (IMAGE.flatten(2),), (2, 4, 256)),
    "Proto": ((16, 8, 4), (IMAGE,), (2, 4, 32, 32)),
    "Proto26": ((WIDTHS, 8, 4, 3), (LEVELS,), (2, 4, 32, 32)),
    "Bottleneck": ((16, 16), (IMAGE,), SAME),
    "RepBottleneck": ((16, 16), (IMAGE,), SAME),
    "BottleneckCSP": ((16, 32, 2), (IMAGE,), WIDER),
    "GhostBottleneck": ((16, 32, 3, 2), (IMAGE,), HALF),
    "ResNetBlock": ((16, 8, 2), (IMAGE,), HALF),
    "ResNetLayer": ((16, 8, 2, False, 2), (IMAGE,), HALF),
    "C1": ((16, 32, 2), (IMAGE,), WIDER),
    "C2": ((16, 32, 2), (IMAGE,), WIDER),
    "C2f": ((16, 32, 2), (IMAGE,), WIDER),
    "C3": ((16, 32, 2), (IMAGE,), WIDER),
    "C3x": ((16, 32, 2), (IMAGE,), WIDER),
    "C3f": ((16, 32, 2), (IMAGE,), WIDER),
    "C3k": ((16, 32, 2), (IMAGE,), WIDER),
    "C3k2": ((16, 32, 2, True), (IMAGE,), WIDER),
    "C3TR": ((16, 32, 2), (IMAGE,), WIDER),
    "C3Ghost": ((16, 32, 2), (IMAGE,), WIDER),
    "RepC3": ((16, 32, 2), (IMAGE,), WIDER),
    "RepCSP": ((16, 32, 2), (IMAGE,), WIDER),
    "RepNCSPELAN4": ((16, 32, 16, 8, 1), (IMAGE,), WIDER),
    "ELAN1": ((16, 32, 16, 8), (IMAGE,), WIDER),
    "AConv": ((16, 32), (IMAGE,), HALF),
    "ADown": ((16, 32), (IMAGE,), HALF),
    "SCDown": ((16, 32, 3, 2), (IMAGE,), HALF),
    "SPP": ((16, 32), (IMAGE,), WIDER),
    "SPPF": ((16, 32), (IMAGE,), WIDER),
    "SPPELAN": ((16, 32, 8), (IMAGE,), WIDER),
    "CBLinear": ((16, [8, 4]), (IMAGE,), (2, 8, 16, 16)),
    "CBFuse": (([1],), ([[LEVELS[0], LEVELS[1]], LEVELS[0]],), SAME),
    "RepVGGDW": ((16,), (IMAGE,), SAME),
    "CIB": ((16, 16, True, 0.5, True), (IMAGE,), SAME),
    "C2fCIB": ((16, 32, 1, True, True), (IMAGE,), WIDER),
    "Attention": ((16, 2), (IMAGE,), SAME),
    "PSABlock": ((16, 0.5, 2), (IMAGE,), SAME),
    "PSA": ((16, 16), (IMAGE,), SAME),
    "C2PSA": ((16, 16, 1), (IMAGE,), SAME),
    "C2fPSA": ((16, 16, 1), (IMAGE,), SAME),
    "AAttn": ((16, 2, 4), (IMAGE,), SAME),
    "ABlock": ((16, 2, 1.5, 4), (IMAGE,), SAME),
    "A2C2f": ((16, 64, 1, True, 4), (IMAGE,), (2, 64, 16, 16)),
    "HGStem": ((16, 8, 16), (IMAGE,), (2, 16, 4, 4)),
    "HGBlock": ((16, 8, 32, 3, 2, True), (IMAGE,), WIDER),
    "TorchVision": (("resnet18", None, True, 6), (IMAGE[:, :3],), (2, 64, 4, 4)),
    "MaxSigmoidAttnBlock": ((16, 16, 2, 16, 16), (IMAGE, GUIDE), SAME),
    "C2fAttn": ((16, 32, 1, 16, 2, 16), (IMAGE, GUIDE), WIDER),
    "ImagePoolingAttn": ((16, WIDTHS, 16, 2), (LEVELS, GUIDE), (2, 5, 16)),
    "ContrastiveHead": ((), (IMAGE, GUIDE), (2, 5, 16, 16)),
    "BNContrastiveHead": ((16,), (IMAGE, GUIDE), (2, 5, 16, 16)),
    # transformer
    "TransformerLayer": ((16, 2), (TOKENS,), (2, 5, 16)),
    "TransformerBlock": ((16, 32, 2, 1), (IMAGE,), WIDER),
    "TransformerEncoderLayer": ((16, 32, 2), (TOKENS,), (2, 5, 16)),
    "AIFI": ((16, 32, 2), (IMAGE,), SAME),
    "MLPBlock": ((16, 32), (TOKENS,), (2, 5, 16)),
    "MLP": ((16, 32, 4, 3), (TOKENS,), (2, 5, 4)),
    "LayerNorm2d": ((16,), (IMAGE,), SAME),
    # head
    "Detect": ((3, 4, True, WIDTHS), (LEVELS,), (2, 7, 336)),
    "v10Detect": ((3, WIDTHS), (LEVELS,), (2, 7, 336)),
    "Segment": ((3, 4, 8, 4, False, WIDTHS), (LEVELS,), (2, 11, 336)),
    "Segment26": ((3, 4, 8, 1, True, WIDTHS), (LEVELS,), (2, 11, 336)),
    "OBB": ((3, 1, 4, False, WIDTHS), (LEVELS,), (2, 8, 336)),
    "OBB26": ((3, 1, 1, True, WIDTHS), (LEVELS,), (2, 8, 336)),
    "Pose": ((3, (5, 3), 4, False, WIDTHS), (LEVELS,), (2, 22, 336)),
    "Pose26": ((3, (5, 3), 1, True, WIDTHS), (LEVELS,), (2, 22, 336)),
    "Classify": ((16, 3), (IMAGE,), (2, 3)),
    "SemanticSegment": ((3, WIDTHS), (LEVELS,), (2, 3, 16, 16)),
    "Depth": ((16, WIDTHS), (LEVELS,), (2, 1, 32, 32)),
}
# Weights that a sum of all outputs does not move: only the loss of the task uses them.
IDLE = {
    "Pose26": ("flow_model",),
}
# Called with more than maps: their own tests cover them.
ELSEWHERE = {
    "ChennelGather",
    "ContextGather",
    "ObjectAttentionBlock2D",
    "SpatialOCR",
    "MSDeformAttn",
    "DeformableTransformerDecoder",
    "DeformableTransformerDecoderLayer",
    "RTDETRDecoder",
    "WorldDetect",
    "YOLOEDetect",
    "YOLOESegment",
    "YOLOESegment26",
    "LRPCHead",
    "RealNVP",
    "Residual",
    "SAVPE",
    "SwiGLUFFN",
}
HOMES = (activation, conv, block, transformer, head)


def layer_class(name: str) -> Callable[..., nn.Module]:
    found: Callable[..., nn.Module] = next(vars(h)[name] for h in HOMES if name in vars(h))
    return found


def run_case(name: str, export: bool) -> None:
    arguments, inputs, shape = CASES[name]
    check_layer(
        lambda: layer_class(name)(*arguments),
        *inputs,
        shape=shape,
        idle=IDLE.get(name, ()),
        export=export,
    )


@pytest.mark.parametrize("name", CASES)
def test_layers_of_the_library_keep_the_rules(name: str) -> None:
    run_case(name, export=False)


# Heads are exported within networks, in tests/nn/tasks/test_tasks_exportable.py.
@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CASES if name not in head.__all__])
def test_layers_of_the_library_can_be_exported(name: str) -> None:
    run_case(name, export=True)


def test_no_layer_is_forgotten() -> None:
    listed = {name for home in (modules, *HOMES) for name in home.__all__} - {"autopad"}
    assert listed - ELSEWHERE == set(CASES)


# What check_layer must notice.


class Good(nn.Module):
    """Keeps every rule; the others break one each."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight


class Random(Good):
    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight * torch.rand(1)


class Infinite(Good):
    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight / 0


class Mixing(Good):
    def forward(self, x: Tensor) -> Tensor:
        return (x * self.weight).flatten(0, 1)


class Idle(Good):
    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.ones(1))


class Apart(Good):
    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight.detach()


class Forgetful(Good):
    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_parameters": {"weight": nn.Parameter(torch.zeros(1))}}


class Carrying(Good):
    def __init__(self) -> None:
        super().__init__()
        self.function = torch.relu


class Single(Good):
    def forward(self, x: Tensor) -> Tensor:
        return (x * self.weight).float()


class Frozen(Good):
    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight + x[0, 0, 0, 0].item()


class Branching(Good):
    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight if torch.jit.is_tracing() or x.sum() > 0 else x


@pytest.fixture
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "_REGISTERED", {})
    for cls in (
        Good,
        Random,
        Infinite,
        Mixing,
        Idle,
        Apart,
        Forgetful,
        Carrying,
        Single,
        Frozen,
        Branching,
    ):
        register_module(cls)


@pytest.mark.usefixtures("_registered")
@pytest.mark.parametrize(
    ("cls", "rule"),
    [
        (Random, "a second run"),
        (Infinite, "not finite"),
        (Mixing, "2 images gave 32 outputs"),
        (Idle, "weight unused gets no gradient"),
        (Apart, "does not depend on the weights"),
        (Forgetful, "a copy does not compute"),
        (Carrying, "cannot be opened: the layer.*function"),
        (Single, "in float64"),
        (Frozen, "the traced form does not compute"),
        (Branching, "the exported form cannot be made"),
    ],
)
def test_broken_rules_are_named(cls: type[nn.Module], rule: str) -> None:
    with pytest.raises(AssertionError, match=rule):
        check_layer(cls, IMAGE)


@pytest.mark.usefixtures("_registered")
def test_a_good_layer_passes() -> None:
    check_layer(Good, IMAGE, shape=SAME)
    check_layer(Idle, IMAGE, idle=("unused",), export=False)
    with pytest.raises(AssertionError, match=r"measures \(2, 16, 16, 16\), not \(1, 2\)"):
        check_layer(Good, IMAGE, shape=(1, 2))


def test_a_layer_that_is_not_registered_cannot_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "_REGISTERED", {})
    with pytest.raises(AssertionError, match=r"Good is not registered"):
        check_layer(Good, IMAGE, export=False)
