"""Help texts of the command line, made from the task registry and the argument table."""

from __future__ import annotations

from ultralytics.cfg.load import DEFAULT_CFG_DICT
from ultralytics.cfg.schema import SETTINGS
from ultralytics.cfg.tables import AVAILABLE_MODES
from ultralytics.registry import all_tasks

__all__ = ["arguments_text", "defaults_text", "help_text", "yaml_scalar"]


def help_text() -> str:
    """The page that `yolo help` prints."""
    return f"""\
usage: yolo [TASK] MODE [ARGUMENT=VALUE ...]

  TASK      {", ".join(all_tasks())} (may be left out: the model knows)
  MODE      {", ".join(AVAILABLE_MODES)}
  ARGUMENT  as in imgsz=320; --imgsz 320 and --imgsz=320 mean the same

examples:
  yolo train data=shapes.yaml model=yolo11n.yaml epochs=20 imgsz=160   train on a rendered sample set
  yolo val data=shapes.yaml model=runs/detect/train/weights/best.pt    measure a trained model
  yolo predict source=photo.jpg model=best.pt conf=0.4                 find objects, save pictures
  yolo track source=video.mp4 model=best.pt tracker=bytetrack           follow objects through a video
  yolo check data=my.yaml strict=True                                  look for faults in a data set

other commands:
  yolo help [MODE]             this page, or the arguments of a mode with their defaults
  yolo version                 version number
  yolo checks                  report of the computer and the installed packages
  yolo check data=FILE         report of a data set; strict=True fails when something is wrong
  yolo profile data=FILE       where the time of a training goes: decode, warp, copy, forward, loss, step
  yolo models [TASK] [WORD]    models that can be built by name: size, operations, published weights
  yolo settings [KEY=VALUE]    show or change user settings; 'yolo settings reset' restores them
  yolo cfg                     all arguments with their defaults, as YAML
  yolo copy-cfg                write them to default_copy.yaml, to be edited and used with cfg=FILE"""


def arguments_text(mode: str) -> str:
    """One line for each argument that a mode reads."""
    rows = [s for s in SETTINGS if s.modes == "all" or mode in s.modes.split()]
    written = [f"{s.name}={'' if s.default is None else s.default}" for s in rows]
    width = max(len(text) for text in written)
    return "\n".join(f"{text:{width}}  {s.help}" for text, s in zip(written, rows, strict=True))


def defaults_text() -> str:
    """The defaults as YAML without comments."""
    return "\n".join(f"{key}: {yaml_scalar(value)}" for key, value in DEFAULT_CFG_DICT.items())


def yaml_scalar(value: object) -> str:
    """A default value as it is written in YAML."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
