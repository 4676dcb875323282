"""Copies of console output to a file, an address or a function; measurements of the machine.

`ConsoleLogger` works on whole lines: a progress bar, which rewrites one line, arrives as its final
frame. `SystemLogger` reads counters of the operating system and of NVIDIA GPUs.
"""

from __future__ import annotations

import json
import shutil
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from ultralytics.utils.environment import is_first_rank
from ultralytics.utils.logging import LOGGER, remove_colorstr

__all__ = ["ConsoleLogger", "SystemLogger"]

REPEAT_SECONDS = 0.1  # an identical line within this time is dropped
POST_TIMEOUT = 5.0  # seconds
GIB = 1 << 30
MIB = 1 << 20

Flush = Callable[[str, int, int], object]


class _Tee:
    """A text stream that passes everything on and shows whole lines to a listener."""

    def __init__(self, stream: TextIO, listener: Callable[[str], None]) -> None:
        self._stream, self._listener = stream, listener
        self._open_line = ""

    def write(self, text: str) -> int:
        """Write through; complete lines go to the listener, without what they overwrote."""
        written = self._stream.write(text)
        *lines, self._open_line = (self._open_line + text).split("\n")
        for line in lines:
            self._listener(line.rstrip("\r").rsplit("\r", 1)[-1])
        self._open_line = self._open_line.rsplit("\r", 1)[-1] if self._open_line else ""
        return written

    def __getattr__(self, name: str) -> Any:  # Any: whatever the stream has
        return getattr(self._stream, name)


class ConsoleLogger:
    """Copy standard output and error, including the package's log lines, somewhere else.

    Args:
        destination: file path, http(s) address that takes POST requests with JSON, or None.
        batch_size: lines collected before they are delivered.
        flush_interval: seconds after which fewer lines are delivered.
        on_flush: called as (text, number of lines, number of the delivery from 1) instead of, or
            besides, the destination.
    """

    def __init__(
        self,
        destination: str | Path | None = None,
        batch_size: int = 1,
        flush_interval: float = 5.0,
        on_flush: Flush | None = None,
    ) -> None:
        self.destination = destination
        self.batch_size = max(1, batch_size)
        self.flush_interval = flush_interval
        self.on_flush = on_flush
        self.active = False
        self._lock = threading.RLock()
        self._lines: list[str] = []
        self._deliveries = 0
        self._last = ("", 0.0)
        self._stop = threading.Event()
        self._timer: threading.Thread | None = None
        self._originals: tuple[TextIO, TextIO] | None = None

    @property
    def is_remote(self) -> bool:
        """Whether the destination is an address."""
        return str(self.destination or "").startswith(("http://", "https://"))

    def start_capture(self) -> None:
        """Begin to copy. Only the main process of a run does."""
        if self.active or not is_first_rank():
            return
        self.active = True
        self._originals = (sys.stdout, sys.stderr)
        sys.stdout, sys.stderr = (
            _Tee(sys.stdout, self._take),
            _Tee(sys.stderr, self._take),
        )
        if self.batch_size > 1:
            self._stop.clear()
            self._timer = threading.Thread(target=self._flush_regularly, daemon=True)
            self._timer.start()

    def stop_capture(self) -> None:
        """Deliver what is left and put the streams back."""
        if not self.active or self._originals is None:
            return
        self.active = False
        sys.stdout, sys.stderr = self._originals
        self._stop.set()
        if self._timer is not None:
            self._timer.join()
            self._timer = None
        self.flush()

    def flush(self) -> None:
        """Deliver the collected lines."""
        with self._lock:
            lines, self._lines = self._lines, []
            if not lines:
                return
            self._deliveries += 1
            number = self._deliveries
        self._deliver("\n".join(lines), len(lines), number)

    def _flush_regularly(self) -> None:
        while not self._stop.wait(self.flush_interval):
            self.flush()

    def _take(self, line: str) -> None:
        text = remove_colorstr(line).strip()
        now = time.monotonic()
        with self._lock:
            if not text or (text == self._last[0] and now - self._last[1] < REPEAT_SECONDS):
                return
            self._last = (text, now)
            self._lines.append(f"[{datetime.now():%Y-%m-%d %H:%M:%S}] {text}")
            is_full = len(self._lines) >= self.batch_size
        if is_full:
            self.flush()

    def _deliver(self, text: str, count: int, number: int) -> None:
        if self.on_flush is not None:
            self.on_flush(text, count, number)
        if self.is_remote:
            self._post(text)
        elif self.destination is not None:
            path = Path(self.destination)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as stream:
                stream.write(text + "\n")

    def _post(self, text: str) -> None:
        body = json.dumps({"timestamp": datetime.now().isoformat(), "message": text}).encode()
        request = urllib.request.Request(
            str(self.destination), data=body, headers={"Content-Type": "application/json"}
        )
        try:
            urllib.request.urlopen(request, timeout=POST_TIMEOUT).close()
        except OSError as error:
            LOGGER.debug(f"Console lines could not be sent to {self.destination}: {error}")


