"""Published weights: their names, where they are, and how to have them locally."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from ultralytics.errors import DownloadError
from ultralytics.utils.downloads.client import open_url
from ultralytics.utils.downloads.fetch import safe_download
from ultralytics.utils.logging import LOGGER
from ultralytics.utils.misc import url2file

__all__ = [
    "GITHUB_ASSETS_NAMES",
    "GITHUB_ASSETS_REPO",
    "GITHUB_ASSETS_STEMS",
    "attempt_download_asset",
    "check_model_file_from_stem",
    "check_yolov5u_filename",
    "get_github_assets",
]

GITHUB_ASSETS_REPO = "ultralytics/assets"
RELEASE = "v8.4.0"
MIN_WEIGHTS_BYTES = 1e5

# (pattern of names with one size letter in place of "{}", sizes, endings)
_FAMILIES = (
    ("yolov8{}", "nsmlx", ("", "-cls", "-seg", "-pose", "-obb", "-oiv7")),
    ("yolo11{}", "nsmlx", ("", "-cls", "-seg", "-pose", "-obb")),
    ("yolo12{}", "nsmlx", ("",)),
    (
        "yolo26{}",
        "nsmlx",
        (
            *("", "-cls", "-seg", "-sem", "-pose", "-obb", "-depth"),
            *("-objv1-150", "-objv1-seg", "-distill", "-sem-ade20k"),
        ),
    ),
    ("yolov5{}", "nsmlx", ("u", "6u")),
    ("yolov8{}", "smlx", ("-world", "-worldv2")),
    ("yoloe-v8{}", "sml", ("-seg", "-seg-pf")),
    ("yoloe-11{}", "sml", ("-seg", "-seg-pf")),
    ("yoloe-26{}", "nsmlx", ("-seg", "-seg-pf")),
    ("yolov9{}", "tsmce", ("",)),
    ("yolov9{}", "ce", ("-seg",)),
    ("yolov10{}", "nsmblx", ("",)),
    ("yolo_nas_{}", "sml", ("",)),
    ("sam_{}", "bl", ("",)),
    ("sam2_{}", "blst", ("",)),
    ("sam2.1_{}", "blst", ("",)),
    ("FastSAM-{}", "sx", ("",)),
    ("rtdetr-{}", "lx", ("",)),
)
_SINGLES = (
    *("yolov3u", "yolov3-sppu", "yolov3-tinyu", "mobile_sam"),
    *("yolo11n-grayscale", "yolov8x-pose-p6"),
)
_OTHER_FILES = (
    *(f"yolo26{size}-reid.onnx" for size in "nsmlx"),
    *("mobileclip_blt.ts", "mobileclip2_b.ts"),
    "calibration_image_sample_data_20x128x128x3_float32.npy.zip",
)

GITHUB_ASSETS_NAMES: frozenset[str] = frozenset(
    [
        *(
            f"{pattern.format(size)}{ending}.pt"
            for pattern, sizes, endings in _FAMILIES
            for size in sizes
            for ending in endings
        ),
        *(f"{stem}.pt" for stem in _SINGLES),
        *_OTHER_FILES,
    ]
)
GITHUB_ASSETS_STEMS: frozenset[str] = frozenset(
    name.rpartition(".")[0] for name in GITHUB_ASSETS_NAMES
)

_ANCHOR_BASED = re.compile(r"(.*)(yolov5[nsmlx]6?|yolov3(?:-tiny|-spp)?)\.pt")
_ANCHOR_FREE_YAML = re.compile(r"(.*)(yolov5[nsmlx]6?|yolov3(?:-tiny|-spp)?)u\.yaml")


def check_yolov5u_filename(file: str, verbose: bool = True) -> str:
    """Name of the anchor-free counterpart of an old YOLOv5 or YOLOv3 file.

    `yolov5n.pt` becomes `yolov5nu.pt`; `yolov5nu.yaml` becomes `yolov5n.yaml`, because there is one
    architecture file for both. Every other name is returned unchanged.
    """
    text = str(file)
    if match := _ANCHOR_FREE_YAML.fullmatch(text):
        return f"{match[1]}{match[2]}.yaml"
    if match := _ANCHOR_BASED.fullmatch(text):
        renamed = f"{match[1]}{match[2]}u.pt"
        if verbose:
            LOGGER.info(f"Using {renamed}, the anchor-free version of {text}.")
        return renamed
    return text


def check_model_file_from_stem(model: str | Path = "yolo11n") -> str | Path:
    """Path with suffix .pt for the bare name of published weights; anything else unchanged."""
    path = Path(model)
    return (
        path.with_suffix(".pt") if not path.suffix and path.stem in GITHUB_ASSETS_STEMS else model
    )


def weights_address(repo: str = GITHUB_ASSETS_REPO, release: str = RELEASE) -> str:
    """Base address of published weights: the setting `weights_url`, else the release on GitHub."""
    from ultralytics.utils.settings import SETTINGS  # read on use, not at import

    chosen = SETTINGS.get("weights_url")
    return (
        str(chosen).rstrip("/")
        if chosen
        else f"https://github.com/{repo}/releases/download/{release}"
    )


def attempt_download_asset(
    file: str | Path,
    repo: str = GITHUB_ASSETS_REPO,
    release: str = RELEASE,
    **kwargs: Any,  # Any: arguments of safe_download
) -> str:
    """Local path of weights, downloaded into the weights folder if they are published ones.

    A file that exists here or in the weights folder is used. An http address is downloaded into the
    working directory. The release is only asked for its list of files when another repository or
    release is named. An unknown name is returned unchanged.

    Raises:
        DownloadError: a published file could not be fetched.
    """
    from ultralytics.utils.settings import SETTINGS  # read on use, not at import

    text = check_yolov5u_filename(str(file).strip().replace("'", ""))
    path, weights_dir = Path(text), Path(SETTINGS["weights_dir"])
    if path.exists():
        return str(path)
    if (weights_dir / path.name).is_file() and len(path.parts) == 1:
        return str(weights_dir / path.name)
    options: dict[str, Any] = {"min_bytes": MIN_WEIGHTS_BYTES, "unzip": False, **kwargs}
    if text.startswith(("http://", "https://", "http:/", "https:/")):
        return _download_address(text, options)
    is_known = path.name in GITHUB_ASSETS_NAMES
    if (repo, release) != (GITHUB_ASSETS_REPO, RELEASE) and not is_known:
        release, names = get_github_assets(repo, release)
        is_known = path.name in names
    if not is_known:
        return text
    target = path if len(path.parts) > 1 else weights_dir / path.name
    url = f"{weights_address(repo, release)}/{path.name}"
    return str(safe_download(url, target.name, target.parent, **options))


def _download_address(text: str, options: dict[str, Any]) -> str:
    url = re.sub(r"^(https?):/(?!/)", r"\1://", text)  # Path() folds the double slash
    name = url2file(url)
    if Path(name).is_file():
        LOGGER.info(f"Using {name}, which is already here, for {url}.")
        return name
    return str(safe_download(url, name, **options))


def get_github_assets(
    repo: str = GITHUB_ASSETS_REPO, version: str = "latest", retry: bool = False
) -> tuple[str, list[str]]:
    """Tag and file names of a release on GitHub; (“”, []) when there is no such release.

    Args:
        repo: "owner/name".
        version: tag, or "latest".
        retry: ask once more after a failure.

    Raises:
        DownloadError: GitHub could not be reached.
    """
    selector = version if version == "latest" else f"tags/{version}"
    url = f"https://api.github.com/repos/{repo}/releases/{selector}"
    try:
        with open_url(url, timeout=10) as response:
            release = json.load(response)
    except (OSError, ValueError) as error:
        if retry and not isinstance(error, DownloadError):
            return get_github_assets(repo, version)
        if getattr(error, "code", None) == 404:
            return "", []
        raise DownloadError(f"GitHub does not answer for {url}: {error}") from error
    return release["tag_name"], [asset["name"] for asset in release["assets"]]
