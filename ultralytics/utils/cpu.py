"""Name of the processor, read from the operating system's own tables."""

from __future__ import annotations

import platform
import re
import sys
from functools import cache
from pathlib import Path

__all__ = ["CPUInfo"]

MARKS = re.compile(r"\((?:R|TM)\)", re.IGNORECASE)
# Consumer names read better without their filler: "Intel Core i7-9750H CPU @ 2.60GHz".
FILLER = re.compile(r"^((?:Intel Core|AMD Ryzen) .+?)(?: CPU| \d+-Core Processor)? @ ")


class CPUInfo:
    """Facts about the processor."""

    @staticmethod
    @cache
    def name() -> str:
        """Marketing name without trademark signs; a last resort is the machine type."""
        return CPUInfo._tidy(_raw_name() or platform.processor() or platform.machine())

    @staticmethod
    def _tidy(text: str) -> str:
        """Drop trademark signs; consumer names also lose the filler in front of their clock."""
        words = " ".join(MARKS.sub("", text).split())
        return FILLER.sub(r"\1 ", words)

    def __str__(self) -> str:
        return self.name()


def _raw_name() -> str:
    if sys.platform == "win32":
        import winreg

        path = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path) as key:
            return str(winreg.QueryValueEx(key, "ProcessorNameString")[0])
    if sys.platform == "darwin":
        return _sysctl("machdep.cpu.brand_string")
    return _cpuinfo()


def _sysctl(name: str) -> str:
    """A text variable of the macOS kernel, through the C library (no process is started)."""
    import ctypes

    library = ctypes.CDLL(None)
    size = ctypes.c_size_t(256)
    buffer = ctypes.create_string_buffer(size.value)
    failed = library.sysctlbyname(name.encode(), buffer, ctypes.byref(size), None, 0)
    return "" if failed else buffer.value.decode()


def _cpuinfo() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    named = {key.strip().lower(): value.strip() for key, value in fields.items()}
    return next((named[k] for k in ("model name", "hardware", "model") if named.get(k)), "")
