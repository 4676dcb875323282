"""Downloads against a server on this machine: resuming, checks, locks, errors."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import socketserver
import threading
import urllib.error
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ultralytics.errors import DownloadError
from ultralytics.utils import downloads
from ultralytics.utils.downloads import assets, client, drive, fetch
from ultralytics.utils.settings import SETTINGS

DATA = bytes(range(256)) * 2000
HASH = hashlib.sha256(DATA).hexdigest()


@dataclass
class Behaviour:
    """What the server does, and what it was asked."""

    body: bytes = DATA
    tag: str = '"v1"'
    cut_after: list[int] = field(default_factory=list)  # bytes sent before hanging up, per request
    codes: list[int] = field(default_factory=list)  # status instead of the body, per request
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)


@dataclass
class Server:
    """A running server."""

    url: str
    behaviour: Behaviour


class Handler(http.server.BaseHTTPRequestHandler):
    """Answer GET and HEAD as the behaviour says; ranges are honoured while the tag matches."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        plan: Behaviour = self.server.behaviour  # type: ignore[attr-defined]
        wanted = self.headers.get("Range")
        plan.requests.append((self.command, self.path, wanted))
        code = plan.codes.pop(0) if plan.codes else 200
        if code != 200:
            self.send_response(code)
            for name, value in plan.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = 0
        if wanted and self.headers.get("If-Range") == plan.tag:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
        body = plan.body[start:]
        self.send_response(206 if start else 200)
        if start:
            end = len(plan.body) - 1
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(plan.body)}")
        self.send_header("ETag", plan.tag)
        self.send_header("Content-Length", str(len(body)))
        for name, value in plan.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body[: plan.cut_after.pop(0)] if plan.cut_after else body)

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


class ThreadedServer(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """One thread per request."""

    daemon_threads = True


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY", "YOLO_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    running = ThreadedServer(("127.0.0.1", 0), Handler)
    running.behaviour = Behaviour()  # type: ignore[attr-defined]
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield Server(f"http://127.0.0.1:{running.server_port}", running.behaviour)  # type: ignore[attr-defined]
    running.shutdown()
    thread.join()
    running.server_close()


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def get(server: Server, tmp_path: Path, waits: list[float]) -> Callable[..., Path]:
    def run(name: str = "f.bin", **kwargs: Any) -> Path:
        target = tmp_path / "in" / name
        options = {"progress": False, "sleep": waits.append, **kwargs}
        return fetch.fetch(f"{server.url}/{name}", target, **options)

    return run


def visible(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if not p.name.endswith(".lock"))


def test_a_file_arrives_whole(get: Callable[..., Path], server: Server) -> None:
    path = get()
    assert path.read_bytes() == DATA
    assert visible(path.parent) == ["f.bin"]
    get()
    assert len(server.behaviour.requests) == 1  # it is here: nothing is asked again


def test_a_cut_connection_is_continued_where_it_ended(
    get: Callable[..., Path], server: Server, waits: list[float]
) -> None:
    server.behaviour.cut_after = [1000, 2000]
    assert get().read_bytes() == DATA
    ranges = [wanted for _, _, wanted in server.behaviour.requests]
    assert ranges == [None, "bytes=1000-", "bytes=3000-"]
    assert waits == [5.0, 10.0]


def test_a_later_run_continues_too(get: Callable[..., Path], server: Server) -> None:
    server.behaviour.cut_after = [4096]
    with pytest.raises(DownloadError, match="ended after 4096 of 512000 bytes"):
        get(retry=0)
    assert get().read_bytes() == DATA
    assert server.behaviour.requests[-1][2] == "bytes=4096-"


def test_changed_content_is_fetched_anew(get: Callable[..., Path], server: Server) -> None:
    server.behaviour.cut_after = [4096]
    with pytest.raises(DownloadError):
        get(retry=0)
    server.behaviour.body, server.behaviour.tag = DATA[::-1], '"v2"'
    assert get().read_bytes() == DATA[::-1]


def test_a_stale_range_starts_over(get: Callable[..., Path], server: Server) -> None:
    server.behaviour.cut_after = [4096]
    with pytest.raises(DownloadError):
        get(retry=0)
    server.behaviour.codes = [416]
    assert get().read_bytes() == DATA
    assert [r[2] for r in server.behaviour.requests] == [None, "bytes=4096-", None]


@pytest.mark.parametrize(("code", "tries"), [(404, 1), (403, 1), (429, 3), (500, 3), (503, 3)])
def test_which_errors_are_worth_another_try(
    get: Callable[..., Path], server: Server, tmp_path: Path, code: int, tries: int
) -> None:
    server.behaviour.codes = [code] * 9
    with pytest.raises(DownloadError, match=str(code)):
        get(retry=2)
    assert len(server.behaviour.requests) == tries
    assert "f.bin" not in visible(tmp_path / "in")


@pytest.mark.parametrize(
    ("expected", "hint"),
    [
        (fetch.Expected(min_bytes=1e6), "gave 512000 bytes, at least 1000000"),
        (fetch.Expected(sha256="00" * 32), f"SHA-256 {HASH}, expected 0000"),
    ],
)
def test_content_that_is_not_what_was_expected_is_refused(
    get: Callable[..., Path], tmp_path: Path, expected: fetch.Expected, hint: str
) -> None:
    with pytest.raises(DownloadError, match=hint):
        get(expected=expected)
    assert visible(tmp_path / "in") == []
    assert get(expected=fetch.Expected(1, HASH.upper())).read_bytes() == DATA


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_content_encoding_is_undone(
    get: Callable[..., Path], server: Server, encoding: str
) -> None:
    import zlib

    packed = gzip.compress(DATA) if encoding == "gzip" else zlib.compress(DATA)
    server.behaviour.body = packed
    server.behaviour.headers = {"Content-Encoding": encoding}
    assert get().read_bytes() == DATA


def test_one_of_several_downloads_at_once_does_the_work(
    get: Callable[..., Path], server: Server
) -> None:
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: get(), range(4)))
    assert [p.read_bytes() == DATA for p in paths] == [True] * 4
    assert len(server.behaviour.requests) == 1


