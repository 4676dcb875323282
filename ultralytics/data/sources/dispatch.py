"""From whatever the user gave as a source to the loader that reads it.

Files, folders and patterns of a list are streamed in the given order with the configured batch size, its stream
addresses are read side by side, pictures in memory form one batch.
"""

from __future__ import annotations

import io
import os
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import URLError
from urllib.parse import unquote, urlparse

import numpy as np
import torch
from PIL import Image as PILImage

from ultralytics.data.sources.arrays import WEB_PREFIXES, LoadPilAndNumpy, autocast_list
from ultralytics.data.sources.files import LoadImagesAndVideos
from ultralytics.data.sources.listing import has_media_suffix, is_pattern
from ultralytics.data.sources.screen import LoadScreenshots
from ultralytics.data.sources.streams import LoadStreams
from ultralytics.data.sources.tensors import LoadTensor
from ultralytics.data.sources.types import SourceTypes
from ultralytics.errors import SourceError
from ultralytics.utils.downloads import safe_download

__all__ = ["LOADERS", "Checked", "check_source", "load_inference_source"]

LOADERS = (LoadStreams, LoadPilAndNumpy, LoadImagesAndVideos, LoadScreenshots)
STREAM_PREFIXES = ("rtsp://", "rtmp://", "tcp://")
PROBE_SECONDS = 3
UNNAMED_TYPES = frozenset(
    {"application/octet-stream", "binary/octet-stream"}
)  # servers guess by suffix
ANIMATION = ".gif"  # in a list it stands for its first picture, alone it is a video


class Checked(NamedTuple):
    """A source and which kind it is; exactly one kind is set unless it is a path."""

    source: Any  # Any: path, list, array, tensor, image or loader
    stream: bool = False
    screenshot: bool = False
    from_img: bool = False
    in_memory: bool = False
    tensor: bool = False


def check_source(source: Any) -> Checked:
    """Decide what a source is.

    Addresses with a media suffix are downloaded to the working directory; other web addresses are asked once whether
    they answer with an image.

    Raises:
        SourceError: an empty or missing source.
        TypeError: a kind of object that cannot be a source.
    """
    if isinstance(source, bool) or source is None:
        raise TypeError(f"source={source!r} is not a source")
    if isinstance(source, (str, int, Path)):
        return _check_text(str(source))
    if isinstance(source, LOADERS):
        return Checked(source, in_memory=True)
    if isinstance(source, (list, tuple)):
        return _check_list(list(source))
    if isinstance(source, (PILImage.Image, np.ndarray)):
        return Checked(source, from_img=True)
    if isinstance(source, torch.Tensor):
        return Checked(source, tensor=True)
    raise TypeError(
        f"a source may be a path, address, camera number, PIL image, NumPy array, tensor or a list of those, "
        f"not {type(source).__name__}"
    )


def _check_text(text: str) -> Checked:
    if not text.strip():
        raise SourceError("The source is an empty text")
    lower = text.lower()
    if _is_stream(text):
        return Checked(text, stream=True)
    if lower.startswith(WEB_PREFIXES):
        return _check_web(text)
    if lower == "screen" or (lower.startswith("screen ") and not Path(text).exists()):
        return Checked(text, screenshot=True)
    return Checked(text)


def _check_web(address: str) -> Checked:
    name = Path(unquote(urlparse(address).path)).name
    if has_media_suffix(name):
        local = Path.cwd() / name
        if not local.is_file():
            safe_download(address, file=name, dir=Path.cwd(), unzip=False)
        return Checked(str(local))
    picture = _fetch_picture(address)
    if picture is None:
        return Checked(address, stream=True)
    return Checked(picture, from_img=True)


def _fetch_picture(address: str) -> PILImage.Image | None:
    """The picture behind an address, or None when it answers with something else, or not in time."""
    try:
        with urllib.request.urlopen(address, timeout=PROBE_SECONDS) as answer:
            kind = answer.headers.get_content_type()
            is_unknown_file = kind in UNNAMED_TYPES and answer.length is not None
            if not kind.startswith("image/") and not is_unknown_file:
                return None
            content = answer.read()
    except (URLError, TimeoutError):
        return None
    try:
        picture = PILImage.open(io.BytesIO(content))
        picture.load()
    except OSError as error:
        if not kind.startswith("image/"):
            return None
        raise SourceError(f"{address} sent an image that cannot be decoded: {error}") from error
    return picture


def _check_list(entries: list[Any]) -> Checked:
    if not entries:
        raise SourceError("The source is an empty list")
    texts = [str(entry) for entry in entries if isinstance(entry, (str, Path))]
    if len(texts) == len(entries):
        if all(map(_is_stream, texts)):
            return Checked(texts, stream=True)
        if all(map(_is_on_disk, texts)):
            return Checked(texts)
    return Checked(autocast_list(entries), from_img=True)


def _is_stream(text: str) -> bool:
    lower = text.lower()
    return text.isnumeric() or lower.endswith(".streams") or lower.startswith(STREAM_PREFIXES)


def _is_on_disk(text: str) -> bool:
    """Whether an entry of a list names media files; other files are tried as pictures."""
    if text.lower().startswith(WEB_PREFIXES):
        return False
    by_name = has_media_suffix(text) and not text.lower().endswith(ANIMATION)
    return by_name or os.path.isdir(text) or (is_pattern(text) and not os.path.exists(text))


def load_inference_source(
    source: Any,
    batch: int = 1,
    vid_stride: int = 1,
    buffer: bool = False,
    channels: int = 3,
) -> Any:  # Any: one of the loaders
    """Make the loader of a source; its `source_type` says which kind it is.

    Args:
        source: see `check_source`.
        batch: most images per batch, for files.
        vid_stride: frames per returned frame, for videos and streams.
        buffer: keep every frame of a stream instead of the newest.
        channels: of the images the network takes.

    Raises:
        SourceError: a source that is missing, empty or unreadable.
        TypeError: a kind of object that cannot be a source.
    """
    checked = check_source(source)
    kind = SourceTypes(checked.stream, checked.screenshot, checked.from_img, checked.tensor)
    loader: Any
    if checked.in_memory:
        return checked.source
    if checked.tensor:
        loader = LoadTensor(checked.source)
    elif checked.stream:
        loader = LoadStreams(checked.source, vid_stride, buffer, channels)
    elif checked.screenshot:
        loader = LoadScreenshots(checked.source, channels)
    elif checked.from_img:
        loader = LoadPilAndNumpy(checked.source, channels)
    else:
        listed = isinstance(checked.source, list)
        loader = LoadImagesAndVideos(checked.source, batch, vid_stride, channels, explicit=listed)
    loader.source_type = kind
    return loader
