"""The search on Ray Tune. Ray itself runs where it is installed; the rest needs none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.optional import need_package
from ultralytics import YOLO
from ultralytics.engine.tuner import ray as ray_search
from ultralytics.errors import ConfigValueError, MissingExtra
from ultralytics.utils.yaml_io import YAML

ROOT = Path(__file__).resolve().parents[3]


class Domains:
    """Stands for `ray.tune`."""

    @staticmethod
    def uniform(low: float, high: float) -> tuple[str, float, float]:
        return ("uniform", low, high)

    @staticmethod
    def randint(low: int, high: int) -> tuple[str, int, int]:
        return ("randint", low, high)


def test_domains_are_uniform_and_whole_numbers_include_both_ends() -> None:
    domains = ray_search.make_domains(Domains, None)
    assert domains["momentum"] == ("uniform", 0.7, 0.98)
    assert domains["close_mosaic"] == ("randint", 0, 11)
    assert len(domains) == 26


def test_domains_of_the_user_are_left_alone() -> None:
    own = object()
    domains = ray_search.make_domains(Domains, {"optimizer": own, "lr0": (0, 0.1)})
    assert domains == {"optimizer": own, "lr0": ("uniform", 0.0, 0.1)}


@pytest.mark.parametrize("installed", [None, SimpleNamespace(__version__="2.9.3")])
def test_without_a_new_ray_the_extra_is_named(
    installed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", installed)
    monkeypatch.setitem(sys.modules, "ray.tune", installed)
    with pytest.raises(ModuleNotFoundError, match=r"2\.41.*ultralytics\[tune\]"):
        YOLO("yolo11n.yaml").tune(use_ray=True, data="a.yaml")


@pytest.mark.parametrize("chosen", [None, "1"])
def test_reports_of_usage_are_the_users_choice(
    chosen: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ray_search.USAGE_REPORTS, raising=False)
    if chosen is not None:
        monkeypatch.setenv(ray_search.USAGE_REPORTS, chosen)
    with ray_search._usage_kept_private():
        assert os.environ[ray_search.USAGE_REPORTS] == (chosen or "0")
    assert os.environ.get(ray_search.USAGE_REPORTS) == chosen


def test_unknown_searchers_are_refused() -> None:
    with pytest.raises(ConfigValueError, match="optuna"):
        ray_search.make_searcher("optuan", 0)


def test_a_missing_searcher_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray.tune.search.hebo", None)
    with pytest.raises(MissingExtra, match="HEBO"):
        ray_search.make_searcher("hebo", 0)


SCRIPT = """
import json
import os
import sys

import ray

from ultralytics import YOLO
from ultralytics.utils.tuner import run_ray_tune

asked, start = [], ray.init


def init(*args, **kwargs):
    asked.append(os.environ.get("RAY_USAGE_STATS_ENABLED"))
    return start(*args, **kwargs)


ray.init = init
file, search_alg, args = json.loads(sys.argv[1])
model = YOLO(file)
model.load(YOLO(file).model)  # weights travel by the object store
results = run_ray_tune(
    model,
    space={"lr0": (1e-5, 1e-2), "close_mosaic": (0, 3)},
    iterations=4,
    search_alg=search_alg,
    **args,
)
print(
    "RESULTS "
    + json.dumps(
        {
            "errors": len(results.errors),
            "rates": [result.config["lr0"] for result in results],
            "metrics": [dict(result.metrics) for result in results],
            "usage": [*asked, os.environ.get("RAY_USAGE_STATS_ENABLED")],
        },
        default=str,
    )
)
"""


def search(words: list[Any]) -> subprocess.CompletedProcess[str]:
    """Run the script; Ray gives its helpers 15 s to start, so on a machine under load it gets more than one try."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, json.dumps(words)],
            env={**env, "RAY_raylet_start_wait_time_s": "30", "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if "timed out during startup" not in done.stderr:
            break
    return done


@pytest.mark.slow
@pytest.mark.parametrize("search_alg", ["random", "optuna"])
def test_four_trials_finish(search_alg: str, short_run: dict[str, Any], tmp_path: Path) -> None:
    need_package("ray")
    if search_alg != "random":
        need_package(search_alg)
    content = YAML.load(ROOT / "ultralytics" / "cfg" / "models" / "11" / "yolo11.yaml")
    YAML.save(tmp_path / "tiny.yaml", {**content, "nc": 2, "scales": {"n": [0.33, 0.125, 128]}})
    words = [str(tmp_path / "tiny.yaml"), search_alg, {**short_run, "pretrained": True}]
    done = search(words)
    assert done.returncode == 0, done.stderr[-3000:]
    (line,) = [text for text in done.stdout.splitlines() if text.startswith("RESULTS ")]
    found = json.loads(line.removeprefix("RESULTS "))
    assert found["errors"] == 0
    assert len(set(found["rates"])) == 4
    assert all(1e-5 <= rate <= 1e-2 for rate in found["rates"])
    assert all(metrics["epoch"] >= 1 for metrics in found["metrics"])
    assert "metrics/mAP50-95(B)" in found["metrics"][0]
    # two epochs and the final evaluation: no trial was ended before its files were whole
    assert [metrics["training_iteration"] for metrics in found["metrics"]] == [3] * 4
    assert len(list(tmp_path.glob("run_*/weights/best.pt"))) == 4
    assert found["usage"] == ["0", None]  # Ray sends no reports, and the variable is put back
