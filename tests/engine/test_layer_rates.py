"""Learning rates by layer: factors by arithmetic, columns of the results, warm-up, going on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.multiprocess.parts import DETECT
from tests.runs import rows
from ultralytics.engine.trainer import optim
from ultralytics.engine.trainer.layer_rates import FACTOR, shown_rates
from ultralytics.engine.trainer.schedule import Schedule
from ultralytics.errors import ConfigValueError, ResumeError
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.nn.tasks.checkpoint import read_exact_state

Args = dict[str, Any]


class Layers(nn.Module):
    """Four numbered layers and one parameter outside of them."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Sequential(
            *[nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2)) for _ in range(4)]
        )
        self.extra = nn.Linear(2, 2)


@pytest.fixture
def args(short_run: Args, tmp_path: Path) -> Args:
    (tmp_path / "tiny.yaml").write_text(DETECT)
    return short_run | {"model": str(tmp_path / "tiny.yaml"), "optimizer": "SGD", "epochs": 3}


def rate_of(optimizer: torch.optim.Optimizer, parameter: nn.Parameter) -> float:
    (found,) = [
        float(g["lr"]) for g in optimizer.param_groups if any(p is parameter for p in g["params"])
    ]
    return found


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSProp", "MuSGD"])
def test_each_layer_learns_at_its_power_of_the_rate(name: str) -> None:
    model = Layers()
    made = optim.make_optimizer(model, name, 0.1, 0.9, 0.05, layer_decay=0.5)
    for i, layer in enumerate(model.model):
        for parameter in layer.parameters():
            assert rate_of(made, parameter) == pytest.approx(0.1 * 0.5 ** (3 - i))
    assert rate_of(made, model.extra.weight) == 0.1
    assert sum(len(g["params"]) for g in made.param_groups) == len(list(model.parameters()))
    decays = {g["weight_decay"] for g in made.param_groups if g["param_group"] in ("bn", "bias")}
    assert decays == {0.0}


def test_boosted_branches_keep_their_factor() -> None:
    model = nn.Module()
    head = nn.Module()
    head.cv3 = nn.Conv2d(2, 2, 1)
    model.model = nn.Sequential(nn.Conv2d(2, 2, 1), head)
    made = optim.make_optimizer(model, "MuSGD", 0.01, 0.9, 0.05, layer_decay=0.5)
    assert rate_of(made, head.cv3.weight) == pytest.approx(0.03)
    assert rate_of(made, model.model[0].weight) == pytest.approx(0.005)
    assert len(shown_rates(made)) == 8


def test_without_decay_nothing_is_split() -> None:
    plain = optim.make_optimizer(Layers(), "SGD", 0.1, 0.9, 0.05)
    assert len(plain.param_groups) == 3
    assert not any(FACTOR in g for g in plain.param_groups)


def test_warm_up_scales_its_start_as_well() -> None:
    made = optim.make_optimizer(Layers(), "SGD", 0.1, 0.9, 0.05, layer_decay=0.5)
    for group in made.param_groups:
        group["initial_lr"] = group["lr"]
    plan = Schedule(4, 4, 1.0, 1, lambda e: 1.0, 0.8, 0.9, warmup_bias_lr=0.2)
    plan.warm(made, 2, 0)  # half-way
    for group in made.param_groups:
        start = 0.2 if group["param_group"] == "bias" else 0.0
        assert group["lr"] == pytest.approx(group.get(FACTOR, 1.0) * (start + 0.1) / 2)


def test_columns_are_those_of_the_head(args: Args, tmp_path: Path) -> None:
    trainer = DetectionTrainer(overrides=args | {"layer_decay": 0.5})
    trainer.train()
    found = rows(tmp_path / "run")
    assert [name for name in found[0] if name.startswith("lr/")] == ["lr/pg0", "lr/pg1", "lr/pg2"]
    last = 0.01 * ((1 - 2 / 3) * 0.99 + 0.01)
    assert float(found[-1]["lr/pg0"]) == pytest.approx(last, rel=1e-5)
    first = trainer.model.model[0].conv.weight
    assert rate_of(trainer.optimizer, first) == pytest.approx(last * 0.5**3, rel=1e-5)


@pytest.mark.slow
def test_a_run_goes_on_with_its_own_settings(args: Args, tmp_path: Path) -> None:
    given = args | {"layer_decay": 0.5, "balance": 0.5}
    whole = DetectionTrainer(overrides=given | {"name": "whole"})
    whole.train()
    cut = DetectionTrainer(overrides=given | {"name": "cut"})

    def fail(trainer: DetectionTrainer) -> None:
        if trainer.epoch == 1:
            raise KeyboardInterrupt

    cut.add_callback("on_train_epoch_start", fail)
    with pytest.raises(KeyboardInterrupt):
        cut.train()
    with pytest.raises(ResumeError, match=r"layer_decay=0.9 \(the run has 0.5\)"):
        DetectionTrainer(overrides={"resume": str(cut.last), "layer_decay": 0.9})
    again = DetectionTrainer(overrides={"resume": str(cut.last)})
    again.train()
    assert again.args.balance == 0.5
    mine, theirs = (read_exact_state(t.last) for t in (whole, again))
    assert mine is not None
    assert theirs is not None
    assert all(torch.equal(theirs["model"][k], v) for k, v in mine["model"].items())


def test_a_factor_of_zero_is_refused(args: Args) -> None:
    with pytest.raises(ConfigValueError, match="freeze them"):
        DetectionTrainer(overrides=args | {"layer_decay": 0.0}).train()
