"""Quantisation-aware training, under its known names. This version does not have it."""

from __future__ import annotations

from typing import Any, NoReturn

from torch import nn

from ultralytics.errors import NotAvailable

__all__ = ["is_qat", "prepare_qat", "qat_state", "restore_qat", "strip_qat"]


def is_qat(model: nn.Module) -> bool:
    """False: no network can have been prepared."""
    return False


def _refuse() -> NoReturn:
    raise NotAvailable("quantisation-aware training is not available yet")


def prepare_qat(*args: Any, **kwargs: Any) -> NoReturn:
    """Not available in this version."""
    _refuse()


def qat_state(*args: Any, **kwargs: Any) -> NoReturn:
    """Not available in this version."""
    _refuse()


def restore_qat(*args: Any, **kwargs: Any) -> NoReturn:
    """Not available in this version."""
    _refuse()


def strip_qat(*args: Any, **kwargs: Any) -> NoReturn:
    """Not available in this version."""
    _refuse()
