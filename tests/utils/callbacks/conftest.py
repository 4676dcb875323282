"""Nothing of these tests may leave the machine."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _only_loopback() -> Iterator[None]:
    with loopback_only():
        yield


@pytest.fixture(scope="module")
def loopback_guard() -> Callable[[], AbstractContextManager[None]]:
    """The same guard for what runs before a test."""
    return loopback_only


@contextmanager
def loopback_only() -> Iterator[None]:
    """Refuse connections to other machines and look-ups of them; at the end none may have been tried."""
    tried: list[str] = []
    connect, lookup = socket.socket.connect, socket.getaddrinfo

    def refuse(host: object) -> None:
        if not is_local(host):
            tried.append(str(host))
            raise OSError(f"a test tried to reach {host}")

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            refuse(address[0])
        connect(self, address)

    def guarded_lookup(host: Any, *args: Any, **kwargs: Any) -> Any:
        refuse(host)
        return lookup(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket, "getaddrinfo", guarded_lookup)
        yield
    assert tried == []


def is_local(host: object) -> bool:
    name = host.decode() if isinstance(host, bytes) else str(host or "localhost")
    try:
        return ipaddress.ip_address(name).is_loopback or name == "0.0.0.0"
    except ValueError:
        return name in ("localhost", socket.gethostname())
