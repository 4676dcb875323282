"""Whole runs of a few steps: order of events, files, recovery, limits, and trainers that users derive."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.runs import rows
from tests.short_of_memory import short_of_memory
from ultralytics import YOLO
from ultralytics.data.build import InfiniteDataLoader
from ultralytics.engine.trainer import recovery
from ultralytics.errors import (
    CheckpointError,
    ConfigError,
    ConfigValueError,
    DatasetError,
    DatasetNotFound,
    NotAvailable,
    ResumeError,
)
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.nn.tasks import DetectionModel
from ultralytics.nn.tasks.checkpoint import read_exact_state, torch_safe_load, write_checkpoint

Args = dict[str, Any]

HEAD = ["epoch", "time", "train/box_loss", "train/cls_loss", "train/dfl_loss"]
MIDDLE = [f"metrics/{m}(B)" for m in ("precision", "recall", "mAP50", "mAP50-95")]
TAIL = ["val/box_loss", "val/cls_loss", "val/dfl_loss", "lr/pg0", "lr/pg1", "lr/pg2"]


@pytest.fixture
def args(short_run: dict[str, object]) -> Args:
    return short_run | {"model": "yolo11n.yaml"}


def train(
    args: Args,
    kind: type[DetectionTrainer] = DetectionTrainer,
    /,
    **handlers: Callable[[Any], Any],
) -> Any:  # Any: an object of the class given
    trainer = kind(overrides=args)
    for event, handler in handlers.items():
        trainer.add_callback(event, handler)
    trainer.train()
    return trainer


def column(folder: Path, name: str) -> list[str]:
    return [row[name] for row in rows(folder)]


# ---------------------------------------------------------------- files


@pytest.mark.slow
def test_files_of_a_run(args: Args, tmp_path: Path) -> None:
    trainer = train(args | {"epochs": 3, "plots": True, "save_period": 2, "close_mosaic": 1})
    folder = tmp_path / "run"
    header = (folder / "results.csv").read_text().splitlines()[0]
    assert header == ",".join([*HEAD, *MIDDLE, *TAIL])
    assert column(folder, "epoch") == ["1", "2", "3"]
    assert all(f"{float(v):.6g}" == v for row in rows(folder) for v in row.values())
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    pictures = {"results.png", "labels.jpg"} | {f"train_batch{i}.jpg" for i in (0, 1, 2, 4, 5)}
    weights = {f"weights/{n}.pt" for n in ("last", "best", "epoch0", "epoch2")}
    others = {"args.yaml", "val_batch0_labels.jpg", "report.html"}
    assert pictures | weights | others <= found
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("<img") >= len(pictures)
    assert "validation, inference" in page
    assert {p.name for p in trainer.plots} >= pictures
    whole, stripped = (
        torch_safe_load(folder / "weights" / f"{n}.pt")[0] for n in ("epoch2", "best")
    )
    assert (whole["epoch"], stripped["epoch"]) == (2, -1)
    assert whole["optimizer"] is not None
    assert stripped["optimizer"] is None
    assert len(stripped["train_results"]["epoch"]) == 3


@pytest.mark.slow
def test_rates_of_the_documented_example(args: Args, tmp_path: Path) -> None:
    # specification chapter 40, section 25: optimizer=auto, nc=2, three epochs of two batches
    train(args | {"epochs": 3, "val": False, "nbs": 64})
    assert [float(v) for v in column(tmp_path / "run", "lr/pg0")] == pytest.approx(
        [0.00041675, 0.000837668, 0.00056678], rel=1e-5
    )


def test_without_validation_cells_stay_empty_until_the_end(args: Args, tmp_path: Path) -> None:
    train(args | {"val": False})
    first, last = rows(tmp_path / "run")
    assert all(first[name] == "" for name in (*MIDDLE, *TAIL[:3]))
    assert all(last[name] != "" for name in (*MIDDLE, *TAIL[:3]))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"optimizer": "sgdd"}, ConfigValueError),
        ({"data": "nothing-here.yaml"}, DatasetNotFound),
        ({"freeze": 99}, ConfigValueError),
        ({"split": "test"}, DatasetError),
        ({"model": "nothing-here.pt"}, FileNotFoundError),
        ({"quantize": 8}, NotAvailable),
        ({"model": None}, ConfigValueError),
        ({"device": "cpu,0"}, ConfigValueError),
        ({"lr": 0.1}, ConfigError),
    ],
)
def test_a_failed_start_leaves_no_folder_and_no_switches(
    changes: Args, error: type[Exception], args: Args, tmp_path: Path
) -> None:
    with pytest.raises(error):
        train(args | changes)
    assert not (tmp_path / "run").exists()
    assert not torch.are_deterministic_algorithms_enabled()


def test_weights_of_an_earlier_run_never_pass_as_results(args: Args, tmp_path: Path) -> None:
    class Falling(DetectionTrainer):
        def validate(self) -> tuple[dict[str, float], float]:
            metrics, _ = super().validate()
            self.best_fitness = 1.0
            return metrics, 1.0 - self.epoch

    best = tmp_path / "run" / "weights" / "best.pt"
    best.parent.mkdir(parents=True)
    best.write_bytes(b"old")
    trainer = train(args | {"exist_ok": True, "save": False}, Falling)
    assert trainer.save_dir == tmp_path / "run"
    assert not best.exists()
    assert trainer.last.exists()


def test_folders_are_numbered_unless_told_otherwise(args: Args, tmp_path: Path) -> None:
    first = DetectionTrainer(overrides=args)
    (first.save_dir / "results.csv").write_text("old")
    assert DetectionTrainer(overrides=args).save_dir.name == "run-2"
    assert DetectionTrainer(overrides=args | {"exist_ok": True}).save_dir == first.save_dir
    assert not (first.save_dir / "results.csv").exists()


# ---------------------------------------------------------------- ending early


@pytest.mark.parametrize("event", ["on_train_batch_end", "on_train_epoch_end", "on_fit_epoch_end"])
@pytest.mark.parametrize("save", [True, False])
def test_a_handler_may_end_the_run(event: str, save: bool, args: Args, tmp_path: Path) -> None:
    def stop(trainer: DetectionTrainer) -> None:
        trainer.stop = True

    trainer = train(args | {"epochs": 5, "save": save}, **{event: stop})
    assert column(tmp_path / "run", "epoch") == ["1"]
    assert trainer.last.is_file()


def test_early_stopping_follows_the_fitness(args: Args, tmp_path: Path) -> None:
    script = [0.1, 0.4, 0.3, 0.2, 0.9]

    class Scripted(DetectionTrainer):
        def validate(self) -> tuple[dict[str, float], float]:
            metrics, _ = super().validate()
            fitness = script[self.epoch]
            self.best_fitness = max(self.best_fitness or 0.0, fitness)
            return metrics, fitness

    trainer = train(args | {"epochs": 5, "patience": 2, "save": False}, Scripted)
    assert column(tmp_path / "run", "epoch") == ["1", "2", "3", "4"]
    assert trainer.stopper.best_epoch == 2
    assert trainer.last.is_file()


class Clocked(DetectionTrainer):
    """Each batch takes a minute."""

    minutes = 0.0

    def preprocess_batch(self, batch: Args) -> Args:
        if self.model.training:
            self.minutes += 1
        self.clock = lambda: self.minutes * 60
        return super().preprocess_batch(batch)


@pytest.mark.parametrize(
    ("hours", "epochs", "done"),
    [(6 / 60, 2, 3), (2 / 60, 9, 1), (5 / 60, 9, 3)],
    ids=["longer than planned", "one epoch", "stopped within an epoch"],
)
def test_time_replaces_the_number_of_epochs(
    hours: float, epochs: int, done: int, args: Args, tmp_path: Path
) -> None:
    class Run(Clocked):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            self.clock = lambda: 0.0

    trainer = train(args | {"time": hours, "epochs": epochs, "save": False}, Run)
    assert len(rows(tmp_path / "run")) == done
    assert trainer.epochs == done
    assert trainer.last.is_file()


# ---------------------------------------------------------------- going on after failures


class Order(DetectionTrainer):
    """Remembers the files of every batch, by pass."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.passes: list[tuple[int, list[str]]] = []
        self.add_callback("on_train_epoch_start", lambda t: t.passes.append((t.epoch, [])))

    def preprocess_batch(self, batch: Args) -> Args:
        self.passes[-1][1].extend(Path(f).stem for f in batch["im_file"])
        return super().preprocess_batch(batch)


