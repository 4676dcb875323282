"""A seventh task from outside: one folder, and the whole library works with it."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from tests.count_task import task
from ultralytics import YOLO, registry
from ultralytics.cfg.cli.commands import main
from ultralytics.errors import ConfigValueError
from ultralytics.nn.tasks import guess_model_task, layers, load_checkpoint
from ultralytics.utils import YAML

ROOT = Path(__file__).resolve().parents[2]
LAYERS = {
    "nc": 1,
    "backbone": [[-1, 1, "Conv", [8, 3, 2]], [-1, 1, "Conv", [16, 3, 2]]],
    "head": [[-1, 1, "Count", [8]]],
}


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The task is there during a test and gone afterwards."""
    monkeypatch.setattr(registry, "_TASKS", dict(registry.all_tasks()))
    monkeypatch.setattr(layers, "_REGISTERED", dict(layers._REGISTERED))
    task.register()


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    """A model file whose name says nothing."""
    file = tmp_path / "small.yaml"
    YAML.save(file, LAYERS)
    return file


def test_the_task_is_known_everywhere(model_file: Path) -> None:
    assert registry.resolve_name("counting") == "count"
    assert guess_model_task("yolo11n-count.onnx") == "count"
    model = YOLO(model_file)
    assert model.task == "count"
    assert set(model.task_map) >= {"detect", "count"}
    with pytest.raises(ConfigValueError, match="contradicts"):
        YOLO(model_file, task="detect")


def test_a_whole_life(
    model_file: Path, painted: Path, short_run: dict[str, object], tmp_path: Path
) -> None:
    model = YOLO(model_file)
    metrics = model.train(**{**short_run, "epochs": 1})
    with (tmp_path / "run" / "results.csv").open(newline="") as file:
        header = next(csv.reader(file))
    assert header[2:5] == ["train/count_loss", "metrics/mae", "val/count_loss"]
    assert metrics.results_dict["metrics/mae"] >= 0

    best = tmp_path / "run" / "weights" / "best.pt"
    opened = YOLO(best)
    assert opened.task == "count"
    source = next((painted.parent / "images" / "val").iterdir())
    (result,) = opened.predict(source, imgsz=64, device="cpu", save=True, project=str(tmp_path))
    network = load_checkpoint(best)[0]
    again = opened(source, imgsz=64, device="cpu", stream=False)[0]
    assert result.count == again.count
    assert result.verbose() == f"{result.count:.1f} objects, "

    measured = opened.val(data=str(painted), device="cpu", imgsz=64, batch=4, rect=False)
    pictures = sorted((painted.parent / "images" / "val").iterdir())
    labels = [painted.parent / "labels" / "val" / f"{p.stem}.txt" for p in pictures]
    counts = [round(r.count) for r in opened(pictures, imgsz=64, device="cpu")]
    errors = [abs(n - len(f.read_text().splitlines())) for n, f in zip(counts, labels, strict=True)]
    assert measured.mae == pytest.approx(sum(errors) / len(errors))

    opened.save(tmp_path / "saved.pt")
    saved = load_checkpoint(tmp_path / "saved.pt")[0]
    x = torch.rand(2, 3, 64, 64)
    assert_close(saved(x), network(x), rtol=1e-2, atol=1e-2)


@pytest.mark.slow
def test_another_process_trains_and_reads_the_weights(
    model_file: Path, short_run: dict[str, object], tmp_path: Path
) -> None:
    env = os.environ | {"PYTHONPATH": str(ROOT), "YOLO_MODULES": "tests.count_task.plugin"}
    words = [f"{k}={v}" for k, v in {**short_run, "epochs": 1}.items()]
    command = [sys.executable, "-m", "ultralytics", "count", "train", f"model={model_file}", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr[-600:]
    best = tmp_path / "run" / "weights" / "best.pt"
    script = f"from ultralytics import YOLO; m = YOLO({str(best)!r}); print(m.task, type(m.model))"
    command = [sys.executable, "-c", script]
    for modules, expected in (("tests.count_task.plugin", "count"), ("", "")):
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env=env | {"YOLO_MODULES": modules},
        )
        assert done.stdout.startswith(expected), done.stderr[-600:]
    assert "tests.count_task.network.CountModel, which is no known" in done.stderr


def test_the_command_line(
    model_file: Path, painted: Path, short_run: dict[str, object], tmp_path: Path
) -> None:
    words = [f"{k}={v}" for k, v in {**short_run, "epochs": 1}.items()]
    assert main(["count", "train", f"model={model_file}", *words]) == 0
    best = f"model={tmp_path / 'run' / 'weights' / 'best.pt'}"
    rest = ["imgsz=64", "device=cpu", f"project={tmp_path}"]
    assert main(["count", "val", best, f"data={painted}", *rest]) == 0
    source = painted.parent / "images" / "val"
    assert main(["predict", best, f"source={source}", "name=p", *rest]) == 0
    assert len(list((tmp_path / "p").glob("*.jpg"))) == 4
