"""Names of the interface that this version lacks are refused in words, and misspelt ones stay AttributeErrors."""

from __future__ import annotations

from importlib import import_module

import pytest

from ultralytics.errors import NotAvailable

LACKING = [
    ("ultralytics", "Explorer", "Explorer"),
    ("ultralytics", "SAM", "SAM"),
    ("ultralytics.models", "FastSAM", "SAM"),
    ("ultralytics.models.yolo", "depth", "task depth"),
    ("ultralytics.models.yolo.world", "WorldTrainer", "YOLO-World"),
    ("ultralytics.models.yolo.yoloe", "YOLOEPESegTrainer", "YOLOE"),
    ("ultralytics.data", "GroundingDataset", "open-vocabulary"),
    ("ultralytics.data.explorer", "Explorer", "Explorer"),
    ("ultralytics.engine.exporter", "Exporter", "export"),
    ("ultralytics.solutions", "ObjectCounter", "solutions"),
    ("ultralytics.utils.benchmarks", "benchmark", "benchmarks"),
]


@pytest.mark.parametrize(("module", "name", "words"), LACKING)
def test_lacking_names_say_so(module: str, name: str, words: str) -> None:
    with pytest.raises(NotAvailable, match=words) as caught:
        exec(f"from {module} import {name}")
    assert f"{module}.{name}" in str(caught.value)
    assert "not part of this version" in str(caught.value)
    assert name not in dir(import_module(module))


@pytest.mark.parametrize(
    "module",
    ["ultralytics", "ultralytics.models", "ultralytics.models.yolo", "ultralytics.nn.tasks"],
)
def test_unknown_names_are_ordinary_errors(module: str) -> None:
    assert not hasattr(import_module(module), "no_such_name")


def test_a_lacking_module_can_be_inspected() -> None:
    module = import_module("ultralytics.solutions")
    assert not hasattr(module, "__wrapped__")
    assert module.__doc__
