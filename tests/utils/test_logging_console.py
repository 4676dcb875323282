"""Console output, styles, environment flags, console capture, machine metrics."""

from __future__ import annotations

import http.server
import io
import json
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ultralytics.utils import environment, logger
from ultralytics.utils import logging as module
from ultralytics.utils.logging import LOGGER, colorstr, configure_logging, remove_colorstr

ROOT = Path(__file__).parents[2]


@pytest.fixture
def unconfigured() -> logging.Logger:
    """A logger of its own below none of the handlers that pytest installs."""
    test_logger = logging.getLogger("ultralytics-test")
    test_logger.handlers.clear()
    return test_logger


def test_lines_and_prefixes(
    unconfigured: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = module.set_logging(unconfigured.name)
    chosen.info("plain")
    chosen.warning("careful %s", "x")
    chosen.error("broken")
    out, err = capsys.readouterr()
    assert out == "plain\n"
    assert err == "WARNING \u26a0\ufe0f careful x\nERROR \u274c broken\n"


def test_a_second_handler_sees_the_plain_message(unconfigured: logging.Logger) -> None:
    chosen = module.set_logging(unconfigured.name)
    stream = io.StringIO()
    chosen.addHandler(logging.StreamHandler(stream))
    chosen.warning("careful")
    assert stream.getvalue() == "careful\n"


def test_installing_twice_gives_one_handler_and_verbose_decides_the_level(
    unconfigured: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    module.set_logging(unconfigured.name)
    chosen = module.set_logging(unconfigured.name, verbose=False)
    own = [h for h in chosen.handlers if h.name == module.HANDLER_NAME]
    assert (len(own), chosen.level, chosen.propagate) == (1, logging.ERROR, False)
    chosen.warning("not shown")
    chosen.error("shown")
    assert capsys.readouterr().err == "ERROR \u274c shown\n"


def test_a_stream_that_lacks_the_symbols(
    unconfigured: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(raw, encoding="ascii"))
    module.set_logging(unconfigured.name).warning("careful")
    assert raw.getvalue() == b"WARNING ?? careful\n"


def test_a_configured_root_is_left_alone() -> None:
    before = list(LOGGER.handlers)
    configure_logging()  # pytest has put handlers on the root logger
    assert (LOGGER.handlers, LOGGER.propagate) == (before, True)
    configure_logging(force=True)
    configure_logging(force=True)
    assert [h.name for h in LOGGER.handlers if h not in before] == [module.HANDLER_NAME]


@pytest.mark.parametrize(
    ("setup", "verbose", "shown"),
    [
        ("", "", ""),
        ("configure_logging()", "", "hello\n"),
        ("configure_logging()", "False", ""),
        ("configure_logging(verbose=False)", "", ""),
        (
            "import logging; logging.basicConfig(level=20, stream=sys.stdout)",
            "",
            "INFO:ultralytics:hello\n",
        ),
    ],
)
def test_who_sees_information(setup: str, verbose: str, shown: str) -> None:
    code = (
        "import sys\nfrom ultralytics.utils.logging import LOGGER, configure_logging\n"
        f"{setup}\nLOGGER.info('hello')"
    )
    env = {k: v for k, v in os.environ.items() if k != "YOLO_VERBOSE"} | {"PYTHONPATH": str(ROOT)}
    if verbose:
        env["YOLO_VERBOSE"] = verbose
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (shown, "")


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (("hi",), "\x1b[34m\x1b[1mhi\x1b[0m"),
        (("red", "hi"), "\x1b[31mhi\x1b[0m"),
        (("bright_green", "underline", 5), "\x1b[92m\x1b[4m5\x1b[0m"),
    ],
)
def test_styles(args: tuple[object, ...], text: str) -> None:
    assert colorstr(*args) == text
    assert remove_colorstr(text) == str(args[-1])


