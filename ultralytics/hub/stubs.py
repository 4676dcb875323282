"""What the names of the hosted service do without the service."""

from __future__ import annotations

from typing import NoReturn

from ultralytics.errors import NotAvailable
from ultralytics.utils.logging import LOGGER

__all__ = [
    "HUBTrainingSession",
    "ServiceNotBundled",
    "check_dataset",
    "export_fmts_hub",
    "export_model",
    "get_export",
    "login",
    "logout",
    "reset_model",
]


class ServiceNotBundled(NotAvailable):
    """The hosted service was needed. Also a RuntimeError, by way of NotImplementedError."""


def _refuse(name: str) -> NoReturn:
    raise ServiceNotBundled(
        f"{name} needs the hosted service, which this package has no client for"
    )


def login(api_key: str | None = None, save: bool = True) -> bool:
    """Not bundled."""
    _refuse("hub.login")


def logout() -> None:
    """Forget a stored API key."""
    from ultralytics.utils.settings import SETTINGS

    SETTINGS["api_key"] = ""
    LOGGER.info("The stored API key was removed.")


def reset_model(model_id: str = "") -> None:
    """Not bundled."""
    _refuse("hub.reset_model")


def export_fmts_hub() -> list[str]:
    """Not bundled."""
    _refuse("hub.export_fmts_hub")


def export_model(model_id: str = "", format: str = "torchscript") -> None:
    """Not bundled."""
    _refuse("hub.export_model")


def get_export(model_id: str = "", format: str = "torchscript") -> dict[str, str]:
    """Not bundled."""
    _refuse("hub.get_export")


def check_dataset(path: str, task: str) -> None:
    """Not bundled; `yolo check data=...` checks a data set that is on this machine."""
    _refuse("hub.check_dataset")


class HUBTrainingSession:
    """Not bundled."""

    def __init__(self, identifier: str) -> None:
        _refuse("HUBTrainingSession")
