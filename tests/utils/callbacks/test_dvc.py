"""DVCLive leaves the git repository around the working directory alone, unless it is one of DVC already."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.optional import need_package


def git(*words: str) -> str:
    name = ("-c", "user.name=x", "-c", "user.email=x@example.com")
    done = subprocess.run(["git", *name, *words], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("has_dvc", [False, True])
def test_a_run_outside_does_not_touch_the_index(
    has_dvc: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_package("dvclive")
    from ultralytics.utils.callbacks.dvc import DvcliveLogger

    repository = tmp_path / "repository"
    repository.mkdir()
    monkeypatch.chdir(repository)
    git("init", "-q")
    if has_dvc:
        from dvc.repo import Repo

        Repo.init(str(repository)).close()
    Path("code.py").write_text("")
    git("add", "code.py")
    git("commit", "-qm", "all")
    before = git("status", "--porcelain")
    save_dir = tmp_path / "elsewhere" / "run"
    trainer = SimpleNamespace(
        save_dir=save_dir,
        args=SimpleNamespace(epochs=3),
        best=save_dir / "best.pt",
        validator=None,
    )
    save_dir.mkdir(parents=True)
    trainer.best.write_bytes(b"weights")
    logger = DvcliveLogger(trainer)
    logger.log_numbers({"loss": 0.5}, 1)
    logger.log_results()
    logger.close()
    assert (save_dir / "dvclive" / "metrics.json").is_file()
    assert git("status", "--porcelain") == before
    assert (repository / ".dvc").is_dir() == has_dvc
