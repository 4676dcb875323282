"""A loss of the user's: called with predictions and labels, checked, shown, never stored."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.contract.test_checkpoint_names import globals_of
from tests.multiprocess.parts import DETECT
from tests.runs import rows
from ultralytics import YOLO
from ultralytics.cfg import get_cfg
from ultralytics.engine.trainer.own_loss import OwnLoss
from ultralytics.errors import ConfigError, ConfigTypeError, ConfigValueError, ResumeError
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.utils.loss import v8DetectionLoss

Args = dict[str, Any]


def outputs(preds: Any) -> Any:
    return preds[1] if isinstance(preds, tuple) else preds


def scores_up(preds: Any, batch: Args) -> tuple[Tensor, dict[str, Tensor]]:
    """Push all class scores up."""
    loss = nn.functional.softplus(-outputs(preds)["scores"]).mean()
    return loss * len(batch["img"]), {"score": loss.detach()}


def bare(preds: Any, batch: Args) -> Tensor:
    return outputs(preds)["boxes"].square().mean()


class Doubled(v8DetectionLoss):
    """The detection loss, doubled."""

    updates = 0

    def __call__(self, preds: Any, batch: Any) -> tuple[Tensor, dict[str, Tensor]]:
        loss, items = super().__call__(preds, batch)
        return 2 * loss, {name: 2 * value for name, value in items.items()}

    def update(self) -> None:
        self.updates += 1


@pytest.fixture
def args(short_run: Args, tmp_path: Path) -> Args:
    (tmp_path / "tiny.yaml").write_text(DETECT)
    return short_run | {"model": str(tmp_path / "tiny.yaml"), "optimizer": "SGD"}


def train(args: Args) -> DetectionTrainer:
    trainer = DetectionTrainer(overrides=args)
    trainer.train()
    return trainer


def test_a_class_is_made_with_the_network_and_updated_by_epoch(args: Args, tmp_path: Path) -> None:
    # at rate 0 both runs see the same predictions, so the doubled loss is twice the plain one
    still = {"lr0": 0.0, "warmup_epochs": 0.0}
    plain = rows(Path(train(args | still | {"name": "plain"}).save_dir))
    trainer = train(args | still | {"name": "doubled", "loss": Doubled})
    doubled = rows(Path(trainer.save_dir))
    assert list(plain[0]) == list(doubled[0])
    for row, other in zip(plain, doubled, strict=True):
        for name in ("train/box_loss", "train/cls_loss", "val/dfl_loss"):
            assert float(other[name]) == pytest.approx(2 * float(row[name]), rel=2e-3)
    assert trainer.model.criterion.updates == 2


@pytest.mark.parametrize("val", [True, False])
def test_a_function_names_the_columns(val: bool, args: Args, tmp_path: Path) -> None:
    trainer = train(args | {"loss": scores_up, "val": val, "save_period": 1, "lr0": 0.5})
    found = rows(tmp_path / "run")
    assert list(found[0])[2] == "train/score"
    assert [n for n in found[0] if n.startswith("val/")] == ["val/score"]
    assert float(found[1]["train/score"]) < float(found[0]["train/score"])
    for name in ("last.pt", "best.pt", "epoch0.pt"):
        assert not [g for g in globals_of(trainer.wdir / name) if "tests" in g or "own_loss" in g]
    assert "loss" not in (tmp_path / "run" / "args.yaml").read_text().split()


def test_a_loss_alone_is_one_item(args: Args, tmp_path: Path) -> None:
    YOLO(args["model"]).train(**args | {"loss": bare, "epochs": 1})
    assert float(rows(tmp_path / "run")[0]["train/loss"]) > 0


def test_the_loss_must_be_given_again_to_go_on(args: Args, tmp_path: Path) -> None:
    trainer = DetectionTrainer(overrides=args | {"loss": scores_up})
    trainer.add_callback("on_model_save", lambda t: setattr(t, "stop", True))
    trainer.train()
    with pytest.raises(ResumeError, match=r"give them again: loss=\.\.\."):
        DetectionTrainer(overrides={"resume": str(trainer.last)})
    again = train({"resume": str(trainer.last), "loss": scores_up})
    assert [row["epoch"] for row in rows(tmp_path / "run")] == ["1", "2"]
    assert again.model.criterion.inner is scores_up


class Learned(nn.Module):
    """A loss with a weight of its own."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(()))


PREDS = {"boxes": torch.ones(2, 3, requires_grad=True)}


@pytest.mark.parametrize(
    ("result", "error", "text"),
    [
        (3.0, ConfigTypeError, r"it returned 3.0 \(float\)"),
        ((1, 2, 3), ConfigTypeError, "a tuple of 3"),
        (
            torch.ones(2, 2, requires_grad=True),
            ConfigValueError,
            r"shape \(2, 2\) and type float32",
        ),
        (torch.ones((), dtype=torch.long), ConfigValueError, "type int64"),
        (torch.ones(()), ConfigValueError, "without gradient"),
        ((PREDS["boxes"].sum(), [1.0]), ConfigTypeError, "must be a dictionary"),
        ((PREDS["boxes"].sum(), {}), ConfigTypeError, "must be a dictionary"),
        (
            (PREDS["boxes"].sum(), {"a": torch.ones(2)}),
            ConfigTypeError,
            "item 'a' must be one number",
        ),
        ((PREDS["boxes"].sum(), {"a": "high"}), ConfigTypeError, r"not 'high' \(str\)"),
    ],
)
def test_other_results_are_named(result: Any, error: type[Exception], text: str) -> None:
    criterion = OwnLoss(lambda preds, batch: result, nn.Identity())
    with pytest.raises(error, match=text):
        criterion(PREDS, {})


def test_numbers_become_items() -> None:
    criterion = OwnLoss(
        lambda p, b: (p["boxes"].sum(), {"a": 2, "b": p["boxes"].mean()}), nn.Identity()
    )
    loss, items = criterion(PREDS, {})
    assert loss.item() == 6
    assert {k: (v.item(), v.requires_grad) for k, v in items.items()} == {
        "a": (2, False),
        "b": (1, False),
    }


def test_what_cannot_be_a_loss_is_refused(args: Args) -> None:
    with pytest.raises(ConfigTypeError, match="pass it from Python"):
        DetectionTrainer(overrides=args | {"loss": "mse"})
    with pytest.raises(ConfigValueError, match="parameters of its own"):
        train(args | {"loss": Learned})
    with pytest.raises(ConfigError, match="argument of training"):
        get_cfg(overrides={"loss": bare, "mode": "val"})


def test_networks_that_match_queries_are_refused() -> None:
    from ultralytics.engine.trainer import own_loss
    from ultralytics.nn.tasks import RTDETRDetectionModel

    network = RTDETRDetectionModel.__new__(RTDETRDetectionModel)
    nn.Module.__init__(network)
    trainer: Any = SimpleNamespace(given_objects=SimpleNamespace(loss=bare), model=network)
    with pytest.raises(ConfigValueError, match="matched queries"):
        own_loss.attach(trainer)
