"""Direct media addresses of hosted videos, through optional packages. Nothing is installed on demand."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ultralytics.errors import MissingExtra

__all__ = ["get_best_youtube_url"]

PACKAGES = {"pytube": "pytubefix", "pafy": "pafy", "yt-dlp": "yt_dlp"}
LEAST_WIDTH, LEAST_HEIGHT = 1920, 1080


def get_best_youtube_url(url: str, method: str = "yt-dlp") -> str | None:
    """Address of the best MP4 stream without sound, or None when there is none.

    Args:
        url: page of the video.
        method: "yt-dlp", "pytube" or "pafy", the package that is asked.

    Raises:
        MissingExtra: that package is not installed.
        ValueError: another method.
    """
    if method not in PACKAGES:
        raise ValueError(f"method={method!r} must be one of: {', '.join(PACKAGES)}")
    try:
        package = import_module(PACKAGES[method])
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"{url} needs: pip install {PACKAGES[method].replace('_', '-')}"
        ) from error
    ask = {"pytube": _ask_pytube, "pafy": _ask_pafy, "yt-dlp": _ask_yt_dlp}[method]
    return ask(package, url)


def _ask_pytube(package: Any, url: str) -> str | None:  # Any: optional packages have no types here
    streams = package.YouTube(url).streams.filter(file_extension="mp4", only_video=True)
    best = streams.order_by("resolution").desc().first()
    return None if best is None else str(best.url)


def _ask_pafy(package: Any, url: str) -> str | None:
    best = package.new(url).getbestvideo(preftype="mp4")
    return None if best is None else str(best.url)


def _ask_yt_dlp(package: Any, url: str) -> str | None:
    with package.YoutubeDL({"quiet": True}) as client:
        formats = client.extract_info(url, download=False).get("formats", [])
    silent_mp4 = [
        entry
        for entry in formats
        if entry.get("vcodec", "none") != "none"
        and entry.get("acodec") == "none"
        and entry.get("ext") == "mp4"
    ]
    large = [
        entry
        for entry in silent_mp4
        if (entry.get("width") or 0) >= LEAST_WIDTH or (entry.get("height") or 0) >= LEAST_HEIGHT
    ]
    return str((large or silent_mp4)[-1]["url"]) if silent_mp4 else None
