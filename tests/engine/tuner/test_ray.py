"""The search on Ray Tune. Ray itself runs where it is installed; the rest needs none."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ultralytics import YOLO
from ultralytics.engine.tuner import ray as ray_search
from ultralytics.errors import ConfigValueError, MissingExtra
from ultralytics.utils.tuner import run_ray_tune
from ultralytics.utils.yaml_io import YAML

ROOT = Path(__file__).resolve().parents[3]
needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")


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


def test_unknown_searchers_are_refused() -> None:
    with pytest.raises(ConfigValueError, match="optuna"):
        ray_search.make_searcher("optuan", 0)


def test_a_missing_searcher_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray.tune.search.hebo", None)
    with pytest.raises(MissingExtra, match="HEBO"):
        ray_search.make_searcher("hebo", 0)


@pytest.mark.slow
@needs_ray
@pytest.mark.filterwarnings("ignore")  # of Ray and what it imports
@pytest.mark.parametrize("search_alg", ["random", "optuna"])
def test_four_trials_finish(
    search_alg: str, short_run: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if find_spec(search_alg) is None and search_alg != "random":
        pytest.skip(f"{search_alg} is not installed")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    content = YAML.load(ROOT / "ultralytics" / "cfg" / "models" / "11" / "yolo11.yaml")
    YAML.save(tmp_path / "tiny.yaml", {**content, "nc": 2, "scales": {"n": [0.33, 0.125, 128]}})
    model = YOLO(tmp_path / "tiny.yaml")
    model.load(YOLO(tmp_path / "tiny.yaml").model)  # weights travel by the object store
    results = run_ray_tune(
        model,
        space={"lr0": (1e-5, 1e-2), "close_mosaic": (0, 3)},
        iterations=4,
        search_alg=search_alg,
        **{**short_run, "pretrained": True},
    )
    assert len(results) == 4
    assert not results.errors
    rates = [result.config["lr0"] for result in results]
    assert len(set(rates)) == 4
    assert all(1e-5 <= rate <= 1e-2 for rate in rates)
    assert all(result.metrics["epoch"] >= 1 for result in results)
    assert "metrics/mAP50-95(B)" in results[0].metrics
    # two epochs and the final evaluation: no trial was ended before its files were whole
    assert [result.metrics["training_iteration"] for result in results] == [3] * 4
    assert len(list(tmp_path.glob("run_*/weights/best.pt"))) == 4
