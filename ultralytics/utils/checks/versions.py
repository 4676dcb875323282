"""Versions of packages and what they must satisfy, by the rules of PEP 440. Nothing is ever installed."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

from ultralytics.errors import MissingExtra
from ultralytics.utils.environment import PYTHON_VERSION, ROOT, env_bool, package_version
from ultralytics.utils.logging import LOGGER

__all__ = [
    "IS_PYTHON_3_8",
    "IS_PYTHON_3_12",
    "IS_PYTHON_MINIMUM_3_10",
    "IS_PYTHON_MINIMUM_3_11",
    "IS_PYTHON_MINIMUM_3_13",
    "check_apt_requirements",
    "check_executorch_requirements",
    "check_latest_pypi_version",
    "check_multiple_install",
    "check_pip_update_available",
    "check_python",
    "check_requirements",
    "check_tensorrt",
    "check_torchvision",
    "check_version",
    "get_distribution_name",
    "parse_requirements",
    "parse_version",
]

NUMBERS = re.compile(r"\d+(?:\.\d+)*")
REQUIREMENTS_FILE = ROOT.parent / "requirements.txt"
DPKG_LISTS = Path("/var/lib/dpkg/info")

IS_PYTHON_3_8 = sys.version_info[:2] == (3, 8)
IS_PYTHON_3_12 = sys.version_info[:2] == (3, 12)
IS_PYTHON_MINIMUM_3_10 = sys.version_info >= (3, 10)
IS_PYTHON_MINIMUM_3_11 = sys.version_info >= (3, 11)
IS_PYTHON_MINIMUM_3_13 = sys.version_info >= (3, 13)


def parse_version(version: str = "0.0.0") -> tuple[int, ...]:
    """First run of dotted integers as a tuple of at least three; (0, 0, 0) with a warning if none."""
    match = NUMBERS.search(str(version))
    if match is None:
        LOGGER.warning(f"{version!r} holds no version number; taking 0.0.0.")
        return (0, 0, 0)
    numbers = tuple(int(part) for part in match[0].split("."))
    return numbers + (0,) * (3 - len(numbers))


def _satisfies(current: str, conditions: str) -> bool:
    """PEP 440 comparison; a version outside the standard counts by its leading numbers."""
    from packaging.specifiers import SpecifierSet
    from packaging.version import InvalidVersion, Version

    try:
        found = Version(current)
    except InvalidVersion:
        found = Version(".".join(map(str, parse_version(current))))
    parts = (part.strip() for part in conditions.split(",") if part.strip())
    return SpecifierSet(",".join(map(_condition, parts))).contains(found, prereleases=True)


def _condition(text: str) -> str:
    """A condition with an operator; `~=2` (no second number) is the same as `>=2`."""
    if text[0].isdigit():
        return f">={text}"
    return f">={text[2:]}" if re.fullmatch(r"~=\s*\d+", text) else text


def _applies(marker: str) -> bool:
    from packaging.markers import Marker

    return not marker.strip() or Marker(marker.strip()).evaluate()


def check_version(
    current: str = "0.0.0",
    required: str = "0.0.0",
    name: str = "version",
    hard: bool = False,
    verbose: bool = False,
    msg: str = "",
) -> bool:
    """Whether a version satisfies a condition such as ">=1.2,<3", "~=2.1" or "1.8" (at least).

    Args:
        current: version, or the name of a package whose installed version is meant.
        required: conditions joined by commas, with an optional marker after ";". A marker for
            another system makes the check pass.
        name: what the message calls the thing.
        hard: raise instead of returning False.
        verbose: warn when the check fails.
        msg: added to the message.

    Raises:
        ModuleNotFoundError: the check failed and `hard` is set.
    """
    if not current:
        LOGGER.warning(f"check_version got no version to compare with {required!r}.")
        return True
    if not current[0].isdigit():
        name, current = current, package_version(current)
        if not current:
            if hard:
                raise MissingExtra(f"{name} is required but not installed: pip install {name}")
            return False
    conditions, _, marker = str(required).partition(";")
    if not conditions.strip() or not _applies(marker) or _satisfies(current, conditions):
        return True
    text = f"{name}{conditions} is required, but {name}=={current} is installed. {msg}".rstrip()
    if hard:
        raise MissingExtra(text)
    if verbose:
        LOGGER.warning(text)
    return False


def check_python(minimum: str = "3.8.0", hard: bool = True, verbose: bool = False) -> bool:
    """Whether this Python is recent enough; see `check_version`."""
    return check_version(PYTHON_VERSION, minimum, name="Python", hard=hard, verbose=verbose)


def parse_requirements(
    file_path: str | Path = REQUIREMENTS_FILE, package: str = ""
) -> list[SimpleNamespace]:
    """Requirements as objects with `name` and `specifier`.

    Args:
        file_path: requirements file; text after "#" is a comment.
        package: read the metadata of this installed package instead; its extras are left out.

    Raises:
        ModuleNotFoundError: the package is not installed.
        packaging.requirements.InvalidRequirement: a line is no requirement.
    """
    from packaging.requirements import Requirement

    if package:
        lines = [r for r in metadata.requires(package) or [] if "extra ==" not in r]
    else:
        text = Path(file_path).read_text(encoding="utf-8")
        lines = [line.split("#")[0].strip() for line in text.splitlines()]
    parsed = [Requirement(line) for line in lines if line]
    return [
        SimpleNamespace(
            name=r.name, specifier=str(r.specifier) + (f"; {r.marker}" if r.marker else "")
        )
        for r in parsed
    ]


def _is_met(requirement: str) -> bool:
    from packaging.requirements import Requirement

    parsed = Requirement(requirement)
    if parsed.marker is not None and not parsed.marker.evaluate():
        return True
    installed = package_version(parsed.name)
    return bool(installed) and check_version(installed, str(parsed.specifier), name=parsed.name)


def check_requirements(
    requirements: str | Path | Sequence[str | Sequence[str]] = REQUIREMENTS_FILE,
    exclude: Iterable[str] = (),
    install: bool = True,
    cmds: str = "",
    constrain: Iterable[str] = (),
) -> bool:
    """Whether packages are installed in the wanted versions. They are never installed from here.

    Args:
        requirements: requirements file, one requirement, or several; a tuple among them lists
            alternatives of which one is enough.
        exclude: names left out.
        install: raise when something is missing; False only reports it by the return value.
        cmds: options to be shown in the suggested pip command.
        constrain: accepted and ignored.

    Raises:
        ModuleNotFoundError: something is missing; the text holds the command that installs it.
    """
    if env_bool("ULTRALYTICS_SKIP_REQUIREMENTS_CHECKS"):
        return True
    if isinstance(requirements, Path):
        listed: Sequence[str | Sequence[str]] = [
            r.name + r.specifier for r in parse_requirements(requirements) if r.name not in exclude
        ]
    else:
        listed = [requirements] if isinstance(requirements, str) else requirements
    groups = [(r,) if isinstance(r, str) else tuple(r) for r in listed]
    missing = [
        group[0] for group in groups if group[0] not in exclude and not any(map(_is_met, group))
    ]
    if not missing:
        return True
    if install:
        command = " ".join(["pip install", *(f'"{name}"' for name in missing), cmds]).strip()
        raise MissingExtra(f"missing or outdated: {', '.join(missing)}; install with: {command}")
    return False


def check_apt_requirements(requirements: Iterable[str]) -> None:
    """Require Debian packages.

    Raises:
        ModuleNotFoundError: one is missing; the text holds the command that installs it.
    """
    missing = [
        name
        for name in requirements
        if not [*DPKG_LISTS.glob(f"{name}.list"), *DPKG_LISTS.glob(f"{name}:*.list")]
    ]
    if missing:
        raise MissingExtra(
            f"missing system packages; install with: sudo apt install {' '.join(missing)}"
        )


def check_executorch_requirements() -> None:
    """Require what the ExecuTorch export needs."""
    check_requirements(["executorch>=1.0.0", "flatbuffers"])


def check_tensorrt(min_version: str = "7.0.0") -> None:
    """Require TensorRT of a version."""
    check_requirements(f"tensorrt>={min_version},!=10.1.0")


def check_latest_pypi_version(package_name: str = "ultralytics") -> str | None:
    """Newest version of a package on PyPI, or None when PyPI cannot be asked."""
    from ultralytics.utils.downloads.client import open_url

    try:
        with open_url(f"https://pypi.org/pypi/{package_name}/json", timeout=3) as response:
            return str(json.load(response)["info"]["version"])
    except (OSError, ValueError, KeyError):
        return None


def check_pip_update_available() -> bool:
    """False: this package does not look for newer versions of itself."""
    return False


@cache
def get_distribution_name(import_name: str) -> str:
    """Name of the distribution that provides a module; the module's own name if none is known."""
    found = metadata.packages_distributions().get(import_name)
    return found[0] if found else import_name


def check_torchvision() -> bool:
    """Whether torch and torchvision belong together; warns when they do not."""
    torch, vision = package_version("torch"), package_version("torchvision")
    if not (torch and vision):
        return True
    (major, minor), found = parse_version(torch)[:2], parse_version(vision)[:2]
    expected = (0, minor + (1 if major == 1 else 15))
    fits = found == expected if (major, minor) < (2, 14) else found >= (0, 29)
    if not fits:
        LOGGER.warning(f"torchvision {vision} does not belong to torch {torch}.")
    return fits


def check_multiple_install() -> bool:
    """Whether the imported package is the installed one; warns when another copy shadows it."""
    try:
        installed = metadata.distribution("ultralytics").locate_file("ultralytics")
    except metadata.PackageNotFoundError:
        return True
    same = Path(str(installed)).resolve() == ROOT or not Path(str(installed)).exists()
    if not same:
        LOGGER.warning(f"Using {ROOT}, although pip installed ultralytics at {installed}.")
    return same
