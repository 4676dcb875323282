"""The facade: opening, dispatch, merging, callbacks. The engines are replaced by recorders."""

from __future__ import annotations

import copy
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from ultralytics import YOLO
from ultralytics.engine.model import Model
from ultralytics.errors import CheckpointError, ConfigValueError, ResumeError
from ultralytics.events import EVENTS
from ultralytics.nn import tasks
from ultralytics.nn.tasks import DetectionModel, write_checkpoint, yaml_model_load


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small weights file."""
    path = tmp_path_factory.mktemp("weights") / "small.pt"
    content = {**yaml_model_load("yolo11n.yaml"), "scales": {"n": [0.33, 0.125, 128]}}
    model = DetectionModel(content, nc=2, verbose=False)
    model.names = {0: "cat", 1: "dog"}
    args = {"imgsz": 96, "data": "/nowhere/own.yaml", "task": "detect", "lr0": 0.5}
    write_checkpoint({"model": model.half(), "train_args": args, "epoch": -1}, path)
    return path


class Recorder:
    """Stands for any engine class."""

    made: list[Recorder] = []

    def __init__(self, **kwargs: Any) -> None:
        self.kwargs = kwargs
        self.args = kwargs.get("overrides") or kwargs.get("args")
        self.metrics = object()
        self.calls: list[dict[str, Any]] = []
        Recorder.made.append(self)

    def setup_model(self, model: Any, verbose: bool = True) -> None:
        self.model = model

    def __call__(self, **kwargs: Any) -> Any:
        self.calls.append(kwargs)
        return ["result"]


class RecordingPredictor(Recorder):
    """A predictor whose arguments are a namespace, as in the real one."""

    def __init__(self, **kwargs: Any) -> None:
        from ultralytics.cfg import get_cfg

        super().__init__(**kwargs)
        self.args = get_cfg(overrides=kwargs["overrides"])
        self.save_dir: Any = "first"
        self.claimed: list[Any] = []  # what each run was started with

    @property
    def settings(self) -> Any:
        return self.args

    def renew(self, args: Any, save_dir: Any = None) -> None:
        self.args, self.save_dir = args, save_dir or self.save_dir

    def claim(self) -> None:
        self.claimed.append(self.args)


@pytest.fixture(autouse=True)
def _no_recordings() -> None:
    Recorder.made.clear()


def test_weights_carry_their_task_names_and_some_arguments(weights: Path) -> None:
    model = YOLO(weights)
    assert model.task == "detect"
    assert model.names == {0: "cat", 1: "dog"}
    assert model.overrides == {
        "imgsz": 96,
        "data": "/nowhere/own.yaml",
        "task": "detect",
        "single_cls": False,
        "model": str(weights),
    }
    assert model.ckpt_path == str(weights)
    assert model.device == torch.device("cpu")
    assert next(model.model.parameters()).dtype == torch.float32
    assert model.training is False


def test_architectures_are_built() -> None:
    model = YOLO("yolo26n.yaml")
    assert isinstance(model.model, DetectionModel)
    assert (model.cfg, model.model_name, model.task) == ("yolo26n.yaml", "yolo26n.yaml", "detect")
    assert model.training is True
    assert model.model.args["task"] == "detect"
    assert model.ckpt == {}


def test_another_facade_shares_its_state(weights: Path) -> None:
    first = YOLO(weights)
    second = YOLO(first)
    second.add_callback("on_val_end", print)
    assert first.callbacks["on_val_end"] == [print]
    assert first.model is second.model


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("nothing.pt", FileNotFoundError, "nothing.pt"),
        ("nothing.yaml", FileNotFoundError, "nothing.yaml"),
        ("nothing.onnx", FileNotFoundError, "nothing.onnx"),
        ("table.csv", CheckpointError, "no known kind"),
    ],
)
def test_what_cannot_be_opened(name: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        YOLO(name)


def test_a_task_that_contradicts_the_head_is_refused() -> None:
    with pytest.raises(ConfigValueError, match=r"contradicts yolo11n\.yaml.*task=detect"):
        YOLO("yolo11n.yaml", task="segment")
    with pytest.raises(ValueError, match="unknown task"):
        YOLO("yolo11n.yaml", task="detekt")


def test_the_task_of_weights_wins_with_a_warning(
    weights: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert YOLO(weights, task="segment").task == "detect"
    assert "task=segment is not used" in caplog.text


def test_servers_are_remembered_by_address() -> None:
    model = YOLO("http://localhost:8000/yolo")
    assert model.model == "http://localhost:8000/yolo"
    assert model.task == "detect"
    assert model.device is None
    with pytest.raises(TypeError, match="not a PyTorch network"):
        model.info()


def test_exported_models_refuse_what_needs_a_network(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"x")
    model = YOLO(path, task="detect")
    for call in (model.train, model.save, model.fuse, model.reset_weights, model.load, model.half):
        with pytest.raises(TypeError, match="Exported formats"):
            call()


def test_unknown_attributes_come_from_the_network(weights: Path) -> None:
    model = YOLO(weights)
    assert model.stride is model.model.stride
    with pytest.raises(AttributeError, match="nonsense"):
        _ = model.nonsense
    assert copy.deepcopy(model).names == model.names


def test_task_map_names_every_role() -> None:
    table = YOLO("yolo11n.yaml").task_map
    assert set(table["detect"]) == {"model", "trainer", "validator", "predictor"}
    assert table["detect"]["model"] is DetectionModel
    with pytest.raises(KeyError):
        table["detect"]["cook"]


def test_a_missing_role_is_named(weights: Path) -> None:
    model = YOLO(weights)
    with pytest.raises(NotImplementedError, match="YOLO has no cook for task=detect"):
        model._smart_load("cook")
    with pytest.raises(NotImplementedError, match="lists no classes"):
        Model(weights).predict(torch.zeros(1, 3, 32, 32))


def test_prediction_arguments(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = YOLO(weights)
    out = model.predict("pictures", predictor=RecordingPredictor, conf=0.6)
    made = Recorder.made[0]
    assert out == ["result"]
    assert made.calls == [{"source": "pictures", "stream": False}]
    assert (made.args.conf, made.args.imgsz, made.args.rect, made.args.save) == (
        0.6,
        96,
        True,
        False,
    )
    assert made.kwargs["_callbacks"] is model.callbacks


def test_the_predictor_is_kept_and_its_arguments_renewed(weights: Path) -> None:
    model = YOLO(weights)
    model.predict("a", predictor=RecordingPredictor, conf=0.6, device="cpu")
    model("b", stream=True)
    assert len(Recorder.made) == 1
    assert model.predictor.args.conf == 0.25  # the last call's value does not stick
    assert model.predictor.args.device == "cpu"  # the set-up does
    assert model.predictor.save_dir == "first"
    model("c", name="elsewhere")
    assert model.predictor.save_dir != "first"


def test_another_set_up_or_class_makes_a_new_predictor(weights: Path) -> None:
    model = YOLO(weights)
    model.predict("a", predictor=RecordingPredictor)
    first = model.predictor

    class Other(RecordingPredictor):
        pass

    model.predict("a", predictor=Other)
    assert type(model.predictor) is Other
    model.predict("a", predictor=Other, nms=False)
    assert len(Recorder.made) == 3
    assert model.predictor is not first


def test_conversion_drops_the_predictor_only_when_something_changed(weights: Path) -> None:
    model = YOLO(weights)
    model.predict("a", predictor=RecordingPredictor)
    assert model.to("cpu") is model
    assert model.predictor is not None
    model.half()
    assert model.predictor is None
    assert model.overrides["device"] == "cpu"


def test_a_missing_source_means_the_packaged_pictures(
    weights: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        YOLO(weights).predict(predictor=RecordingPredictor)
    assert "'source' was not given" in caplog.text
    assert "assets" in str(Recorder.made[0].calls[0]["source"])


def test_embedding_takes_the_last_layer_but_one(weights: Path) -> None:
    model = YOLO(weights)
    model.predict("a", predictor=RecordingPredictor)
    model.embed("a")
    assert model.predictor.args.embed == [len(model.model.model) - 2]


def test_validation_hands_over_arguments_and_returns_metrics(weights: Path) -> None:
    model = YOLO(weights)
    model.add_callback("on_val_end", print)
    metrics = model.val(validator=Recorder, data="x.yaml", conf=0.2)
    made = Recorder.made[0]
    assert metrics is made.metrics is model.metrics
    assert made.calls == [{"model": model.model}]
    assert (made.args["data"], made.args["mode"], made.args["conf"]) == ("x.yaml", "val", 0.2)
    assert made.kwargs["_callbacks"]["on_val_end"] == [print]
    assert made.kwargs["_callbacks"] is not model.callbacks


class FakeTrainer(Recorder):
    """Leaves a weights file behind, as a run does."""

    def get_model(self, cfg: dict[str, Any], weights: Any = None) -> DetectionModel:
        self.start = weights
        model = DetectionModel(cfg, nc=3, verbose=False)
        model.args = {}  # type: ignore[assignment]
        return model

    def train(self) -> None:
        self.validator = Recorder()
        self.wdir = Path(self.args["project"])
        self.best, self.last = self.wdir / "best.pt", self.wdir / "last.pt"
        if self.args.get("name") == "fails":
            return
        model = getattr(self, "model", None) or tasks.load_checkpoint(self.args["model"])[0]
        content = {"model": model, "train_args": {"imgsz": 32, "task": "detect"}}
        write_checkpoint(content, self.best)


def test_training_starts_from_the_held_weights_and_keeps_the_best(
    weights: Path, tmp_path: Path
) -> None:
    model = YOLO(weights)
    held = model.model
    metrics = model.train(trainer=FakeTrainer, data="x.yaml", epochs=1, project=str(tmp_path))
    made = Recorder.made[0]
    assert made.start is held  # type: ignore[attr-defined]
    assert (made.args["pretrained"], made.args["model"], made.args["task"]) == (
        True,
        str(weights),
        "detect",
    )
    assert metrics is Recorder.made[1].metrics
    assert model.overrides["imgsz"] == 32
    assert model.overrides["model"] == model.ckpt_path == str(tmp_path / "best.pt")
    assert model.model.yaml["nc"] == 3
    assert held.yaml["nc"] == 2


@pytest.mark.parametrize("pretrained", [False, "path"])
def test_starting_weights(pretrained: bool | str, weights: Path, tmp_path: Path) -> None:
    choice = str(weights) if pretrained == "path" else pretrained
    model = YOLO(weights)
    held = model.model
    model.train(trainer=FakeTrainer, data="x.yaml", project=str(tmp_path), pretrained=choice)
    start = Recorder.made[0].start  # type: ignore[attr-defined]
    assert start is None if pretrained is False else isinstance(start, DetectionModel)
    assert start is not held


def test_a_new_architecture_is_left_to_the_trainer(weights: Path, tmp_path: Path) -> None:
    model = YOLO("yolo11n.yaml")
    made: list[FakeTrainer] = []

    class Fails(FakeTrainer):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            made.append(self)

    with pytest.raises(FileNotFoundError, match="left no weights"):
        model.train(trainer=Fails, data="x.yaml", project=str(tmp_path), name="fails")
    assert not hasattr(made[0], "start")


def test_resuming_names_the_opened_file(weights: Path, tmp_path: Path) -> None:
    model = YOLO(weights)
    model.train(trainer=FakeTrainer, resume=True, project=str(tmp_path), epochs=9)
    args = Recorder.made[0].args
    assert args["resume"] == args["model"] == str(weights)
    assert args["epochs"] == 9
    assert not hasattr(Recorder.made[0], "start")


def test_nothing_to_resume_is_an_error() -> None:
    with pytest.raises(ResumeError, match="built new"):
        YOLO("yolo11n.yaml").train(resume=True)


@pytest.mark.parametrize("name", ["benchmark", "export"])
def test_later_parts_say_so(name: str, weights: Path) -> None:
    with pytest.raises(NotImplementedError, match="not part of this version"):
        getattr(YOLO(weights), name)()


def test_saving_and_loading(weights: Path, tmp_path: Path) -> None:
    model = YOLO(weights)
    model.save(tmp_path / "again.pt")
    again = YOLO(tmp_path / "again.pt")
    assert again.names == model.names
    for a, b in zip(model.model.parameters(), again.model.parameters(), strict=True):
        assert_close(a, b)
    content = torch.load(tmp_path / "again.pt", weights_only=False)
    assert next(content["model"].parameters()).dtype == torch.float16
    assert content["epoch"] == -1
    assert next(model.model.parameters()).dtype == torch.float32  # the original is not changed


def test_weights_are_taken_over_from_all_kinds_of_sources(weights: Path) -> None:
    source = YOLO(weights)
    for given in (weights, str(weights), source.model, source.ckpt):
        target = YOLO(weights)
        for parameter in target.model.parameters():
            parameter.data.zero_()
        assert target.load(given) is target
        assert float(target.model.model[0].conv.weight.detach().abs().sum()) > 0
        assert target.ckpt


def test_reset_starts_afresh(weights: Path) -> None:
    model = YOLO(weights)
    before = model.model.model[0].conv.weight.detach().clone()
    model.model.model[0].conv.weight.requires_grad_(False)
    assert model.reset_weights() is model
    assert not torch.equal(model.model.model[0].conv.weight, before)
    assert all(p.requires_grad for p in model.model.parameters())
    assert model.overrides["pretrained"] is False


def test_facts_and_folding(weights: Path) -> None:
    model = YOLO(weights)
    facts = model.info()
    assert facts is not None
    assert facts[1] == sum(p.numel() for p in model.model.parameters())
    assert model.fuse() is model
    assert model.model.is_fused()
    assert not any(isinstance(m, nn.BatchNorm2d) for m in model.model.modules())
    assert model.eval() is model


def test_callbacks(weights: Path) -> None:
    model = YOLO(weights)
    model.add_callback("on_train_end", print)
    model.add_callback("on_train_end", repr)
    assert model.callbacks["on_train_end"] == [print, repr]
    model.clear_callback("on_train_end")
    assert model.callbacks["on_train_end"] == []
    with pytest.warns(UserWarning, match="no event is called 'on_trian_end'"):
        model.add_callback("on_trian_end", print)
    model.reset_callbacks()
    assert set(model.callbacks) == set(EVENTS)
    assert not any(model.callbacks.values())
