"""Parts of the training engine: groups, schedule, freezing, stopping, averaging, batch fitting."""

from __future__ import annotations

import math
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from ultralytics.engine.trainer import exact, memory, optim, resume
from ultralytics.engine.trainer.checkpoint import strip_optimizer
from ultralytics.engine.trainer.freezing import freeze
from ultralytics.engine.trainer.schedule import Schedule, decay_function, nominal_accumulation
from ultralytics.errors import ConfigValueError, NotAvailable, ResumeError
from ultralytics.utils.torch_utils.ema import ModelEMA
from ultralytics.utils.torch_utils.precision import choose_precision, wants_channels_last
from ultralytics.utils.torch_utils.stopping import EarlyStopping

CPU = torch.device("cpu")


class Tiny(nn.Module):
    """Two layers and a head with a class branch, named as the library names them."""

    def __init__(self) -> None:
        super().__init__()
        head = nn.Module()
        head.cv2 = nn.Conv2d(4, 4, 1)
        head.cv3 = nn.Conv2d(4, 2, 1)
        body = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4))
        self.model = nn.Sequential(body, head)


@pytest.mark.parametrize(
    ("cosine", "epoch", "expected"),
    [
        (False, 1, 0.9901),
        (False, 50, 0.505),
        (False, 99, 0.0199),
        (True, 1, 0.999756),
        (True, 50, 0.505),
        (True, 99, 0.010244),
    ],
)
def test_rate_by_epoch(cosine: bool, epoch: int, expected: float) -> None:
    assert decay_function(100, 0.01, cosine)(epoch) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("nominal", "batch", "expected"), [(64, 5, 13), (64, 16, 4), (16, 64, 1), (5, 2, 2), (7, 2, 4)]
)
def test_accumulation_rounds_halves_to_even(nominal: int, batch: int, expected: int) -> None:
    assert nominal_accumulation(nominal, batch) == expected


def schedule(**changes: float) -> Schedule:
    values = {"epochs": 4, "batches": 4, "warmup_epochs": 1.0, "accumulate": 4} | changes
    return Schedule(
        **values, lf=lambda e: 1 - e / 4, warmup_momentum=0.8, momentum=0.9, warmup_bias_lr=0.1
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 4),
        ({"warmup_epochs": 0.0}, 0),
        ({"epochs": 1}, 0),
        ({"warmup_epochs": 9.0}, 12),
        ({"warmup_epochs": 0.6, "batches": 3}, 2),
    ],
)
def test_length_of_the_warm_up(changes: dict[str, float], expected: int) -> None:
    assert schedule(**changes).warmup_batches == expected


def test_warm_up_moves_rates_momentum_and_accumulation() -> None:
    plan = schedule()
    groups = [
        {"params": [nn.Parameter(torch.ones(1))], "param_group": name}
        for name in ("weight", "bias")
    ]
    optimizer = torch.optim.SGD(groups, lr=0.02, momentum=0.9)
    for group in optimizer.param_groups:
        group["initial_lr"] = 0.02
    seen = [
        (plan.warm(optimizer, ni, 0), *[g["lr"] for g in optimizer.param_groups]) for ni in range(5)
    ]
    assert [row[0] for row in seen] == [1, 2, 2, 3, 4]
    assert [row[1] for row in seen] == pytest.approx([0, 0.005, 0.01, 0.015, 0.02])
    assert [row[2] for row in seen] == pytest.approx([0.1, 0.08, 0.06, 0.04, 0.02])
    assert optimizer.param_groups[0]["momentum"] == pytest.approx(0.9)
    assert plan.is_warming(4)
    assert not plan.is_warming(5)


def test_groups_split_decay_from_norm_and_bias() -> None:
    made = optim.make_optimizer(Tiny(), "sgd", 0.1, 0.9, 0.05)
    found = [(g["param_group"], len(g["params"]), g["weight_decay"]) for g in made.param_groups]
    assert found == [("weight", 3, 0.05), ("bn", 1, 0.0), ("bias", 3, 0.0)]
    assert made.param_groups[0]["nesterov"]


def test_musgd_boosts_the_class_branch_of_the_head() -> None:
    model = Tiny()
    made = optim.make_optimizer(model, "MuSGD", 0.01, 0.9, 0.05)
    assert len(made.param_groups) == 8
    boosted = {id(p) for g in made.param_groups if g["lr"] == 0.03 for p in g["params"]}
    assert boosted == {id(p) for p in model.model[1].cv3.parameters()}
    assert all(p.ndim == 4 for g in made.param_groups if g["use_muon"] for p in g["params"])


@pytest.mark.parametrize(
    ("iterations", "classes", "expected"),
    [
        (100, 2, ("AdamW", 0.001667)),
        (10_000, 1, ("AdamW", 0.002)),
        (10_001, 1, ("MuSGD", 0.01)),
        (100, 80, ("AdamW", 0.000119)),
    ],
)
def test_automatic_choice(iterations: int, classes: int, expected: tuple[str, float]) -> None:
    choice = optim.choose_automatically(iterations, classes)
    assert (choice.name, choice.lr) == expected


