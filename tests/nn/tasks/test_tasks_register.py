"""Layers of users: registration, import by model files, training, and weights that contain them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from ultralytics.errors import ConfigTypeError, ConfigValueError, UnsafeCheckpoint
from ultralytics.nn.tasks import (
    DetectionModel,
    globals,
    layers,
    load_checkpoint,
    parse_model,
    register_module,
    write_checkpoint,
    yaml_model_load,
)

PLUGIN = """
import torch
from torch import nn
from ultralytics.nn.modules import Conv
from ultralytics.nn.tasks import register_module

@register_module(rule="scaled")
class Gate(nn.Module):
    def __init__(self, c1, c2, k=3):
        super().__init__()
        self.conv = Conv(c1, c2, k)
        self.gate = nn.Parameter(torch.zeros(1, c2, 1, 1))

    def forward(self, x):
        return self.conv(x) * (1 + self.gate)

class Plain(nn.Module):
    def forward(self, x):
        return x + 1

def function():
    pass
"""
FILE = """
nc: 2
scales: {{n: [1.0, 0.25, 64]}}
backbone:
  - [-1, 1, Conv, [32, 3, 8]]
  - [-1, 1, "{gate}", [64, 3]]
  - [-1, 1, "{plain}", []]
head:
  - [[-1], 1, Detect, [nc]]
