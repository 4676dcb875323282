"""Importing must not write, connect, start processes or change other libraries."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIGHT_MODULES = [
    "ultralytics",
    "ultralytics.cfg",
    "ultralytics.data",
    "ultralytics.engine",
    "ultralytics.hub",
    "ultralytics.models",
    "ultralytics.models.yolo",
    "ultralytics.models.yolo.detect",
    "ultralytics.nn",
    "ultralytics.utils",
    "ultralytics.utils.callbacks",
    "ultralytics.utils.checks",
    "ultralytics.utils.downloads",
    "ultralytics.utils.torch_utils",
]
HEAVY = ["cv2", "matplotlib", "numpy", "pandas", "polars", "scipy", "torch", "torchvision", "yaml"]
SKIPPED = {"ultralytics.__main__"}

PROBE = """
import json, os, sys, pkgutil, importlib
import cv2, torch, numpy, matplotlib, yaml, PIL.Image  # first: only our own effects count
WATCHED = ("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.putenv",
           "os.unsetenv", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.chdir", "shutil.")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
effects = []
recording = False

def watch(event, args):
    if not recording:
        return
    writes = event == "open" and isinstance(args[2], int) and args[2] & WRITES
    if writes or event.startswith(WATCHED):
        effects.append([event, str(args)[:120]])

def state():
    return [cv2.getNumThreads(), torch.save.__module__, PIL.Image.open.__module__,
            torch._tensor_str.PRINT_OPTS.linewidth, torch.get_num_threads(), numpy.get_printoptions()["linewidth"],
            matplotlib.rcParams["font.size"], sorted(os.environ.items()), torch.get_default_dtype().__repr__()]

sys.addaudithook(watch)
before, report = state(), {}
for name in json.loads(sys.argv[1]):
    effects, recording = [], True
    importlib.import_module(name)
    recording = False
    report[name] = {"effects": effects, "state_changed": state() != before}
print(json.dumps(report))
"""


def _modules() -> list[str]:
    """Every module of the package, found as files so that collecting imports nothing."""
    package = ROOT / "ultralytics"
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted(package.rglob("*.py"))
    ]
    return [name for name in names if name not in SKIPPED]


def _environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    return kept | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT), "HOME": "/nonexistent"}


@cache
def _report() -> dict[str, dict[str, object]]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROBE, json.dumps(_modules())],
        env=_environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("module", _modules())
def test_import_is_quiet(module: str) -> None:
    assert _report()[module] == {"effects": [], "state_changed": False}


def test_light_packages_load_nothing_heavy() -> None:
    existing = [m for m in LIGHT_MODULES if (ROOT / m.replace(".", "/") / "__init__.py").is_file()]
    code = (
        "import sys, importlib, json\n"
        f"for name in {existing!r}: importlib.import_module(name)\n"
        f"print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=_environment(), capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == []
    assert done.stderr == ""


def test_versions_are_known_without_importing_torch() -> None:
    code = (
        "import sys\nfrom ultralytics.utils import TORCH_VERSION, SETTINGS, IS_COLAB\n"
        "from ultralytics.utils.torch_utils import TORCH_2_0\n"
        "SETTINGS['runs_dir']\nassert TORCH_VERSION and TORCH_2_0\nprint('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=_environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_opening_a_model_does_not_load_what_trains() -> None:
    code = (
        "import sys\nfrom ultralytics import YOLO\nYOLO('yolo11n.yaml')\n"
        "print([m for m in sys.modules if m.startswith('ultralytics.engine.trainer')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=_environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
