"""Training, validating and predicting classes of whole pictures, against arithmetic and torchvision."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch.testing import assert_close
from torchvision import transforms as T

from tests.pictures import paint_classes, paint_splits
from ultralytics import YOLO
from ultralytics.cfg import get_cfg
from ultralytics.cfg.cli.commands import main
from ultralytics.data import ClassificationDataset
from ultralytics.errors import ConfigValueError, DatasetError, DatasetNotFound
from ultralytics.models.yolo.classify import (
    ClassificationPredictor,
    ClassificationTrainer,
    ClassificationValidator,
)
from ultralytics.nn.tasks import ClassificationModel, load_checkpoint
from ultralytics.nn.tasks.checkpoint import read_exact_state
from ultralytics.utils import YAML

Args = dict[str, Any]
TINY = {
    "nc": 10,
    "backbone": [[-1, 1, "Conv", [16, 3, 2]], [-1, 1, "Conv", [32, 3, 2]]],
    "head": [[-1, 1, "Classify", ["nc"]]],
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes, 16 training and 6 validation pictures."""
    return paint_splits(tmp_path_factory.mktemp("painted") / "colours", train=8)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model file with three layers."""
    file = tmp_path_factory.mktemp("models") / "tiny-cls.yaml"
    YAML.save(file, TINY)
    return str(file)


@pytest.fixture
def args(data: Path, tiny: str, tmp_path: Path) -> Args:
    return {
        "model": tiny,
        "data": str(data),
        "imgsz": 32,
        "epochs": 1,
        "batch": 6,
        "nbs": 6,
        "device": "cpu",
        "plots": False,
        "verbose": False,
        "project": str(tmp_path),
        "name": "run",
    }


def train(args: Args, kind: type[ClassificationTrainer] = ClassificationTrainer) -> Any:
    trainer = kind(overrides=args)
    trainer.train()
    return trainer


def facade(args: Args, **changes: Any) -> YOLO:
    merged = {**args, **changes}
    model = YOLO(merged["model"])
    model.train(**merged)
    return model


@pytest.fixture(scope="module")
def trained(data: Path, tiny: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """best.pt of a run that has learnt the two colours."""
    folder = tmp_path_factory.mktemp("runs")
    trainer = ClassificationTrainer(
        overrides={
            "model": tiny,
            "data": str(data),
            "imgsz": 32,
            "epochs": 5,
            "batch": 4,
            "nbs": 4,
            "optimizer": "AdamW",
            "lr0": 0.005,
            "warmup_epochs": 0,
            "hsv_h": 0.0,
            "auto_augment": None,
            "erasing": 0.0,
            "scale": 0.1,
            "close_mosaic": 2,
            "device": "cpu",
            "verbose": False,
            "project": str(folder),
            "name": "trained",
        }
    )
    # the average would need more steps
    trainer.add_callback("on_train_epoch_end", _take_live_weights)
    trainer.train()
    best: Path = trainer.best
    return best


def _take_live_weights(trainer: Any) -> None:
    trainer.ema.ema.load_state_dict(trainer.model.state_dict())


# -------------------------------------------------------------------------------------------- runs


def test_a_run_leaves_what_the_interface_lists(trained: Path) -> None:
    folder = trained.parent.parent
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    pictures = {f"train_batch{i}.jpg" for i in (0, 1, 2)}
    pictures |= {f"val_batch0_{kind}.jpg" for kind in ("labels", "pred")}
    pictures |= {"confusion_matrix.png", "confusion_matrix_normalized.png", "results.png"}
    late = {f"train_batch{i}.jpg" for i in (12, 13, 14)}  # first batches after closing mosaic
    assert (
        found
        == {"args.yaml", "results.csv", "report.html", "weights/best.pt", "weights/last.pt"}
        | pictures
        | late
    )
    with (folder / "results.csv").open(newline="") as file:
        header = next(csv.reader(file))
    assert header[:3] == ["epoch", "time", "train/loss"]
    assert header[3:6] == ["metrics/accuracy_top1", "metrics/accuracy_top5", "val/loss"]
    assert header[6:] == ["lr/pg0", "lr/pg1", "lr/pg2"]
    for name in pictures:
        assert cv2.imread(str(folder / name)) is not None


def test_weights_carry_names_and_preprocessing(trained: Path) -> None:
    network, ckpt = load_checkpoint(trained)
    assert network.names == {0: "blue", 1: "red"}
    kinds = [type(step) for step in network.transforms.transforms]
    assert kinds == [T.Resize, T.CenterCrop, T.ToTensor, T.Normalize]
    assert ckpt["train_args"]["task"] == "classify"
    assert set(ckpt["train_metrics"]) == {
        "fitness",
        "metrics/accuracy_top1",
        "metrics/accuracy_top5",
        "val/loss",
    }


def test_the_default_size_is_224(args: Args, tmp_path: Path) -> None:
    del args["imgsz"]
    assert ClassificationTrainer(overrides=args).args.imgsz == 224
    file = tmp_path / "own.yaml"
    YAML.save(file, {"imgsz": 96})
    assert ClassificationTrainer(str(file), args).args.imgsz == 96


def test_settings_that_do_nothing_are_named(args: Args, caplog: pytest.LogCaptureFixture) -> None:
    trainer = ClassificationTrainer(overrides={**args, "multi_scale": 0.5})
    assert trainer.args.multi_scale == 0
    assert "multi_scale=0.5 has no effect" in caplog.text


@pytest.mark.parametrize("rate", [0.0, 0.4])
def test_dropout(rate: float, args: Args) -> None:
    trainer = ClassificationTrainer(overrides={**args, "dropout": rate})
    trainer._setup_train()
    assert trainer.model.model[-1].drop.p == trainer.ema.ema.model[-1].drop.p == rate


def test_a_network_gets_the_outputs_of_the_data(args: Args, tiny: str) -> None:
    model = ClassificationModel(tiny, nc=7, verbose=False)
    trainer = ClassificationTrainer(overrides=args)
    trainer.model = model
    trainer.train()
    assert trainer.model.model[-1].linear.out_features == 2


def test_weights_of_another_set_are_transferred(args: Args, trained: Path, tmp_path: Path) -> None:
    paint_classes(tmp_path / "three" / "train", {"red": 4, "blue": 4, "green": 4})
    paint_classes(tmp_path / "three" / "val", {"red": 2, "blue": 2, "green": 2})
    model = YOLO(trained)
    before = {k: v.clone() for k, v in model.model.state_dict().items()}
    model.train(**{**args, "model": None, "data": str(tmp_path / "three"), "lr0": 1e-9, "lrf": 1})
    assert model.names == {0: "blue", 1: "green", 2: "red"}
    after = model.trainer.model.state_dict()
    assert after["model.2.linear.weight"].shape[0] == 3
    assert_close(after["model.0.conv.weight"], before["model.0.conv.weight"], atol=1e-3, rtol=1e-2)


def test_a_single_class_is_trained_and_validated(args: Args) -> None:
    model = facade(args, single_cls=True)
    assert model.names == {0: "item"}
    assert model.val(data=args["data"], device="cpu", plots=False).top1 == 1


def test_bad_data_is_one_clear_error(args: Args, painted: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for data, kind, words in (
        (painted, ValueError, "must be a folder"),
        (painted.parent, DatasetError, "cannot be split"),
        (tmp_path / "empty", DatasetNotFound, "images not found"),
        (tmp_path / "nowhere", DatasetNotFound, "not found"),
    ):
        with pytest.raises(kind, match=words):
            facade(args, data=str(data))
    assert not (tmp_path / "run").exists()


def test_the_loss_falls(trained: Path) -> None:
    with (trained.parent.parent / "results.csv").open(newline="") as file:
        losses = [float(row["train/loss"]) for row in csv.DictReader(file)]
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.slow
def test_a_stopped_run_continues_bit_for_bit(args: Args, tmp_path: Path) -> None:
    changes = {"epochs": 3, "dropout": 0.3, "nbs": 12}
    states = []
    for name in ("whole", "cut"):
        trainer = ClassificationTrainer(overrides={**args, **changes, "name": name})
        last = tmp_path / name / "weights" / "last.pt"
        if name == "whole":
            trainer.train()
        else:
            trainer.add_callback("on_model_save", _interrupt)
            with pytest.raises(KeyboardInterrupt):
                trainer.train()
            YOLO(last).train(resume=True)
        states.append(read_exact_state(last))
    whole, cut = states
    assert whole is not None
    assert cut is not None
    for part in ("model", "ema"):
        assert [k for k in whole[part] if not torch.equal(whole[part][k], cut[part][k])] == []


def _interrupt(trainer: Any) -> None:
    if trainer.epoch == 1:
        raise KeyboardInterrupt


# -------------------------------------------------------------------------------------- validation


def test_accuracy_is_the_share_of_right_answers(data: Path, trained: Path, tmp_path: Path) -> None:
    model = YOLO(trained)
    metrics = model.val(data=str(data), device="cpu", plots=False, project=str(tmp_path))
    pictures = sorted((data / "val").rglob("*.png"))
    truth = [p.parent.name for p in pictures]
    guesses = [r.names[r.probs.top1] for r in model.predict(pictures, verbose=False, device="cpu")]
    right = sum(a == b for a, b in zip(truth, guesses, strict=True))
    assert metrics.top1 == pytest.approx(right / len(truth))
    assert metrics.top1 >= 0.8
    assert metrics.top5 == 1
    assert metrics.fitness == pytest.approx((metrics.top1 + 1) / 2)
    counts = np.zeros((2, 2))
    for true, guess in zip(truth, guesses, strict=True):
        counts[["blue", "red"].index(guess), ["blue", "red"].index(true)] += 1
    assert metrics.confusion_matrix.matrix.tolist() == counts.tolist()
    assert set(metrics.speed) == {"preprocess", "inference", "loss", "postprocess"}


def test_equal_scores_rank_by_class_number(tmp_path: Path) -> None:
    validator = ClassificationValidator(args={"project": str(tmp_path)})
    validator.names = {i: str(i) for i in range(7)}
    validator.update_metrics(torch.full((2, 7), 1 / 7), {"cls": torch.tensor([4, 5])})
    assert validator.pred[0].tolist() == [[0, 1, 2, 3, 4]] * 2
    assert validator.pred[0].dtype == torch.int32
    assert validator.get_stats()["metrics/accuracy_top5"] == 0.5


def test_classes_keep_their_numbers_when_a_folder_is_missing(trained: Path, tmp_path: Path) -> None:
    root = paint_splits(tmp_path / "part")
    for file in (root / "val" / "blue").iterdir():
        file.unlink()
    (root / "val" / "blue").rmdir()
    metrics = YOLO(trained).val(
        data=str(root), device="cpu", plots=False, project=str(tmp_path), imgsz=32
    )
    assert metrics.confusion_matrix.matrix[:, 0].sum() == 0
    assert metrics.confusion_matrix.matrix[:, 1].sum() == 3


def test_data_that_a_network_does_not_know(trained: Path, tmp_path: Path) -> None:
    for split in ("train", "val"):
        paint_classes(tmp_path / "set" / split, {"red": 1, "blue": 1, "green": 1})
        for number, name in enumerate(("red", "blue", "green")):
            (tmp_path / "set" / split / name).rename(tmp_path / "set" / split / f"c{number}")
    with pytest.raises(DatasetError, match="none of which is among the 2 of the network"):
        YOLO(trained).val(data=str(tmp_path / "set"), device="cpu", project=str(tmp_path))


def test_files_of_a_validation(data: Path, trained: Path, tmp_path: Path) -> None:
    model = YOLO(trained)
    model.val(
        data=str(data),
        device="cpu",
        plots=False,
        save_txt=True,
        save_json=True,
        project=str(tmp_path),
        name="v",
    )
    texts = {f.name: f.read_text().split() for f in (tmp_path / "v" / "labels").iterdir()}
    rows = json.loads((tmp_path / "v" / "predictions.json").read_text())
    assert len(texts) == 6
    assert len(rows) == 12
    best = {row["file_name"]: row for row in reversed(rows)}
    for name, row in best.items():
        words = texts[name.replace("/", "_").replace(".png", ".txt")]
        assert words[1] == row["category_name"] == model.names[row["category_id"]]
        assert float(words[0]) == pytest.approx(row["score"], abs=0.006)
        assert words[0::2] == sorted(words[0::2], reverse=True)


# -------------------------------------------------------------------------------------- prediction


def test_probabilities_are_those_of_the_network(data: Path, trained: Path) -> None:
    file = next((data / "val").rglob("*.png"))
    network, _ = load_checkpoint(trained)
    for size in (32, 64):  # that of the stored transforms, and another
        pipeline = T.Compose([T.Resize(size), T.CenterCrop(size), T.ToTensor()])
        picture = pipeline(Image.open(file).convert("RGB"))[None]
        with torch.no_grad():
            expected = network(picture)[0][0]
        (result,) = YOLO(trained).predict(file, imgsz=size, device="cpu", verbose=False)
        assert_close(result.probs.data, expected, rtol=1e-4, atol=1e-6)
        assert result.orig_shape == (40, 48)
        assert result.boxes is None
        (same,) = YOLO(trained).predict(picture, imgsz=size, device="cpu", verbose=False)
        assert_close(same.probs.data, expected, rtol=1e-4, atol=1e-6)


def test_kinds_of_sources_agree(data: Path, trained: Path) -> None:
    files = sorted((data / "val").rglob("*.png"))[:3]
    model = YOLO(trained)
    quiet: Args = {"device": "cpu", "verbose": False, "imgsz": 32}
    expected = torch.stack([r.probs.data for r in model(files, batch=3, **quiet)])
    arrays = [cv2.imread(str(f)) for f in files]
    pictures = [Image.open(f).convert("RGB") for f in files]
    for source in (files, arrays, pictures):
        found = torch.stack([r.probs.data for r in model(source, **quiet)])
        assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_interleaved_runs_keep_their_own_size(data: Path, trained: Path) -> None:
    files = sorted((data / "val").rglob("*.png"))[:2]
    model = YOLO(trained)
    quiet: Args = {"device": "cpu", "verbose": False}
    apart = [[r.probs.data for r in model(files, imgsz=s, **quiet)] for s in (32, 64)]
    streams = [model(files, imgsz=s, stream=True, **quiet) for s in (32, 64)]
    together = list(zip(*streams, strict=True))
    for i, pair in enumerate(together):
        for j, result in enumerate(pair):
            assert_close(result.probs.data, apart[j][i], rtol=1e-4, atol=1e-6)


def test_files_of_a_prediction(data: Path, trained: Path, tmp_path: Path) -> None:
    file = next((data / "val").rglob("*.png"))
    (result,) = YOLO(trained).predict(
        file, save=True, save_txt=True, device="cpu", project=str(tmp_path), name="p", verbose=False
    )
    drawn = cv2.imread(str(tmp_path / "p" / f"{file.stem}.jpg"))
    assert drawn.shape == (40, 48, 3)
    lines = (tmp_path / "p" / "labels" / f"{file.stem}.txt").read_text().splitlines()
    top = result.probs.top5
    assert lines == [f"{float(result.probs.data[i]):.2f} {result.names[i]}" for i in top]
    assert result.verbose() == "".join(
        f"{result.names[i]} {float(result.probs.data[i]):.2f}, " for i in top
    )


def test_vectors_of_pictures(data: Path, trained: Path) -> None:
    file = next((data / "val").rglob("*.png"))
    (vector,) = YOLO(trained).embed(file, device="cpu", verbose=False)
    network = load_checkpoint(trained)[0]
    assert vector.shape == (network.model[-1].conv.conv.in_channels,)


def test_activation_maps(data: Path, trained: Path, tmp_path: Path) -> None:
    file = next((data / "val").rglob("*.png"))
    options: Args = {"device": "cpu", "verbose": False, "project": str(tmp_path), "name": "m"}
    (result,) = YOLO(trained).predict(file, visualize=True, **options)
    assert cv2.imread(str(tmp_path / "m" / f"{file.stem}_cam.jpg")) is not None
    (plain,) = YOLO(trained).predict(file, device="cpu", verbose=False)
    assert_close(result.probs.data, plain.probs.data, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 5])
def test_other_numbers_of_channels(channels: int, args: Args, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for name, level in (("dark", 40), ("light", 200)):
            folder = tmp_path / "planes" / split / name
            folder.mkdir(parents=True)
            for i in range(4):
                planes = rng.integers(level - 30, level + 30, (channels, 40, 40), dtype=np.uint8)
                cv2.imwritemulti(str(folder / f"{i}.tiff"), list(planes))
    file = tmp_path / "planes-cls.yaml"
    YAML.save(file, {**TINY, "channels": channels})
    model = facade(args, model=str(file), data=str(tmp_path / "planes"), auto_augment=None)
    assert model.model.model[0].conv.in_channels == channels
    assert model.val(data=str(tmp_path / "planes"), device="cpu", plots=False).top5 == 1
    source = tmp_path / "planes" / "val" / "dark" / "0.tiff"
    (result,) = YOLO(model.trainer.best)(source, device="cpu", verbose=False)
    assert result.probs.data.sum() == pytest.approx(1, abs=1e-5)


# ---------------------------------------------------------------------------- what users derive


class FlatDataset(ClassificationDataset):
    """Transforms of the user's own, as the documents of the original suggest."""

    def __init__(self, root: str, args: Any, augment: bool = False, prefix: str = "") -> None:
        super().__init__(root, args, augment, prefix)
        steps = [T.Resize((args.imgsz, args.imgsz)), T.RandomAutocontrast(1.0), T.ToTensor()]
        self.torch_transforms = T.Compose(steps)


