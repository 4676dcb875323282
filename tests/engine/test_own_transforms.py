"""Transforms that the user passes or edits: they act, in worker processes too, and outlast the end of mosaic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.contract.test_checkpoint_names import globals_of
from tests.multiprocess.parts import DETECT, paint_classes
from ultralytics.data.augment import BaseTransform, Format, LetterBox
from ultralytics.engine.trainer import objects
from ultralytics.errors import ConfigTypeError, ResumeError
from ultralytics.models.yolo.classify import ClassificationTrainer
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.utils.namespace import IterableSimpleNamespace

Args = dict[str, Any]


class Paint(BaseTransform):
    """Give all pixels one value."""

    def __init__(self, value: int) -> None:
        self.value = value

    def apply_image(self, labels: Args, params: Args) -> Args:
        labels["img"][:] = self.value
        return labels


def paint_last(steps: list[Any]) -> list[Any]:
    return [*steps, Paint(7)]


class Watched(DetectionTrainer):
    """Remembers the pixel values of training batches, by epoch."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.values: list[set[float]] = []
        self.add_callback("on_train_epoch_start", lambda t: t.values.append(set()))

    def preprocess_batch(self, batch: Args) -> Args:
        if self.model.training:
            self.values[-1] |= set(batch["img"].unique().tolist())
        return super().preprocess_batch(batch)


@pytest.fixture
def args(short_run: Args, tmp_path: Path) -> Args:
    (tmp_path / "tiny.yaml").write_text(DETECT)
    return short_run | {"model": str(tmp_path / "tiny.yaml"), "optimizer": "SGD", "val": False}


def train(args: Args, **handlers: Any) -> Watched:
    trainer = Watched(overrides=args)
    for event, handler in handlers.items():
        trainer.add_callback(event, handler)
    trainer.train()
    return trainer


@pytest.mark.parametrize("close", [0, 1])
def test_a_function_changes_the_default_list(close: int, args: Args) -> None:
    trainer = train(args | {"transforms": paint_last, "close_mosaic": close})
    assert trainer.values == [{7}, {7}]  # also after mosaic has ended
    names = [type(step).__name__ for step in trainer.transforms.transforms]
    assert names[-2:] == ["Paint", "Format"]
    mosaic = trainer.transforms[0].transforms[0]
    assert mosaic.p == (0.0 if close else 1.0)
    files = [trainer.wdir / name for name in ("last.pt", "best.pt")]
    assert not [g for file in files for g in globals_of(file) if "tests" in g]


@pytest.mark.parametrize("whole", [True, False])
def test_a_list_replaces_the_steps_before_the_tensors(whole: bool, args: Args) -> None:
    steps: list[Any] = [LetterBox((64, 64)), Paint(9)]
    if whole:
        steps.append(Format(bbox_format="xywh", normalize=True, batch_idx=True))
    trainer = train(args | {"transforms": steps})
    assert trainer.values == [{9}, {9}]
    assert len(trainer.transforms.transforms) == 3


@pytest.mark.parametrize("workers", [0, 2])
def test_edits_in_callbacks_take_effect_in_the_next_epoch(
    workers: int, args: Args, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ultralytics.data.build._cores", lambda: 2)

    def start(trainer: Watched) -> None:
        trainer.transforms.insert(len(trainer.transforms.transforms) - 1, Paint(5))

    def later(trainer: Watched) -> None:
        if trainer.epoch == 2:
            trainer.transforms[-2].value = 6

    class Parallel(Watched):
        def _prepare(self) -> None:
            super()._prepare()
            self.args.workers = workers

    trainer = Parallel(overrides=args | {"epochs": 4, "close_mosaic": 1})
    trainer.add_callback("on_pretrain_routine_end", start)
    trainer.add_callback("on_train_epoch_start", later)
    trainer.train()
    assert trainer.train_loader.num_workers == workers
    assert trainer.values == [{5}, {5}, {6}, {6}]


def test_transforms_may_be_replaced_as_a_whole(args: Args) -> None:
    trainer = Watched(overrides=args)
    assert trainer.transforms is None

    def replace(trainer: Watched) -> None:
        trainer.transforms = lambda sample: Format(batch_idx=True)(
            Paint(3)(LetterBox((64, 64))(sample))
        )

    trainer.add_callback("on_pretrain_routine_end", replace)
    trainer.train()
    assert trainer.values == [{3}, {3}]


class Owner(Watched):
    """A trainer of a user that happens to have an attribute of this name."""

    def _prepare(self) -> None:
        self.transforms = "mine"
        super()._prepare()


def test_an_attribute_of_a_subclass_stays_its_own(args: Args) -> None:
    trainer = Owner(overrides=args)
    trainer.train()
    assert trainer.transforms == "mine"
    assert len(trainer.train_loader.dataset.transforms.transforms) > 1


class Grey(torch.nn.Module):
    """A picture of one value."""

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return torch.full_like(picture, 0.25)


@pytest.mark.parametrize("edited", [True, False])
def test_classification_lists_its_steps_too(edited: bool, args: Args, tmp_path: Path) -> None:
    data = paint_classes(tmp_path / "classes", {"train": 8, "val": 4})
    seen: set[float] = set()

    class Seen(ClassificationTrainer):
        def preprocess_batch(self, batch: Args) -> Args:
            if self.model.training:
                seen.update(batch["img"].unique().tolist())
            return super().preprocess_batch(batch)

    given = args | {"model": "yolo11n-cls.yaml", "data": str(data), "imgsz": 32, "epochs": 1}
    if not edited:
        given["transforms"] = lambda steps: [*steps, Grey()]
    trainer = Seen(overrides=given)
    if edited:
        trainer.add_callback(
            "on_pretrain_routine_end", lambda t: t.transforms.transforms.append(Grey())
        )
    trainer.train()
    assert seen == {0.25}


def test_wrong_transforms_are_named(args: Args) -> None:
    for wrong, text in (
        ("blur", "pass it from Python"),
        ([3], "the step 3 cannot be called"),
        (lambda steps: None, "must return a list"),
    ):
        with pytest.raises(ConfigTypeError, match=text):
            Watched(overrides=args | {"transforms": wrong}).train()


def test_a_run_with_transforms_needs_them_to_go_on(args: Args) -> None:
    def stop(trainer: Watched) -> None:
        trainer.stop = True

    trainer = train(args | {"transforms": paint_last}, on_model_save=stop)
    with pytest.raises(ResumeError, match="transforms="):
        Watched(overrides={"resume": str(trainer.last)})
    again = train({"resume": str(trainer.last), "transforms": paint_last})
    assert again.values == [{7}]


class Described:
    """Describes itself as the transforms of albumentations do."""

    def to_dict(self) -> Args:
        return {"transform": {"__class_fullname__": "Blur", "p": 0.5}}


def test_augmentations_are_stored_as_plain_data() -> None:
    args = IterableSimpleNamespace(
        distill_model=None, augmentations=[Described(), {"transform": {}}]
    )
    objects.take(args)
    assert args.augmentations == [Described().to_dict(), {"transform": {}}]
    args = IterableSimpleNamespace(distill_model=None, augmentations=[lambda x: x])
    with pytest.raises(ConfigTypeError, match="plain data"):
        objects.take(args)
