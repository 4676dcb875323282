"""Starting one process per device, from the process that was asked to train on several.

torch's elastic launcher starts an importable function. What a rank needs it fetches from the memory of the process that
launches: nothing is written to disk, and what could not arrive is refused before anything is started. Specification
chapter 40, section 16.
"""

from __future__ import annotations

import pickle
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from torch import distributed as dist
from torch.distributed.elastic.multiprocessing.errors import record

from ultralytics.errors import ConfigTypeError, RankError
from ultralytics.registry import Task, all_tasks, get, register
from ultralytics.utils.logging import LOGGER
from ultralytics.utils.namespace import explicit_keys
from ultralytics.utils.ranks import get_bytes, put_bytes

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

    from ultralytics.engine.trainer.base import BaseTrainer

__all__ = ["Job", "launch", "run_rank"]

LOCALHOST = "127.0.0.1"
JOB_KEY = "job"
SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT")
WITHOUT_LAUNCH = "Define it at the top level of a module, or start the script with torchrun, where every rank runs it"


@dataclass(frozen=True)
class Job:
    """What every rank starts from.

    Attributes:
        kind: class of the trainer.
        cfg, overrides: its arguments, as they were given.
        handlers: event name -> handlers.
        model: network to train, or a name.
        task: entry of the task, for tasks that the user registered.
    """

    kind: type[BaseTrainer]
    cfg: Any  # Any: what get_cfg accepts
    overrides: dict[str, Any]  # Any: values of arguments
    handlers: Mapping[str, list[Callable[[Any], Any]]]
    model: Any  # Any: a task network or a name
    task: Task

    @classmethod
    def of(cls, trainer: BaseTrainer) -> Job:
        """The job of a trainer that only launches."""
        cfg, overrides = trainer.given
        if isinstance(cfg, SimpleNamespace):  # on its way it forgets which arguments the user set
            overrides = {**{k: getattr(cfg, k) for k in explicit_keys(cfg)}, **overrides}
        return cls(
            type(trainer),
            cfg,
            {**overrides, "save_dir": str(trainer.save_dir), "device": trainer.args.device},
            {event: list(handlers) for event, handlers in trainer.callbacks.items()},
            trainer.model,
            get(trainer.args.task),
        )

    def packed(self) -> bytes:
        """The job as bytes.

        Raises:
            ConfigTypeError: something cannot reach another process; the text says what.
        """
        for event, handlers in self.handlers.items():
            for handler in handlers:
                _pack(handler, f"the callback {_name(handler)} of {event}")
        for name, value in self.overrides.items():
            _pack(value, f"the argument {name}")
        _pack(self.kind, f"the trainer class {_name(self.kind)}")
        _pack(self.model, f"the network {_name(type(self.model))}")
        return _pack(self, "the configuration")

    def run(self) -> None:
        """Train, as one of the ranks."""
        if self.task.name not in all_tasks():
            register(self.task)
        trainer = self.kind(cfg=self.cfg, overrides=self.overrides, _callbacks=self.handlers)
        trainer.model = self.model
        trainer.train()


def _name(thing: Any) -> str:  # Any: a class or a handler of any kind
    return getattr(thing, "__qualname__", None) or repr(thing)


def _pack(thing: object, what: str) -> bytes:
    try:
        return pickle.dumps(thing)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ConfigTypeError(
            f"{what} cannot reach the ranks: it is no importable object ({error}). {WITHOUT_LAUNCH}."
        ) from error


@dataclass(frozen=True)
class Parcel:
    """Where a job lies, and what proves that it is the one.

    As an argument it would have to be read by one starting process before the next one can start.
    """

    port: int
    digest: str

    @classmethod
    def send(cls, packed: bytes) -> tuple[Parcel, Any]:  # Any: torch.distributed.Store
        """Lay a job out; it is there as long as the store is kept."""
        store = dist.TCPStore(LOCALHOST, 0, is_master=True, wait_for_workers=False)  # type: ignore[attr-defined]
        put_bytes(store, JOB_KEY, packed)
        return cls(store.port, sha256(packed).hexdigest()), store

    def open(self) -> Job:
        """Fetch the job."""
        store = dist.TCPStore(LOCALHOST, self.port, is_master=False)  # type: ignore[attr-defined]
        packed = get_bytes(store, JOB_KEY)
        if sha256(packed).hexdigest() != self.digest:
            raise RankError(
                "what the launching process left for its ranks has been changed by somebody"
            )
        job: Job = pickle.loads(packed)  # nosec B301: the very bytes that our parent wrote
        return job


