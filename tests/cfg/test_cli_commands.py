"""The `yolo` program: outcomes, exit status, what reaches the model."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import ultralytics
from ultralytics.cfg.cli.commands import entrypoint, main
from ultralytics.errors import DatasetNotFound
from ultralytics.utils.logging import LOGGER
from ultralytics.utils.settings import SettingsManager

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _logger_restored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.delenv("YOLO_DEBUG", raising=False)
    monkeypatch.chdir(tmp_path)
    handlers, level, propagate = list(LOGGER.handlers), LOGGER.level, LOGGER.propagate
    LOGGER.handlers = [logging.NullHandler()]
    yield
    LOGGER.handlers, LOGGER.propagate = handlers, propagate
    LOGGER.setLevel(level)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Calls that reach a stand-in for the model facade."""
    made: list[tuple[Any, ...]] = []

    class Model:
        task = "detect"

        def __init__(self, model: str, task: str | None = None) -> None:
            made.append(("new", model, task))

        def _mode(self, mode: str, **kwargs: Any) -> None:
            made.append((mode, kwargs))

        def train(self, **kwargs: Any) -> None:
            self._mode("train", **kwargs)

        def val(self, **kwargs: Any) -> None:
            self._mode("val", **kwargs)

        def track(self, **kwargs: Any) -> list[Any]:
            return self._streamed("track", kwargs)

        def _streamed(self, mode: str, kwargs: dict[str, Any]) -> list[Any]:
            assert kwargs.pop("stream") is True  # nothing piles up
            self._mode(mode, **kwargs)
            return []

        def predict(self, **kwargs: Any) -> list[Any]:
            if kwargs["source"] == "absent.jpg":
                raise DatasetNotFound("absent.jpg does not exist")
            if kwargs["source"] == "stop":
                raise KeyboardInterrupt
            return self._streamed("predict", kwargs)

    monkeypatch.setitem(vars(ultralytics), "YOLO", Model)
    return made


def run(line: str) -> int:
    return main(line.split())


def test_no_words_show_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "usage: yolo" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("help", ["usage: yolo", "train, val, predict", "detect"]),
        ("help train", ["epochs=100", "passes over"]),
        ("version", [ultralytics.__version__]),
        ("cfg", ["default.yaml", "epochs: 100", "save: true", "model: null"]),
        ("copy-cfg", ["default_copy.yaml"]),
    ],
)
def test_light_commands(line: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(line) == 0
    out = capsys.readouterr()
    assert all(word in out.out for word in words)
    assert not out.err


def test_version_is_only_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    run("version")
    assert capsys.readouterr().out == f"{ultralytics.__version__}\n"


def test_copy_cfg_never_overwrites(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "default_copy.yaml").write_text("mine", encoding="utf-8")
    assert run("copy-cfg") == 2
    assert (tmp_path / "default_copy.yaml").read_text(encoding="utf-8") == "mine"
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "made"),
    [
        (
            "train data=shapes.yaml model=a.yaml epochs=2",
            [("new", "a.yaml", None), ("train", {"data": "shapes.yaml", "epochs": 2})],
        ),
        (
            "detect train --data shapes.yaml --model a.yaml --half",
            [("new", "a.yaml", "detect"), ("train", {"data": "shapes.yaml", "quantize": 16})],
        ),
        ("train resume model=last.pt", [("new", "last.pt", None), ("train", {"resume": True})]),
        ("val model=a.pt", [("new", "a.pt", None), ("val", {})]),
        (
            "predict model=a.pt source=x.jpg conf=0.3",
            [("new", "a.pt", None), ("predict", {"source": "x.jpg", "conf": 0.3, "save": True})],
        ),
        (
            "predict model=a.pt source=x.jpg save=False",
            [("new", "a.pt", None), ("predict", {"source": "x.jpg", "save": False})],
        ),
        (
            "predict model=runs/7.pt name=model source=0",
            [("new", "runs/7.pt", None), ("predict", {"source": 0, "name": "7", "save": True})],
        ),
        (
            "track model=a.pt source=b.mp4 tracker=bytetrack gt=gt.txt",
            [
                ("new", "a.pt", None),
                (
                    "track",
                    {"source": "b.mp4", "tracker": "bytetrack", "save": True, "gt": "gt.txt"},
                ),
            ],
        ),
    ],
)
def test_what_reaches_the_model(line: str, made: list[Any], calls: list[Any]) -> None:
    assert run(line) == 0
    assert calls == made


