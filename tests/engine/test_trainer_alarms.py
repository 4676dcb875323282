"""Operators without a deterministic kernel, and numbers that are not finite: what is named, and when."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.engine import kills
from tests.engine.test_trainer_runs import train
from ultralytics.engine.trainer import nonfinite, recovery
from ultralytics.engine.trainer.determinism import NondeterministicError
from ultralytics.errors import ConfigTypeError
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.nn.tasks import DetectionModel

Args = dict[str, Any]


@pytest.fixture
def args(tiny_run: Args) -> Args:
    return tiny_run | {"epochs": 1, "verbose": True}


# ---------------------------------------------------------------- deterministic kernels


def put(values: Tensor) -> Tensor:
    """A copy made by `put_` without accumulation, which torch calls non-deterministic on every device."""
    return torch.empty_like(values).put_(torch.arange(values.numel()), values)  # the guilty line


class Putting(DetectionModel):
    """Sums its loss with an operator that has no deterministic kernel."""

    def loss(self, batch: Any, preds: Any = None) -> Any:
        loss, items = super().loss(batch, preds)
        return loss + 0 * put(loss.detach()), items


class PutBackward(torch.autograd.Function):
    """The identity, with such an operator in its backward pass."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return values.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return torch.empty_like(grad).put_(torch.arange(grad.numel()), grad)


class PuttingBack(DetectionModel):
    def loss(self, batch: Any, preds: Any = None) -> Any:
        loss, items = super().loss(batch, preds)
        return PutBackward.apply(loss) if self.training else loss, items  # the forward line


class PutTrainer(DetectionTrainer):
    model_type = Putting


class PutBackTrainer(DetectionTrainer):
    model_type = PuttingBack


def line_of(text: str) -> int:
    lines = Path(__file__).read_text().splitlines()
    return 1 + next(i for i, line in enumerate(lines) if line.endswith(text))


def test_strict_refuses_and_names_operator_and_line(args: Args, tmp_path: Path) -> None:
    with pytest.raises(NondeterministicError) as raised:
        train(args | {"deterministic": "strict"}, PutTrainer)
    text = str(raised.value)
    assert text.startswith(
        'deterministic="strict": put_ has no deterministic kernel on cpu; it is called at '
    )
    assert (
        f"test_trainer_alarms.py:{line_of('# the guilty line')} in put: `return torch.empty_like("
        in text
    )
    assert isinstance(raised.value.__cause__, RuntimeError)
    assert not torch.are_deterministic_algorithms_enabled()
    assert not (tmp_path / "run").exists()


def test_strict_names_the_forward_line_of_a_backward_pass(args: Args) -> None:
    with pytest.raises(
        NondeterministicError, match=r"put_ has no .* in the backward pass of a call"
    ) as raised:
        train(args | {"deterministic": "strict"}, PutBackTrainer)
    assert f"test_trainer_alarms.py:{line_of('# the forward line')} in loss" in str(raised.value)


def test_strict_leaves_other_runs_and_errors_alone(args: Args) -> None:
    during: list[tuple[bool, bool]] = []

    def look(trainer: Any) -> None:
        warns = torch.is_deterministic_algorithms_warn_only_enabled()
        during.append((torch.are_deterministic_algorithms_enabled(), warns))

    trainer = train(args | {"deterministic": "strict"}, on_train_start=look)
    assert during == [(True, False)]
    assert trainer.last.is_file()

    def fail(_: Any) -> None:
        raise RuntimeError("another")

    with pytest.raises(RuntimeError, match=r"^another$"):
        train(args | {"deterministic": "strict", "name": "other"}, on_train_batch_start=fail)


def test_operators_are_listed_once(args: Args, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "ultralytics"):
        trainer = train(args | {"epochs": 3}, PutTrainer)
    told = [r.getMessage() for r in caplog.records if "deterministic" in r.getMessage()]
    assert len(told) == 1
    assert "no deterministic kernel on cpu for put_;" in told[0]
    assert trainer.alerted == {"put_"}


def test_only_strict_is_a_word_for_deterministic(args: Args) -> None:
    assert (
        DetectionTrainer(overrides=args | {"deterministic": "Strict"}).args.deterministic
        == "strict"
    )
    with pytest.raises(ConfigTypeError, match="true or false or strict"):
        DetectionTrainer(overrides=args | {"deterministic": "sometimes"})


# ---------------------------------------------------------------- not finite


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if "First not finite" in r.getMessage()]


def at(batch: int, action: Callable[[Any], None]) -> Callable[[Any], None]:
    """A handler that acts once, before a batch counted from zero."""

    def handler(trainer: Any) -> None:
        if trainer.batches_done == batch and not getattr(trainer, "acted", False):
            trainer.acted = True
            action(trainer)

    return handler


class Spoiled(nn.Module):
    """Adds NaN to what passes, when told so."""

    is_on = False

    def forward(self, x: Tensor) -> Tensor:
        return x * float("nan") if self.is_on else x


def spoil_layer(trainer: Any) -> None:
    """Make the activation of the second layer give NaN for one batch."""
    layer = trainer.model.model[1]
    inner, layer.act = layer.act, nn.Sequential(layer.act, Spoiled())
    layer.act[1].is_on = True
    trainer.add_callback("on_train_batch_end", lambda t: setattr(layer, "act", inner))


def spoil_weight(trainer: Any) -> None:
    with torch.no_grad():
        trainer.model.model[1].conv.weight[0, 0, 0, 0] = float("inf")


