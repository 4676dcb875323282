"""Images, decorators, addresses, git and processor facts, callbacks, uploads, stubs."""

from __future__ import annotations

import http.server
import logging
import os
import runpy
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

import ultralytics.hub as hub
from ultralytics.errors import ConfigTypeError, DownloadError
from ultralytics.events import EVENTS
from ultralytics.utils import dist, misc, patches, wrappers
from ultralytics.utils.callbacks import base as callbacks
from ultralytics.utils.cpu import CPUInfo
from ultralytics.utils.errors import HUBModelError
from ultralytics.utils.events import events
from ultralytics.utils.git import GitRepo
from ultralytics.utils.namespace import IterableSimpleNamespace
from ultralytics.utils.torch_utils import convert_optimizer_state_dict_to_fp16
from ultralytics.utils.uploads import safe_upload

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (5, 4, 3), dtype=np.uint8)
GREY16 = RNG.integers(0, 65536, (5, 4), dtype=np.uint16)
COLOUR16 = RNG.integers(0, 65536, (5, 4, 3), dtype=np.uint16)


# ---------------------------------------------------------------- images


@pytest.mark.parametrize("name", ["plain.png", "ümläut 漢.bmp", "up.PNG"])
def test_an_image_survives_its_file(tmp_path: Path, name: str) -> None:
    assert patches.imwrite(tmp_path / name, COLOUR)
    image = patches.imread(tmp_path / name)
    assert image is not None
    np.testing.assert_array_equal(image, COLOUR)


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize(
    ("stored", "flags", "expected"),
    [
        (GREY16, cv2.IMREAD_UNCHANGED, (GREY16 >> 8)[..., None]),
        (GREY16, cv2.IMREAD_COLOR, np.repeat((GREY16 >> 8)[..., None], 3, 2)),
        (GREY16, cv2.IMREAD_ANYDEPTH, GREY16[..., None]),
        (COLOUR16, cv2.IMREAD_COLOR, COLOUR16 >> 8),
        (COLOUR16, cv2.IMREAD_UNCHANGED, COLOUR16 >> 8),
        (COLOUR16, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH, COLOUR16),
    ],
)
def test_sixteen_bits(tmp_path: Path, suffix: str, stored: Any, flags: int, expected: Any) -> None:
    cv2.imwrite(str(tmp_path / f"x{suffix}"), stored)
    np.testing.assert_array_equal(patches.imread(tmp_path / f"x{suffix}", flags), expected)