"""


@pytest.fixture(autouse=True)
def _nothing_registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(layers, "_REGISTERED", {})
    monkeypatch.setattr(globals, "_WRITTEN", {})
    layers.import_declared.cache_clear()
    yield
    layers.import_declared.cache_clear()


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module of the user's that nobody has imported yet."""
    name = "gate_plugin"
    (tmp_path / f"{name}.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    sys.modules.pop(name, None)


@pytest.fixture
def model_file(tmp_path: Path, plugin: str) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(FILE.format(gate=f"{plugin}:Gate", plain=f"{plugin}:Plain"))
    return path


def rows(*own: Any) -> dict[str, Any]:
    return {
        "nc": 2,
        "backbone": [[-1, 1, "Conv", [8, 3, 2]], *own],
        "head": [[[-1], 1, "Detect", ["nc"]]],
    }


def test_a_bare_decorator_registers_and_returns_the_class() -> None:
    @register_module
    class Doubled(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 2 * x

    assert isinstance(Doubled(), nn.Module)
    network, _ = parse_model(rows([-1, 2, "Doubled", []]), ch=3, verbose=False)
    assert [type(m) for m in network[1]] == [Doubled, Doubled]


def test_a_decorator_with_a_rule_scales_channels() -> None:
    @register_module(rule="scaled", name="Wide")
    class Widened(nn.Conv2d):
        pass

    content = {**rows([-1, 1, "Wide", [64, 3]]), "scales": {"n": [1.0, 0.5, 1024]}, "scale": "n"}
    network, _ = parse_model(content, ch=3, verbose=False)
    assert isinstance(network[1], Widened)
    assert (network[1].in_channels, network[1].out_channels) == (8, 32)


def test_a_function_may_be_the_rule() -> None:
    def doubles_channels(row: layers.Row) -> list[Any]:
        row.out = 2 * row.input
        return [row.input, row.out, 1]

    register_module(nn.Conv2d, rule=doubles_channels, name="Double")
    network, _ = parse_model(rows([-1, 1, "Double", []]), ch=3, verbose=False)
    assert isinstance(network[1], nn.Conv2d)
    assert network[1].out_channels == 16


def test_a_cell_that_runs_twice_replaces_its_class() -> None:
    def cell() -> type[nn.Module]:
        @register_module
        class Block(nn.Module):
            pass

        return Block

    cell()
    second = cell()
    assert layers.lookup("Block")[0] is second


@pytest.mark.parametrize("value", [torch.relu, "scaled", 3])
def test_only_layer_classes_are_registered(value: Any) -> None:
    with pytest.raises(ConfigTypeError, match="takes a class"):
        register_module(value)


def test_names_of_the_library_stay_what_they_are() -> None:
    class Conv(nn.Module):
        pass

    with pytest.raises(ConfigValueError, match="'Conv' is already registered; use name="):
        register_module(Conv)
    register_module(Conv, name="MyConv")
    assert layers.lookup("MyConv")[0] is Conv
    assert layers.lookup("Conv")[0] is not Conv


def test_a_file_imports_the_layers_it_names(model_file: Path, plugin: str) -> None:
    assert plugin not in sys.modules
    model = DetectionModel(str(model_file), verbose=False)
    gate, plain = model.model[1], model.model[2]
    assert (type(gate).__name__, type(plain).__name__) == ("Gate", "Plain")
    assert gate.gate.shape == (1, 16, 1, 1)  # the decorator's rule applied the width of scale n
    assert gate.type == f"{plugin}.Gate"


def test_a_dictionary_imports_nothing(model_file: Path, plugin: str) -> None:
    content = rows([-1, 1, f"{plugin}:Gate", [8]])
    with pytest.raises(ConfigValueError, match=rf"row 1.*not registered.*import {plugin} first"):
        DetectionModel(content, verbose=False)
    assert plugin not in sys.modules


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no_such_package:Gate", "No module named"),
        ("gate_plugin:Missing", "no attribute 'Missing'"),
        ("gate_plugin:function", "takes a class"),
    ],
)
def test_what_cannot_be_imported_is_named(
    name: str, reason: str, plugin: str, tmp_path: Path
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(FILE.format(gate=name, plain="nn.Identity"))
    with pytest.raises(ConfigValueError, match=rf"row 1: layer '{name}'.*{reason}"):
        yaml_model_load(path)


def forget(plugin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in another process."""
    monkeypatch.setattr(layers, "_REGISTERED", {})
    monkeypatch.setattr(globals, "_WRITTEN", {})
    layers.import_declared.cache_clear()
    sys.modules.pop(plugin, None)


def test_weights_never_import_what_they_name(
    model_file: Path, plugin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = DetectionModel(str(model_file), verbose=False)
    write_checkpoint({"model": model}, tmp_path / "w.pt")
    forget(plugin, monkeypatch)
    with pytest.raises(UnsafeCheckpoint, match=rf"{plugin}\.Gate.*register_module"):
        load_checkpoint(tmp_path / "w.pt")
    assert plugin not in sys.modules


def test_the_content_stored_in_weights_imports_nothing(
    model_file: Path, plugin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = DetectionModel(rows(), verbose=False)
    model.yaml["backbone"].append([-1, 1, f"{plugin}:Gate", [8]])
    write_checkpoint({"model": model}, tmp_path / "w.pt")
    stored = load_checkpoint(tmp_path / "w.pt")[0].yaml
    with pytest.raises(ConfigValueError, match="not registered"):
        DetectionModel(stored, verbose=False)
    assert plugin not in sys.modules


def test_modules_may_be_declared_in_the_environment(
    model_file: Path, plugin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = DetectionModel(str(model_file), verbose=False).eval()
    model.model[2] = nn.Identity()  # leaves one class of the user's
    model.model[2].i, model.model[2].f = 2, -1  # type: ignore[assignment]
    write_checkpoint({"model": model}, tmp_path / "w.pt")
    forget(plugin, monkeypatch)
    monkeypatch.setenv("YOLO_MODULES", f" {plugin},")
    opened = load_checkpoint(tmp_path / "w.pt")[0].eval()
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(opened(x)[0], model(x)[0])


TRAIN = """
import sys
from ultralytics import YOLO
model = YOLO("mine.yaml")
model.train(data=sys.argv[1], epochs=1, imgsz=64, batch=4, workers=0, device="cpu", plots=False,
            project=sys.argv[2], name="gate", exist_ok=True, verbose=False)
"""
OPEN = """
import sys
from ultralytics import YOLO
{declaration}
try:
    model = YOLO(sys.argv[2] + "/gate/weights/best.pt")
except TypeError as error:
    sys.exit("refused" if "gate_plugin.Gate" in str(error) else str(error))
model.train(data=sys.argv[1], epochs=1, imgsz=64, batch=4, workers=0, device="cpu", plots=False,
            project=sys.argv[2], name="again", exist_ok=True, verbose=False)
print(type(YOLO(sys.argv[2] + "/again/weights/best.pt").model.model[1]).__name__)
"""


@pytest.mark.slow
def test_training_saving_and_opening_need_one_declaration(
    model_file: Path, plugin: str, painted: Path, tmp_path: Path
) -> None:
    data = str(painted)
    text = model_file.read_text().replace(f"{plugin}:Plain", "nn.Identity")
    model_file.write_text(text)

    def run(script: str) -> subprocess.CompletedProcess[str]:
        home = {"PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
        return subprocess.run(
            [sys.executable, "-c", script, data, str(tmp_path / "runs")],
            cwd=tmp_path,
            env={**os.environ, **home},
            capture_output=True,
            text=True,
        )

    trained = run(TRAIN)
    assert trained.returncode == 0, trained.stderr
    assert run(OPEN.format(declaration="")).stderr.strip().endswith("refused")
    opened = run(OPEN.format(declaration="import gate_plugin"))
    assert opened.returncode == 0, opened.stderr
    assert opened.stdout.splitlines()[-1] == "Gate"
