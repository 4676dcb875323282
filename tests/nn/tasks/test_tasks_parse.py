"""Building networks from rows."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from ultralytics.errors import ConfigValueError
from ultralytics.nn import tasks
from ultralytics.nn.modules import C3k2, Conv, Detect
from ultralytics.nn.tasks import DetectionModel, layers, parse_model, register_module
from ultralytics.nn.tasks.parse import parse_activation

Content = dict[str, Any]


def _content(*rows: list[Any], **keys: Any) -> Content:
    return {"nc": 3, "backbone": list(rows), "head": [], **keys}


def test_rows_carry_their_place_and_size() -> None:
    rows = _content([-1, 1, "Conv", [8, 3, 2]], [[-1, 0], 1, "Concat", [1]], [-1, 2, "Conv", [16]])
    network, save = parse_model(rows, ch=3, verbose=False)
    assert [(m.i, m.f, m.type) for m in network][:2] == [
        (0, -1, "ultralytics.nn.modules.conv.Conv"),
        (1, [-1, 0], "ultralytics.nn.modules.conv.Concat"),
    ]
    assert isinstance(network[2], nn.Sequential)
    assert network[2].np == sum(p.numel() for p in network[2].parameters())
    assert save == [0]
    assert network[2][0].conv.in_channels == 16


@pytest.mark.parametrize(
    ("repeats", "depth", "expected"),
    [(1, 0.33, 1), (3, 0.33, 1), (3, 0.5, 2), (5, 0.5, 2), (6, 0.67, 4), (2, 0.1, 1)],
)
def test_repeats_follow_the_depth_factor(repeats: int, depth: float, expected: int) -> None:
    rows = _content([-1, repeats, "C2f", [16]], depth_multiple=depth)
    network, _ = parse_model(rows, ch=3, verbose=False)
    assert len(network[0].m) == expected


def test_channels_are_limited_scaled_and_rounded_up() -> None:
    rows = _content([-1, 1, "Conv", [1024]], scales={"n": [1, 0.3, 512]}, scale="n")
    network, _ = parse_model(rows, ch=3, verbose=False)
    assert network[0].conv.out_channels == 160  # 512 * 0.3 = 153.6


@pytest.mark.parametrize(("scale", "c3k"), [("n", False), ("x", True)])
def test_deeper_scales_use_the_deeper_unit(
    narrow: Callable[..., Content], scale: str, c3k: bool
) -> None:
    network, _ = parse_model(narrow(scale=scale), ch=3, verbose=False)
    unit = network[2]
    assert isinstance(unit, C3k2)
    assert (type(unit.m[0]).__name__ == "C3k") is c3k


@pytest.mark.parametrize(
    ("args", "activation"),
    [([16, 5], "SiLU"), ([16, 5, 3, True], "Identity")],
)
def test_pooling_block_has_an_activation_only_in_older_files(
    args: list[Any], activation: str
) -> None:
    network, _ = parse_model(_content([-1, 1, "SPPF", args]), ch=16, verbose=False)
    assert type(network[0].cv1.act).__name__ == activation


def test_text_arguments_are_names_or_literals() -> None:
    rows = _content(
        [-1, 1, "nn.Upsample", ["None", "2", "nearest"]],
        [[-1], 1, "Detect", ["nc"]],
    )
    network, _ = parse_model(rows, ch=16, verbose=False)
    assert network[0].mode == "nearest"
    assert network[0].scale_factor == 2.0
    assert network[1].nc == 3


def test_class_branch_is_lighter_behind_newer_blocks() -> None:
    old, _ = parse_model(
        _content([-1, 1, "Conv", [16]], [[-1], 1, "Detect", [2]]), ch=3, verbose=False
    )
    new, _ = parse_model(
        _content([-1, 1, "C3k2", [16]], [[-1], 1, "Detect", [2]]), ch=3, verbose=False
    )
    assert isinstance(old[1].cv3[0][0], Conv)
    assert isinstance(new[1].cv3[0][0], nn.Sequential)


def test_the_default_activation_of_a_file_holds_for_that_file_only() -> None:
    rows = _content([-1, 1, "Conv", [8]], activation="torch.nn.LeakyReLU(0.2)")
    network, _ = parse_model(rows, ch=3, verbose=False)
    assert isinstance(network[0].act, nn.LeakyReLU)
    assert network[0].act.negative_slope == 0.2
    broken = _content([-1, 1, "Conv", ["a"]], activation="nn.ReLU()")
    with pytest.raises(ConfigValueError):
        parse_model(broken, ch=3, verbose=False)
    assert isinstance(Conv(1, 1).act, nn.SiLU)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "nn.ReLU().__class__",
        "nn.Sequential(nn.ReLU())",
        "torch.nn.functional.relu(1)",
        "nn.init(1)",
        "nn.ReLU(*[1])",
        "nn.ReLU(",
        "relu",
    ],
)
def test_activation_text_is_never_code(text: str) -> None:
    with pytest.raises(ConfigValueError, match="is refused"):
        parse_activation(text)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        pytest.param([-1, 1, "Convv", [8]], "row 1 .*no layer.*did you mean 'Conv'", id="unknown"),
        pytest.param([-1, 1, "nn.nothing", []], "row 1 .*not a layer class", id="unknown-torch"),
        pytest.param([-1, 1, "nn.init", []], "row 1 .*not a layer class", id="not-a-layer"),
        pytest.param([-1, 1, "Conv"], "row 1 is not", id="short"),
        pytest.param([5, 1, "Conv", [8]], "row 1 reads row 5", id="later"),
        pytest.param([-3, 1, "Conv", [8]], "row 1 reads row -3", id="before-first"),
        pytest.param(["a", 1, "Conv", [8]], "row 1: 'from'", id="from-text"),
        pytest.param([-1, 1, "Conv", ["8 9"]], "row 1: '8 9'", id="bad-literal"),
        pytest.param(
            [-1, 1, "Conv", [8, 3, 1, 2, 3, 4, 5, 6, 7]], "row 1 .Conv, arg", id="too-many"
        ),
        pytest.param([-1, 1, "PSA", [16]], "row 1 .*keeps the number", id="refused-by-layer"),
    ],
)
def test_errors_name_the_row(row: list[Any], message: str) -> None:
    with pytest.raises(ConfigValueError, match=message):
        parse_model(_content([-1, 1, "Conv", [8]], row), ch=3, verbose=False)


def test_unknown_scale_lists_the_known_ones(narrow: Callable[..., Content]) -> None:
    with pytest.raises(ConfigValueError, match=r"no scale 'q'.*available: n, x"):
        parse_model(narrow(scale="q"), ch=3, verbose=False)


def test_missing_scale_takes_the_first_with_a_warning(
    narrow: Callable[..., Content], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        parse_model(narrow(scale=""), ch=3, verbose=False)
    assert "Assuming scale='n'" in caplog.text


def test_verbose_logs_one_line_per_row(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        parse_model(_content([-1, 1, "Conv", [8]]), ch=3)
    assert "ultralytics.nn.modules.conv.Conv" in caplog.text


class Doubling(nn.Module):
    """A user's layer."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2


def test_users_add_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "_REGISTERED", {})
    register_module(Doubling)
    network, _ = parse_model(_content([-1, 1, "Doubling", []]), ch=3, verbose=False)
    assert isinstance(network[0], Doubling)
    with pytest.raises(ConfigValueError, match="already registered"):
        register_module(nn.Identity, name="Doubling")
    with pytest.raises(ConfigValueError, match="no rule"):
        register_module(nn.Identity, rule="whatever")


def test_a_replaced_builder_is_used(
    narrow: Callable[..., Content], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    original = tasks.parse_model

    def counting(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        return original(*args, **kwargs)

    monkeypatch.setattr(tasks, "parse_model", counting)
    model = DetectionModel(narrow(), nc=2, verbose=False)
    assert calls == [1]
    assert isinstance(model.model[-1], Detect)