def test_defaults_are_announced(calls: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("detect predict") == 0
    assert calls[0] == ("new", "yolo26n.pt", "detect")
    assert calls[1][1] == {"source": str(ultralytics.ASSETS), "save": True}
    err = capsys.readouterr().err
    assert "model=yolo26n.pt" in err
    assert "source=" in err


def test_the_task_of_the_model_wins(
    calls: list[Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(vars(ultralytics)["YOLO"], "task", "pose")
    assert run("detect val model=a-pose.pt") == 0
    assert "pose" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "status", "words"),
    [
        ("model=a.pt", 2, ["no mode"]),
        ("train model=a.pt", 2, ["data=shapes.yaml"]),
        ("train data=a.yaml epochs=0", 2, ["epochs=0"]),
        ("task=detct train data=a.yaml", 2, ["detect"]),
        ("mode=tarin", 2, ["train"]),
        ("depth train data=a", 1, ["depth"]),
        ("classify train model=a.pt", 2, ["data=shapes-cls"]),
        ("export model=a.pt", 1, ["export"]),
        ("benchmark model=a.pt", 1, ["benchmark"]),
        ("tune", 1, ["tune"]),
        ("solutions count", 1, ["solutions"]),
        ("val model=sam2.1_b.pt", 1, ["SAM"]),
        ("hub", 2, ["service"]),
        ("login KEY", 2, ["service"]),
        ("logout", 2, ["service"]),
        ("predict source=absent.jpg model=a.pt", 1, ["absent.jpg"]),
        ("check data=a.yaml stric=True", 2, ["strict=True"]),
        ("check strict=True", 2, ["data=FILE"]),
        ("settings reset now", 2, ["KEY=VALUE"]),
        ("settings run_dir=x", 2, ["runs_dir"]),
        ("settings tensorboard=3", 2, ["bool"]),
    ],
)
def test_one_line_for_each_failure(
    line: str,
    status: int,
    words: list[str],
    calls: list[Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    settings = SettingsManager(tmp_path / "settings.json")
    monkeypatch.setattr("ultralytics.utils.settings.SETTINGS", settings, raising=False)
    assert run(line) == status
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert all(word in lines[0] for word in words)


def test_interrupted(calls: list[Any]) -> None:
    assert run("predict model=a.pt source=stop") == 130


@pytest.mark.parametrize(("extra", "debug"), [("verbose=True", ""), ("", "1")])
def test_traceback_on_request(
    extra: str,
    debug: str,
    calls: list[Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("YOLO_DEBUG", debug or "0")
    assert run(f"predict model=a.pt source=absent.jpg {extra}".strip()) == 1
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert err.splitlines()[-1] == "error: absent.jpg does not exist"


def test_settings_are_shown_changed_and_reset(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "settings.json"
    monkeypatch.setattr("ultralytics.utils.settings.SETTINGS", SettingsManager(file), raising=False)
    assert run("settings") == 0
    assert "runs_dir" in capsys.readouterr().out
    assert not file.exists()
    assert run("settings tensorboard=True runs_dir=/tmp/x") == 0
    stored = json.loads(file.read_text(encoding="utf-8"))
    assert (stored["tensorboard"], stored["runs_dir"]) == (True, "/tmp/x")
    assert run("settings reset") == 0
    assert json.loads(file.read_text(encoding="utf-8"))["tensorboard"] is False


@pytest.mark.parametrize(
    ("strict", "bad", "status"), [("", 2, 0), (" strict", 2, 1), (" strict", 0, 0)]
)
def test_check_of_a_data_set(
    strict: str,
    bad: int,
    status: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Any] = []

    def check_dataset(data: str, task: str) -> SimpleNamespace:
        asked.append((data, task))
        return SimpleNamespace(text="two files are broken", bad=bad)

    monkeypatch.setitem(
        sys.modules, "ultralytics.data.report", SimpleNamespace(check_dataset=check_dataset)
    )
    assert run(f"check data=a.yaml{strict}") == status
    assert asked == [("a.yaml", "detect")]
    out = capsys.readouterr()
    assert "two files are broken" in out.out
    assert out.err == ("error: 2 faults in a.yaml\n" if status else "")


def test_entrypoint_takes_a_line_and_raises_the_status(capsys: pytest.CaptureFixture[str]) -> None:
    entrypoint("yolo version")
    with pytest.raises(SystemExit) as caught:
        entrypoint("yolo epochz=3")
    assert caught.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


LIGHT = """
import sys
from ultralytics.cfg import entrypoint
try:
    entrypoint()
finally:
    heavy = {"torch", "cv2", "numpy", "matplotlib", "yaml"} & sys.modules.keys()
    print("HEAVY", sorted(heavy), file=sys.stderr) if heavy else None
"""


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ([], 0),
        (["version"], 0),
        (["cfg"], 0),
        (["settings"], 0),
        (["train", "epochz=3"], 2),
        (["train", "data=shapes.yaml", "workers=-1"], 2),
    ],
    ids=str,
)
def test_light_lines_as_a_process(words: list[str], status: int, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIGHT, *words],
        env={"PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status
    assert "HEAVY" not in done.stderr
    assert len(done.stderr.splitlines()) == (1 if status else 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "status", "words"),
    [
        ("train resume=nope.pt", 1, ["resume=nope.pt", "last.pt"]),
        ("train resume=True", 2, ["resume=PATH"]),
        ("train data=shapes.yaml model=yolo11n.yaml device=99", 2, ["device=99", "device=cpu"]),
        ("predict source=a.jpg model=yolo11n.yaml classes=cat", 2, ["classes=[0, 2]"]),
    ],
)
def test_resume_and_device(
    line: str,
    status: int,
    words: list[str],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(line) == status
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert all(word in message for word in words)


def test_classes_as_texts_are_for_open_vocabularies(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made: list[Any] = []

    class Fixed:
        task = "detect"

        def __init__(self, model: str, task: str | None = None) -> None:
            made.append(model)

        def val(self, **kwargs: Any) -> None:
            made.append(kwargs)

    class Open(Fixed):
        def set_classes(self, classes: list[str]) -> None:
            made.append(classes)

    monkeypatch.setitem(vars(ultralytics), "YOLO", Open)
    assert main(["val", "model=yoloe-11s-seg.pt", "classes=person, traffic light"]) == 0
    assert made == ["yoloe-11s-seg.pt", ["person", "traffic light"], {}]
    monkeypatch.setitem(vars(ultralytics), "YOLO", Fixed)
    assert main(["val", "model=yolo11n.pt", "classes=person"]) == 2
    assert "fixed classes" in capsys.readouterr().err
    assert main(["val", "model=yolo11n.pt", "classes=[0, 2]"]) == 0
    assert made[-1] == {"classes": [0, 2]}
