"""The catalogue of models: complete, equal to what the files build, and answered without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import ultralytics
from scripts import generate_catalog
from ultralytics.cfg.catalog import catalog, catalog_text
from ultralytics.cfg.cli.commands import main

RECORDS = Path(__file__).resolve().parents[3] / "shared" / "conformance" / "models.json"
PRIVATE_CLASSES = ("-semseg",)  # networks the records do not hold


def test_every_model_file_and_scale_is_listed() -> None:
    built = [name for file in generate_catalog.files() for name in generate_catalog.names_of(file)]
    assert [entry.name for entry in catalog()] == built
    assert len(built) == len(set(built)) > 200


@pytest.mark.parametrize("name", ["yolov8n", "yolo11n-seg", "yolo26n-pose", "yolov9t"])
def test_rows_equal_what_the_file_builds(name: str) -> None:
    (entry,) = [entry for entry in catalog() if entry.name == name]
    row = generate_catalog.row_of(name)
    assert (entry.task, entry.layers, entry.parameters) == (
        row["task"],
        row["layers"],
        row["parameters"],
    )
    assert entry.gflops == float(row["gflops"])


def test_the_page_of_the_documentation_shows_the_table() -> None:
    assert generate_catalog.PAGE.read_text(encoding="utf-8") == generate_catalog.page_text()


@pytest.mark.skipif(not RECORDS.is_file(), reason="needs ../shared/conformance/models.json")
def test_sizes_equal_the_records_of_the_original() -> None:
    records = json.loads(RECORDS.read_text(encoding="utf-8"))
    known = {entry.name: entry for entry in catalog()}
    compared = sorted(records.keys() & known.keys())
    assert len(compared) > 200
    for name in compared:
        entry, record = known[name], records[name]
        assert (entry.layers, entry.parameters) == (record["layers"], record["parameters"]), name
        if entry.imgsz == generate_catalog.DEFAULT_IMGSZ and record.get("GFLOPs"):
            assert entry.gflops == pytest.approx(record["GFLOPs"], abs=0.006), name


def test_published_weights_have_an_address_and_their_publishers_licence() -> None:
    entries = {entry.name: entry for entry in catalog()}
    old = entries["yolov5n"]
    assert str(old.weights).endswith("/yolov5nu.pt")
    assert old.license == "AGPL-3.0"
    assert entries["yolov8n-ghost"].weights is entries["yolov8n-ghost"].license is None


def test_a_task_and_words_narrow_the_list() -> None:
    names = [entry.name for entry in ultralytics.catalog(task="pose", words=["11"])]
    assert names == [f"yolo11{scale}-pose" for scale in "nsmlx"]
    with pytest.raises(ValueError, match="unknown task"):
        ultralytics.catalog(task="posing")


def test_the_text_is_a_table() -> None:
    first, *rows = catalog_text(catalog(words=["yolo11n"])).splitlines()
    assert first.split() == ["model", "task", "parameters", "GFLOPs", "weights"]
    assert rows[0].split()[:2] == ["yolo11n", "detect"]


def test_the_command_lists_and_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "segment", "yolo26"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 5
    assert main(["models", "nothing-like-it"]) == 2
    assert "no model fits nothing-like-it" in capsys.readouterr().err


def test_the_list_needs_no_torch() -> None:
    code = "import sys, ultralytics; assert len(ultralytics.catalog()) > 200; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
