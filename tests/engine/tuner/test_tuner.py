"""The search as users start it: its files, what it keeps, failures, and going on after any interruption."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ultralytics import YOLO
from ultralytics.engine.tuner import Tuner
from ultralytics.engine.tuner.history import FILE_NAME, History
from ultralytics.engine.tuner.start import search_defaults
from ultralytics.engine.tuner.tuner import BEST_FILE
from ultralytics.errors import ConfigError, ConfigTypeError, ConfigValueError
from ultralytics.nn.tasks import write_checkpoint
from ultralytics.utils.yaml_io import YAML

Args = dict[str, Any]
ROOT = Path(__file__).resolve().parents[3]
SPACE = {"lr0": (0.0, 0.01), "box": (1.0, 20.0), "close_mosaic": (0, 10)}


class Formula:
    """Stands for a trainer: fitness is arithmetic, and a run leaves weights."""

    made: list[Args] = []

    def __init__(self, overrides: Args, _callbacks: Any = None) -> None:
        self.args = overrides
        Formula.made.append(overrides)

    def train(self) -> None:
        if self.args["data"] == "bad.yaml":
            raise RuntimeError("no pictures")
        folder = Path(self.args["project"]) / self.args["name"] / "weights"
        folder.mkdir(parents=True)
        fitness = fitness_of(self.args)
        write_checkpoint({"train_metrics": {"fitness": fitness, "top": 0.5}}, folder / "best.pt")


def fitness_of(values: Args) -> float:
    return 1 - abs(values["lr0"] - 0.004) * 50 - abs(values["box"] - 12) / 40


class Facade:
    """Stands for a model."""

    task, ckpt, callbacks = "detect", None, {}
    overrides: Args = {"model": "none.yaml"}
    task_map = {"detect": {"trainer": Formula}}

    def training_arguments(self, call: Args) -> Args:
        return {"pretrained": True, **self.overrides, **call}


@pytest.fixture(autouse=True)
def _none_made() -> None:
    Formula.made.clear()


@pytest.fixture
def args(tmp_path: Path) -> Args:
    return {"data": "a.yaml", "project": str(tmp_path), "space": SPACE, "plots": False}


def tuner(args: Args, **more: Any) -> Tuner:
    return Tuner({**args, **more}, model=Facade())


def records(folder: Path) -> list[Args]:
    return [json.loads(line) for line in (folder / FILE_NAME).read_text().splitlines()]


def test_the_files_of_a_search(args: Args, tmp_path: Path) -> None:
    tuner(args, lr0=0.005)(iterations=4)
    folder = tmp_path / "tune"
    found = records(folder)
    assert [record["iteration"] for record in found] == [1, 2, 3, 4]
    assert found[0]["hyperparameters"] == {"lr0": 0.005, "box": 7.5, "close_mosaic": 10}
    for record in found:
        assert set(record) == {
            "iteration",
            "fitness",
            "hyperparameters",
            "datasets",
            "save_dirs",
        }
        exact = fitness_of(record["hyperparameters"])
        assert record["fitness"] == pytest.approx(exact, abs=5.1e-6)
        assert record["datasets"] == {"a": {"fitness": exact, "top": 0.5}}
    best = max(found, key=lambda record: record["fitness"])
    assert YAML.load(folder / BEST_FILE) == best["hyperparameters"]
    assert (folder / BEST_FILE).read_text().startswith("# ")
    kept = [path for path in folder.glob("multitrain*")]
    assert kept == [Path(best["save_dirs"]["a"]).parent]
    copy = folder / "weights" / "best.pt"
    assert copy.read_bytes() == (kept[0] / "a" / "weights" / "best.pt").read_bytes()
    assert (folder / "tune_scatter_plots.png").stat().st_size > 1000
    assert (folder / "tune_fitness.png").stat().st_size > 1000


def test_trainings_get_the_values_and_what_the_user_gave(args: Args) -> None:
    tuner(args, epochs=3, name="mine", exist_ok=True)(iterations=2)
    first, second = Formula.made
    assert first["epochs"] == second["epochs"] == 3
    assert first["lr0"] == 0.01
    assert {key: second[key] for key in SPACE} == records(Path(args["project"]) / "mine")[1][
        "hyperparameters"
    ]
    assert "space" not in first


def test_several_data_sets_count_alike_and_failures_count_nothing(
    args: Args, tmp_path: Path
) -> None:
    tuner(args, data=["a.yaml", "bad.yaml", "c.yaml"], box=12.0, lr0=0.004)(iterations=1)
    (record,) = records(tmp_path / "tune")
    assert record["fitness"] == pytest.approx(2 / 3, abs=1e-5)
    assert set(record["datasets"]) == {"a", "c"}
    assert record["failed_datasets"] == ["bad"]
    weights = tmp_path / "tune" / "weights"
    assert sorted(path.name for path in weights.iterdir()) == ["a", "c"]


def test_without_any_success_there_is_no_plot(args: Args, tmp_path: Path) -> None:
    tuner(args, data="bad.yaml")(iterations=2)
    assert [record["fitness"] for record in records(tmp_path / "tune")] == [0, 0]
    assert not list((tmp_path / "tune").glob("*.png"))
    assert not (tmp_path / "tune" / "weights").exists()


def test_all_folders_stay_when_asked(args: Args, tmp_path: Path) -> None:
    tuner(args)(iterations=3, cleanup=False)
    assert len(list((tmp_path / "tune").glob("multitrain*/a/weights/best.pt"))) == 3


def test_a_search_goes_on_where_it_ended(args: Args, tmp_path: Path) -> None:
    tuner(args, name="whole")(iterations=6)
    tuner(args, name="parts")(iterations=2)
    tuner(args, name="parts", resume=True)(iterations=6)
    assert numbers(tmp_path / "parts") == numbers(tmp_path / "whole")
    assert len(Formula.made) == 12


def numbers(folder: Path) -> list[Args]:
    """The record of a search without the name of its folder."""
    found = records(folder)
    for record in found:
        record["save_dirs"] = {
            run: str(Path(place).relative_to(folder)) for run, place in record["save_dirs"].items()
        }
    return found


def test_without_resume_a_search_is_a_new_one(args: Args, tmp_path: Path) -> None:
    tuner(args)(iterations=1)
    tuner(args)(iterations=1)
    assert len(records(tmp_path / "tune-2")) == 1


class Interrupted(BaseException):
    """Like the end of the process: nothing below it handles it."""


@pytest.mark.parametrize("moment", ["training", "recorded"])
def test_any_moment_of_interruption(
    moment: str, args: Args, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuner(args, name="whole")(iterations=5)
    stopped = tuner(args, name="parts")
    with monkeypatch.context() as patch:
        interrupt(patch, moment, after=3)
        with pytest.raises(Interrupted):
            stopped(iterations=5)
    (tmp_path / "parts" / "multitrain-4" / "leftover").mkdir(parents=True, exist_ok=True)
    tuner(args, name="parts", resume=True)(iterations=5)
    assert numbers(tmp_path / "parts") == numbers(tmp_path / "whole")
    assert files_of(tmp_path / "parts") == files_of(tmp_path / "whole")


def interrupt(patch: pytest.MonkeyPatch, moment: str, after: int) -> None:
    target: Any = Formula if moment == "training" else Tuner
    name = "train" if moment == "training" else "_keep_best"
    original: Callable[..., Any] = getattr(target, name)
    calls: list[None] = []

    def wrapped(*args: Any) -> Any:
        calls.append(None)
        if len(calls) == after:
            raise Interrupted
        return original(*args)

    patch.setattr(target, name, wrapped)


def files_of(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("space", "kind", "words"),
    [
        ({"momentun": (0, 1)}, ConfigError, "momentum"),
        ({"optimizer": (0, 1)}, ConfigError, "numeric"),
        ({"mosaic": (0, 2)}, ConfigValueError, "mosaic"),
        (["lr0"], ConfigTypeError, "mapping"),
    ],
)
def test_spaces_that_are_none(
    space: Any, kind: type[Exception], words: str, args: Args, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=words):
        tuner(args, space=space)
    assert list(tmp_path.iterdir()) == []


def test_a_search_starts_with_an_optimiser_and_a_rate_that_fits() -> None:
    assert search_defaults({}) == {"optimizer": "AdamW", "lr0": 0.002}
    assert search_defaults({"lr0": 0.1}) == {"optimizer": "AdamW"}
    assert search_defaults({"optimizer": "SGD"}) == {}


def test_positional_arguments_are_for_ray() -> None:
    with pytest.raises(TypeError, match="by name"):
        YOLO("yolo11n.yaml").tune(False, 1, {"lr0": (0, 1)})


SCRIPT = """
import sys
from ultralytics import YOLO

