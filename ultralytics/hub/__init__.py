"""Names of the former hosted-service package. No client is bundled: each says so when called."""

from __future__ import annotations

from ultralytics.hub.stubs import (
    HUBTrainingSession,
    ServiceNotBundled,
    check_dataset,
    export_fmts_hub,
    export_model,
    get_export,
    login,
    logout,
    reset_model,
)

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