@record
def run_rank(parcel: Parcel) -> None:
    """Entry of a started process."""
    parcel.open().run()


def launch(job: Job, ranks: int) -> None:
    """Start the ranks of a job on this machine and wait for them.

    Raises:
        ConfigTypeError: a part of the job cannot reach another process.
        RankError: a rank failed; the text names it and gives its error.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    packed = job.packed()
    parcel, kept = Parcel.send(packed)
    LOGGER.info(f"Starting {ranks} ranks, one process each")
    with (
        tempfile.TemporaryDirectory(prefix="ultralytics-ranks-") as notes,
        _script_kept_out(packed),
        _own_signals(),
    ):
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=ranks,
            run_id=uuid4().hex,
            rdzv_backend="c10d",
            rdzv_endpoint=f"{LOCALHOST}:0",  # the system gives a free port
            local_addr=LOCALHOST,
            max_restarts=0,
            monitor_interval=0.1,
            start_method="spawn",
            logs_specs=DefaultLogsSpecs(log_dir=notes),  # where ranks leave the text of their error
        )
        try:
            elastic_launch(config, run_rank)(parcel)
        except ChildFailedError as error:
            raise RankError(_explain(error, ranks)) from None
        finally:
            del kept


@contextmanager
def _script_kept_out(packed: bytes) -> Iterator[None]:
    """Let the ranks import the user's script only where they need something from it.

    A started process imports the script of its parent, which would train anew where the script has no guard.
    """
    script = sys.modules["__main__"]
    path = getattr(script, "__file__", None)
    if b"__main__" in packed:
        if path is None or not Path(path).is_file():
            raise ConfigTypeError(
                "a callback, class or transform was defined in this session, which the ranks cannot "
                f"import. {WITHOUT_LAUNCH}."
            )
        yield
        return
    facts = vars(script)
    spec, facts["__spec__"] = facts.get("__spec__"), None
    facts.pop("__file__", None)
    try:
        yield
    finally:
        facts["__spec__"] = spec
        if path is not None:
            facts["__file__"] = path


@contextmanager
def _own_signals() -> Iterator[None]:
    """Put back the signal handlers that the launcher replaces."""
    is_main = threading.current_thread() is threading.main_thread()
    names = [getattr(signal, name) for name in SIGNALS if is_main and hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in names}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _explain(error: ChildFailedError, ranks: int) -> str:
    """The failure that came first, leaving aside ranks that only noticed it."""
    failures = sorted(error.failures.items(), key=lambda item: item[1].timestamp)
    causes = [item for item in failures if not _is_consequence(item[1])]
    rank, failure = (causes or failures)[0]
    text = _text_of(failure)
    if not causes:
        return text.removeprefix("RankError: ")
    if failure.exitcode < 0:
        return f"rank {rank} of {ranks} was killed by {failure.signal_name()}"
    if text:
        return f"rank {rank} of {ranks} failed: {text}"
    return (
        f"rank {rank} of {ranks} ended with status {failure.exitcode}; its output above says why. If it says "
        "that processes were started too early: put the training under `if __name__ == '__main__':`, because "
        "the ranks import the script for what it defines"
    )


def _is_consequence(failure: ProcessFailure) -> bool:
    """Whether a rank ended because of another one."""
    is_stopped = failure.exitcode == -signal.SIGTERM
    return is_stopped or _text_of(failure).startswith("RankError")


def _text_of(failure: ProcessFailure) -> str:
    """Class and text of a rank's exception; empty when it left none."""
    content = failure.error_file_data.get("message", "")
    return str(content.get("message", "")) if isinstance(content, dict) else ""
