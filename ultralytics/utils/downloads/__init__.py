"""Downloads: files over HTTP, archives, published weights. Nothing connects before a call."""

from typing import TYPE_CHECKING

from ultralytics._lazy import attach

if TYPE_CHECKING:
    from ultralytics.utils.downloads.archives import check_disk_space as check_disk_space
    from ultralytics.utils.downloads.archives import delete_dsstore as delete_dsstore
    from ultralytics.utils.downloads.archives import unzip_file as unzip_file
    from ultralytics.utils.downloads.archives import zip_directory as zip_directory
    from ultralytics.utils.downloads.assets import GITHUB_ASSETS_NAMES as GITHUB_ASSETS_NAMES
    from ultralytics.utils.downloads.assets import GITHUB_ASSETS_REPO as GITHUB_ASSETS_REPO
    from ultralytics.utils.downloads.assets import GITHUB_ASSETS_STEMS as GITHUB_ASSETS_STEMS
    from ultralytics.utils.downloads.assets import attempt_download_asset as attempt_download_asset
    from ultralytics.utils.downloads.assets import get_github_assets as get_github_assets
    from ultralytics.utils.downloads.client import is_url as is_url
    from ultralytics.utils.downloads.drive import (
        get_google_drive_file_info as get_google_drive_file_info,
    )
    from ultralytics.utils.downloads.fetch import download as download
    from ultralytics.utils.downloads.fetch import safe_download as safe_download

_HOMES = {
    "archives": "check_disk_space delete_dsstore unzip_file zip_directory",
    "assets": "GITHUB_ASSETS_NAMES GITHUB_ASSETS_REPO GITHUB_ASSETS_STEMS attempt_download_asset get_github_assets",
    "client": "is_url",
    "drive": "get_google_drive_file_info",
    "fetch": "download safe_download",
}

__getattr__, __dir__, __all__ = attach(
    __name__,
    {name: f"{__name__}.{home}" for home, names in _HOMES.items() for name in names.split()},
)
