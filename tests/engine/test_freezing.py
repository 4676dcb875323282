"""What `freeze` may say: numbers, ranges, names, patterns, and what is frozen already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.multiprocess.parts import DETECT
from ultralytics import YOLO
from ultralytics.cfg import get_cfg
from ultralytics.engine.trainer.freezing import freeze, with_kept
from ultralytics.errors import ConfigTypeError, ConfigValueError


class Rows(nn.Module):
    """Four rows of a convolution and a normalisation; the last has a fixed projection too."""

    def __init__(self) -> None:
        super().__init__()
        rows = [nn.Sequential() for _ in range(4)]
        for row in rows:
            row.add_module("conv", nn.Conv2d(2, 2, 1))
            row.add_module("bn", nn.BatchNorm2d(2))
        rows[-1].add_module("dfl", nn.Conv2d(2, 1, 1, bias=False))
        self.model = nn.Sequential(*rows)


def frozen(model: nn.Module) -> set[str]:
    return {n for n, p in model.named_parameters() if not p.requires_grad and ".dfl." not in n}


def rows_of(*numbers: int) -> set[str]:
    return {
        f"model.{i}.{part}.{kind}"
        for i in numbers
        for part in ("conv", "bn")
        for kind in ("weight", "bias")
    }


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (None, set()),
        (0, set()),
        (2, rows_of(0, 1)),
        ([0, 2], rows_of(0, 2)),
        ((1,), rows_of(1)),
        (["0"], rows_of(0)),
        (range(1, 3), rows_of(1, 2)),
        (["1-3", 0], rows_of(0, 1, 2, 3)),
        (["2.conv"], {"model.2.conv.weight", "model.2.conv.bias"}),
        (["2.conv.bias"], {"model.2.conv.bias"}),
        (["*.bn"], {f"model.{i}.bn.{k}" for i in range(4) for k in ("weight", "bias")}),
        (["[01].conv"], {f"model.{i}.conv.{k}" for i in (0, 1) for k in ("weight", "bias")}),
        (["*.bias"], {f"model.{i}.{p}.bias" for i in range(4) for p in ("conv", "bn")}),
    ],
)
def test_forms_of_the_setting(setting: Any, expected: set[str]) -> None:
    model = Rows()
    if expected == rows_of(0, 1, 2, 3):
        model.extra = nn.Linear(1, 1)
    fragments = freeze(model, setting)
    assert frozen(model) == expected
    assert not model.model[3].dfl.weight.requires_grad
    marked = {n for n in expected if any(f in f"{n}." for f in fragments)}
    assert marked == expected


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        (["4"], "'model.4.'"),
        (["2-9"], None),
        (["*.gn"], "no parameter"),
        (["conv"], "no parameter"),
        (range(9), "no parameter"),
        (4, "nothing to train"),
        (2.0, "give a number of layers"),
    ],
)
def test_what_matches_nothing_is_refused(setting: Any, text: str | None) -> None:
    model = Rows()
    if text is None:  # a range may reach beyond the end
        freeze(model, setting)
        assert frozen(model) == rows_of(2, 3)
        return
    with pytest.raises(ConfigValueError, match=text):
        freeze(model, setting)


def test_the_configuration_takes_lists_and_ranges_only() -> None:
    assert get_cfg(overrides={"freeze": range(3)}).freeze == [0, 1, 2]
    assert get_cfg(overrides={"freeze": ["0-9", "*.bn"]}).freeze == ["0-9", "*.bn"]
    for wrong in ("0", "0-9", "keep", 1.5):
        with pytest.raises(ConfigTypeError, match="freeze="):
            get_cfg(overrides={"freeze": wrong})
    with pytest.raises(ConfigValueError, match="negative"):
        get_cfg(overrides={"freeze": [-1]})


def test_what_is_frozen_is_named_by_its_largest_parts() -> None:
    model = Rows()
    for part in (model.model[0], model.model[1].bn):
        part.requires_grad_(False)
    model.model[2].conv.bias.requires_grad_(False)
    setting = with_kept(model, ["keep", 3])
    assert setting == [3, "0", "1.bn", "2.conv.bias"]
    before = frozen(model)
    freeze(model, setting)
    assert frozen(model) == before | rows_of(3)
    assert with_kept(model, 2) == 2


def test_layers_frozen_by_hand_stay_frozen_through_the_facade(
    short_run: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "tiny.yaml").write_text(DETECT)
    YOLO(tmp_path / "tiny.yaml").save(tmp_path / "tiny.pt")
    model = YOLO(tmp_path / "tiny.pt")
    model.model.requires_grad_(True)
    model.model.model[0].requires_grad_(False)
    given = {k: v for k, v in short_run.items() if k != "pretrained"}
    first = model.model.model[0].conv.weight.detach().clone()
    model.train(**given | {"freeze": ["keep"], "epochs": 1, "optimizer": "SGD"})
    assert model.trainer.args.freeze == ["0"]
    trained = model.trainer.model
    assert torch.equal(trained.model[0].conv.weight, first)
    assert not trained.model[0].conv.weight.requires_grad
    assert trained.model[1].conv.weight.requires_grad