class SystemLogger:
    """Load of processor, memory, disks, network and GPUs.

    Args:
        all_drives: report every mounted drive instead of the system's.
        gpus: ids to report; None means all.
    """

    def __init__(self, all_drives: bool = False, gpus: Iterable[int] | None = None) -> None:
        import psutil

        from ultralytics.utils.autodevice import GPUInfo

        self._psutil = psutil
        self.all_drives = all_drives
        self.gpus = None if gpus is None else set(gpus)
        self._gpu_info = GPUInfo()
        self._before = self._counters()
        self._before_time = time.monotonic()

    def get_metrics(self, rates: bool = False) -> dict[str, Any]:
        """Current values.

        Args:
            rates: disk and network as MB per second since the last call instead of MB since the
                start of this object.

        Returns:
            `cpu` and `ram` in percent, `disk` as a list of drives, `disk_io`, `network`, and `gpus`
            by id.
        """
        now, counters = time.monotonic(), self._counters()
        scale = max(now - self._before_time, 1e-3) if rates else 1.0
        moved = {k: round((v - self._before[k]) / MIB / scale, 3) for k, v in counters.items()}
        if rates:
            self._before, self._before_time = counters, now
        unit = "_mbs" if rates else "_mb"
        return {
            "cpu": round(self._psutil.cpu_percent(), 3),
            "ram": round(self._psutil.virtual_memory().percent, 3),
            "disk": [self._drive(mount) for mount in self._mounts()],
            "disk_io": {f"read{unit}": moved["read"], f"write{unit}": moved["write"]},
            "network": {f"recv{unit}": moved["recv"], f"sent{unit}": moved["sent"]},
            "gpus": self._gpus(),
        }

    def _counters(self) -> dict[str, int]:
        disk, network = self._psutil.disk_io_counters(), self._psutil.net_io_counters()
        return {
            "read": disk.read_bytes if disk else 0,
            "write": disk.write_bytes if disk else 0,
            "recv": network.bytes_recv if network else 0,
            "sent": network.bytes_sent if network else 0,
        }

    def _mounts(self) -> list[str]:
        if not self.all_drives:
            return [Path.cwd().anchor]
        return sorted({part.mountpoint for part in self._psutil.disk_partitions()})

    @staticmethod
    def _drive(mount: str) -> dict[str, Any]:
        usage = shutil.disk_usage(mount)
        return {
            "mount": mount,
            "used_gb": round((usage.total - usage.free) / GIB, 3),
            "total_gb": round(usage.total / GIB, 3),
        }

    def _gpus(self) -> dict[str, dict[str, int]]:
        self._gpu_info.refresh_stats()
        return {
            str(gpu["index"]): {
                "usage": gpu["utilization"],
                "memory": round(100 * gpu["memory_used"] / max(gpu["memory_total"], 1)),
                "temp": gpu["temperature"],
                "power": gpu["power_draw"],
            }
            for gpu in self._gpu_info.gpu_stats
            if self.gpus is None or gpu["index"] in self.gpus
        }
