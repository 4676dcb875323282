"""Every model file at every scale against the published figures: sizes, weight names and shapes, strides, folding.

Only structure is looked at, so layers skip filling their weights: that is most of the time of building.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from torch import Tensor, nn

from ultralytics.nn import tasks
from ultralytics.nn.tasks.yaml import MODELS, yaml_model_load
from ultralytics.utils.torch_utils.info import (
    count_layers,
    get_flops,
    get_num_gradients,
    get_num_params,
)

TABLE = json.loads((Path(__file__).parent / "architectures.json").read_text(encoding="utf-8"))
FILES: dict[str, Any] = TABLE["files"]


class Figures(NamedTuple):
    """Columns of the table for one scale."""

    layers: int
    parameters: int
    gradients: int
    gflops: float
    tensors: int
    names: str
    order: str
    fused_layers: int
    fused_parameters: int
    fused_gflops: float
    fused_names: str


def scaled_name(stem: str, letter: str) -> str:
    """`yolov8-seg` and `s` -> `yolov8s-seg.yaml`; names that hold no place for a letter stay."""
    if not letter or len(FILES[stem]["scales"]) == 1:
        return f"{stem}.yaml"
    family, dash, rest = stem.partition("-")
    if stem.startswith("yoloe-"):
        family, dash, rest = stem.partition("-")[2].partition("-")
        family = f"yoloe-{family}"
    return f"{family}{letter}{dash}{rest}.yaml"


def cases() -> list[Any]:
    """One case per file and scale; all but the smallest scale of a file are slow."""
    listed = []
    for stem, entry in FILES.items():
        for position, letter in enumerate(entry["scales"]):
            marks = [pytest.mark.slow] if position else []
            listed.append(pytest.param(stem, letter, id=f"{stem}-{letter or 'only'}", marks=marks))
    return listed


def keep(tensor: Tensor, *_: Any, **__: Any) -> Tensor:
    return tensor


@pytest.fixture(autouse=True)
def _unfilled(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("kaiming_uniform_", "uniform_", "trunc_normal_"):
        monkeypatch.setattr(nn.init, name, keep)


def build(stem: str, letter: str = "") -> Any:
    """The network of a file, with arbitrary weights."""
    model_class = getattr(tasks, FILES[stem]["model"])
    return model_class(scaled_name(stem, letter), verbose=False)


def digest(model: nn.Module, ordered: bool = False) -> str:
    lines = [
        f"{name} {','.join(map(str, value.shape))}" for name, value in model.state_dict().items()
    ]
    text = "\n".join(lines if ordered else sorted(lines))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@pytest.mark.parametrize(("stem", "letter"), cases())
def test_published_figures(stem: str, letter: str) -> None:
    entry = FILES[stem]
    expected = Figures(*entry["scales"][letter])
    model = build(stem, letter)
    assert model.stride.tolist() == entry["stride"]
    assert model.save == entry["save"]
    assert (count_layers(model), get_num_params(model)) == (expected.layers, expected.parameters)
    assert get_num_gradients(model) == expected.gradients
    assert len(model.state_dict()) == expected.tensors
    assert (digest(model), digest(model, ordered=True)) == (expected.names, expected.order)
    model.fuse(verbose=False)
    assert model.is_fused()
    sizes = (count_layers(model), get_num_params(model))
    assert sizes == (expected.fused_layers, expected.fused_parameters)
    assert digest(model) == expected.fused_names


COUNTED = [
    stem
    for stem, entry in FILES.items()
    if "n" in entry["scales"] and not stem.endswith(("-p2", "-p6"))
]


@pytest.mark.slow
@pytest.mark.parametrize("stem", COUNTED)
def test_published_operations(stem: str) -> None:
    letter, figures = next(iter(FILES[stem]["scales"].items()))
    expected = Figures(*figures)
    model = build(stem, letter)
    assert round(get_flops(model), 1) == expected.gflops
    model.fuse(verbose=False)
    assert round(get_flops(model), 1) == expected.fused_gflops


def test_the_packaged_files_are_the_listed_ones() -> None:
    assert {path.stem for path in MODELS.rglob("*.yaml")} - {"yolo11-semseg"} == set(FILES)


@pytest.mark.parametrize("stem", FILES)
def test_scales_of_a_file_are_the_listed_ones(stem: str) -> None:
    assert sorted(yaml_model_load(f"{stem}.yaml").get("scales") or [""]) == sorted(
        FILES[stem]["scales"]
    )