model = YOLO(sys.argv[1])
model.add_callback("on_train_epoch_end", lambda trainer: print("epoch", trainer.epoch, flush=True))
model.tune(
    iterations=3, data=sys.argv[2], project=sys.argv[3], name="tune", resume=True, epochs=2, imgsz=64, batch=4, nbs=4,
    device="cpu", plots=False, space={"lr0": (1e-5, 1e-2), "mosaic": (0, 1), "close_mosaic": (0, 1)}, workers=0,
)
"""


def start(folder: Path, data: Path) -> subprocess.Popen[str]:
    content = YAML.load(ROOT / "ultralytics" / "cfg" / "models" / "11" / "yolo11.yaml")
    model = folder / "tiny.yaml"
    YAML.save(model, {**content, "nc": 2, "scales": {"n": [0.33, 0.125, 128]}})
    command = [sys.executable, "-c", SCRIPT, str(model), str(data), str(folder)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )


@pytest.mark.slow
def test_a_killed_search_continues_to_the_same_record(painted: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    with start(whole, painted) as process:
        process.communicate()
        assert process.returncode == 0
    with start(parts, painted) as process:
        assert process.stdout is not None
        epochs = 0
        for line in process.stdout:
            epochs += line.startswith("epoch")
            if epochs == 3:  # the first epoch of the second trial
                process.send_signal(signal.SIGKILL)
                break
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    assert len(History(parts / "tune" / FILE_NAME).records) == 1
    with start(parts, painted) as process:
        process.communicate()
        assert process.returncode == 0
    assert numbers(parts / "tune") == numbers(whole / "tune")
    assert files_of(parts / "tune") == files_of(whole / "tune")


PARENT = """
import json, sys
from pathlib import Path
from ultralytics.engine.trainer.multi import run_child

run_child(Path(sys.argv[1]))
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="asks the system for a process by signal 0")
def test_a_training_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    """The child opens a "model" that says its number and then waits for ever."""
    (tmp_path / "endless.py").write_text(
        "import os, time\nfrom pathlib import Path\n\n\n"
        "def facade(model, task):\n"
        "    Path(model).write_text(str(os.getpid()))\n"
        "    time.sleep(600)\n"
    )
    pid_file, request = tmp_path / "pid", tmp_path / "request.json"
    wanted = {"facade": "endless:facade", "model": str(pid_file), "task": "detect"}
    request.write_text(json.dumps(wanted))
    paths = os.pathsep.join([str(ROOT), str(tmp_path)])
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(request)], env={**os.environ, "PYTHONPATH": paths}
    ) as parent:
        wait_for(lambda: pid_file.exists() and pid_file.read_text() != "")
        parent.kill()
        parent.wait()
    child = int(pid_file.read_text())
    wait_for(lambda: not is_running(child))
    assert not is_running(child)


def wait_for(condition: Callable[[], bool], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not (state.exists() and state.read_text().split()[2] == "Z")
