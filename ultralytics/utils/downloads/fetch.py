"""Fetch a file: resumable, locked against a second process, checked, moved into place when complete.

Bytes go to a hidden `.<name>.part` beside the target. The server's version mark of those bytes is kept
next to it, so that a later run continues only the same content.
"""

from __future__ import annotations

import http.client
import os
import re
import time
import urllib.error
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from ultralytics.errors import DownloadError
from ultralytics.utils.downloads.archives import check_disk_space, extract, is_archive
from ultralytics.utils.downloads.client import RETRIABLE_STATUS, is_unreachable, open_url
from ultralytics.utils.downloads.drive import get_google_drive_file_info, is_google_drive
from ultralytics.utils.files import sha256 as sha256_of
from ultralytics.utils.locks import file_lock
from ultralytics.utils.logging import LOGGER
from ultralytics.utils.misc import clean_url, url2file
from ultralytics.utils.tqdm import TQDM

__all__ = ["Expected", "download", "fetch", "safe_download"]

CHUNK = 1 << 18
FIRST_WAIT = 5.0  # seconds; doubles with each further try
DISK_CHECK_BYTES = 1 << 20
LOCK_SECONDS = 3600.0
CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


@dataclass(frozen=True)
class Expected:
    """What a complete file must satisfy, besides the length the server announces."""

    min_bytes: float = 1.0
    sha256: str | None = None

    def check(self, path: Path, url: str) -> None:
        """Raise DownloadError when a file is too small or has another hash."""
        size = path.stat().st_size
        if size < self.min_bytes:
            raise DownloadError(f"{url} gave {size} bytes, at least {self.min_bytes:.0f} expected")
        if self.sha256 is not None and (found := sha256_of(path)) != self.sha256.lower():
            raise DownloadError(f"{url} has SHA-256 {found}, expected {self.sha256}")


class _Incomplete(OSError):
    """The connection ended before the announced number of bytes."""


class _Decoder(Protocol):
    def decompress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


def fetch(
    url: str,
    target: Path,
    expected: Expected = Expected(),
    retry: int = 3,
    progress: bool = True,
    sleep: Callable[[float], None] = time.sleep,
) -> Path:
    """Download a file unless another process has just done so.

    Args:
        url: http or https address.
        target: where the file goes; missing folders are created.
        expected: checks before the file takes its name.
        retry: further tries after a failure that may pass, with pauses of 5, 10, 20 s and so on.
        progress: show a progress bar.
        sleep: waits between tries.

    Raises:
        DownloadError: the file cannot be had, or is not what was expected.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with file_lock(target, timeout=LOCK_SECONDS):
        if target.is_file():
            return target
        part = _Part(target)
        for attempt in range(retry + 1):
            try:
                _transfer(url, part, progress)
                break
            except (OSError, http.client.HTTPException, zlib.error) as error:
                if attempt == retry or _is_final(error):
                    raise _failure(url, target, error) from error
                wait = FIRST_WAIT * 2**attempt
                LOGGER.warning(f"Download of {url} failed ({error}); trying again in {wait:.0f} s.")
                sleep(wait)
        try:
            expected.check(part.path, url)
        except DownloadError:
            part.discard()
            raise
        part.finish()
    return target


def _is_final(error: BaseException) -> bool:
    if isinstance(error, DownloadError):
        return True
    if isinstance(error, urllib.error.HTTPError):
        return 400 <= error.code < 500 and error.code not in RETRIABLE_STATUS
    return is_unreachable(error)


def _failure(url: str, target: Path, error: BaseException) -> DownloadError:
    if isinstance(error, DownloadError):
        return error
    hint = "; check the connection, or put the file there yourself" if is_unreachable(error) else ""
    return DownloadError(f"download of {url} to {target} failed: {error}{hint}")


class _Part:
    """The unfinished file of a target and the mark of the content it belongs to."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f".{target.name}.part")
        self._mark = target.with_name(f".{target.name}.part.mark")

    def resume_headers(self) -> dict[str, str]:
        """Request headers that ask for the missing rest, or none to start from the beginning."""
        if not (self.path.is_file() and self._mark.is_file()):
            return {}
        mark, size = self._mark.read_text(encoding="utf-8"), self.path.stat().st_size
        return {"Range": f"bytes={size}-", "If-Range": mark} if mark and size else {}

    def remember(self, response: http.client.HTTPResponse) -> None:
        """Keep the server's mark: a strong entity tag, else the date of the last change."""
        tag = response.headers.get("ETag", "")
        usable = tag if tag and not tag.startswith("W/") else ""
        mark = usable or response.headers.get("Last-Modified", "")
        self._mark.write_text(mark, encoding="utf-8")

    def discard(self) -> None:
        """Forget what was fetched."""
        self.path.unlink(missing_ok=True)
        self._mark.unlink(missing_ok=True)

    def finish(self) -> None:
        """Give the complete file its name."""
        with self.path.open("rb+") as stream:
            os.fsync(stream.fileno())
        os.replace(self.path, self.target)
        self._mark.unlink(missing_ok=True)