def test_an_unknown_style() -> None:
    with pytest.raises(KeyError, match="pinkish"):
        colorstr("pinkish", "hi")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *((text, True) for text in ("1", "true", "YES", " on ", "y", "T")),
        *((text, False) for text in ("0", "false", "", "2", "off")),
        (None, True),
    ],
)
def test_env_bool(value: str | None, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("X_FLAG", raising=False)
    if value is not None:
        monkeypatch.setenv("X_FLAG", value)
    assert environment.env_bool("X_FLAG", True) is expected


@pytest.mark.parametrize(
    ("variables", "ranks"),
    [
        ({}, (-1, -1, 1)),
        ({"RANK": "0", "WORLD_SIZE": "1"}, (-1, -1, 1)),
        ({"RANK": "3", "LOCAL_RANK": "1", "WORLD_SIZE": "4"}, (3, 1, 4)),
    ],
)
def test_ranks_count_only_among_several(
    variables: dict[str, str], ranks: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert environment._launcher_ranks() == ranks


def test_facts_about_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    assert environment.build_version("torch") == torch.__version__
    assert environment.package_version("no-such-package") == ""
    assert environment.is_pip_package("numpy")
    assert not environment.is_pip_package("no_such_package")
    assert environment.is_pytest_running()
    assert environment.environment_name()
    assert environment.ASSETS.parent == environment.ROOT == ROOT / "ultralytics"
    monkeypatch.setenv("YOLO_OFFLINE", "true")
    assert not environment.is_online()
    monkeypatch.setattr(environment, "read_device_model", lambda: "5.10-tegra")
    monkeypatch.setattr(environment, "_read_text", lambda path: "# R36 (release)")
    assert [environment.is_jetson(pack) for pack in (None, 5, 6, 99)] == [True, False, True, False]


def test_captured_lines_are_whole_stamped_and_not_repeated(tmp_path: Path) -> None:
    got: list[tuple[str, int, int]] = []
    file = tmp_path / "log" / "console.txt"
    before = (sys.stdout, sys.stderr)
    capture = logger.ConsoleLogger(file, on_flush=lambda *a: got.append(a))
    capture.start_capture()
    capture.start_capture()
    try:
        print("10%\r\x1b[K50%\r\x1b[K100%")
        print("same")
        print("same")
        print("error", file=sys.stderr)
        print("  ")
        print("open", end="")
    finally:
        capture.stop_capture()
    assert (sys.stdout, sys.stderr) == before
    texts = [text[22:] for text, _, _ in got]
    assert texts == ["100%", "same", "error"]
    assert [(count, number) for _, count, number in got] == [(1, 1), (1, 2), (1, 3)]
    assert file.read_text().splitlines() == [text for text, _, _ in got]
    assert got[0][0][0] == "["


def test_lines_are_collected_into_batches() -> None:
    got: list[tuple[str, int, int]] = []
    capture = logger.ConsoleLogger(
        batch_size=2, flush_interval=60, on_flush=lambda *a: got.append(a)
    )
    capture.start_capture()
    try:
        for text in "abc":
            print(text)
    finally:
        capture.stop_capture()
    assert [(count, number) for _, count, number in got] == [(2, 1), (1, 2)]


def test_lines_are_posted_to_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    got: list[dict[str, str]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Keep quiet."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        capture = logger.ConsoleLogger(f"http://127.0.0.1:{server.server_port}/log")
        capture.start_capture()
        print("hello")
        capture.stop_capture()
        server.shutdown()
        thread.join()
    assert [message["message"][22:] for message in got] == ["hello"]
    assert set(got[0]) == {"timestamp", "message"}


def test_machine_metrics() -> None:
    metrics = logger.SystemLogger().get_metrics(rates=True)
    assert set(metrics) == {"cpu", "ram", "disk", "disk_io", "network", "gpus"}
    assert 0 < metrics["ram"] <= 100
    assert metrics["disk"][0]["used_gb"] <= metrics["disk"][0]["total_gb"]