def poison(trainer: DetectionTrainer) -> None:
    trainer.loss = torch.tensor(float("nan"))
    with torch.no_grad():
        for parameter in trainer.model.parameters():
            parameter.fill_(float("nan"))


@pytest.mark.parametrize("save", [True, False])
def test_a_diverged_epoch_is_repeated_from_the_one_before(
    save: bool, args: Args, tmp_path: Path
) -> None:
    states: list[Tensor] = []

    def watch(trainer: DetectionTrainer) -> None:
        if trainer.epoch == 1:
            states.append(next(trainer.model.parameters()).detach().clone())
            states.append(torch.tensor([g["lr"] for g in trainer.optimizer.param_groups]))

    def harm(trainer: Any) -> None:
        if [e for e, _ in trainer.passes] in ([0, 1], [0, 1, 1]):
            poison(trainer)

    handlers = {"on_train_batch_start": watch, "on_train_epoch_end": harm}
    trainer = train(args | {"epochs": 3, "save": save, "batch": 8}, Order, **handlers)
    assert [e for e, _ in trainer.passes] == [0, 1, 1, 1, 2]
    assert column(tmp_path / "run", "epoch") == ["1", "2", "3"]
    first, again, third = states[:2], states[2:4], states[4:6]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(first, third, strict=True))
    assert trainer.nan_recovery_attempts == 0
    orders = [files for _, files in trainer.passes]
    assert all(sorted(o) == sorted(orders[0]) for o in orders)
    assert orders[1] != orders[2]
    assert all(p.isfinite().all() for p in trainer.ema.ema.parameters())


