"""Several data sets in one call: names, folders, files, failures, and which process does the work."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from ultralytics import YOLO
from ultralytics.engine.trainer import MultiTrainer, multi
from ultralytics.errors import ConfigTypeError, ResumeError
from ultralytics.models.yolo.detect import DetectionTrainer

Args = dict[str, Any]


@pytest.fixture
def args(short_run: dict[str, object]) -> Args:
    return {key: value for key, value in short_run.items() if key != "name"} | {"epochs": 1}


def copied(painted: Path, folder: Path, name: str) -> str:
    """The painted set described by another file."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"path: {painted.parent}\n" + painted.read_text())
    return str(file)


def test_runs_are_named_by_their_data(tmp_path: Path) -> None:
    (tmp_path / "v1.2").mkdir()
    listed = [
        "det.yaml",
        "a/obb.yaml",
        "b/det.yaml",
        "c/data.yaml",
        tmp_path / "v1.2",
        "det-2.yaml",
    ]
    names = multi.run_names(listed)
    assert names == ["det", "obb", "det-2", "c", "v1.2", "det-2-2"]


def test_data_must_be_a_list(args: Args) -> None:
    with pytest.raises(ConfigTypeError, match="list of data sets"):
        MultiTrainer(DetectionTrainer, args | {"data": []}, YOLO("yolo11n.yaml"))


def test_a_series_is_not_resumed(args: Args) -> None:
    with pytest.raises(ResumeError, match=r"last\.pt"):
        MultiTrainer(
            DetectionTrainer, args | {"data": ["a.yaml"], "resume": "last.pt"}, YOLO("yolo11n.yaml")
        )


def test_means_are_over_the_runs_that_succeeded(args: Args, tmp_path: Path) -> None:
    listed = {"data": ["a.yaml", "b.yaml", "c.yaml"]}
    series = MultiTrainer(DetectionTrainer, args | listed, YOLO("yolo11n.yaml"))
    series.save_dir.mkdir()
    series.results = {"a": {"fitness": 0.25, "x": 1.0}, "b": None, "c": {"fitness": 0.75}}
    series.save_results()
    content = json.loads((tmp_path / "multitrain" / "multitrain_results.json").read_text())
    assert content["results"] == series.results
    assert content["mean"] == {"fitness": 0.5, "x": 1.0}


class Own(DetectionTrainer):
    """A trainer that only this process knows."""

    started: list[Any] = []

    def train(self) -> None:
        Own.started.append({k: v.clone() for k, v in self.model.state_dict().items()})
        super().train()


def test_own_trainers_run_here_each_from_the_same_weights(
    args: Args, painted: Path, tmp_path: Path
) -> None:
    model = YOLO("yolo11n.yaml")
    model.load(YOLO("yolo11n.yaml").model)
    before = {k: v.clone() for k, v in model.model.state_dict().items()}
    Own.started.clear()
    listed = [
        copied(painted, tmp_path, "one.yaml"),
        "nowhere.yaml",
        copied(painted, tmp_path, "two.yaml"),
    ]
    found = model.train(trainer=Own, **(args | {"data": listed, "pretrained": True, "plots": True}))
    assert list(found) == ["one", "nowhere", "two"]
    assert found["nowhere"] is None
    assert found["one"] == found["two"]  # equal images, seeds and weights
    assert {"fitness", "metrics/mAP50-95(B)"} <= set(found["one"])
    first, second = Own.started
    assert_close(first, second, rtol=0, atol=0)
    shared = {k for k in before if first[k].shape == before[k].shape}
    assert all(torch.equal(first[k], before[k]) for k in shared)
    assert_close(dict(model.model.state_dict()), before, rtol=0, atol=0)
    folder = tmp_path / "multitrain"
    content = json.loads((folder / "multitrain_results.json").read_text())
    assert content["results"] == found
    assert content["mean"] == pytest.approx(found["one"])
    assert (folder / "multitrain_results.png").stat().st_size > 1000
    assert (folder / "one" / "weights" / "best.pt").is_file()
    assert not (folder / multi.WORK_FOLDER).exists()


def test_the_children_get_what_they_need(
    args: Args, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests keep types, and the child's own words are the reason of a failure."""
    requests: list[Args] = []

    def run_child(file: Path) -> int:
        request = json.loads(file.read_text())
        requests.append(request)
        if request["args"]["data"] == "bad.yaml":
            Path(request["failure"]).write_text("DatasetError: no pictures")
            return 1
        return -9

    monkeypatch.setattr(multi, "run_child", run_child)
    model = YOLO("yolo11n.yaml")
    given = args | {
        "data": ["bad.yaml", "odd.yaml"],
        "imgsz": [64, 64],
        "project": tmp_path / "a = b",
    }
    series = MultiTrainer(DetectionTrainer, given | {"model": "yolo11n.yaml"}, model)
    assert series.train() == {"bad": None, "odd": None}
    assert series.failures["bad"] == "DatasetError: no pictures"
    assert "-9" in series.failures["odd"]
    (first, _) = requests
    assert first["facade"] == "ultralytics.models.yolo.model:YOLO"
    assert first["trainer"].endswith(":DetectionTrainer")
    assert first["model"] == first["name"] == "yolo11n.yaml"
    assert first["args"]["imgsz"] == [64, 64]
    assert first["args"]["pretrained"] is False
    assert first["args"]["project"] == str(tmp_path / "a = b" / "multitrain")
    assert first["args"]["name"] == "bad"


def test_callbacks_keep_a_series_in_this_process(
    args: Args, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multi, "run_child", lambda request: pytest.fail("a child was started"))
    model = YOLO("yolo11n.yaml")
    seen: list[str] = []
    model.add_callback("teardown", lambda trainer: seen.append(trainer.args.data))
    assert model.train(**(args | {"data": ["nowhere.yaml"]})) == {"nowhere": None}
    assert seen == []  # the data set is missed before there is anything to tear down


@pytest.mark.slow
def test_children_train_like_this_process_does(args: Args, painted: Path, tmp_path: Path) -> None:
    listed = [copied(painted, tmp_path, "one.yaml"), "nowhere.yaml"]
    model = YOLO("yolo11n.yaml")
    model.load(YOLO("yolo11n.yaml").model)
    given = args | {"data": listed, "pretrained": True}
    apart = model.train(**given)
    shutil.rmtree(tmp_path / "multitrain")
    here = model.train(trainer=Own, **given)
    assert apart == here
    assert apart["nowhere"] is None
    assert apart["one"]["fitness"] >= 0
