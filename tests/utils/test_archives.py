"""Zip and tar files: where content lands, and what never leaves the folder."""

from __future__ import annotations

import io
import logging
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from ultralytics.utils.downloads import archives


def make_zip(path: Path, members: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return path


def tree(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize(
    ("members", "returned", "files"),
    [
        ({"set/a": "1", "set/b/c": "2"}, "set", ["set/a", "set/b/c"]),
        ({"a": "1", "b/c": "2"}, "box", ["box/a", "box/b/c"]),
        ({"only.txt": "1"}, "only.txt", ["only.txt"]),
        ({"box/a": "1"}, "box", ["box/a"]),
        ({"set/a": "1", "__MACOSX/x": "2", "set/.DS_Store": "3"}, "set", ["set/a"]),
    ],
)
def test_where_a_zip_lands(
    tmp_path: Path, members: dict[str, str], returned: str, files: list[str]
) -> None:
    archive = make_zip(tmp_path / "box.zip", members)
    out = tmp_path / "out"
    assert archives.unzip_file(archive, out, progress=False) == out / returned
    assert tree(out) == files
    assert not [p for p in out.iterdir() if p.name.startswith(".box")]


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "a/../../evil", "C:\\evil", "..\\evil"])
def test_members_that_point_outside_are_left_out(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    archive = make_zip(tmp_path / "box.zip", {"set/good": "1", name: "bad"})
    with caplog.at_level(logging.WARNING, "ultralytics"):
        archives.unzip_file(archive, tmp_path / "out", progress=False)
    assert tree(tmp_path) == ["box.zip", "out/set/good"]
    assert "points outside" in caplog.text


def test_existing_content_is_kept_unless_asked_otherwise(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    archive = make_zip(tmp_path / "box.zip", {"set/a": "new", "set/b": "new"})
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a").write_text("old")
    with caplog.at_level(logging.WARNING, "ultralytics"):
        archives.unzip_file(archive, progress=False)
    assert tree(tmp_path / "set") == ["a"]
    assert "exists already" in caplog.text
    archives.unzip_file(archive, exist_ok=True, progress=False)
    assert (tmp_path / "set" / "a").read_text() == "new"


def test_a_damaged_member_leaves_nothing_behind(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "box.zip", {"set/a": "text that is stored", "set/b": "x"})
    data = archive.read_bytes().replace(b"text that is stored", b"text that was damage")
    archive.write_bytes(data)
    with pytest.raises(zipfile.BadZipFile):
        archives.unzip_file(archive, tmp_path / "out", progress=False)
    assert tree(tmp_path / "out") == []


@pytest.mark.parametrize("content", [None, b"no zip"])
def test_not_a_zip(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.zip"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(zipfile.BadZipFile, match=r"x\.zip"):
        archives.unzip_file(path)
    assert not archives.is_archive(path)


def test_a_tar_gives_files_and_folders_only(tmp_path: Path) -> None:
    path = tmp_path / "box.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in ("set/a", "../evil", "/abs"):
            member = tarfile.TarInfo(name)
            member.size, member.mtime = 2, 1_000_000
            archive.addfile(member, io.BytesIO(b"ok"))
        for name, kind in (("set/link", tarfile.SYMTYPE), ("set/hard", tarfile.LNKTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
        member = tarfile.TarInfo("set/empty")
        member.type = tarfile.DIRTYPE
        archive.addfile(member)
    out = tmp_path / "out"
    assert archives.is_archive(path)
    assert archives.extract(path, out) == out
    assert tree(tmp_path) == ["box.tar.gz", "out/set/a"]
    assert (out / "set" / "empty").is_dir()
    assert os.stat(out / "set" / "a").st_mtime == 1_000_000


def test_weights_are_zip_files_but_no_archives(tmp_path: Path) -> None:
    assert not archives.is_archive(make_zip(tmp_path / "model.pt", {"data.pkl": "x"}))


@pytest.mark.parametrize("compress", [True, False])
def test_packing_and_unpacking_is_the_identity(tmp_path: Path, compress: bool) -> None:
    folder = tmp_path / "set"
    (folder / "b").mkdir(parents=True)
    (folder / "a.txt").write_text("a" * 1000)
    (folder / "b" / "c.txt").write_text("c")
    (folder / ".DS_Store").write_text("x")
    packed = archives.zip_directory(folder, compress=compress, progress=False)
    assert packed == tmp_path / "set.zip"
    assert (packed.stat().st_size < 900) is compress
    out = archives.unzip_file(packed, tmp_path / "out", progress=False)
    assert tree(out) == ["a.txt", "b/c.txt"]
    with pytest.raises(FileNotFoundError, match="absent"):
        archives.zip_directory(tmp_path / "absent")
