"""Files and folders: atomic writing, numbered run folders, working directory, dates and sizes.

A file written here appears under its name complete or not at all.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from datetime import datetime
from itertools import count
from pathlib import Path

__all__ = [
    "WorkingDirectory",
    "atomic_path",
    "atomic_write",
    "file_age",
    "file_date",
    "file_size",
    "get_latest_run",
    "increment_path",
    "sha256",
    "spaces_in_path",
]


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path in the same folder; on success it is synced and takes the final name.

    On an exception the temporary file is removed and an existing target stays as it was. The
    temporary name keeps the target's suffix, because writers choose their format by it.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.stem[:40]}.{secrets.token_hex(6)}{target.suffix}")
    # 0o666 and exclusive: the umask decides the permissions, and nobody else's file is opened.
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666))
    try:
        yield temporary
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        if target.exists():
            temporary.chmod(target.stat().st_mode & 0o7777)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def atomic_write(path: str | os.PathLike[str], data: bytes | str) -> None:
    """Write a whole file; text is stored as UTF-8 with the line ends it has."""
    content = data.encode("utf-8") if isinstance(data, str) else data
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def increment_path(
    path: str | Path, exist_ok: bool = False, sep: str = "-", mkdir: bool = False
) -> Path:
    """The path itself when it is free, else the first of name-2, name-3, ... that is.

    Args:
        path: file or folder; a file's suffix is kept at the end (`r.txt` gives `r-2.txt`).
        exist_ok: return the path even if it exists.
        sep: text between the name and the number.
        mkdir: create the folder. Creation is the test, so two processes never get the same folder.
    """
    wanted = Path(path)
    if exist_ok:
        if mkdir:
            wanted.mkdir(parents=True, exist_ok=True)
        return wanted
    for candidate in _numbered(wanted, sep):
        if not mkdir:
            if not candidate.exists():
                return candidate
            continue
        with contextlib.suppress(FileExistsError):
            candidate.mkdir(parents=True)
            return candidate
    raise AssertionError("unreachable: the numbering has no end")


def _numbered(path: Path, sep: str) -> Iterator[Path]:
    yield path
    is_file = path.is_file()
    stem, suffix = (path.with_suffix(""), path.suffix) if is_file else (path, "")
    for number in count(2):
        yield Path(f"{stem}{sep}{number}{suffix}")


class WorkingDirectory(contextlib.ContextDecorator):
    """Change the working directory for a block or a decorated function."""

    def __init__(self, new_dir: str | Path) -> None:
        self.dir = new_dir
        self._previous: list[Path] = []

    def __enter__(self) -> None:
        self._previous.append(Path.cwd())
        os.chdir(self.dir)

    def __exit__(self, *exc_info: object) -> None:
        os.chdir(self._previous.pop())


@contextlib.contextmanager
def spaces_in_path(path: str | Path) -> Iterator[str | Path]:
    """A path without spaces for tools that cannot take them.

    A path with spaces is copied to a temporary place, which is copied back when the block ends. The
    value has the type of the argument.
    """
    if " " not in str(path):
        yield path
        return
    original = Path(path)
    with tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder) / original.name.replace(" ", "_")
        _copy(original, temporary)
        try:
            yield str(temporary) if isinstance(path, str) else temporary
        finally:
            _copy(temporary, original)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    elif source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)


def file_age(path: str | Path = __file__) -> int:
    """Whole days since a file was last changed."""
    changed = datetime.fromtimestamp(Path(path).stat().st_mtime)
    return (datetime.now() - changed).days


def file_date(path: str | Path = __file__) -> str:
    """Day of a file's last change as "year-month-day" without leading zeros."""
    day = datetime.fromtimestamp(Path(path).stat().st_mtime)
    return f"{day.year}-{day.month}-{day.day}"


def file_size(path: str | Path) -> float:
    """Size in MiB of a file, or of all files below a folder; 0.0 when there is nothing."""
    place = Path(path)
    if place.is_file():
        return place.stat().st_size / (1 << 20)
    if place.is_dir():
        return sum(f.stat().st_size for f in place.rglob("*") if f.is_file()) / (1 << 20)
    return 0.0


def get_latest_run(search_dir: str = ".") -> str:
    """Path of the newest `last*.pt` below a folder, or an empty text."""
    found = [p for p in Path(search_dir).rglob("last*.pt") if p.is_file()]
    return str(max(found, key=lambda p: p.stat().st_ctime)) if found else ""


def sha256(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file's content."""
    import hashlib

    digest = hashlib.sha256()
    with Path(path).open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
