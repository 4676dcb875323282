"""Packages that tests can do without on a machine of one's own, but not where all are promised to be installed."""

from __future__ import annotations

import os
from importlib.util import find_spec

import pytest

PROMISE = "EXPECT_INTEGRATIONS"  # set by `make slow`, which installs the extra `integrations`


def need_package(name: str) -> None:
    """Skip the test without a package; fail it where the package has been promised."""
    if find_spec(name) is not None:
        return
    if os.environ.get(PROMISE):
        pytest.fail(f"{name} is not installed although {PROMISE} is set")
    pytest.skip(f"{name} is not installed")
