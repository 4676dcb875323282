"""Zip and tar files. Extraction never writes outside its target folder and never creates links.

Members with an absolute path or a ".." step are left out with a warning.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile, ZipInfo, is_zipfile

from ultralytics.utils.logging import LOGGER
from ultralytics.utils.tqdm import TQDM

__all__ = [
    "ARCHIVE_SUFFIXES",
    "CLUTTER",
    "check_disk_space",
    "delete_dsstore",
    "extract",
    "is_archive",
    "unzip_file",
    "zip_directory",
]

ARCHIVE_SUFFIXES = ("", ".zip", ".tar", ".gz", ".tgz", ".xz", ".bz2", ".txz", ".tbz2")
CLUTTER = (".DS_Store", "__MACOSX")
GIB = 1 << 30


def check_disk_space(
    file_bytes: float, path: str | Path = ".", sf: float = 1.5, hard: bool = True
) -> bool:
    """Whether a file of a given size fits where a path lies.

    Args:
        file_bytes: size in bytes.
        path: existing folder on the disk in question.
        sf: room wanted, as a multiple of the size.
        hard: raise instead of warning.

    Raises:
        MemoryError: it does not fit and `hard` is set.
    """
    free = shutil.disk_usage(path).free
    if file_bytes * sf < free:
        return True
    text = (
        f"{path} has {free / GIB:.1f} GiB free, but {file_bytes * sf / GIB:.1f} GiB are needed; "
        "free some space and try again"
    )
    if hard:
        raise MemoryError(text)
    LOGGER.warning(text)
    return False


def is_archive(file: Path) -> bool:
    """Whether a file is a zip or tar archive by name and by content."""
    known = file.suffix.lower() in ARCHIVE_SUFFIXES
    return known and file.is_file() and (is_zipfile(file) or tarfile.is_tarfile(file))


def extract(file: Path, folder: Path, exist_ok: bool = False, progress: bool = True) -> Path:
    """Unpack a zip or tar archive into a folder and return the folder that holds the content."""
    if is_zipfile(file):
        return unzip_file(file, folder, exist_ok=exist_ok, progress=progress)
    return untar_file(file, folder)


def _is_inside(name: str) -> bool:
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    absolute = posix.is_absolute() or windows.is_absolute() or bool(windows.drive or windows.root)
    return not absolute and ".." not in posix.parts and ".." not in windows.parts


def _safe(name: str) -> bool:
    if _is_inside(name):
        return True
    LOGGER.warning(f"Skipping archive member {name!r}: it points outside the target folder.")
    return False


def unzip_file(
    file: str | Path,
    path: str | Path | None = None,
    exclude: Iterable[str] = CLUTTER,
    exist_ok: bool = False,
    progress: bool = True,
) -> Path:
    """Extract a zip file.

    A file with one top-level entry is extracted beside its other content; one with several goes into
    a folder named after the archive. Content appears only when all of it is extracted.

    Args:
        file: the archive.
        path: target folder; None means the archive's own.
        exclude: members whose path contains one of these texts are left out.
        exist_ok: write into a target that already has content, instead of leaving it as it is.
        progress: show a progress bar.

    Returns:
        The extracted entry or folder.

    Raises:
        BadZipFile: the file is not a zip file.
    """
    archive, folder = Path(file), Path(path or Path(file).parent)
    if not (archive.is_file() and is_zipfile(archive)):
        raise BadZipFile(f"{archive} does not exist or is not a zip file")
    unwanted = tuple(exclude)
    with ZipFile(archive) as content:
        members = [
            m
            for m in content.infolist()
            if not any(text in m.filename for text in unwanted) and _safe(m.filename)
        ]
        tops = {PurePosixPath(m.filename).parts[0] for m in members if m.filename.strip("./")}
        has_one = len(tops) == 1
        target = folder / (tops.pop() if has_one else archive.stem)
        if _has_content(target) and not exist_ok:
            LOGGER.warning(f"Not extracting {archive}: {target} exists already.")
            return target
        folder.mkdir(parents=True, exist_ok=True)
        check_disk_space(sum(m.file_size for m in members), folder, sf=1.0)
        with tempfile.TemporaryDirectory(prefix=f".{archive.stem}.", dir=folder) as stage:
            _extract_members(
                content, members, Path(stage) / ("" if has_one else archive.stem), progress
            )
            _move_into(Path(stage), folder)
    return target


def _has_content(target: Path) -> bool:
    return target.is_file() or (target.is_dir() and any(target.iterdir()))


def _extract_members(content: ZipFile, members: list[ZipInfo], stage: Path, progress: bool) -> None:
    bar = TQDM(
        members,
        desc=f"Unzipping {content.filename}",
        unit="files",
        disable=None if progress else True,
    )
    for member in bar:
        content.extract(member, stage)


def _move_into(stage: Path, folder: Path) -> None:
    """Move staged entries to their place; folders that exist are merged."""
    for entry in stage.iterdir():
        target = folder / entry.name
        if target.is_dir() and entry.is_dir():
            shutil.copytree(entry, target, dirs_exist_ok=True)
        else:
            os.replace(entry, target)


def untar_file(file: Path, folder: Path) -> Path:
    """Extract the files and folders of a tar archive; modification times are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file) as archive:
        for member in archive:
            if not ((member.isfile() or member.isdir()) and _safe(member.name)):
                continue
            target = folder / member.name
            if member.isdir():
                target.mkdir(parents=True, exist_ok=True)
            elif (stream := archive.extractfile(member)) is not None:
                _write_member(stream, target, member.mtime)
    return folder


def _write_member(stream: IO[bytes], target: Path, mtime: float) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with stream, target.open("wb") as output:
        shutil.copyfileobj(stream, output)
    os.utime(target, (mtime, mtime))


def zip_directory(
    directory: str | Path,
    compress: bool = True,
    exclude: Iterable[str] = CLUTTER,
    progress: bool = True,
) -> Path:
    """Pack a folder into `<folder>.zip` beside it; member names start with the folder's name.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    folder = Path(directory)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder")
    delete_dsstore(folder)
    unwanted = tuple(exclude)
    files = [
        p
        for p in sorted(folder.rglob("*"))
        if p.is_file() and not any(x in p.name for x in unwanted)
    ]
    target = folder.with_name(folder.name + ".zip")
    method = {"compression": ZIP_DEFLATED} if compress else {}
    bar = TQDM(files, desc=f"Zipping {folder}", unit="files", disable=None if progress else True)
    with ZipFile(target, "w", **method) as archive:  # type: ignore[call-overload]
        for path in bar:
            archive.write(path, path.relative_to(folder.parent))
    return target


def delete_dsstore(path: str | Path, files_to_delete: Iterable[str] = CLUTTER) -> None:
    """Remove the files macOS leaves behind below a folder."""
    for name in files_to_delete:
        for found in list(Path(path).rglob(name)):
            LOGGER.info(f"Deleting {found}")
            shutil.rmtree(found) if found.is_dir() else found.unlink()
