"""Starting one process per device by hand: names of the interface. Training itself starts its ranks without them.

`YOLO.train(device="0,1")` launches importable functions (`engine.trainer.launch`) and writes no script. A script from
here does the same for those who want to see or change the command.
"""

from __future__ import annotations

import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from ultralytics.errors import ConfigTypeError

__all__ = [
    "ddp_cleanup",
    "find_free_network_port",
    "generate_ddp_command",
    "generate_ddp_file",
]

SCRIPT = '''"""One rank of a training. Started by: python -m torch.distributed.run --nproc_per_node N THIS_FILE"""

from importlib import import_module

if __name__ == "__main__":
    kind = getattr(import_module({module!r}), {name!r})
    trainer = kind(overrides={overrides!r})
    trainer.train()
'''
PREFIX = "_temp_"


def find_free_network_port() -> int:
    """A TCP port of this machine that nobody uses at the moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def generate_ddp_file(trainer: Any) -> str:  # Any: a trainer, whose layer is above this one
    """Write a script that runs a trainer as one rank; returns its path, in a new private folder.

    Only plain arguments go into it: callbacks and networks stay behind.

    Raises:
        ConfigTypeError: the class of the trainer cannot be imported, or an argument has no literal form.
    """
    kind = type(trainer)
    if kind.__module__ == "__main__" or "<locals>" in kind.__qualname__:
        raise ConfigTypeError(f"{kind.__qualname__} must be defined at the top level of a module")
    overrides = dict(vars(trainer.args))
    for name, value in overrides.items():
        if not isinstance(value, (str, int, float, bool, list, tuple, dict, type(None))):
            raise ConfigTypeError(f"the argument {name}={value!r} cannot be written into a script")
    text = SCRIPT.format(module=kind.__module__, name=kind.__qualname__, overrides=overrides)
    file = Path(tempfile.mkdtemp(prefix="ultralytics-ranks-")) / f"{PREFIX}{id(trainer)}.py"
    file.write_text(text, encoding="utf-8")
    return str(file)


def generate_ddp_command(trainer: Any) -> tuple[list[str], str]:
    """Command that starts `trainer.world_size` ranks of this machine, and the script it runs."""
    file = generate_ddp_file(trainer)
    launcher = [sys.executable, "-m", "torch.distributed.run"]
    options = ["--nproc_per_node", str(trainer.world_size)]
    port = ["--master_port", str(find_free_network_port())]
    return [*launcher, *options, *port, file], file


def ddp_cleanup(trainer: Any, file: str) -> None:
    """Remove a script of `generate_ddp_file` and its folder; any other file is left alone."""
    path = Path(file)
    if path.name == f"{PREFIX}{id(trainer)}.py":
        path.unlink(missing_ok=True)
        if path.parent.name.startswith("ultralytics-ranks-"):
            path.parent.rmdir()
