"""The processes of one run, its ranks, and how they agree.

Whatever decides what a run does next is exchanged through the store of the launcher, by every rank and in the same
order; gradients and buffers go through torch's process group. Each exchange says what it is about, so a rank that is
missing, late or somewhere else is named. A run of one process is the same code with nobody to ask.
"""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import distributed as dist

from ultralytics.errors import ConfigError, ConfigValueError, RankError
from ultralytics.utils import environment

__all__ = [
    "PREPARE_S",
    "TIMEOUT_VARIABLE",
    "Ranks",
    "SharedRanks",
    "get_bytes",
    "join_ranks",
    "put_bytes",
    "timeout_s",
]

Value = TypeVar("Value")

TIMEOUT_VARIABLE = "YOLO_RANK_TIMEOUT"
DEFAULT_TIMEOUT_S = 1800.0
PREPARE_S = (
    10800.0  # a data set may have to be fetched and scanned by one rank while the others wait
)
GRACE_S = 5.0  # how long ranks that are alive may take to say so
CHUNK = 4 << 20  # bytes; the store refuses values above 8 MiB
LONGEST_PAUSE_S = 0.02
# What gloo and NCCL write when the other side is gone or late; torch has no class for it on every backend.
LOST_CONNECTION = (
    "gloo",
    "connection closed",
    "connection reset",
    "nccl",
    "timed out",
    "broken pipe",
)


def timeout_s() -> float:
    """Seconds after which a rank that does not answer ends the run.

    Raises:
        ConfigValueError: the environment variable YOLO_RANK_TIMEOUT is no positive number.
    """
    text = os.environ.get(TIMEOUT_VARIABLE, "").strip() or str(DEFAULT_TIMEOUT_S)
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise ConfigValueError(f"{TIMEOUT_VARIABLE}={text}: give a positive number of seconds")
    return seconds


def put_bytes(store: Any, key: str, data: bytes) -> None:  # Any: torch.distributed.Store
    """Put bytes of any length into a store; the key itself is written last and holds the number of pieces."""
    pieces = [data[i : i + CHUNK] for i in range(0, len(data), CHUNK)]
    for i, piece in enumerate(pieces):
        store.set(f"{key}/{i}", piece)
    store.set(key, str(len(pieces)))


def get_bytes(store: Any, key: str) -> bytes:  # Any: torch.distributed.Store
    """Bytes of `put_bytes`, once they are there."""
    return b"".join(store.get(f"{key}/{i}") for i in range(int(store.get(key))))