@pytest.mark.slow
def test_the_epochs_after_a_recovery_are_those_of_an_undisturbed_run(args: Args) -> None:
    def harm(trainer: Any) -> None:
        if len(trainer.passes) == 2:
            poison(trainer)

    plain = train(args | {"epochs": 3, "name": "plain"}, Order)
    harmed = train(args | {"epochs": 3, "name": "harmed"}, Order, on_train_epoch_end=harm)
    assert plain.passes[2] == harmed.passes[3]


@pytest.mark.slow
def test_a_run_that_keeps_diverging_ends(args: Args) -> None:
    def harm(trainer: DetectionTrainer) -> None:
        if trainer.epoch == 1:
            poison(trainer)

    with pytest.raises(recovery.DivergedError, match="epoch 2 diverged"):
        train(args, on_train_epoch_end=harm)


def test_not_a_number_in_the_first_epoch_does_not_spoil_the_best(args: Args) -> None:
    class Odd(DetectionTrainer):
        def validate(self) -> tuple[dict[str, float], float]:
            metrics, fitness = super().validate()
            if self.epoch == 0:
                self.best_fitness = None
                fitness = float("nan")
            return metrics, fitness

    trainer = train(args | {"epochs": 2, "patience": 1}, Odd)
    assert trainer.best.is_file()
    assert trainer.best_fitness == trainer.fitness


@pytest.mark.parametrize(
    ("error", "device", "epoch", "tries", "expected"),
    [
        (torch.cuda.OutOfMemoryError("no memory"), "cuda", 0, 0, True),
        (RuntimeError("CUBLAS_STATUS_ALLOC_FAILED"), "cuda", 0, 2, True),
        (RuntimeError("shapes do not match"), "cuda", 0, 0, False),
        (torch.cuda.OutOfMemoryError(), "cpu", 0, 0, False),
        (torch.cuda.OutOfMemoryError(), "cuda", 1, 0, False),
        (torch.cuda.OutOfMemoryError(), "cuda", 0, 3, False),
    ],
)
def test_which_errors_are_tried_again(
    error: RuntimeError, device: str, epoch: int, tries: int, expected: bool
) -> None:
    state = SimpleNamespace(
        epoch=epoch,
        start_epoch=0,
        memory_retries=tries,
        device=torch.device(device),
        batch_size=8,
        is_shared=False,
    )
    assert recovery.can_shrink_batch(state, error) is expected  # type: ignore[arg-type]


