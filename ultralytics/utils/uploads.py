"""Send a file to an address by HTTP PUT."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from ultralytics.errors import DownloadError
from ultralytics.utils.environment import env_bool
from ultralytics.utils.logging import LOGGER
from ultralytics.utils.tqdm import TQDM

__all__ = ["safe_upload"]

FIRST_WAIT = 2.0  # seconds; doubles with each further try
FINAL_EXCEPT = (408, 429)  # of the 4xx range, the only ones worth another try


class _Counted:
    """A file that tells a progress bar how much of it was read."""

    def __init__(self, stream: BinaryIO, bar: TQDM[None]) -> None:
        self._stream, self._bar = stream, bar

    def read(self, size: int = -1) -> bytes:
        """Read and count."""
        block = self._stream.read(size)
        self._bar.update(len(block))
        return block


def safe_upload(
    file: str | Path,
    url: str,
    headers: dict[str, str] | None = None,
    retry: int = 2,
    timeout: int = 600,
    progress: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Upload a file.

    Args:
        file: what to send.
        url: http or https address that accepts PUT.
        headers: further request headers.
        retry: further tries after a failure that may pass, with pauses of 2, 4 s and so on.
        timeout: seconds without any progress.
        progress: show a progress bar.
        sleep: waits between tries.

    Returns:
        Whether the server took the file; failures are logged.

    Raises:
        FileNotFoundError: there is no such file.
        DownloadError: YOLO_OFFLINE is set or the address is neither http nor https.
    """
    path = Path(file)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist")
    if env_bool("YOLO_OFFLINE") or urlsplit(url).scheme not in {"http", "https"}:
        raise DownloadError(f"cannot upload to {url}: offline, or not an http or https address")
    error: Exception | None = None
    for attempt in range(retry + 1):
        try:
            _put(path, url, headers or {}, timeout, progress)
        except (OSError, http.client.HTTPException) as failure:
            error = failure
            if isinstance(failure, urllib.error.HTTPError):
                failure.close()  # it holds the connection
            code = getattr(failure, "code", None)
            if code is not None and 400 <= code < 500 and code not in FINAL_EXCEPT:
                break
            if attempt < retry:
                sleep(FIRST_WAIT * 2**attempt)
        else:
            return True
    LOGGER.warning(f"Upload of {path} to {url} failed: {error}")
    return False


def _put(path: Path, url: str, headers: dict[str, str], timeout: int, progress: bool) -> None:
    size = path.stat().st_size
    fixed = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
    bar: TQDM[None] = TQDM(
        desc=f"Uploading {path.name}",
        total=size,
        unit="B",
        unit_divisor=1024,
        disable=None if progress else True,
    )
    with path.open("rb") as stream, bar:
        request = urllib.request.Request(
            url, data=_Counted(stream, bar), headers=fixed | headers, method="PUT"
        )
        with urllib.request.urlopen(request, timeout=timeout):
            return
