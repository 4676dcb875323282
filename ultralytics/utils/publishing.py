"""Give re-exported classes the module path that checkpoints and users know.

Pickle stores a class's `__module__`. A class defined in `head/detect.py` must be written as
`ultralytics.nn.modules.head.Detect`, or other readers of the file could not find it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

__all__ = ["publish"]


def publish(package: str, names: Iterable[str]) -> None:
    """Set `__module__` of the named classes of a package, and of their static methods, to the package itself."""
    namespace = vars(sys.modules[package])
    for name in names:
        published = namespace[name]
        published.__module__ = package
        for member in vars(published).values():
            if isinstance(member, staticmethod):  # stored by name when an instance holds it
                member.__func__.__module__ = package
