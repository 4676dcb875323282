"""Runtimes that execute a network for prediction and validation, one file each."""

from ultralytics.nn.backends.base import BaseBackend
from ultralytics.nn.backends.pytorch import PyTorchBackend

__all__ = ["BaseBackend", "PyTorchBackend"]