def test_a_smaller_batch_after_a_lack_of_memory(
    args: Args, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    optimizers: list[torch.optim.Optimizer] = []
    trainer = train(
        args | {"batch": 8, "nbs": 20, "optimizer": "SGD", "warmup_epochs": 0.0},
        short_of_memory(DetectionTrainer, 2, monkeypatch),
        on_train_start=lambda t: optimizers.append(t.optimizer),
    )
    assert (trainer.batch_size, trainer.args.batch, trainer.memory_retries) == (2, 2, 2)
    assert trainer.optimizer is optimizers[0]
    assert trainer.accumulate == 8  # 20/2, but no more than the batches of the run
    weight, norm, _ = trainer.optimizer.param_groups
    assert weight["weight_decay"] == pytest.approx(0.0005 * 2 * 10 / 20)
    assert norm["weight_decay"] == 0
    assert trainer.validator.dataloader is trainer.test_loader
    assert trainer.test_loader.batch_size == 4
    assert column(tmp_path / "run", "epoch") == ["1", "2"]


# ---------------------------------------------------------------- settings of a run


def test_frozen_layers_keep_weights_and_statistics(args: Args) -> None:
    before: dict[str, Tensor] = {}

    def remember(trainer: DetectionTrainer) -> None:
        before.update({k: v.clone() for k, v in trainer.model.state_dict().items()})

    trainer = train(
        args | {"freeze": [0, "23.cv2"], "epochs": 1, "optimizer": "SGD"}, on_train_start=remember
    )
    moved = {k for k, v in trainer.model.state_dict().items() if not torch.equal(v, before[k])}
    assert not [k for k in moved if k.startswith(("model.0.", "model.23.cv2."))]
    assert any(k.startswith("model.1.") and "running_mean" in k for k in moved)


def test_multi_scale_changes_the_size_of_batches(args: Args) -> None:
    sizes: set[int] = set()

    class Sized(DetectionTrainer):
        def preprocess_batch(self, batch: Args) -> Args:
            out = super().preprocess_batch(batch)
            sizes.add(out["img"].shape[-1])
            return out

    train(args | {"multi_scale": 0.5, "epochs": 3, "imgsz": 96, "val": False, "batch": 2}, Sized)
    assert sizes <= {32, 64, 96, 128, 160}
    assert len(sizes) > 1


@pytest.mark.parametrize("single", [False, True])
def test_class_weights_have_mean_one(single: bool, args: Args) -> None:
    trainer = train(args | {"cls_pw": 1.0, "single_cls": single, "epochs": 1})
    weights = trainer.model.class_weights
    assert weights.shape == (1 if single else 2,)
    assert float(weights.mean()) == pytest.approx(1)
    counts = torch.tensor(trainer.get_class_counts(), dtype=torch.float32)
    assert torch.allclose(weights * counts, (weights * counts)[0])
    assert torch.equal(trainer.ema.ema.class_weights, weights)


def test_rectangular_training_keeps_the_order_of_shapes(args: Args) -> None:
    trainer = train(args | {"rect": True, "epochs": 1}, Order)
    assert len(trainer.passes[0][1]) == 8


def test_mosaic_ends_with_the_last_epochs(args: Args) -> None:
    flags: list[bool] = []
    trainer = train(
        args | {"close_mosaic": 1, "epochs": 3},
        on_train_batch_start=lambda t: flags.append(t.train_loader.dataset.mosaic),
    )
    assert flags == [True] * 4 + [False] * 2
    assert trainer.is_mosaic_closed


@pytest.mark.parametrize(
    ("epochs", "close", "expected"), [(2, 5, False), (1, 1, False), (1, 0, True)]
)
def test_a_run_shorter_than_close_mosaic_has_none(
    epochs: int, close: int, expected: bool, args: Args
) -> None:
    flags: list[bool] = []
    train(
        args | {"close_mosaic": close, "epochs": epochs, "val": False},
        on_train_batch_start=lambda t: flags.append(t.train_loader.dataset.mosaic),
    )
    assert set(flags) == {expected}


class TwoWorkers(Order):
    """Loads with two processes, which the CPU default avoids."""

    def get_dataloader(
        self, dataset_path: Any, batch_size: int = 16, rank: int = 0, mode: str = "train"
    ) -> Any:
        self.args.workers = 2 if mode == "train" else 0
        return super().get_dataloader(dataset_path, batch_size, rank, mode)


@pytest.mark.slow
def test_workers_see_the_end_of_mosaic_and_a_resumed_run_goes_on(
    args: Args, tmp_path: Path
) -> None:
    settings = args | {"epochs": 3, "close_mosaic": 1, "optimizer": "SGD", "batch": 2}

    def stop(trainer: DetectionTrainer) -> None:
        if trainer.epoch == stop_after:
            trainer.stop = True

    stop_after = 9
    whole = train(settings | {"name": "whole"}, TwoWorkers)
    assert isinstance(whole.train_loader, InfiniteDataLoader)
    assert whole.train_loader.num_workers == 2
    for stop_after in (0, 1):
        name = f"cut{stop_after}"
        cut = train(settings | {"name": name}, TwoWorkers, on_train_epoch_end=stop)
        rest = train({"resume": str(cut.last)}, TwoWorkers)
        assert cut.passes + rest.passes == whole.passes
        states = [read_exact_state(tmp_path / n / "weights" / "last.pt") for n in ("whole", name)]
        one, two = ((state or {})["model"] for state in states)
        assert all(torch.equal(v, two[k]) for k, v in one.items())
        assert column(tmp_path / name, "train/box_loss") == column(
            tmp_path / "whole", "train/box_loss"
        )


# ---------------------------------------------------------------- going on with a run


@pytest.mark.slow
def test_a_run_is_continued_by_path_or_by_model(args: Args, tmp_path: Path) -> None:
    trainer = train(args | {"epochs": 1})
    again = train({"resume": str(trainer.last), "epochs": 2})
    assert (again.start_epoch, again.save_dir) == (1, tmp_path / "run")
    third = DetectionTrainer(
        cfg={**vars(again.args), "model": str(again.last), "resume": True, "epochs": 3}
    )
    third.train()
    model = YOLO(third.last)
    same = {k: v for k, v in args.items() if k not in ("model", "epochs")}
    model.train(**same | {"project": tmp_path}, optimizer="auto", resume=True, epochs=4, val=False)
    assert column(tmp_path / "run", "epoch") == ["1", "2", "3", "4"]
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
    with pytest.raises(ResumeError, match="box"):
        DetectionTrainer(overrides={"resume": str(trainer.last), "box": 1.0, "epochs": 9})


@pytest.mark.slow
def test_a_continued_run_may_change_its_batch(args: Args) -> None:
    trainer = train(args | {"epochs": 1, "nbs": 8, "warmup_epochs": 0.0})
    assert trainer.accumulate == 2
    again = train({"resume": str(trainer.last), "epochs": 3, "batch": 2})
    assert again.accumulate == 4


@pytest.mark.slow
@pytest.mark.parametrize("model", ["yolo11n.yaml", "yolo26n.yaml"])
def test_a_checkpoint_without_the_exact_state_is_continued_from_the_average(
    model: str, args: Args, tmp_path: Path
) -> None:
    first = train(args | {"model": model, "epochs": 3, "save_period": 1})
    path = first.wdir / "epoch1.pt"
    ckpt = torch_safe_load(path)[0]
    write_checkpoint(ckpt, path)
    with torch.no_grad():
        average = {k: v.float() for k, v in ckpt["ema"].state_dict().items()}
    seen: Args = {}

    def look(trainer: DetectionTrainer) -> None:
        seen["same"] = all(
            torch.equal(v, average[k]) for k, v in trainer.model.state_dict().items()
        )
        seen["updates"] = trainer.ema.updates
        seen["criterion"] = getattr(trainer.model.criterion, "updates", None)

    again = train({"resume": str(path)}, on_train_start=look)
    assert again.start_epoch == 2
    assert seen == {
        "same": True,
        "updates": 4,
        "criterion": 2 if model == "yolo26n.yaml" else None,
    }
    assert column(tmp_path / "run", "epoch") == ["1", "2", "3"]


@pytest.mark.slow
def test_a_continued_run_recovers_in_its_first_epoch(args: Args) -> None:
    def harm(trainer: Any) -> None:
        if len(trainer.passes) == 1:
            poison(trainer)

    first = train(args | {"epochs": 1})
    again = train({"resume": str(first.last), "epochs": 2}, Order, on_train_epoch_end=harm)
    assert [e for e, _ in again.passes] == [1, 1]
    assert all(p.isfinite().all() for p in again.model.parameters())


# ---------------------------------------------------------------- what users derive


class Plain(DetectionTrainer):
    """Network and loaders of a user: old signatures, a torch loader, a step of his own."""

    steps = 0

    def get_model(self, cfg: Any = None, weights: Any = None) -> nn.Module:  # type: ignore[override]
        return DetectionModel(cfg, nc=self.data["nc"], verbose=False)

    def get_dataloader(
        self, dataset_path: Any, batch_size: int = 16, rank: int = 0, mode: str = "train"
    ) -> Any:
        inner = self.build_dataset(dataset_path, mode, batch_size)
        dataset = Wrapped(inner) if mode == "train" else inner
        return torch.utils.data.DataLoader(dataset, batch_size, collate_fn=inner.collate_fn)

    def optimizer_step(self) -> None:
        self.steps += 1
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.ema.update(self.model)


class Wrapped(torch.utils.data.Dataset[Any]):
    """Hides everything of a data set but its samples."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __len__(self) -> int:
        return len(self.inner)

    def __getitem__(self, index: int) -> Any:
        return self.inner[index]


@pytest.mark.parametrize("changes", [{}, {"cls_pw": 0.5}, {"close_mosaic": 1}])
def test_plain_loaders_and_old_signatures_work(changes: Args, args: Args, tmp_path: Path) -> None:
    trainer = train(args | changes, Plain)
    assert trainer.steps == 4
    assert column(tmp_path / "run", "epoch") == ["1", "2"]


def test_the_facade_takes_a_trainer_class(args: Args, tmp_path: Path) -> None:
    model = YOLO("yolo11n.yaml")
    seen: list[str] = []
    model.add_callback("on_fit_epoch_end", lambda t: seen.append(type(t).__name__))
    metrics = model.train(trainer=Plain, **{k: v for k, v in args.items() if k != "model"})
    assert seen == ["Plain"] * 3
    assert metrics is model.trainer.validator.metrics
    assert model.ckpt_path == str(tmp_path / "run" / "weights" / "best.pt")


class Own(DetectionModel):
    """A network with a loss of its own."""

    def init_criterion(self) -> Any:
        inner = super().init_criterion()

        def loss(preds: Any, batch: Any) -> tuple[Tensor, dict[str, Tensor]]:
            vector, items = inner(preds, batch)
            return vector.sum(), {"total": sum(items.values())}

        return loss


def test_a_loss_of_ones_own_names_the_columns(args: Args, tmp_path: Path) -> None:
    class Owner(DetectionTrainer):
        def get_model(
            self, cfg: Any = None, weights: Any = None, verbose: bool = True
        ) -> nn.Module:
            return Own(cfg, nc=self.data["nc"], verbose=False)

    trainer = train(args | {"epochs": 1}, Owner)
    assert trainer.loss_names == ("total",)
    assert type(YOLO(trainer.best).model) is Own
    assert {"train/total", "val/total"} <= rows(tmp_path / "run")[0].keys()


def test_a_network_that_cannot_be_saved_is_refused_at_the_start(args: Args) -> None:
    class Inside(DetectionModel):
        """No file can name this class."""

    class Owner(DetectionTrainer):
        def get_model(
            self, cfg: Any = None, weights: Any = None, verbose: bool = True
        ) -> nn.Module:
            return Inside(cfg, nc=self.data["nc"], verbose=False)

    with pytest.raises(CheckpointError, match="top level of a module"):
        train(args, Owner)
