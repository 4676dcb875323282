"""Cache files of scanned data sets: plain arrays and JSON in one checked container, never pickled objects.

Layout: one text line `magic version sha256`, then an uncompressed .npz whose member `tree` is UTF-8 JSON naming the
other members. A file that is foreign, damaged or of another version is simply not used. Paths end in `.cache` as users
expect; another implementation's file of that name is replaced on the next write.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ultralytics.errors import DatasetError
from ultralytics.utils.logging import LOGGER

__all__ = [
    "DATASET_CACHE_VERSION",
    "cache_path",
    "join_names",
    "load_dataset_cache_file",
    "pack",
    "save_dataset_cache_file",
    "split_names",
    "unpack",
]

DATASET_CACHE_VERSION = "1.0.12"
MAGIC = b"YOLO-DATA-1"
ARRAY, TUPLE = "__array__", "__tuple__"
TREE = "tree"
Tree = Any  # Any: nested dict, list, tuple, text, number, bool, None and arrays


def cache_path(label_files: Sequence[str]) -> Path:
    """Where the scan of these label files is kept: `<folder>.cache` beside the folder of the first file.

    A list that spans several folders gets a name of its own, so that lists sharing a first folder do not
    overwrite each other.
    """
    folder = Path(label_files[0]).parent
    folders = sorted({os.path.dirname(file) for file in label_files})
    tag = ""
    if len(folders) > 1:
        tag = (
            "-"
            + hashlib.sha256("\0".join(folders).encode(errors="surrogateescape")).hexdigest()[:8]
        )
    return folder.with_name(f"{folder.name or 'labels'}{tag}.cache")


def pack(tree: Tree, version: str = DATASET_CACHE_VERSION) -> bytes:
    """Encode nested containers of plain values and arrays.

    Raises:
        TypeError: a value of another kind, or an array of objects.
    """
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    text = json.dumps(_encode(tree, arrays))
    payload = io.BytesIO()
    arrays[TREE] = np.frombuffer(text.encode(), np.uint8)
    np.savez(payload, **arrays)  # type: ignore[arg-type]  # names never meet savez's own keyword
    body = payload.getvalue()
    digest = hashlib.sha256(body).hexdigest().encode()
    return b" ".join((MAGIC, version.encode(), digest)) + b"\n" + body


def unpack(data: bytes) -> tuple[Tree, str]:
    """Decode `pack`'s bytes to (tree, version).

    Raises:
        DatasetError: foreign, damaged or truncated data. Nothing of it has been executed.
    """
    head, _, body = data.partition(b"\n")
    words = head.split(b" ")
    if len(words) != 3 or words[0] != MAGIC:
        raise DatasetError("not a data set cache of this library")
    if hashlib.sha256(body).hexdigest().encode() != words[2]:
        raise DatasetError("damaged data set cache: checksum differs")
    try:
        with np.load(io.BytesIO(body), allow_pickle=False) as members:
            arrays = {name: members[name] for name in members.files}
        tree = _decode(json.loads(bytes(arrays[TREE])), arrays)
    except (KeyError, ValueError, OSError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise DatasetError(f"damaged data set cache: {error}") from error
    return tree, words[1].decode(errors="replace")


def join_names(names: Sequence[str]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """File names as one array of bytes."""
    return np.frombuffer(b"\0".join(os.fsencode(name) for name in names), np.uint8)


def split_names(joined: np.ndarray[Any, np.dtype[np.uint8]]) -> list[str]:
    """The names in an array of `join_names`."""
    if not len(joined):
        return []
    return [os.fsdecode(name) for name in joined.tobytes().split(b"\0")]


def _encode(value: Tree, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:  # Any: JSON
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise TypeError("arrays of objects cannot be cached")
        name = f"a{len(arrays)}"
        arrays[name] = value
        return {ARRAY: name}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(key): _encode(item, arrays) for key, item in value.items()}
    if isinstance(value, tuple):
        return {TUPLE: [_encode(item, arrays) for item in value]}
    if isinstance(value, list):
        return [_encode(item, arrays) for item in value]
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    raise TypeError(f"{type(value).__name__} cannot be cached")


def _decode(value: Any, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Tree:  # Any: JSON
    if isinstance(value, dict):
        if ARRAY in value:
            return arrays[value[ARRAY]]
        if TUPLE in value:
            return tuple(_decode(item, arrays) for item in value[TUPLE])
        return {key: _decode(item, arrays) for key, item in value.items()}
    if isinstance(value, list):
        return [_decode(item, arrays) for item in value]
    return value


def load_dataset_cache_file(path: str | Path) -> dict[str, Any]:  # Any: see Tree
    """Read a cache file.

    Raises:
        FileNotFoundError: there is none.
        DatasetError: it was not written by this library, or is damaged.
    """
    tree, _ = unpack(Path(path).read_bytes())
    if not isinstance(tree, dict):
        raise DatasetError(f"{path}: not a data set cache")
    return tree


# Any: see Tree
def save_dataset_cache_file(
    prefix: str, path: str | Path, x: dict[str, Any], version: str = DATASET_CACHE_VERSION
) -> None:
    """Write a cache file in one step; a folder that cannot be written only gives a warning.

    Args:
        prefix: start of log lines.
        path: target; an existing file is replaced.
        x: what to store; the key `version` is set on it.
        version: version of the content's layout.
    """
    from ultralytics.utils.files import atomic_write

    x["version"] = version
    try:
        atomic_write(Path(path), pack(x, version))
    except OSError as error:
        LOGGER.warning(f"{prefix}labels are not cached, {path} cannot be written: {error}")