class Ranks:
    """The ranks of a run; this one is a run of a single process.

    Attributes:
        rank: number of this process, from 0.
        count: number of processes.
        is_shared: whether there are others.
    """

    rank = 0
    count = 1
    is_shared = False

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and log lines."""
        return self.rank == 0

    def exchange(self, value: Value, about: str, patience: float | None = None) -> list[Value]:
        """What every rank gave, in their order. All ranks call it, and wait for one another.

        Args:
            value: anything that can be pickled.
            about: the point of the run where this happens; all ranks must name the same.
            patience: seconds to wait for each rank; the common time-out by default.

        Raises:
            RankError: a rank failed, is missing, or is at another point of the run.
        """
        return [value]

    def first(self, work: Callable[[], Value], about: str) -> Value:
        """Let rank 0 do some work and give its result to all; its failure ends every rank."""
        return work()

    def in_turn(self, work: Callable[[], Value], about: str) -> Value:
        """Do some work on rank 0, then on the first rank of every other machine, then on the rest.

        What the earlier ones leave on disk is there for the later ones. A failure ends every rank.
        """
        return work()

    def start(self, device: torch.device) -> None:
        """Start the process group that carries gradients; the common generators stay as they are."""

    def report(self, error: BaseException) -> BaseException:
        """Tell the others why this rank ends; returns the error to raise here, which names the culprit."""
        return error

    def leave(self) -> None:
        """End the process group and let go of the store. Nothing is raised."""


class SharedRanks(Ranks):
    """Ranks that a launcher started. Made by `join_ranks`.

    Args:
        store: reached by all ranks and empty at the beginning.
        place: (rank, number of ranks, rank on this machine).
        is_host: whether the store ends with this process.
    """

    is_shared = True

    def __init__(self, store: Any, place: tuple[int, int, int], is_host: bool) -> None:
        # Any: torch.distributed.Store, whose type is only there where torch was built with it
        self.store = store
        self.rank, self.count, self.local = place
        self.is_host = is_host
        self.limit = timeout_s()
        self.number = 0
        self.has_group = False

    # ---------------------------------------------------------------- agreement

    def exchange(self, value: Value, about: str, patience: float | None = None) -> list[Value]:
        """See `Ranks.exchange`."""
        number, self.number = self.number, self.number + 1
        try:
            # Who is here has been given everything of the exchange before the last.
            self._forget(f"x{number - 2}/{self.rank}")
            put_bytes(self.store, f"x{number}/{self.rank}", pickle.dumps((about, value)))
            limit = patience or self.limit
            return [self._receive(f"x{number}", r, about, limit) for r in range(self.count)]
        except dist.DistError as error:
            raise self._lost_store(about, error) from error

    def first(self, work: Callable[[], Value], about: str) -> Value:
        """See `Ranks.first`."""
        mine = work() if self.is_first else None
        given = self.exchange(mine, about, max(self.limit, PREPARE_S))
        return given[0]  # type: ignore[return-value]  # rank 0 gives the result of its work

    def in_turn(self, work: Callable[[], Value], about: str) -> Value:
        """See `Ranks.in_turn`."""
        turn = 0 if self.is_first else 1 if self.local == 0 else 2
        done: list[Value] = []
        for now in range(3):
            if now == turn:
                done.append(work())
            self.exchange(None, f"{about}, part {now + 1}", max(self.limit, PREPARE_S))
        return done[0]

    def _forget(self, key: str) -> None:
        if self.store.check([key]):
            for i in range(int(self.store.get(key))):
                self.store.delete_key(f"{key}/{i}")
            self.store.delete_key(key)

    def _receive(self, exchange: str, whose: int, about: str, limit: float) -> Any:
        key = f"{exchange}/{whose}"
        if not self._appears(key, limit):
            raise RankError(
                f"rank {whose} of {self.count} did not reach {about} within {limit:g} s: it died or is "
                f"stuck ({TIMEOUT_VARIABLE} sets the limit)"
            )
        # Written by another process of this run, through the store of its launcher.
        place, value = pickle.loads(get_bytes(self.store, key))  # nosec B301
        if place != about:
            raise RankError(
                f"rank {whose} is at {place!r} while rank {self.rank} is at {about!r}: a handler or "
                "override must do the same on every rank"
            )
        return value

    def _appears(self, key: str, limit: float) -> bool:
        """Wait for a key, or for the news that a rank has failed."""
        end, pause = time.monotonic() + limit, 0.0005
        while not self.store.check([key]):
            if self.store.check(["failed"]):
                raise RankError(self.store.get("failed").decode())
            if time.monotonic() > end:
                return False
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)
        return True

    def _lost_store(self, about: str, error: Exception) -> RankError:
        host = "the launcher" if _has_agent() else "rank 0"
        return RankError(
            f"rank {self.rank} lost {host}, which keeps the store of this run, at {about}: {host} "
            f"ended or cannot be reached ({_brief(error)})"
        )

    # ---------------------------------------------------------------- process group

    def start(self, device: torch.device) -> None:
        """See `Ranks.start`."""
        kinds = {
            "cuda": "cpu:gloo,cuda:nccl",
            "xpu": "cpu:gloo,xpu:xccl",
            "npu": "cpu:gloo,npu:hccl",
        }
        if device.type not in {"cpu", *kinds}:
            raise ConfigValueError(f"device={device} cannot take part in a run of several ranks")
        if device.type == "cuda":  # a late rank raises in the others instead of aborting them
            os.environ.setdefault("TORCH_NCCL_BLOCKING_WAIT", "1")
        self.exchange(None, "the start of the process group")
        dist.init_process_group(
            kinds.get(device.type, "gloo"),
            store=dist.PrefixStore("group", self.store),  # type: ignore[attr-defined]
            rank=self.rank,
            world_size=self.count,
            timeout=timedelta(seconds=self.limit),
        )
        self.has_group = True

    def report(self, error: BaseException) -> BaseException:
        """See `Ranks.report`."""
        if isinstance(error, RankError):
            return error
        try:
            if _is_lost_connection(error):
                return self._call_roll(error)
            self.store.compare_set(
                "failed", "", f"rank {self.rank} of {self.count} failed: {_brief(error)}"
            )
        except dist.DistError as lost:
            return self._lost_store("the end of a failed run", lost)
        return error

    def _call_roll(self, error: BaseException) -> RankError:
        """The connection broke: find out which rank is not there any more."""
        self.store.set(f"alive/{self.rank}", "1")
        end = time.monotonic() + GRACE_S
        missing = [r for r in range(self.count) if r != self.rank]
        while missing and time.monotonic() < end:
            if self.store.check(["failed"]):
                return RankError(self.store.get("failed").decode())
            time.sleep(LONGEST_PAUSE_S)
            missing = [r for r in missing if not self.store.check([f"alive/{r}"])]
        if self.store.check(["failed"]):
            return RankError(self.store.get("failed").decode())
        if not missing:
            return RankError(f"the ranks lost their connection: {_brief(error)}")
        named = " and ".join(f"rank {r}" for r in missing)
        return RankError(f"{named} of {self.count} died or is stuck: {_brief(error)}")

    def leave(self) -> None:
        """See `Ranks.leave`."""
        if self.has_group:
            self.has_group = False
            dist.destroy_process_group()
        try:
            self.store.set(f"left/{self.rank}", "1")
            end = time.monotonic() + GRACE_S
            while self.is_host and time.monotonic() < end:
                if all(self.store.check([f"left/{r}"]) for r in range(self.count)):
                    break
                time.sleep(LONGEST_PAUSE_S)
        except dist.DistError:
            return  # the store has ended before, and with it the need to say good-bye


def join_ranks() -> Ranks:
    """The ranks of this run, from the launcher's variables RANK, LOCAL_RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT.

    Raises:
        ConfigError: a launcher started several processes and did not say where they meet.
        RankError: a rank is missing.
    """
    count = environment.world_size()
    if count == 1:
        return Ranks()
    place = (environment.rank(), count, environment.local_rank())
    address, port = os.environ.get("MASTER_ADDR"), os.environ.get("MASTER_PORT")
    if min(place) < 0 or not address or not port:
        raise ConfigError(
            f"WORLD_SIZE={count} says that a launcher started {count} processes; it must also set RANK, "
            "LOCAL_RANK, MASTER_ADDR and MASTER_PORT (torchrun does), or WORLD_SIZE must be unset"
        )
    is_host = place[0] == 0 and not _has_agent()
    limit = timeout_s()
    try:
        base = dist.TCPStore(  # type: ignore[attr-defined]
            address,
            int(port),
            is_master=is_host,
            timeout=timedelta(seconds=limit),
            wait_for_workers=False,
            multi_tenant=True,
        )
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        run = base.add(f"yolo/{attempt}/runs/{place[0]}", 1)
    except dist.DistError as error:
        raise RankError(
            f"rank {place[0]} of {count} found no store at {address}:{port} within {limit:g} s: rank 0 "
            f"is missing ({_brief(error)})"
        ) from error
    store = dist.PrefixStore(f"yolo/{attempt}/{run}", base)  # type: ignore[attr-defined]
    ranks = SharedRanks(store, place, is_host)
    ranks.exchange(None, "the start of the run")
    return ranks


def _has_agent() -> bool:
    """Whether the launcher itself keeps the store."""
    return os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == str(True)


def _is_lost_connection(error: BaseException) -> bool:
    if isinstance(error, dist.DistError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(mark in text for mark in LOST_CONNECTION)


def _brief(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"