def test_pages_become_channels(tmp_path: Path) -> None:
    pages = [RNG.integers(0, 256, (5, 4), dtype=np.uint8) for _ in range(5)]
    cv2.imwritemulti(str(tmp_path / "m.tif"), pages)
    found = patches.imread(tmp_path / "m.tif", cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(found, np.stack(pages, 2))
    first = patches.imread(tmp_path / "m.tif", cv2.IMREAD_GRAYSCALE)
    np.testing.assert_array_equal(first, pages[0][..., None])


@pytest.mark.parametrize(
    ("mode", "flags", "channels"),
    [("RGB", 1, 3), ("RGB", 0, 1), ("RGBA", -1, 4), ("RGBA", 1, 3), ("L", 1, 3)],
)
def test_formats_read_by_pil(tmp_path: Path, mode: str, flags: int, channels: int) -> None:
    try:
        Image.new(mode, (8, 6), 128 if mode == "L" else (200, 100, 50, 90)[: len(mode)]).save(
            tmp_path / "x.avif", quality=100
        )
    except (KeyError, OSError):
        pytest.skip("this PIL has no AVIF")
    image = patches.imread(tmp_path / "x.avif", flags)
    assert image is not None
    assert (image.shape, image.dtype) == ((6, 8, channels), np.uint8)
    if mode == "RGB" and flags == 1:
        assert np.abs(image[0, 0].astype(int) - [50, 100, 200]).max() < 8


@pytest.mark.parametrize("content", [None, b"", b"nonsense"])
@pytest.mark.parametrize("suffix", [".jpg", ".tiff", ".avif"])
def test_what_cannot_be_read_is_none(tmp_path: Path, content: bytes | None, suffix: str) -> None:
    file = tmp_path / f"x{suffix}"
    if content is not None:
        file.write_bytes(content)
    assert patches.imread(file) is None


def test_what_cannot_be_written(tmp_path: Path) -> None:
    assert not patches.imwrite(tmp_path / "absent" / "x.png", COLOUR)
    assert not patches.imwrite(tmp_path / "x.nosuffix", COLOUR)
    assert patches.imwrite(str(tmp_path / "x.jpg"), COLOUR, [cv2.IMWRITE_JPEG_QUALITY, 10])


# ---------------------------------------------------------------- torch files and arguments


class _Touch:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (print, ("ran",))


def test_torch_files_are_read_safely(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    patches.torch_save({"a": torch.ones(2)}, tmp_path / "a.pt")
    assert patches.torch_load(tmp_path / "a.pt")["a"].tolist() == [1, 1]
    patches.torch_save({"a": _Touch()}, tmp_path / "b.pt")
    with pytest.raises(Exception, match="weights_only"):
        patches.torch_load(tmp_path / "b.pt")
    assert capsys.readouterr().out == ""


def test_saving_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []
    waits: list[float] = []

    def save(*args: object) -> None:
        tries.append(1)
        if len(tries) < 3:
            raise RuntimeError("full")

    monkeypatch.setattr(torch, "save", save)
    monkeypatch.setattr(patches.time, "sleep", waits.append)
    patches.torch_save({}, "x")
    assert waits == [0.5, 1.0]
    tries[:] = [0] * -9
    monkeypatch.setattr(torch, "save", lambda *a: (_ for _ in ()).throw(RuntimeError("full")))
    with pytest.raises(RuntimeError, match="full"):
        patches.torch_save({}, "x")
    assert waits == [0.5, 1.0, 0.5, 1.0, 2.0]


def test_optimiser_states_are_halved_except_their_steps() -> None:
    layer = torch.nn.Linear(2, 2)
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    stored = convert_optimizer_state_dict_to_fp16(optimizer.state_dict())
    first = stored["state"][0]
    assert (first["exp_avg"].dtype, first["step"].dtype) == (torch.float16, torch.float32)


def test_overrides_last_for_a_block() -> None:
    args = IterableSimpleNamespace(a=1, b=2)

    def fail() -> None:
        with patches.override_configs(args, {"a": 5, "c": 6}) as changed:
            assert changed is args
            assert vars(args) == {"a": 5, "b": 2, "c": 6}
            raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        fail()
    assert vars(args) == {"a": 1, "b": 2}
    with patches.override_configs(args) as same:
        assert same is args


# ---------------------------------------------------------------- decorators and small functions


def test_try_except(caplog: pytest.LogCaptureFixture) -> None:
    @wrappers.TryExcept("reading")
    def divide(x: int) -> float:
        return 1 / x

    with caplog.at_level(logging.WARNING, "ultralytics"):
        assert divide(2) == 0.5
        assert divide(0) is None
    assert caplog.messages == ["reading: division by zero"]
    with wrappers.TryExcept(verbose=False):
        raise ValueError
    assert len(caplog.messages) == 1
    with pytest.raises(KeyboardInterrupt), wrappers.TryExcept():
        raise KeyboardInterrupt


def test_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    calls: list[int] = []
    monkeypatch.setattr(wrappers.time, "sleep", waits.append)

    @wrappers.Retry(times=3, delay=2, verbose=False)
    def work(failures: int) -> str:
        calls.append(1)
        if len(calls) <= failures:
            raise OSError(f"failure {len(calls)}")
        return "done"

    assert work(2) == "done"
    assert waits == [2, 4]
    calls.clear()
    with pytest.raises(OSError, match="failure 3"):
        work(9)


def test_threads() -> None:
    seen: list[str] = []

    @wrappers.threaded
    def work(x: str) -> str:
        seen.append(threading.current_thread().name)
        return x * 2

    started = work("a")
    assert isinstance(started, threading.Thread)
    assert not started.daemon
    started.join()
    assert work("a", threaded=False) == "aa"
    assert seen[0] != seen[1] == threading.current_thread().name


def test_one_call_at_a_time() -> None:
    inside: list[int] = []
    most: list[int] = []

    @wrappers.ThreadingLocked()
    def work() -> None:
        inside.append(1)
        most.append(len(inside))
        inside.pop()

    threads = [threading.Thread(target=lambda: [work() for _ in range(200)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1


def test_plot_settings_are_temporary() -> None:
    import matplotlib as mpl

    before = mpl.rcParams["font.size"]

    @wrappers.plt_settings({"font.size": 33})
    def read() -> float:
        return float(mpl.rcParams["font.size"])

    assert read() == 33
    assert mpl.rcParams["font.size"] == before


@pytest.mark.parametrize(
    ("url", "clean", "name"),
    [
        ("https://h/a/b.txt?auth=1", "https://h/a/b.txt", "b.txt"),
        ("https://h/a%20b/c%2Bd.zip", "https://h/a b/c+d.zip", "c+d.zip"),
        ("a/b.pt", "a/b.pt", "b.pt"),
        ("https://h", "https://h", ""),
    ],
)
def test_addresses(url: str, clean: str, name: str) -> None:
    assert (misc.clean_url(url), misc.url2file(url)) == (clean, name)
    if "?" not in url and "://" in url and "%" not in url:
        assert misc.clean_url(Path(url)) == clean


def test_default_arguments_and_inert_functions(caplog: pytest.LogCaptureFixture) -> None:
    def f(a: int, b: int = 2, *args: int, c: str = "x", **kw: int) -> None:
        """Nothing."""

    assert misc.get_default_args(f) == {"b": 2, "c": "x"}
    with caplog.at_level(logging.WARNING, "ultralytics"):
        misc.deprecation_warn("old", "new")
    assert "'old' is deprecated" in caplog.text
    assert "'new'" in caplog.text
    misc.set_sentry()
    events("anything", device="cpu")
    assert (misc.vscode_msg(), events.enabled) == ("", False)


# ---------------------------------------------------------------- git and processor


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git to make a repository")
def test_git_facts_agree_with_git(tmp_path: Path) -> None:
    def git(*args: str, cwd: Path = tmp_path / "repo") -> str:
        config = ("-c", "user.name=n", "-c", "user.email=e", "-c", "init.defaultBranch=trunk")
        done = subprocess.run(
            ["git", *config, *args], cwd=cwd, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    repo = tmp_path / "repo"
    (repo / "deep" / "er").mkdir(parents=True)
    git("init")
    git("remote", "add", "origin", "https://host/x.git")
    git("commit", "--allow-empty", "-m", "first line\n\nsecond")
    found = GitRepo(repo / "deep" / "er")
    assert (found.root, found.is_repo, found.branch) == (repo, True, "trunk")
    assert found.commit == git("rev-parse", "HEAD")
    assert found.message == "first line\n\nsecond"
    assert found.origin == "https://host/x.git"
    git("pack-refs", "--all")
    assert GitRepo(repo).commit == git("rev-parse", "HEAD")
    git("worktree", "add", str(tmp_path / "side"), "-b", "topic/x")
    side = GitRepo(tmp_path / "side")
    assert (side.branch, side.commit) == ("topic/x", git("rev-parse", "HEAD"))
    assert side.refdir == repo / ".git"
    git("checkout", "--detach")
    assert (GitRepo(repo).branch, GitRepo(repo).commit) == (None, git("rev-parse", "HEAD"))


def test_no_repository(tmp_path: Path) -> None:
    found = GitRepo(tmp_path)
    assert (found.root, found.is_repo, found.branch, found.commit) == (None, False, None, None)
    assert (found.message, found.origin, found.head) == (None, None, None)


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("Intel(R) Core(TM) i7-9750H CPU @ 2.60GHz", "Intel Core i7-9750H 2.60GHz"),
        (
            "Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz",
            "Intel Xeon Platinum 8375C CPU @ 2.90GHz",
        ),
        ("AMD Ryzen 9 5900X 12-Core Processor", "AMD Ryzen 9 5900X 12-Core Processor"),
        ("AMD   EPYC 7B13", "AMD EPYC 7B13"),
    ],
)
def test_processor_names(raw: str, name: str) -> None:
    assert CPUInfo._tidy(raw) == name


def test_this_processor_has_a_name() -> None:
    assert CPUInfo.name() == str(CPUInfo())
    assert CPUInfo.name()


# ---------------------------------------------------------------- callbacks


def test_default_table_is_the_callers_own() -> None:
    table = callbacks.get_default_callbacks()
    assert set(table) == set(EVENTS)
    table["teardown"].append(print)
    assert callbacks.get_default_callbacks()["teardown"] == []


# ---------------------------------------------------------------- uploads, dist, hub


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("YOLO_OFFLINE", raising=False)
    got = SimpleNamespace(codes=[], bodies=[], headers=[], url="")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            got.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            got.headers.append(dict(self.headers))
            self.send_response(got.codes.pop(0) if got.codes else 201)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Keep quiet."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        got.url = f"http://127.0.0.1:{server.server_port}/x"
        yield got
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("codes", "sent", "waits"),
    [([], True, []), ([500, 429], True, [2, 4]), ([403], False, []), ([500] * 3, False, [2, 4])],
)
def test_uploads(
    receiver: SimpleNamespace, tmp_path: Path, codes: list[int], sent: bool, waits: list[float]
) -> None:
    file = tmp_path / "f.bin"
    file.write_bytes(b"content")
    slept: list[float] = []
    receiver.codes = list(codes)
    done = safe_upload(file, receiver.url, headers={"X-Key": "k"}, sleep=slept.append)
    assert (done, slept) == (sent, waits)
    assert set(receiver.bodies) == {b"content"}
    assert receiver.headers[0]["X-Key"] == "k"


def test_uploads_that_cannot_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "f.bin"
    file.write_bytes(b"")
    with pytest.raises(FileNotFoundError, match="absent"):
        safe_upload(tmp_path / "absent", "http://h/x")
    with pytest.raises(DownloadError, match="ftp"):
        safe_upload(file, "ftp://h/x")
    monkeypatch.setenv("YOLO_OFFLINE", "1")
    with pytest.raises(DownloadError, match="offline"):
        safe_upload(file, "http://h/x")


class Stub:
    """What a script of a rank needs of a trainer."""

    world_size = 2

    def __init__(self, overrides: dict[str, object]) -> None:
        self.args = SimpleNamespace(**overrides)

    def train(self) -> None:
        Path(str(self.args.data)).write_text(f"{os.environ['RANK']} {self.args.lr0}")


def test_a_script_of_a_rank_builds_the_trainer_and_goes_away_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 1024 <= dist.find_free_network_port() < 65536
    trainer = Stub({"data": str(tmp_path / "note"), "lr0": 0.25, "classes": [1], "name": None})
    command, file = dist.generate_ddp_command(trainer)
    assert command[:3] == [sys.executable, "-m", "torch.distributed.run"]
    assert command[command.index("--nproc_per_node") + 1] == "2"
    assert command[-1] == file
    monkeypatch.setenv("RANK", "1")
    runpy.run_path(file, run_name="__main__")
    assert (tmp_path / "note").read_text() == "1 0.25"
    own = tmp_path / "own.py"
    own.write_text("")
    dist.ddp_cleanup(trainer, str(own))
    dist.ddp_cleanup(trainer, file)
    assert own.exists()
    assert not Path(file).parent.exists()


def test_a_script_of_a_rank_holds_plain_arguments_only() -> None:
    class Local(Stub):
        pass

    with pytest.raises(ConfigTypeError, match=r"Local must be defined at the top level"):
        dist.generate_ddp_file(Local({}))
    with pytest.raises(ConfigTypeError, match="augmentations="):
        dist.generate_ddp_file(Stub({"augmentations": object()}))


def test_the_hosted_service_is_not_bundled() -> None:
    from ultralytics.utils.settings import SETTINGS

    for call in (
        hub.login,
        hub.reset_model,
        hub.export_fmts_hub,
        hub.export_model,
        hub.get_export,
        lambda: hub.check_dataset("x.zip", "detect"),
        lambda: hub.HUBTrainingSession("x"),
    ):
        with pytest.raises(RuntimeError, match="no client"):
            call()
    SETTINGS["api_key"] = "ul_" + "0" * 40
    hub.logout()
    assert SETTINGS["api_key"] == ""
    with pytest.raises(HUBModelError, match="gone"):
        raise HUBModelError("gone")
