"""The folder of a run."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from ultralytics.utils.environment import is_first_rank
from ultralytics.utils.files import increment_path

__all__ = ["get_save_dir"]


def get_save_dir(args: SimpleNamespace, name: str | None = None) -> Path:
    """Absolute folder for the files of a run; it is not created here.

    `args.save_dir` wins. Otherwise `project/name` below `SETTINGS["runs_dir"]/<task>` unless the
    project is absolute, and `-2`, `-3`, ... is appended while the folder exists. Ranks above 0
    never number, so that all ranks name the same folder.

    Args:
        args: checked arguments; `project`, `name`, `task`, `mode`, `exist_ok`, `save_dir` are read.
        name: wins over `args.name`; without both the mode is the name.
    """
    if getattr(args, "save_dir", None):
        return Path(args.save_dir).expanduser().absolute()
    project = Path(args.project or "").expanduser()
    if not project.is_absolute():
        from ultralytics.utils.settings import SETTINGS

        project = Path(SETTINGS["runs_dir"]) / args.task / project
    folder = project / (name or args.name or args.mode)
    exist_ok = args.exist_ok or not is_first_rank()
    return Path(increment_path(folder, exist_ok=exist_ok)).absolute()
