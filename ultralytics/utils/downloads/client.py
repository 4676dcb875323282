"""HTTP through urllib: bounded waits, https never downgraded, clear errors.

Only http and https addresses are opened. YOLO_OFFLINE stops every request before it leaves.
"""

from __future__ import annotations

import http.client
import socket
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from ultralytics.errors import DownloadError
from ultralytics.utils.environment import env_bool

__all__ = ["RETRIABLE_STATUS", "TIMEOUT", "is_url", "open_url"]

TIMEOUT = 30.0  # seconds without any byte
RETRIABLE_STATUS = (408, 416, 429)  # of the 4xx range; every other one is final
SCHEMES = ("http", "https")
AGENT = {"User-Agent": "ultralytics-apache", "Accept-Encoding": "identity"}


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follow redirects, but never from https to anything else."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if urlsplit(req.full_url).scheme == "https" and urlsplit(newurl).scheme != "https":
            raise DownloadError(f"{req.full_url} redirects to the insecure address {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def open_url(
    url: str,
    headers: dict[str, str] | None = None,
    method: str = "GET",
    timeout: float = TIMEOUT,
) -> http.client.HTTPResponse:
    """Send a request and return the response, to be closed by the caller.

    Raises:
        DownloadError: YOLO_OFFLINE is set, or the address is neither http nor https.
        urllib.error.HTTPError: the server answered with a status of 400 or more.
        OSError: the server could not be reached.
    """
    if env_bool("YOLO_OFFLINE"):
        raise DownloadError(
            f"{url} is needed, but YOLO_OFFLINE is set; fetch the file yourself or unset YOLO_OFFLINE"
        )
    if urlsplit(url).scheme not in SCHEMES:
        raise DownloadError(f"cannot download {url!r}: only http and https addresses are opened")
    request = urllib.request.Request(url, headers=AGENT | (headers or {}), method=method)
    try:
        response: http.client.HTTPResponse = urllib.request.build_opener(_Redirects).open(
            request, timeout=timeout
        )
    except urllib.error.HTTPError as error:
        error.close()  # it holds the connection
        raise
    return response


def is_url(url: object, check: bool = False) -> bool:
    """Whether a text is an address with scheme and host.

    Args:
        url: anything; it is turned into text.
        check: also ask the server, which must answer within three seconds.
    """
    text = str(url)
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    if not (parts.scheme and parts.netloc):
        return False
    if not check:
        return True
    try:
        with open_url(text, method="HEAD", timeout=3) as response:
            return response.status < 400
    except (OSError, http.client.HTTPException):
        return False


def is_unreachable(error: BaseException) -> bool:
    """Whether an error means that no network or no such host exists, so that waiting is pointless."""
    reason = getattr(error, "reason", error)
    return isinstance(reason, socket.gaierror) or getattr(reason, "errno", None) in (101, 113)