def _transfer(url: str, part: _Part, progress: bool) -> None:
    headers = part.resume_headers()
    try:
        response = open_url(url, headers)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # the rest asked for does not exist: what we have is stale
            part.discard()
        raise
    with response:
        start, total = _extent(response, part)
        if total is not None and total - start > DISK_CHECK_BYTES:
            check_disk_space(total - start, part.target.parent)
        part.remember(response)
        with part.path.open("ab" if start else "wb") as stream:
            _copy(
                response,
                stream,
                start,
                total,
                f"Downloading {clean_url(url)} to {part.target}",
                progress,
            )


def _extent(response: http.client.HTTPResponse, part: _Part) -> tuple[int, int | None]:
    """(first byte that comes, size of the whole or None)."""
    if response.status == 206:
        match = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        start = int(match[1]) if match else -1
        if match is None or start != part.path.stat().st_size:
            part.discard()
            raise _Incomplete("the server sent another range than asked for")
        return start, None if match[2] == "*" else int(match[2])
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdecimal() else None


def _copy(
    response: http.client.HTTPResponse,
    stream: BinaryIO,
    start: int,
    total: int | None,
    desc: str,
    progress: bool,
) -> None:
    """Copy the body, undoing a content encoding; the announced length counts encoded bytes."""
    decoder = _decoder(response.headers.get("Content-Encoding", "identity"))
    received = start
    bar: TQDM[None] = TQDM(
        desc=desc,
        total=total,
        unit="B",
        unit_divisor=1024,
        initial=start,
        disable=None if progress else True,
    )
    with bar:
        while block := response.read(CHUNK):
            stream.write(decoder.decompress(block) if decoder else block)
            received += len(block)
            bar.update(len(block))
    if decoder:
        stream.write(decoder.flush())
    if total is not None and received != total:
        raise _Incomplete(f"the connection ended after {received} of {total} bytes")


def _decoder(encoding: str) -> _Decoder | None:
    if encoding in {"", "identity"}:
        return None
    if encoding in {"gzip", "deflate"}:
        return zlib.decompressobj(zlib.MAX_WBITS | 32)  # 32: detect the header
    raise DownloadError(f"the server uses the unknown content encoding {encoding!r}")


def safe_download(
    url: str | Path,
    file: str | Path | None = None,
    dir: str | Path | None = None,
    unzip: bool = True,
    delete: bool = False,
    curl: bool = False,
    retry: int = 3,
    min_bytes: float = 1.0,
    exist_ok: bool = False,
    progress: bool = True,
    sha256: str | None = None,
) -> Path:
    """Have a file locally, and unpack it if it is an archive.

    Args:
        url: address, or an existing local file, which is not copied.
        file: name or path of the target; None takes the name from the address.
        dir: folder of the target; None means the working directory.
        unzip: unpack a zip or tar archive.
        delete: remove the archive after unpacking.
        curl: accepted and ignored.
        retry: further tries after a failure.
        min_bytes: smallest size of a complete file.
        exist_ok: unpack over existing content.
        progress: show progress bars.
        sha256: expected hash in hexadecimal.

    Returns:
        The file, or what it was unpacked to.

    Raises:
        DownloadError: the file cannot be had, or is not what was expected.
        MemoryError: the disk is too full.
    """
    address = str(url)
    local = Path(address)
    if "://" not in address and local.is_file():
        found = local
    else:
        name = file
        if is_google_drive(address):
            address, drive_name = get_google_drive_file_info(address)
            name = file or drive_name
        found = Path(dir or ".") / (name or url2file(address))
        if not found.is_file():
            fetch(_https(address), found, Expected(min_bytes, sha256), retry, progress)
        elif sha256 is not None:
            Expected(0, sha256).check(found, str(found))
    if not (unzip and is_archive(found)):
        return found
    unpacked = extract(found, Path(dir or found.parent).resolve(), exist_ok, progress)
    if delete:
        found.unlink()
    return unpacked


def _https(address: str) -> str:
    """An address without a scheme is taken as https."""
    return address if "://" in address else f"https://{address.lstrip('/')}"


def download(
    url: str | Path | Iterable[str | Path],
    dir: str | Path | None = None,
    unzip: bool = True,
    delete: bool = False,
    curl: bool = False,
    threads: int = 1,
    retry: int = 3,
    exist_ok: bool = False,
) -> list[Path]:
    """Download one or several files into a folder, which is created.

    Args:
        url: address or addresses.
        dir: folder; None means the working directory.
        unzip: unpack archives.
        delete: remove archives after unpacking.
        curl: accepted and ignored.
        threads: files fetched at the same time.
        retry: further tries for each file.
        exist_ok: unpack over existing content.

    Returns:
        What `safe_download` returned for each, in order.
    """
    folder = Path(dir) if dir is not None else Path.cwd()
    folder.mkdir(parents=True, exist_ok=True)
    urls: Sequence[str | Path] = [url] if isinstance(url, (str, Path)) else list(url)

    def one(address: str | Path) -> Path:
        return safe_download(
            address,
            dir=folder,
            unzip=unzip,
            delete=delete,
            retry=retry,
            exist_ok=exist_ok,
            progress=threads <= 1,
        )

    if threads <= 1:
        return [one(address) for address in urls]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, urls))