def test_offline_says_so_at_once(
    get: Callable[..., Path], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YOLO_OFFLINE", "1")
    with pytest.raises(DownloadError, match="YOLO_OFFLINE is set"):
        get()
    with pytest.raises(ConnectionError):
        get()
    assert server.behaviour.requests == []


def test_only_web_addresses_are_opened(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    with pytest.raises(DownloadError, match="only http and https"):
        downloads.safe_download(f"file://{secret}", dir=tmp_path / "out")


def test_redirects_never_leave_https() -> None:
    import urllib.request

    handler = client._Redirects()
    request = urllib.request.Request("https://a.example/x")
    with pytest.raises(DownloadError, match="insecure"):
        handler.redirect_request(request, None, 302, "", {}, "http://a.example/x")
    kept = handler.redirect_request(request, None, 302, "", {}, "https://b.example/y")
    assert kept is not None
    assert kept.full_url == "https://b.example/y"


def test_an_unknown_host_is_final() -> None:
    import socket

    assert client.is_unreachable(urllib.error.URLError(socket.gaierror(-2, "unknown")))
    assert not client.is_unreachable(urllib.error.URLError(TimeoutError()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://a.b/c", True),
        ("rtsp://cam/1", True),
        ("a/b.jpg", False),
        ("http://", False),
        (3, False),
    ],
)
def test_is_url(text: object, expected: bool) -> None:
    assert downloads.is_url(text) is expected


def test_is_url_may_ask(server: Server) -> None:
    assert downloads.is_url(f"{server.url}/x", check=True)
    server.behaviour.codes = [404]
    assert not downloads.is_url(f"{server.url}/x", check=True)


def test_safe_download_unpacks_and_deletes(server: Server, tmp_path: Path) -> None:
    source = tmp_path / "s.zip"
    with zipfile.ZipFile(source, "w") as archive:
        archive.writestr("data/a.txt", "A")
        archive.writestr("data/b/c.txt", "C")
    server.behaviour.body = source.read_bytes()
    folder = downloads.safe_download(
        f"{server.url}/set.zip?token=1", dir=tmp_path / "out", delete=True, progress=False
    )
    assert folder == (tmp_path / "out" / "data").resolve()
    assert (folder / "b" / "c.txt").read_text() == "C"
    assert visible(folder.parent) == ["data"]


def test_safe_download_of_a_local_file_copies_nothing(tmp_path: Path) -> None:
    local = tmp_path / "weights.pt"
    local.write_bytes(b"x")
    assert downloads.safe_download(local, dir=tmp_path / "other") == local
    assert not (tmp_path / "other").exists()


def test_an_existing_target_is_checked_against_its_hash(server: Server, tmp_path: Path) -> None:
    (tmp_path / "f.bin").write_bytes(b"something else")
    with pytest.raises(DownloadError, match="SHA-256"):
        downloads.safe_download(f"{server.url}/f.bin", dir=tmp_path, sha256=HASH)


def test_several_files_keep_their_order(server: Server, tmp_path: Path) -> None:
    urls = [f"{server.url}/{name}.bin" for name in "abc"]
    expected = [tmp_path / "d" / f"{name}.bin" for name in "abc"]
    assert downloads.download(urls, dir=tmp_path / "d", threads=3) == expected
    assert downloads.download(urls[0], dir=tmp_path / "d") == expected[:1]


def test_known_weights_go_to_the_weights_folder(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(SETTINGS, "weights_dir", str(tmp_path / "weights"))
    SETTINGS["weights_url"] = server.url + "/base/"
    try:
        found = assets.attempt_download_asset("yolo11n.pt", progress=False)
        again = assets.attempt_download_asset("yolo11n.pt")
    finally:
        SETTINGS.reset()
    assert server.behaviour.requests == [("GET", "/base/yolo11n.pt", None)]
    assert not Path("yolo11n.pt").exists()
    assert Path(found).read_bytes() == DATA
    assert found == again


def test_weights_look_up(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("here.pt").write_bytes(b"x")
    assert assets.attempt_download_asset("here.pt") == "here.pt"
    assert assets.attempt_download_asset("unknown.pt") == "unknown.pt"
    assert assets.attempt_download_asset(f"{server.url}/w.pt", progress=False) == "w.pt"
    folded = Path(f"{server.url}/w.pt")  # a Path folds the double slash of an address
    assert assets.attempt_download_asset(folded) == "w.pt"
    assert len(server.behaviour.requests) == 1


def test_too_small_weights_are_refused(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    server.behaviour.body = b"not found"
    with pytest.raises(DownloadError, match="gave 9 bytes"):
        assets.attempt_download_asset(f"{server.url}/w.pt", progress=False)


def test_the_table_of_published_names() -> None:
    names = assets.GITHUB_ASSETS_NAMES
    assert len(names) == 199
    assert {
        "yolov8n.pt",
        "yolo11x-obb.pt",
        "yolo26s-sem-ade20k.pt",
        "yolov5n6u.pt",
        "yolov9e-seg.pt",
        "sam2.1_t.pt",
        "yolo26x-reid.onnx",
        "mobileclip_blt.ts",
    } <= names
    assert {"yolov5n.pt", "yolo11n-oiv7.pt", "yolov8n-world.pt", "yolo12n-seg.pt"}.isdisjoint(names)
    assert "yolo11n" in assets.GITHUB_ASSETS_STEMS


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("yolov5n.pt", "yolov5nu.pt"),
        ("yolov5s6.pt", "yolov5s6u.pt"),
        ("runs/yolov3-tiny.pt", "runs/yolov3-tinyu.pt"),
        ("yolov5nu.yaml", "yolov5n.yaml"),
        ("yolov5nu.pt", "yolov5nu.pt"),
        ("yolov8n.pt", "yolov8n.pt"),
        ("my-yolov5-run.pt", "my-yolov5-run.pt"),
    ],
)
def test_old_names(name: str, expected: str) -> None:
    assert assets.check_yolov5u_filename(name) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [("yolo11n", Path("yolo11n.pt")), ("yolo11n.pt", "yolo11n.pt"), ("other", "other")],
)
def test_bare_stems(given: str, expected: object) -> None:
    assert assets.check_model_file_from_stem(given) == expected


@pytest.mark.parametrize(
    ("link", "file_id"),
    [
        ("https://drive.google.com/file/d/1AbC_d-9/view?usp=sharing", "1AbC_d-9"),
        ("https://drive.google.com/uc?export=download&id=XyZ", "XyZ"),
    ],
)
def test_drive_links(link: str, file_id: str) -> None:
    match = drive.FILE_ID.search(link)
    assert match is not None
    assert (match[1] or match[2]) == file_id
    assert drive.is_google_drive(link)
    assert not drive.is_google_drive("https://example.com/drive.google.com")


def test_disk_space(tmp_path: Path) -> None:
    assert downloads.check_disk_space(1, tmp_path)
    assert not downloads.check_disk_space(1e18, tmp_path, hard=False)
    with pytest.raises(MemoryError, match="GiB are needed"):
        downloads.check_disk_space(1e18, tmp_path)
