"""Launching one process per device. Training on several devices is not part of this version."""

from __future__ import annotations

import socket

from ultralytics.errors import NotAvailable

__all__ = [
    "ddp_cleanup",
    "find_free_network_port",
    "generate_ddp_command",
    "generate_ddp_file",
]

REASON = "training on several devices is not available yet; name one device"


def find_free_network_port() -> int:
    """A TCP port of this machine that nobody uses at the moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def generate_ddp_file(trainer: object) -> str:
    """Not available in this version."""
    raise NotAvailable(REASON)


def generate_ddp_command(trainer: object) -> tuple[list[str], str]:
    """Not available in this version."""
    raise NotAvailable(REASON)


def ddp_cleanup(trainer: object, file: str) -> None:
    """Not available in this version."""
    raise NotAvailable(REASON)
