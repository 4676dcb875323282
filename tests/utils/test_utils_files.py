"""Atomic files, numbered folders, working directory, sizes and dates; locks."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ultralytics.utils import files
from ultralytics.utils.locks import file_lock


@pytest.mark.parametrize(
    ("data", "expected"), [("é\n", "é\n".encode()), (b"\x00\r\n", b"\x00\r\n")]
)
def test_atomic_write_stores_the_bytes(tmp_path: Path, data: str | bytes, expected: bytes) -> None:
    target = tmp_path / "t.yaml"
    files.atomic_write(target, "old")
    files.atomic_write(target, data)
    assert target.read_bytes() == expected
    assert [p.name for p in tmp_path.iterdir()] == ["t.yaml"]


def test_a_failing_writer_leaves_the_old_file_and_no_remains(tmp_path: Path) -> None:
    target = tmp_path / "t.txt"
    target.write_text("old")

    def fail_half_way() -> None:
        with files.atomic_path(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["t.txt"]


def test_the_temporary_file_is_a_neighbour_with_the_same_suffix(tmp_path: Path) -> None:
    with files.atomic_path(tmp_path / "a.b.png") as temporary:
        assert (temporary.parent, temporary.suffix) == (tmp_path, ".png")
        assert temporary.name.startswith(".a.b.")


@pytest.mark.skipif(os.name != "posix", reason="permission bits")
def test_permissions_follow_the_umask_and_then_the_target(tmp_path: Path) -> None:
    target = tmp_path / "t"
    mask = os.umask(0o027)
    try:
        files.atomic_write(target, "x")
    finally:
        os.umask(mask)
    assert target.stat().st_mode & 0o777 == 0o640
    target.chmod(0o600)
    files.atomic_write(target, "y")
    assert target.stat().st_mode & 0o777 == 0o600


def test_atomic_write_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files.atomic_write("plain.txt", "x")
    assert Path("plain.txt").read_text() == "x"


@pytest.mark.parametrize(
    ("existing", "asked", "expected"),
    [
        ([], "run", "run"),
        (["run/"], "run", "run-2"),
        (["run/", "run-2/"], "run", "run-3"),
        (["run/", "run-3/"], "run", "run-2"),
        (["r.txt"], "r.txt", "r-2.txt"),
        (["a.b/"], "a.b", "a.b-2"),
        (["r.txt"], "r", "r"),
    ],
)
def test_increment_path_takes_the_first_free_name(
    tmp_path: Path, existing: list[str], asked: str, expected: str
) -> None:
    for name in existing:
        if name.endswith("/"):
            (tmp_path / name).mkdir()
        else:
            (tmp_path / name).write_text("")
    assert files.increment_path(tmp_path / asked) == tmp_path / expected
    made = files.increment_path(tmp_path / asked, mkdir=True)
    assert made == tmp_path / expected
    assert made.is_dir()


def test_increment_path_options(tmp_path: Path) -> None:
    (tmp_path / "exp").mkdir()
    assert files.increment_path(tmp_path / "exp", exist_ok=True) == tmp_path / "exp"
    assert files.increment_path(str(tmp_path / "exp"), sep="") == tmp_path / "exp2"
    deep = files.increment_path(tmp_path / "x" / "y", exist_ok=True, mkdir=True)
    assert deep.is_dir()


def test_concurrent_callers_get_different_folders(tmp_path: Path) -> None:
    barrier = threading.Barrier(8)

    def one(_: int) -> Path:
        barrier.wait()
        return files.increment_path(tmp_path / "runs" / "train", mkdir=True)

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(one, range(8)))
    names = {"train", *(f"train-{n}" for n in range(2, 9))}
    assert {p.name for p in made} == names


def test_working_directory_as_block_and_decorator(tmp_path: Path) -> None:
    before = Path.cwd()
    with files.WorkingDirectory(tmp_path):
        assert Path.cwd().samefile(tmp_path)
    assert Path.cwd() == before

    @files.WorkingDirectory(tmp_path)
    def fails() -> None:
        raise ValueError("inside")

    for _ in range(2):
        with pytest.raises(ValueError, match="inside"):
            fails()
        assert Path.cwd() == before


@pytest.mark.parametrize("kind", [str, Path])
def test_spaces_are_hidden_and_changes_come_back(tmp_path: Path, kind: type) -> None:
    folder = tmp_path / "my model"
    folder.mkdir()
    (folder / "a.txt").write_text("1")
    with files.spaces_in_path(kind(folder)) as path:
        assert isinstance(path, kind if kind is str else Path)
        assert " " not in str(path)
        (Path(path) / "a.txt").write_text("2")
    assert (folder / "a.txt").read_text() == "2"
    with files.spaces_in_path(tmp_path / "plain") as path:
        assert path == tmp_path / "plain"


def test_age_date_size_and_hash(tmp_path: Path) -> None:
    file = tmp_path / "f.bin"
    file.write_bytes(b"x" * (1 << 19))
    moment = datetime.now() - timedelta(days=3, hours=1)
    os.utime(file, (moment.timestamp(), moment.timestamp()))
    assert files.file_age(file) == 3
    assert files.file_date(file) == f"{moment.year}-{moment.month}-{moment.day}"
    assert files.file_size(file) == files.file_size(tmp_path) == 0.5
    assert files.file_size(tmp_path / "absent") == 0.0
    assert files.sha256(file) == hashlib.sha256(b"x" * (1 << 19)).hexdigest()


def test_latest_run(tmp_path: Path) -> None:
    assert files.get_latest_run(str(tmp_path)) == ""
    for name in ("a/last.pt", "b/best.pt", "c/last-1.pt"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("")
    newest = max(tmp_path.rglob("last*.pt"), key=lambda p: p.stat().st_ctime)
    assert files.get_latest_run(str(tmp_path)) == str(newest)


def test_a_lock_keeps_others_out_until_its_holder_is_gone(tmp_path: Path) -> None:
    target = tmp_path / "thing"
    code = (
        "import sys, time\nfrom ultralytics.utils.locks import file_lock\n"
        "with file_lock(sys.argv[1]):\n    print('held', flush=True)\n    sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(target)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert holder.stdout.readline().strip() == b"held"
    with pytest.raises(TimeoutError, match="another process"), file_lock(target, timeout=0):
        pass
    holder.kill()
    holder.wait()
    holder.stdin.close()
    holder.stdout.close()
    with file_lock(target, timeout=10):
        assert (tmp_path / ".thing.lock").exists()
