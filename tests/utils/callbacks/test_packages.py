"""One short run with every logger whose package is installed, kept on this machine; each test reads one back."""

from __future__ import annotations

import csv
import json
import logging
import math
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from tests.optional import need_package
from ultralytics.errors import MissingExtra
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.utils.callbacks.base import INTEGRATIONS
from ultralytics.utils.callbacks.mlflow import PRESET
from ultralytics.utils.callbacks.wb import newest_id, project_name

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

EPOCHS = 2
# Ray Tune reports to a trial only. ClearML asks its server for updates even offline, and the processes it starts
# beside the threads of the others can hang.
ELSEWHERE = ("clearml", "raytune")
LOSS, METRIC, RATE, MINE = "train/box_loss", "metrics/mAP50-95(B)", "lr/pg0", "mine"


@pytest.fixture(scope="module")
def run(
    painted: Path,
    tmp_path_factory: pytest.TempPathFactory,
    loopback_guard: Callable[[], AbstractContextManager[None]],
) -> Iterator[SimpleNamespace]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch, loopback_guard():
        stay_local(patch, home)
        yield record(painted, home)


def stay_local(patch: pytest.MonkeyPatch, home: Path) -> None:
    for name, value in {
        "HOME": str(home),
        "WANDB_MODE": "offline",
        "WANDB_SILENT": "true",
        "WANDB_ERROR_REPORTING": "false",
        "COMET_START_ONLINE": "false",
        "COMET_ERROR_TRACKING_ENABLE": "false",
        "NEPTUNE_MODE": "offline",
        "DVCLIVE_TEST": "true",
        "DVC_NO_ANALYTICS": "1",
        "MLFLOW_TRACKING_URI": (home / "mlflow").as_uri(),
    }.items():
        patch.setenv(name, value)
    for name in PRESET:  # the logger sets what the user has not; put back afterwards
        patch.setenv(name, "")
        patch.delenv(name)
    patch.chdir(home)


def record(painted: Path, home: Path) -> SimpleNamespace:
    told: list[str] = []
    keeper = logging.Handler(logging.WARNING)
    keeper.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("ultralytics").addHandler(keeper)
    trainer = DetectionTrainer(
        overrides={
            "data": str(painted),
            "model": "yolo11n.yaml",
            "imgsz": 64,
            "epochs": EPOCHS,
            "batch": 4,
            "nbs": 4,
            "device": "cpu",
            "plots": True,
            "verbose": False,
            "pretrained": False,
            "project": str(home / "work"),
            "name": "first",
        }
    )
    for setting, module in INTEGRATIONS.items():
        if setting in ELSEWHERE:
            continue
        try:
            added = import_module(module).handlers()
        except MissingExtra:
            continue
        for event, handler in added.items():
            trainer.add_callback(event, handler)
    trainer.add_callback("on_train_epoch_end", lambda t: t.log({MINE: 0.5 + t.epoch}))
    opened: list[str] = []
    trainer.add_callback("on_train_start", lambda t: opened.extend(t.loggers))
    trainer.train()
    logging.getLogger("ultralytics").removeHandler(keeper)
    with trainer.csv.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return SimpleNamespace(trainer=trainer, home=home, told=told, rows=rows, opened=opened)


def need(run: SimpleNamespace, package: str, setting: str) -> None:
    """Skip without the package; otherwise its logger has worked to the end."""
    need_package(package)
    assert [line for line in run.told if line.startswith(f"Logger {setting} failed")] == []
    assert setting in run.opened


def expect(values: dict[str, list[float]], run: SimpleNamespace, plain: bool = False) -> None:
    """The series hold what results.csv says, and what the user logged."""
    name = METRIC.replace("(", "").replace(")", "") if plain else METRIC
    for mine, theirs in ((LOSS, LOSS), (METRIC, name), (RATE, RATE)):
        wanted = [float(row[mine]) for row in run.rows]
        assert values[theirs][:EPOCHS] == pytest.approx(wanted, rel=1e-4, abs=1e-5)
    final = run.trainer.metrics[METRIC]
    assert values[name][EPOCHS:] == pytest.approx([final], rel=1e-4, abs=1e-5)
    assert values[MINE] == [0.5, 1.5]
    parameters = sum(p.numel() for p in run.trainer.model.parameters())
    assert values["model/parameters"] == [parameters]