def test_unknown_optimizer_names_the_nearest() -> None:
    with pytest.raises(NotAvailable, match="AdamW"):
        optim.canonical_name("adamww")


def test_freezing_layers_by_number_and_name() -> None:
    model = Tiny()
    fragments = freeze(model, [0, "1.cv2"])
    frozen = {n for n, p in model.named_parameters() if not p.requires_grad}
    assert frozen == {n for n, _ in model.named_parameters() if "model.0." in n or "cv2" in n}
    assert "model.1.cv2." in fragments


@pytest.mark.parametrize("setting", [2, "0", -1, ["nothing"], True])
def test_freezing_refuses_what_makes_no_sense(setting: object) -> None:
    with pytest.raises(ConfigValueError, match="freeze="):
        freeze(Tiny(), setting)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("updates", "expected"), [(1, 0.00049983), (100, 0.0487657), (2000, 0.63205735)]
)
def test_decay_of_the_average(updates: int, expected: float) -> None:
    assert ModelEMA(nn.Linear(1, 1)).decay(updates) == pytest.approx(expected, rel=1e-5)


def test_average_follows_parameters_and_buffers_but_not_counters() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    average = ModelEMA(model, decay=0.5, tau=1)
    before = {k: v.clone() for k, v in average.ema.state_dict().items()}
    with torch.no_grad():
        for value in model.state_dict().values():
            value.add_(1)
    average.update(model)
    share = 1 - 0.5 * (1 - math.exp(-1))
    for name, value in average.ema.state_dict().items():
        moved = share if value.is_floating_point() else 0
        assert_close(value, before[name] + moved)
    assert not any(p.requires_grad for p in average.ema.parameters())


def test_stopping_waits_for_its_patience() -> None:
    stopper = EarlyStopping(patience=2)
    flags = [stopper(e + 1, f) for e, f in enumerate([0.1, 0.2, 0.15, 0.2, 0.3])]
    assert flags == [False, False, False, True, False]
    other = EarlyStopping(patience=2)
    other.load_state_dict(stopper.state_dict())
    assert (other.best_fitness, other.best_epoch) == (0.3, 5)


def test_zero_fitness_never_stops_and_no_validation_never_counts() -> None:
    stopper = EarlyStopping(patience=1)
    assert not any(stopper(e, 0.0) for e in range(1, 9))
    assert not stopper(9, None)


def test_batch_fit_meets_the_line() -> None:
    points = [(1, 1.5), (2, 2.0), (4, 3.0), (8, 5.0)]
    assert memory.fit(points, budget=9.0) == 16


def test_generators_return_to_a_captured_state() -> None:
    state = exact.capture_rng()
    first = (random.random(), np.random.rand(), torch.rand(()).item())
    exact.restore_rng(state)
    assert first == (random.random(), np.random.rand(), torch.rand(()).item())


def test_optimizer_state_keeps_the_layout_of_its_parameter() -> None:
    parameter = nn.Parameter(torch.randn(4, 3, 3, 3).to(memory_format=torch.channels_last))
    optimizer = torch.optim.SGD([parameter], lr=0.1, momentum=0.9)
    parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    stored = optimizer.state_dict()
    stored["state"][0]["momentum_buffer"] = stored["state"][0]["momentum_buffer"].contiguous()
    fresh = torch.optim.SGD([parameter], lr=0.1, momentum=0.9)
    exact.load_optimizer(fresh, stored)
    buffer = fresh.state[parameter]["momentum_buffer"]
    assert buffer.stride() == parameter.stride()
    assert_close(buffer, torch.ones_like(buffer))


def test_precision_is_full_on_a_processor_unless_bf16_is_asked_for() -> None:
    model = nn.Conv2d(3, 4, 3)
    assert choose_precision(True, CPU, model).kind == "fp32"
    assert choose_precision("bf16", CPU, model).kind == "bf16"
    assert not choose_precision(False, CPU, model).scaler().is_enabled()


def test_channels_last_can_be_switched_off() -> None:
    assert wants_channels_last(False, CPU) is False


def test_resuming_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ResumeError, match=r"no such file"):
        resume.find(tmp_path / "last.pt", {})


@pytest.mark.parametrize("content", [{}, {"model": None}, {"model": {"a": torch.zeros(1)}}])
def test_a_file_without_a_network_is_not_stripped(
    content: dict[str, object], tmp_path: Path
) -> None:
    path = tmp_path / "odd.pt"
    torch.save(content, path)
    before = path.read_bytes()
    assert strip_optimizer(path) == {}
    assert path.read_bytes() == before


def test_results_after_the_checkpoint_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text("epoch,time\n1,0.5\n2,1\n3,1.5\n")
    resume.cut_results(path, epochs=2)
    assert path.read_text() == "epoch,time\n1,0.5\n2,1\n"
