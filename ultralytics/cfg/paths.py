"""Where the packaged configuration files are."""

from __future__ import annotations

from pathlib import Path

__all__ = ["CFG_DIR", "DATASETS_CFG_DIR", "DEFAULT_CFG_PATH", "MODELS_CFG_DIR", "TRACKERS_CFG_DIR"]

CFG_DIR = Path(__file__).resolve().parent
DEFAULT_CFG_PATH = CFG_DIR / "default.yaml"
DATASETS_CFG_DIR = CFG_DIR / "datasets"
MODELS_CFG_DIR = CFG_DIR / "models"
TRACKERS_CFG_DIR = CFG_DIR / "trackers"
