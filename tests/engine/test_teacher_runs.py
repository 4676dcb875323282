"""Runs that learn from a teacher: columns, groups, files, going on, refusals."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from tests.multiprocess.parts import DETECT
from tests.runs import rows
from ultralytics import YOLO
from ultralytics.errors import ConfigValueError, ResumeError
from ultralytics.models.rtdetr import RTDETRTrainer
from ultralytics.models.yolo.classify import ClassificationTrainer
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.models.yolo.semantic import SemanticSegmentationTrainer
from ultralytics.nn.distill_model import DistillationModel
from ultralytics.nn.tasks import DetectionModel, load_checkpoint
from ultralytics.nn.tasks.checkpoint import read_exact_state, torch_safe_load

Args = dict[str, Any]


@pytest.fixture
def args(short_run: Args, tmp_path: Path) -> Args:
    """A tiny student, and a wider teacher of the same levels."""
    (tmp_path / "tiny.yaml").write_text(DETECT)
    wide = yaml.safe_load(DETECT)
    wide["backbone"][-1][-1][0] = 24
    torch.manual_seed(5)
    (tmp_path / "wide.yaml").write_text(yaml.safe_dump(wide))
    YOLO(tmp_path / "wide.yaml").save(tmp_path / "teacher.pt")
    return short_run | {
        "model": str(tmp_path / "tiny.yaml"),
        "distill_model": str(tmp_path / "teacher.pt"),
        "optimizer": "SGD",
        "epochs": 3,
        "save_period": 1,
    }


def train(args: Args, **handlers: Callable[[Any], Any]) -> DetectionTrainer:
    trainer = DetectionTrainer(overrides=args)
    for event, handler in handlers.items():
        trainer.add_callback(event, handler)
    trainer.train()
    return trainer


def state(folder: Path) -> dict[str, torch.Tensor]:
    found = read_exact_state(folder / "weights" / "last.pt")
    assert found is not None
    return {**found["model"], **{f"ema.{k}": v for k, v in found["ema"].items()}}


def test_columns_groups_and_files_of_a_run(args: Args, tmp_path: Path) -> None:
    trainer = train(args)
    names = list(rows(tmp_path / "run")[0])
    train_part = names[2 : names.index("metrics/precision(B)")]
    assert train_part[-2:] == ["train/dfl_loss", "train/dis_loss"]
    assert names[names.index("val/dfl_loss") + 1 :][:2] == ["val/dis_loss", "lr/pg0"]
    for row in rows(tmp_path / "run"):
        assert float(row["train/dis_loss"]) > 0
        assert float(row["val/dis_loss"]) == 0
    both = trainer.model
    assert isinstance(both, DistillationModel)
    grouped = [p for g in trainer.optimizer.param_groups for p in g["params"]]
    assert {id(p) for p in grouped} == {id(p) for p in both.parameters()}
    assert not {id(p) for p in grouped} & {id(p) for p in both.teacher_model.parameters()}
    for name in (
        "epoch1.pt",
        "last.pt",
        "best.pt",
    ):  # during the run and after it: the plain student
        network, _ = load_checkpoint(trainer.wdir / name)
        assert type(network) is DetectionModel
    unfinished, _ = torch_safe_load(trainer.wdir / "epoch1.pt")
    assert type(unfinished["ema"]) is DetectionModel
    assert unfinished["train_args"]["distill_model"] == args["distill_model"]


def test_the_weight_counts_and_zero_is_a_run_without_teacher(args: Args, tmp_path: Path) -> None:
    small, large = (
        float(
            rows(Path(train(args | {"dis": dis, "name": str(dis), "epochs": 1}).save_dir))[0][
                "train/dis_loss"
            ]
        )
        for dis in (1.0, 5.0)
    )
    assert large == pytest.approx(5 * small, rel=0.05)  # after steps that differ a little


@pytest.mark.parametrize("given", ["network", "facade", "named facade"])
def test_a_teacher_given_as_an_object_is_not_changed_nor_stored(
    given: str, args: Args, tmp_path: Path
) -> None:
    facade = YOLO(args["distill_model"])
    if given != "named facade":
        facade.model.pt_path = None
    for parameter in facade.model.parameters():
        parameter.requires_grad = True
    before = deepcopy(facade.model.state_dict())
    trainer = train(
        args | {"epochs": 1, "distill_model": facade.model if given == "network" else facade}
    )
    assert float(rows(tmp_path / "run")[0]["train/dis_loss"]) > 0
    assert all(torch.equal(v, before[k]) for k, v in facade.model.state_dict().items())
    assert all(p.requires_grad for p in facade.model.parameters())
    named = torch_safe_load(trainer.wdir / "epoch0.pt")[0]["train_args"]["distill_model"]
    assert named == (args["distill_model"] if given == "named facade" else None)


@pytest.mark.slow
def test_a_stopped_run_goes_on_bit_for_bit(args: Args, tmp_path: Path) -> None:
    whole = train(args | {"name": "whole"})

    def fail(trainer: Any) -> None:
        if trainer.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(args | {"name": "cut"}, on_train_epoch_start=fail)
    last = tmp_path / "cut" / "weights" / "last.pt"
    cut = train({"resume": str(last), "task": "detect"})
    mine, theirs = state(Path(whole.save_dir)), state(Path(cut.save_dir))
    assert any(k.startswith("projector.") for k in mine)
    assert mine.keys() == theirs.keys()
    assert [k for k in mine if not torch.equal(mine[k], theirs[k])] == []
    columns = [
        [{k: v for k, v in row.items() if k != "time"} for row in rows(tmp_path / name)]
        for name in ("whole", "cut")
    ]
    assert columns[0] == columns[1]


def test_going_on_needs_the_same_kind_of_teacher(args: Args, tmp_path: Path) -> None:
    stop = {"on_model_save": lambda trainer: setattr(trainer, "stop", True)}
    facade = YOLO(args["distill_model"])
    facade.model.pt_path = None
    train(args | {"name": "object", "distill_model": facade}, **stop)
    last = str(tmp_path / "object" / "weights" / "last.pt")
    with pytest.raises(ResumeError, match="given as an object"):
        DetectionTrainer(overrides={"resume": last})
    with pytest.raises(ResumeError, match="other channels"):
        train({"resume": last, "distill_model": str(tmp_path / "object" / "weights" / "best.pt")})
    train(args | {"name": "alone", "distill_model": None}, **stop)
    last = str(tmp_path / "alone" / "weights" / "last.pt")
    with pytest.raises(ResumeError, match="no teacher"):
        DetectionTrainer(overrides={"resume": last, "distill_model": facade})


@pytest.mark.parametrize(
    "kind", [ClassificationTrainer, SemanticSegmentationTrainer, RTDETRTrainer]
)
def test_tasks_without_a_box_head_are_refused_at_once(kind: Any, tmp_path: Path) -> None:
    given = {"model": "m.yaml", "data": "nothing", "project": str(tmp_path)}
    with pytest.raises(ConfigValueError, match=f"does not work with {kind.__name__}"):
        kind(overrides=given | {"distill_model": "yolo11n.pt"})
    assert list(tmp_path.iterdir()) == []


def test_teachers_that_do_not_fit_leave_no_folder(args: Args, tmp_path: Path) -> None:
    deep = yaml.safe_load(DETECT)
    deep["head"] = [[[1, 2], 1, "Detect", ["nc"]]]
    (tmp_path / "deep.yaml").write_text(yaml.safe_dump(deep))
    YOLO(tmp_path / "deep.yaml").save(tmp_path / "deep.pt")
    YOLO("yolo11n-cls.yaml").save(tmp_path / "cls.pt")
    for name, text in (("deep.pt", r"2 levels with strides \[4, 8\]"), ("cls.pt", "Classify")):
        with pytest.raises(ConfigValueError, match=text):
            train(args | {"distill_model": str(tmp_path / name)})
    with pytest.raises(FileNotFoundError):
        train(args | {"distill_model": str(tmp_path / "missing.pt")})
    assert not (tmp_path / "run").exists()


def test_compile_gives_way_with_a_warning(args: Args, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("WARNING", logger="ultralytics"):
        trainer = train(args | {"epochs": 1, "compile": True, "verbose": True})
    assert trainer.args.compile is False
    assert "compile is off" in caplog.text


def test_a_teacher_for_other_channels_is_rebuilt(tmp_path: Path) -> None:
    from ultralytics.engine.trainer.teacher import open_teacher

    teacher = YOLO("yolo11n.yaml").model
    made = open_teacher(teacher, channels=1)
    assert made.model[0].conv.weight.shape[1] == 1
    summed = teacher.model[0].conv.weight.sum(1, keepdim=True)
    torch.testing.assert_close(made.model[0].conv.weight, summed)
    assert open_teacher(teacher, channels=3).model[0].conv.weight.shape[1] == 3
