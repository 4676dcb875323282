"""Checks of arguments, files, versions and the machine. None of them installs or changes anything."""

from typing import TYPE_CHECKING

from ultralytics._lazy import attach

if TYPE_CHECKING:
    from ultralytics.utils.checks.paths import REMOTE_FILE_PREFIXES as REMOTE_FILE_PREFIXES
    from ultralytics.utils.checks.paths import check_data_portable as check_data_portable
    from ultralytics.utils.checks.paths import check_file as check_file
    from ultralytics.utils.checks.paths import check_font as check_font
    from ultralytics.utils.checks.paths import check_is_path_safe as check_is_path_safe
    from ultralytics.utils.checks.paths import check_suffix as check_suffix
    from ultralytics.utils.checks.paths import check_yaml as check_yaml
    from ultralytics.utils.checks.paths import normalize_platform_uri as normalize_platform_uri
    from ultralytics.utils.checks.paths import resolve_platform_uri as resolve_platform_uri
    from ultralytics.utils.checks.sizes import check_imgsz as check_imgsz
    from ultralytics.utils.checks.system import check_amp as check_amp
    from ultralytics.utils.checks.system import check_imshow as check_imshow
    from ultralytics.utils.checks.system import check_uv as check_uv
    from ultralytics.utils.checks.system import check_yolo as check_yolo
    from ultralytics.utils.checks.system import collect_system_info as collect_system_info
    from ultralytics.utils.checks.system import cuda_device_count as cuda_device_count
    from ultralytics.utils.checks.system import cuda_is_available as cuda_is_available
    from ultralytics.utils.checks.system import is_ascii as is_ascii
    from ultralytics.utils.checks.system import is_intel as is_intel
    from ultralytics.utils.checks.system import is_rockchip as is_rockchip
    from ultralytics.utils.checks.system import is_sudo_available as is_sudo_available
    from ultralytics.utils.checks.system import print_args as print_args
    from ultralytics.utils.checks.system import rocm_is_available as rocm_is_available
    from ultralytics.utils.checks.versions import IS_PYTHON_3_8 as IS_PYTHON_3_8
    from ultralytics.utils.checks.versions import IS_PYTHON_3_12 as IS_PYTHON_3_12
    from ultralytics.utils.checks.versions import IS_PYTHON_MINIMUM_3_10 as IS_PYTHON_MINIMUM_3_10
    from ultralytics.utils.checks.versions import IS_PYTHON_MINIMUM_3_11 as IS_PYTHON_MINIMUM_3_11
    from ultralytics.utils.checks.versions import IS_PYTHON_MINIMUM_3_13 as IS_PYTHON_MINIMUM_3_13
    from ultralytics.utils.checks.versions import check_apt_requirements as check_apt_requirements
    from ultralytics.utils.checks.versions import (
        check_executorch_requirements as check_executorch_requirements,
    )
    from ultralytics.utils.checks.versions import (
        check_latest_pypi_version as check_latest_pypi_version,
    )
    from ultralytics.utils.checks.versions import check_multiple_install as check_multiple_install
    from ultralytics.utils.checks.versions import (
        check_pip_update_available as check_pip_update_available,
    )
    from ultralytics.utils.checks.versions import check_python as check_python
    from ultralytics.utils.checks.versions import check_requirements as check_requirements
    from ultralytics.utils.checks.versions import check_tensorrt as check_tensorrt
    from ultralytics.utils.checks.versions import check_torchvision as check_torchvision
    from ultralytics.utils.checks.versions import check_version as check_version
    from ultralytics.utils.checks.versions import get_distribution_name as get_distribution_name
    from ultralytics.utils.checks.versions import parse_requirements as parse_requirements
    from ultralytics.utils.checks.versions import parse_version as parse_version
    from ultralytics.utils.downloads.assets import (
        check_model_file_from_stem as check_model_file_from_stem,
    )
    from ultralytics.utils.downloads.assets import check_yolov5u_filename as check_yolov5u_filename

_HOMES = {
    "checks.paths": (
        "REMOTE_FILE_PREFIXES check_data_portable check_file check_font check_is_path_safe "
        "check_suffix check_yaml normalize_platform_uri resolve_platform_uri"
    ),
    "checks.sizes": "check_imgsz",
    "checks.system": (
        "check_amp check_imshow check_uv check_yolo collect_system_info cuda_device_count "
        "cuda_is_available is_ascii is_intel is_rockchip is_sudo_available print_args "
        "rocm_is_available"
    ),
    "checks.versions": (
        "IS_PYTHON_3_12 IS_PYTHON_3_8 IS_PYTHON_MINIMUM_3_10 IS_PYTHON_MINIMUM_3_11 "
        "IS_PYTHON_MINIMUM_3_13 check_apt_requirements check_executorch_requirements "
        "check_latest_pypi_version check_multiple_install check_pip_update_available "
        "check_python check_requirements check_tensorrt check_torchvision check_version "
        "get_distribution_name parse_requirements parse_version"
    ),
    "downloads.assets": "check_model_file_from_stem check_yolov5u_filename",
}

__getattr__, __dir__, __all__ = attach(
    __name__,
    {name: f"ultralytics.utils.{home}" for home, names in _HOMES.items() for name in names.split()},
)
