"""Sizes, versions, requirements, file look-up, small system checks."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ultralytics.cfg.paths import CFG_DIR
from ultralytics.errors import NotAvailable
from ultralytics.utils import checks
from ultralytics.utils.checks import versions


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ((33,), 64),
        ((0,), 32),
        ((640,), 640),
        ((100, 32, 1, 2, 128), 128),
        (((600, 300), 64), [640, 320]),
        (([640],), 640),
        (("640",), 640),
        (("[640,480]",), [640, 480]),
        (("640, 480",), [640, 480]),
        (("(320, 64)",), [320, 64]),
        (([640, 480], 32, 1, 1), 640),
        ((640, 32, 2), [640, 640]),
        ((640, torch.tensor(32.0)), 640),
        ((np.int64(65), np.int64(64)), 128),
    ],
)
def test_check_imgsz(args: tuple[Any, ...], expected: int | list[int]) -> None:
    result = checks.check_imgsz(*args)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("imgsz", "error"),
    [
        ("abc", ValueError),
        ("640,", None),
        ("64x64", ValueError),
        ("__import__('os')", ValueError),
        ([640, 480, 3], ValueError),
        ([], ValueError),
        (1.5, TypeError),
        (640.0, TypeError),
        (None, TypeError),
        (True, TypeError),
        ([640, "x"], TypeError),
    ],
)
def test_check_imgsz_refuses(imgsz: Any, error: type[Exception] | None) -> None:
    if error is None:
        assert checks.check_imgsz(imgsz) == 640
        return
    with pytest.raises(error, match="imgsz="):
        checks.check_imgsz(imgsz)


def test_check_imgsz_warns_only_about_changes(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "ultralytics"):
        checks.check_imgsz("640,480")
    assert caplog.text == ""
    with caplog.at_level(logging.WARNING, "ultralytics"):
        checks.check_imgsz(33)
    assert "[33] is changed to [64]" in caplog.text


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1.2", (1, 2, 0)),
        ("2.0.1+cpu", (2, 0, 1)),
        ("3", (3, 0, 0)),
        ("1.2.3.4", (1, 2, 3, 4)),
        ("v1.10.0rc1", (1, 10, 0)),
        ("none", (0, 0, 0)),
    ],
)
def test_parse_version(text: str, numbers: tuple[int, ...]) -> None:
    assert checks.parse_version(text) == numbers


@pytest.mark.parametrize(
    ("current", "required", "expected"),
    [
        ("2.0", "==2.0.0", True),
        ("2.0", "!=2.0", False),
        ("1.9", "2.0", False),
        ("1.10", "1.9", True),
        ("2.0", ">1,<3", True),
        ("3.0", ">1, <3", False),
        ("2.1", "~=2.0", True),
        ("3.0", "~=2.0", False),
        ("3.0", "~=2", True),
        ("2.0rc1", ">=2.0", False),
        ("2.1.0.dev20250101", ">=2.0", True),
        ("2.4.1+cu121", "<=2.4.1", True),
        ("2.0", "", True),
        ("", "1.0", True),
        ("1.2.custom-build", ">=1.2", True),
        ("numpy", ">=1", True),
        ("no-such-package", ">=1", False),
        ("1.0", ">=2; sys_platform == 'no-such-system'", True),
        ("1.0", f">=2; sys_platform == '{sys.platform}'", False),
    ],
)
def test_check_version(current: str, required: str, expected: bool) -> None:
    assert checks.check_version(current, required) is expected


def test_check_version_hard_and_verbose(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ModuleNotFoundError, match="torch>=9 is required, but torch==2 is inst"):
        checks.check_version("2", ">=9", name="torch", hard=True)
    with pytest.raises(ModuleNotFoundError, match="pip install no-such-package"):
        checks.check_version("no-such-package", ">=9", hard=True)
    with caplog.at_level(logging.WARNING, "ultralytics"):
        assert not checks.check_version("2", ">=9", verbose=True, msg="Sorry")
    assert "Sorry" in caplog.text
    assert checks.check_python("3.8")


def test_requirements_files(tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text(
        "# heading\nnumpy>=1.0  # arrays\n\nno-such-package\npillow==0.1; sys_platform=='x'\n"
    )
    parsed = checks.parse_requirements(file)
    assert [r.name for r in parsed] == ["numpy", "no-such-package", "pillow"]
    assert parsed[0].specifier == ">=1.0"
    assert checks.check_requirements(file, exclude=["no-such-package"])
    with pytest.raises(ModuleNotFoundError, match='pip install "no-such-package"'):
        checks.check_requirements(file)


@pytest.mark.parametrize(
    ("requirements", "met"),
    [
        ("numpy", True),
        (["numpy>=1", "torch"], True),
        (("numpy>=900",), False),
        ([("no-such-package", "numpy")], True),
        ([("no-such-package", "neither")], False),
    ],
)
def test_requirements(requirements: Any, met: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks.check_requirements(requirements, install=False) is met
    monkeypatch.setenv("ULTRALYTICS_SKIP_REQUIREMENTS_CHECKS", "1")
    assert checks.check_requirements(requirements)


def test_nothing_is_installed_or_started(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []
    sys.addaudithook(
        lambda event, args: started.append(args) if event == "subprocess.Popen" else None
    )
    with pytest.raises(ModuleNotFoundError, match="sudo apt install no-such-package"):
        checks.check_apt_requirements(["no-such-package"])
    with pytest.raises(ModuleNotFoundError, match="tensorrt"):
        checks.check_tensorrt()
    assert checks.check_pip_update_available() is False
    monkeypatch.setenv("YOLO_OFFLINE", "1")
    assert checks.check_latest_pypi_version("numpy") is None
    assert started == []


@pytest.mark.parametrize(
    ("torch_version", "vision", "fits"),
    [
        ("2.4.0", "0.19.1", True),
        ("2.4.0", "0.20.0", False),
        ("1.13.1", "0.14.1", True),
        ("2.15.0", "0.29.2", True),
        ("2.15.0", "0.28.0", False),
        ("2.15.0", "", True),
    ],
)
def test_torchvision_pairs(
    torch_version: str, vision: str, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"torch": torch_version, "torchvision": vision}
    monkeypatch.setattr(versions, "package_version", found.get)
    assert checks.check_torchvision() is fits


@pytest.mark.parametrize(
    ("file", "suffix"),
    [("a.pt", ".pt"), ("A.YAML", (".yaml", ".yml")), (["a.pt", "b.pt"], {".pt"}), ("", ".pt")],
)
def test_suffixes_that_pass(file: Any, suffix: Any) -> None:
    assert not checks.check_suffix(file, suffix)


@pytest.mark.parametrize(
    ("file", "suffix"), [("a.txt", ".pt"), ("noext", ".pt"), (["a.pt", "b.txt"], ".pt")]
)
def test_suffixes_that_fail(file: Any, suffix: Any) -> None:
    with pytest.raises(AssertionError, match=r"must end in \.pt"):
        checks.check_suffix(file, suffix)


def test_files_are_found_by_name_here_or_packaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert checks.check_file("default.yaml") == str(CFG_DIR / "default.yaml")
    assert checks.check_file("cfg/default.yaml") == str(CFG_DIR / "default.yaml")
    Path("default.yaml").write_text("")
    assert checks.check_file("default.yaml") == "default.yaml"
    assert checks.check_file("") == ""
    assert checks.check_file(tmp_path) == str(tmp_path)
    assert checks.check_file("rtsp://camera/1") == "rtsp://camera/1"
    assert checks.check_file("http://host/x.yaml", download=False) == "http://host/x.yaml"
    assert checks.check_file("absent.yaml", hard=False) == []
    with pytest.raises(FileNotFoundError, match=r"'absent\.yaml' does not exist"):
        checks.check_file("absent.yaml")
    with pytest.raises(FileNotFoundError, match="several files are called"):
        checks.check_file("__init__.py")
    with pytest.raises(AssertionError, match=r"must end in \.yaml, \.yml"):
        checks.check_yaml("picture.jpg")


def test_files_at_addresses_are_used_when_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YOLO_OFFLINE", "1")
    (tmp_path / "x.yaml").write_text("")
    found = checks.check_file("https://host/a/x.yaml?key=1", download_dir=tmp_path)
    assert found == str(tmp_path / "x.yaml")
    with pytest.raises(ConnectionError, match="YOLO_OFFLINE"):
        checks.check_file("gs://bucket/y.yaml", download_dir=tmp_path)


@pytest.mark.parametrize(
    ("data", "portable"),
    [
        ("coco8.yaml", True),
        ("http://x/y.yaml", True),
        ("/tmp", True),
        ("/no/such/x.yaml", False),
        ("rel/x.yaml", False),
        (None, False),
    ],
)
def test_portable_data(data: object, portable: bool) -> None:
    assert checks.check_data_portable(data) is portable


def test_safe_paths(tmp_path: Path) -> None:
    inside, outside = tmp_path / "base" / "f", tmp_path / "other"
    inside.parent.mkdir()
    inside.write_text("")
    outside.write_text("")
    (tmp_path / "base" / "link").symlink_to(outside)
    assert checks.check_is_path_safe(tmp_path / "base", inside)
    assert not checks.check_is_path_safe(tmp_path / "base", tmp_path / "base" / ".." / "other")
    assert not checks.check_is_path_safe(tmp_path / "base", tmp_path / "base" / "link")
    assert not checks.check_is_path_safe(tmp_path / "base", tmp_path / "base" / "absent")


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("https://platform.ultralytics.com/a/b/c?x=1", "ul://a/b/c"),
        ("ul://a/b/c", "ul://a/b/c"),
        ("https://example.com/a/b/c", "https://example.com/a/b/c"),
        ("x.pt", "x.pt"),
    ],
)
def test_service_addresses(uri: str, expected: str) -> None:
    assert checks.normalize_platform_uri(uri) == expected


def test_service_addresses_are_refused() -> None:
    with pytest.raises(NotAvailable, match="use a local file"):
        checks.check_file("ul://user/project/model")
    with pytest.raises(ValueError, match="not of the form"):
        checks.resolve_platform_uri("ul://user/project")
    assert checks.resolve_platform_uri("ul://a/b/c", hard=False) is None


def test_fonts_come_from_matplotlib_or_not_at_all() -> None:
    found = checks.check_font("DejaVuSans.ttf")
    assert found is not None
    assert Path(found).is_file()
    assert checks.check_font("NoSuchFont.ttf") is None


def test_print_args_shows_the_callers_arguments(caplog: pytest.LogCaptureFixture) -> None:
    def start(b: int, a: str = "x", *, c: str = "http://h/" + "y" * 120 + "?signature=1") -> None:
        local = 1  # noqa: F841  not an argument
        checks.print_args(show_func=True)

    with caplog.at_level(logging.INFO, "ultralytics"):
        start(2)
        checks.print_args({"z": 1, "y": 2}, show_file=False)
    first, second = caplog.messages
    assert first.endswith(f"a=x, b=2, c=http://h/{'y' * 120}")
    assert "test_checks: start: " in first
    assert second == "y=2, z=1"


def test_system_summary(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "ultralytics"):
        facts = checks.collect_system_info()
    assert list(facts) == [
        *("OS", "Environment", "Python", "Install", "Path", "RAM", "Disk", "CPU", "CPU count"),
        *("GPU", "GPU count", "CUDA", "Package Info"),
    ]
    assert f"{'Python':<23}{facts['Python']}" in caplog.messages


def test_small_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks.is_ascii("abc")
    assert not checks.is_ascii(["é"])
    assert checks.get_distribution_name("yaml") == "PyYAML"
    assert checks.get_distribution_name("no_such_module") == "no_such_module"
    monkeypatch.delenv("DISPLAY", raising=False)
    checks.check_imshow.cache_clear()
    if sys.platform.startswith("linux"):
        assert not checks.check_imshow()
    assert not checks.check_amp(torch.nn.Conv2d(3, 4, 3))  # the CPU trains in single precision
    assert checks.IS_PYTHON_MINIMUM_3_10
    assert not checks.IS_PYTHON_3_8