class OwnTrainer(ClassificationTrainer):
    """Trainer with that data set."""

    def build_dataset(self, img_path: str, mode: str = "train", batch: Any = None) -> Any:
        return FlatDataset(img_path, args=self.args, augment=mode == "train", prefix=mode)


class OwnValidator(ClassificationValidator):
    """Validator with that data set."""

    def build_dataset(self, img_path: str, mode: str = "train") -> Any:
        return FlatDataset(img_path, args=self.args, prefix=self.args.split)


def test_own_data_sets(args: Args, trained: Path, caplog: pytest.LogCaptureFixture) -> None:
    trainer = train(args, OwnTrainer)
    assert isinstance(trainer.train_loader.dataset, FlatDataset)
    assert not hasattr(load_checkpoint(trainer.best)[0], "transforms")
    assert "own validation transforms cannot be stored" in caplog.text
    model = YOLO(trained)
    metrics = model.val(validator=OwnValidator, data=args["data"], device="cpu", plots=False)
    assert metrics.top5 == 1
    model.train(trainer=OwnTrainer, **{**args, "model": None, "exist_ok": True})
    assert isinstance(model.trainer, OwnTrainer)


def test_classes_of_the_task_are_found_by_name() -> None:
    from ultralytics.models import yolo

    assert yolo.classify.ClassificationTrainer is ClassificationTrainer
    assert yolo.ClassificationPredictor is ClassificationPredictor
    assert YOLO("yolo26n-cls.yaml").task == "classify"