def test_a_module_is_named(args: Args, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "ultralytics"):
        trainer = train(args, on_train_batch_start=at(2, spoil_layer))
    (text,) = warnings_of(caplog)
    assert text.startswith("Epoch 1, batch 3 of 5, optimizer step ")
    assert "First not finite: output of model.1.act.1 (Spoiled; " in text
    assert "from finite inputs" in text
    names = text.split("Images of the batch: ")[1].rstrip(".").split(", ")
    assert len(names) == 4
    assert all((Path(trainer.data["train"]) / name).is_file() for name in names)


def test_a_weight_is_named_and_the_recovery_repeats_it(
    args: Args, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "ultralytics"):
        train(args | {"epochs": 2}, on_train_batch_start=at(5, spoil_weight))
    (text,) = warnings_of(caplog)
    named = "weight model.1.conv.weight (0 NaN and 1 Inf of 576 values), changed by an earlier step"
    assert text.startswith("Epoch 2, batch 1 of 5")
    assert named in text
    assert (
        f"Epoch 2 diverged (first not finite: {named}); going back to the end of epoch 1"
        in caplog.text
    )


def test_an_input_is_named_with_its_image(args: Args, caplog: pytest.LogCaptureFixture) -> None:
    files: list[str] = []

    class Bad(DetectionTrainer):
        def preprocess_batch(self, batch: Args) -> Args:
            out = super().preprocess_batch(batch)
            if self.model.training and not files:
                out["img"][2, 0, 5, 5] = float("nan")
                files.append(out["im_file"][2])
            return out

    with caplog.at_level(logging.WARNING, "ultralytics"):
        train(args, Bad)
    (text,) = warnings_of(caplog)
    assert "input 'img' of the batch (1 NaN and 0 Inf of" in text
    assert f"image {files[0]})" in text


def test_a_loss_is_named(args: Args, caplog: pytest.LogCaptureFixture) -> None:
    class Model(DetectionModel):
        def loss(self, batch: Any, preds: Any = None) -> Any:
            loss, items = super().loss(batch, preds)
            return loss, {k: v / 0 if k == "cls_loss" else v for k, v in items.items()}

    class Bad(DetectionTrainer):
        def preprocess_batch(self, batch: Args) -> Args:
            self.batch = batch
            return super().preprocess_batch(batch)

    trainer = Bad(overrides=args)
    texts: list[str] = []

    def look(t: Any) -> None:
        t.model.__class__ = Model
        texts.append(nonfinite.find(t))
        raise KeyboardInterrupt

    trainer.add_callback("on_train_batch_end", look)
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    assert texts == ["loss cls_loss, from finite outputs of the network"]


class Steep(torch.autograd.Function):
    """The identity, with an infinite gradient."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return values.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad * float("inf")


def test_a_gradient_is_named_before_its_step(args: Args, caplog: pytest.LogCaptureFixture) -> None:
    before: list[Tensor] = []

    def steepen(trainer: Any) -> None:
        layer = trainer.model.model[1]
        layer.register_forward_hook(lambda module, given, output: Steep.apply(output))

    class Watched(DetectionTrainer):
        def optimizer_step(self) -> None:
            before.extend(p.detach().clone() for p in self.model.parameters())
            super().optimizer_step()
            raise KeyboardInterrupt

    with caplog.at_level(logging.WARNING, "ultralytics"), pytest.raises(KeyboardInterrupt):
        train(args, Watched, on_train_start=steepen)
    (text,) = warnings_of(caplog)
    assert "the norm of the gradients is " in text
    # the batch normalisation of the hooked layer is the last before the infinite gradient
    assert "First not finite: gradient of model.1.bn.bias, the last of 6 such weights" in text
    assert all(p.isfinite().all() for p in before)


def test_the_search_changes_nothing(args: Args) -> None:
    states: list[Any] = []

    def search(trainer: Any) -> None:
        trainer.batch = kept[-1]
        model = trainer.model
        for with_gradients in (False, True):
            states.append(
                [{k: v.clone() for k, v in model.state_dict().items()}, torch.get_rng_state()]
            )
            nonfinite.find(trainer, with_gradients)
        states.append(
            [{k: v.clone() for k, v in model.state_dict().items()}, torch.get_rng_state()]
        )
        grads.append([p.grad is None or bool(p.grad.isfinite().all()) for p in model.parameters()])
        raise KeyboardInterrupt

    kept: list[Any] = []
    grads: list[Any] = []

    class Keeping(DetectionTrainer):
        def preprocess_batch(self, batch: Args) -> Args:
            out = super().preprocess_batch(batch)
            kept.append(out)
            return out

    with pytest.raises(KeyboardInterrupt):
        train(args, Keeping, on_train_batch_end=search)
    assert kills.differences(states[0], states[1]) == []
    assert kills.differences(states[0], states[2]) == []
    assert all(grads[0])


def test_a_run_that_cannot_recover_says_what_was_not_finite(args: Args) -> None:
    def spoil(trainer: Any) -> None:
        if trainer.epoch == 1:
            spoil_weight(trainer)

    with pytest.raises(
        recovery.DivergedError, match=r"first not finite: weight model\.1\.conv\.weight"
    ):
        train(args | {"epochs": 2}, on_train_batch_start=spoil)


def test_finite_losses_are_not_searched(args: Args, monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[int] = []
    monkeypatch.setattr(nonfinite, "find", lambda *given, **named: searched.append(1) or "")
    trainer = train(args)
    assert searched == []
    assert trainer.nonfinite is None
    assert not trainer.is_watched
