"""Share links of Google Drive turned into addresses of the file itself."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from ultralytics.errors import DownloadError
from ultralytics.utils.downloads.client import open_url

__all__ = ["get_google_drive_file_info", "is_google_drive"]

FILE_ID = re.compile(r"/d/([\w-]+)|[?&]id=([\w-]+)")
FILE_NAME = re.compile(r'filename="([^"]+)"')


def is_google_drive(url: str) -> bool:
    """Whether an address is a share link."""
    return urlsplit(url).hostname == "drive.google.com"


def get_google_drive_file_info(link: str) -> tuple[str, str | None]:
    """Direct address and file name of a share link.

    Raises:
        DownloadError: the link names no file, or the server offers none for it.
    """
    match = FILE_ID.search(link)
    if match is None:
        raise DownloadError(f"{link} holds no Google Drive file id")
    file_id = match[1] or match[2]
    address = (
        f"https://drive.usercontent.google.com/download?id={file_id}&export=download&confirm=t"
    )
    try:
        with open_url(address, method="HEAD") as response:
            disposition = response.headers.get("Content-Disposition", "")
    except OSError as error:
        if isinstance(error, DownloadError):
            raise
        raise DownloadError(f"Google Drive does not give {link}: {error}") from error
    name = FILE_NAME.search(disposition)
    return address, name[1] if name else None