def test_tensorboard(run: SimpleNamespace) -> None:
    need(run, "tensorboard", "tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run.trainer.save_dir))
    events.Reload()
    series = {tag: events.Scalars(tag) for tag in events.Tags()["scalars"]}
    expect({tag: [e.value for e in found] for tag, found in series.items()}, run)
    assert [e.step for e in series[LOSS]] == [1, 2]
    assert [e.step for e in series[METRIC]] == [1, 2, 3]
    nodes = [node.name for node in events.Graph().node]
    assert any("Conv" in name for name in nodes)


def test_mlflow(run: SimpleNamespace) -> None:
    need(run, "mlflow", "mlflow")
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=(run.home / "mlflow").as_uri())
    experiment = client.get_experiment_by_name(str(run.home / "work"))
    (found,) = client.search_runs([experiment.experiment_id])
    assert (found.info.run_name, found.info.status) == ("first", "FINISHED")
    assert (found.data.params["epochs"], found.data.params["model"]) == ("2", "yolo11n.yaml")
    history = {k: client.get_metric_history(found.info.run_id, k) for k in found.data.metrics}
    expect({k: [m.value for m in v] for k, v in history.items()}, run, plain=True)
    assert [m.step for m in history[LOSS]] == [0, 1]
    kept = {a.path for a in client.list_artifacts(found.info.run_id)}
    assert {"weights", "args.yaml", "results.csv", "results.png"} <= kept
    weights = {a.path for a in client.list_artifacts(found.info.run_id, "weights")}
    assert weights == {"weights/best.pt", "weights/last.pt"}


def test_wandb(run: SimpleNamespace) -> None:
    need(run, "wandb", "wandb")
    from wandb.proto import wandb_internal_pb2

    (file,) = run.trainer.save_dir.glob("wandb/offline-run-*/run-*.wandb")
    assert newest_id(run.trainer.save_dir) == file.stem.removeprefix("run-")
    values: dict[str, list[float]] = {}
    config, artifacts, media = {}, [], set()
    for data in wandb_records(file.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        kind = record.WhichOneof("record_type")
        if kind == "run":
            config |= {c.key: json.loads(c.value_json) for c in record.run.config.update}
            assert record.run.project == project_name(run.home / "work")
            assert record.run.display_name == "first"
        if kind == "history":
            for item in record.history.item:
                key, value = "/".join([item.key, *item.nested_key]).strip("/"), item.value_json
                loaded = json.loads(value)
                if isinstance(loaded, (int, float)):
                    values.setdefault(key, []).append(loaded)
                else:
                    media.add(key)
        if kind == "artifact":
            artifacts.append((record.artifact.type, list(record.artifact.aliases)))
    expect(values, run)
    assert config["epochs"] == EPOCHS
    assert any(kind == "model" and "best" in names for kind, names in artifacts)
    assert {"results", "labels", "val_batch0_pred"} <= {key.partition("/")[0] for key in media}


def wandb_records(data: bytes) -> Iterator[bytes]:
    """Records of a file of blocks of 32 KiB: chunks with a header of sum, length and kind, after 7 bytes."""
    block, position, whole = 32768, 7, b""
    while position + 7 <= len(data):
        left = block - position % block
        if left < 7:
            position += left
            continue
        length, kind = struct.unpack_from("<HB", data, position + 4)
        whole += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            yield whole
            whole = b""


def test_comet(run: SimpleNamespace) -> None:
    need(run, "comet_ml", "comet")
    (file,) = run.trainer.save_dir.glob("*.zip")
    with zipfile.ZipFile(file) as archive:
        lines = archive.read("messages.json").decode().splitlines()
    messages = [json.loads(line) for line in lines]
    values: dict[str, list[float]] = {}
    for message in messages:
        metric = message["payload"].get("metric") or {}
        if metric.get("metricName"):
            values.setdefault(metric["metricName"], []).append(float(metric["metricValue"]))
    expect(values, run)
    text = "\n".join(lines)
    assert "confusion-matrix" in text
    assert all(name in text for name in ("val_batch0_pred", "results.csv", "args.yaml", "best.pt"))


def test_dvclive(run: SimpleNamespace) -> None:
    need(run, "dvclive", "dvc")
    folder = run.trainer.save_dir / "dvclive"
    values = {}
    for file in (folder / "plots" / "metrics").rglob("*.tsv"):
        with file.open(newline="") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t"))
        name = file.relative_to(folder / "plots" / "metrics").with_suffix("").as_posix()
        values[name] = [float(row[file.stem]) for row in rows]
    expect(values, run)
    assert yaml.safe_load((folder / "params.yaml").read_text())["epochs"] == EPOCHS
    summary = json.loads((folder / "metrics.json").read_text())
    assert math.isclose(summary["train"]["box_loss"], float(run.rows[-1][LOSS]), rel_tol=1e-4)
    assert (folder / "plots" / "images" / "results.png").is_file()


def test_neptune(run: SimpleNamespace) -> None:
    need(run, "neptune", "neptune")
    logs = [p for p in (run.home / ".neptune" / "offline").rglob("data-*.log")]
    values: dict[str, list[float]] = {}
    for line in "".join(p.read_text() for p in logs).splitlines():
        operation = json.loads(line)["obj"]
        if operation["type"] == "LogFloats":
            key = "/".join(operation["path"])
            values.setdefault(key, []).extend(v["value"] for v in operation["values"])
    expect(values, run)


@pytest.mark.parametrize(
    ("project", "name"),
    [
        (None, "Ultralytics"),
        ("a/b\\c#d?e%f:g", "a-b-c-d-e-f-g"),
        ("x" * 100 + "/" + "y" * 100, "x" * 27 + "-" + "y" * 100),
    ],
)
def test_names_of_wandb_projects(project: str | None, name: str) -> None:
    assert project_name(project) == name
