"""Finding files by name, checking suffixes and places."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ultralytics.errors import DatasetNotFound, NotAvailable
from ultralytics.utils.downloads.assets import check_yolov5u_filename
from ultralytics.utils.environment import ASSETS, ROOT
from ultralytics.utils.misc import clean_url, url2file

__all__ = [
    "REMOTE_FILE_PREFIXES",
    "check_data_portable",
    "check_file",
    "check_font",
    "check_is_path_safe",
    "check_suffix",
    "check_yaml",
    "normalize_platform_uri",
    "resolve_platform_uri",
]

REMOTE_FILE_PREFIXES = (
    "http://",
    "https://",
    "rtsp://",
    "rtmp://",
    "rtmps://",
    "tcp://",
    "gs://",
    "ul://",
    "grpc://",
)
FETCHED_PREFIXES = ("http://", "https://", "gs://")
PLATFORM_HOSTS = ("platform.ultralytics.com", "www.platform.ultralytics.com")
SEARCHED = (ROOT / "cfg", ASSETS)


def check_suffix(
    file: str | Path | Iterable[str | Path] = "yolo26n.pt",
    suffix: str | Iterable[str] = ".pt",
    msg: str = "",
) -> None:
    """Require one of some endings, in any case of letters. Empty names pass.

    Raises:
        AssertionError: a file has another ending, or none.
    """
    if not (file and suffix):
        return
    allowed = {suffix} if isinstance(suffix, str) else set(suffix)
    for name in [file] if isinstance(file, (str, Path)) else file:
        ending = Path(str(name).strip()).suffix.lower()
        if str(name) and ending not in allowed:
            listed = ", ".join(sorted(allowed))
            raise AssertionError(f"{msg}{name} must end in {listed}, not {ending or 'no suffix'!r}")


def check_file(
    file: str | Path,
    suffix: str | Iterable[str] = "",
    download: bool = True,
    download_dir: str | Path = ".",
    hard: bool = True,
) -> Any:  # Any: text, or an empty list for "not found", as the interface has it
    """Path of a file that exists here, among the packaged configuration and assets, or at an address.

    Args:
        file: path, bare name of a packaged file, or http, https or gs address. Addresses of streams
            and of gRPC services are returned unchanged.
        suffix: endings to require.
        download: fetch addresses.
        download_dir: where fetched files go; one that is there is used.
        hard: raise when nothing is found, instead of returning [].

    Raises:
        FileNotFoundError: nothing, or more than one packaged file, was found.
        AssertionError: the ending is another.
        DownloadError: an address could not be fetched.
    """
    check_suffix(file, suffix)
    name = check_yolov5u_filename(normalize_platform_uri(str(file).strip()))
    if not name or ("://" not in name and Path(name).exists()):
        return name
    if name.startswith("ul://"):
        return resolve_platform_uri(name, hard)
    if download and name.lower().startswith(FETCHED_PREFIXES):
        return _fetch(name, Path(download_dir))
    if name.lower().startswith(REMOTE_FILE_PREFIXES):
        return name
    return _packaged(name, hard)


def _fetch(url: str, folder: Path) -> str:
    from ultralytics.utils.downloads import safe_download

    if url.startswith("gs://"):
        url = "https://storage.googleapis.com/" + url.removeprefix("gs://")
    target = folder / url2file(url)
    if not target.is_file():
        safe_download(url, target.name, folder, unzip=False)
    return str(target)


def _packaged(name: str, hard: bool) -> str | list[str]:
    wanted = Path(name).parts
    found = [
        path
        for base in SEARCHED
        for path in sorted(base.rglob(wanted[-1]))
        if path.parts[-len(wanted) :] == wanted
    ]
    if len(found) > 1:
        raise DatasetNotFound(f"several files are called {name!r}: {[str(p) for p in found]}")
    if found:
        return str(found[0])
    if hard:
        raise DatasetNotFound(f"{name!r} does not exist")
    return []


def check_yaml(
    file: str | Path, suffix: Iterable[str] = (".yaml", ".yml"), hard: bool = True
) -> Any:  # Any: see check_file
    """Path of a YAML file; see `check_file`."""
    return check_file(file, tuple(suffix), hard=hard)


def check_data_portable(data: object) -> bool:
    """Whether a data argument means the same elsewhere: a bare name, an address, or a path that exists."""
    if not isinstance(data, (str, Path)) or not str(data):
        return False
    text = str(data)
    is_bare = len(Path(text).parts) == 1
    return text.lower().startswith(REMOTE_FILE_PREFIXES) or is_bare or Path(text).exists()


def check_is_path_safe(basedir: str | Path, path: str | Path) -> bool:
    """Whether a path, links followed, exists and lies below a folder."""
    base, target = Path(basedir).resolve(), Path(path).resolve()
    return target.exists() and target.is_relative_to(base)


@cache
def check_font(font: str = "Arial.ttf") -> str | None:
    """Path of a font file: in the settings folder, else one matplotlib knows. Nothing is downloaded."""
    from ultralytics.utils.settings import user_config_path

    name = Path(font).name
    own = user_config_path() / name
    if own.is_file():
        return str(own)
    from matplotlib import font_manager

    known = (entry.fname for entry in font_manager.fontManager.ttflist)
    return next((path for path in known if Path(path).name == name), None)


def normalize_platform_uri(uri: str) -> str:
    """An address of the hosted service's website as its short form "ul://..."; others unchanged."""
    parts = urlsplit(uri) if uri.startswith(("http://", "https://")) else None
    if parts is None or parts.hostname not in PLATFORM_HOSTS:
        return uri
    return "ul://" + urlsplit(clean_url(uri)).path.strip("/")


def resolve_platform_uri(uri: str, hard: bool = True) -> str | None:
    """Refuse an address of the hosted service, which this package has no client for.

    Raises:
        ValueError: the address is malformed.
        NotAvailable: the address is well formed.
    """
    parts = uri.removeprefix("ul://").split("/")
    if not uri.startswith("ul://") or len(parts) != 3 or not all(parts):
        raise ValueError(f"{uri!r} is not of the form ul://user/project/model")
    if not hard:
        return None
    raise NotAvailable(f"{uri}: the hosted service is not part of this package; use a local file")