def test_the_command_line(args: Args, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classify", "train", *(f"{k}={v}" for k, v in args.items())]) == 0
    model = f"model={tmp_path / 'run' / 'weights' / 'best.pt'}"
    source = next(Path(args["data"], "val").rglob("*.png"))
    rest = [model, "device=cpu", f"project={tmp_path}"]
    assert main(["classify", "val", f"data={args['data']}", "plots=False", *rest]) == 0
    assert main(["predict", f"source={source}", "save_txt=True", "name=p", *rest]) == 0
    assert len((tmp_path / "p" / "labels" / f"{source.stem}.txt").read_text().splitlines()) == 2
    assert main(["classify", "train", f"data={source}", f"model={args['model']}"]) == 1
    assert "must be a folder for classification" in capsys.readouterr().err


def test_wrong_policies_are_refused_before_a_run() -> None:
    with pytest.raises(ConfigValueError, match="auto_augment"):
        get_cfg(overrides={"task": "classify", "auto_augment": "trivial"})


def test_weights_at_hand_need_no_download(args: Args, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model file that asks for published weights does not fetch what a checkpoint replaces."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a download was tried")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refuse)
    row = [-1, 1, "TorchVision", [512, "resnet18", "DEFAULT", True, 2]]
    content = {"nc": 2, "backbone": [row], "head": [[-1, 1, "Classify", ["nc"]]]}
    without = {**content, "backbone": [[-1, 1, "TorchVision", [512, "resnet18", None, True, 2]]]}
    given = ClassificationModel(without, nc=2, verbose=False)
    model = ClassificationTrainer(overrides=args).get_model(content, given, verbose=False)
    for name, value in given.state_dict().items():
        assert torch.equal(model.state_dict()[name], value)
    assert content["backbone"][0][3][2] == "DEFAULT"
    with pytest.raises(ConfigValueError, match="download"):
        ClassificationTrainer(overrides=args).get_model(content, verbose=False)
