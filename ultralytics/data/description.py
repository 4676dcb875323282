"""Data set descriptions: find the YAML of `data=...`, check it, resolve its paths, make sure the images are there.

Paths in the result are absolute. A description is never executed: shell or Python text under `download` is refused with
an explanation, archives are fetched, `generator` names a sample set that is rendered on this computer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ultralytics.data.problems import (
    AmbiguousDataset,
    DescriptionKeyError,
    DescriptionSyntaxError,
    DescriptionTypeError,
)
from ultralytics.errors import DatasetNotFound, NotAvailable, nearest
from ultralytics.utils.logging import LOGGER

__all__ = [
    "check_class_names",
    "check_det_dataset",
    "convert_ndjson_to_yolo_if_needed",
    "datasets_dir",
    "fetch_dataset",
    "find_dataset_yaml",
    "in_words",
    "unpack_dataset",
]

Description = dict[str, Any]  # Any: YAML values
WORDNET = "n0"  # start of names that are WordNet ids
YAML_SUFFIXES = (".yaml", ".yml")
ARCHIVE_SUFFIXES = (".zip", ".tar", ".gz", ".tgz", ".xz", ".bz2", ".txz", ".tbz2")
SPLIT_KEYS = ("train", "val", "test", "minival")
KEY_TYPES: dict[str, tuple[type, ...]] = {
    "path": (str, Path),
    "train": (str, Path, list, tuple),
    "val": (str, Path, list, tuple),
    "test": (str, Path, list, tuple),
    "names": (list, tuple, dict),
    "kpt_shape": (list, tuple),
    "flip_idx": (list, tuple),
}


def check_det_dataset(
    dataset: str | Path,
    autodownload: bool = True,
    split: str = "",
    *,
    required: Sequence[str] | None = None,
) -> Description:
    """Resolve and check the description of a data set with label files (spec 30, 1.4).

    Args:
        dataset: YAML file or its bare name, folder with one YAML, archive, or address of one of these.
        autodownload: fetch or render missing images.
        split: the split about to be used; it must exist and is the one whose images are looked for.
        required: splits whose images must be there; default: `split`, or val.

    Returns:
        The YAML's content with absolute `path` and splits, `names` as {0: name, ...}, `nc`, `channels`
        and `yaml_file`.

    Raises:
        DatasetNotFound: no such description, split or images; every missing path is listed.
        DescriptionSyntaxError, DescriptionTypeError, DescriptionKeyError: a bad description.
    """
    file, unpacked = _locate(str(dataset))
    data = _load(file)
    _check_types(data, file)
    _check_splits(data, file, split)
    _check_names(data, file)
    written = {key: data[key] for key in SPLIT_KEYS if data.get(key)}
    data["path"] = unpacked or _find_root(data.get("path"), file.parent, written)
    _resolve_splits(data, written)
    data["channels"] = data.get("channels") or 3
    wanted = tuple(required) if required is not None else (split or "val",)
    if _missing(data, wanted) or (autodownload and data.get("generator")):
        _provide(data, written, wanted, autodownload and unpacked is None)
    if data.get("masks_dir") is None and (data["path"] / "masks").is_dir():
        data["masks_dir"] = "masks"
    return data


# ------------------------------------------------------------------------------------------ the file


def _locate(dataset: str) -> tuple[Path, Path | None]:
    """(YAML file, root of an unpacked archive or None) of whatever the user named."""
    address = dataset.split("?", 1)[0].lower()
    if address.endswith(".ndjson") or dataset.startswith("ul://"):
        raise NotAvailable(
            f"data={dataset!r}: NDJSON and hosted data sets are not available in this version"
        )
    if "://" in dataset:
        local = fetch_dataset(dataset)
    else:
        local = Path(dataset)
        if not local.exists():
            local = _search(dataset)
    if local.is_dir():
        return find_dataset_yaml(local), None
    if local.suffix.lower() in ARCHIVE_SUFFIXES:
        folder = unpack_dataset(local)
        file = find_dataset_yaml(folder)
        return file, file.parent
    if local.suffix.lower() not in YAML_SUFFIXES:
        raise DatasetNotFound(f"data={dataset!r} is not a YAML file, a folder or an archive")
    return local, None


def _search(dataset: str) -> Path:
    """A description by name: here, among the built-in ones, then below the data sets folder."""
    from ultralytics.cfg.paths import DATASETS_CFG_DIR

    name = Path(dataset)
    names = [name]
    if name.suffix.lower() not in YAML_SUFFIXES:
        names += [Path(f"{dataset}{suffix}") for suffix in YAML_SUFFIXES]
    places = (Path(), DATASETS_CFG_DIR, datasets_dir())
    for candidate in (place / one for one in names for place in places):
        if candidate.exists() and (candidate.is_file() or candidate.parent != DATASETS_CFG_DIR):
            return candidate
    known = sorted(file.stem for file in DATASETS_CFG_DIR.glob("*.yaml"))
    hint = nearest(name.stem, known)
    raise DatasetNotFound(
        f"data set {dataset!r} not found{hint}; looked in {Path.cwd()}, the built-in descriptions "
        f"and {datasets_dir()}"
    )


def find_dataset_yaml(path: str | Path) -> Path:
    """The one description in a folder: `*.yaml` in it, else anywhere below, else the same with `*.yml`.

    Several are reduced to those named like the folder.

    Raises:
        AmbiguousDataset: none, or more than one.
    """
    folder = Path(path)
    found: list[Path] = []
    for suffix in YAML_SUFFIXES:
        found = found or sorted(folder.glob(f"*{suffix}")) or sorted(folder.rglob(f"*{suffix}"))
    if not found:
        raise AmbiguousDataset(f"no YAML file in {folder.resolve()}")
    if len(found) > 1:
        found = [file for file in found if file.stem == folder.name] or found
    if len(found) > 1:
        listing = ", ".join(str(file) for file in found[:5])
        raise AmbiguousDataset(
            f"{len(found)} YAML files in {folder.resolve()}, name one: {listing}"
        )
    return found[0]


def fetch_dataset(url: str) -> Path:
    """Have what an address names: an archive in the data sets folder, anything else in the working directory."""
    from ultralytics.utils.downloads import safe_download

    name = Path(url.split("?", 1)[0]).name
    target = datasets_dir() if name.lower().endswith(ARCHIVE_SUFFIXES) else Path()
    target.mkdir(parents=True, exist_ok=True)
    return safe_download(url, dir=target, unzip=False)


def unpack_dataset(archive: Path, delete: bool = False) -> Path:
    """Folder below the data sets folder to which an archive was unpacked; `delete` removes the archive."""
    from ultralytics.utils.downloads import safe_download

    folder = datasets_dir()
    folder.mkdir(parents=True, exist_ok=True)
    return safe_download(archive, dir=folder, unzip=True, delete=delete)


def datasets_dir() -> Path:
    """Folder of data sets, from the settings."""
    from ultralytics.utils.settings import SETTINGS

    return Path(SETTINGS["datasets_dir"])


def _load(file: Path) -> Description:
    from ultralytics.utils.yaml_io import YAML

    try:
        return YAML.load(file, append_filename=True)
    except ValueError as error:
        raise DescriptionSyntaxError(f"{file}: {error}") from error


# ------------------------------------------------------------------------------------- its content


def _check_types(data: Description, file: Path) -> None:
    for key, allowed in KEY_TYPES.items():
        value = data.get(key)
        if value is not None and not isinstance(value, allowed):
            names = " or ".join(
                dict.fromkeys(kind.__name__ for kind in allowed if kind is not Path)
            )
            raise DescriptionTypeError(
                f"{file}: '{key}' must be {names}, not {type(value).__name__}"
            )


def _check_splits(data: Description, file: Path, split: str) -> None:
    if "val" not in data and "validation" in data:
        LOGGER.warning(f"{file}: key 'validation' is read as 'val'")
        data["val"] = data.pop("validation")
    for key in ("train", "val"):
        if key not in data:
            raise DescriptionSyntaxError(
                f"{file}: key '{key}' is missing; 'train' and 'val' are required"
            )
    if split and not data.get(split):
        raise DatasetNotFound(f"{file}: '{split}:' images not found, the key is missing or empty")


def _check_names(data: Description, file: Path) -> None:
    """Settle `names` and `nc`."""
    names, count = data.get("names"), None
    if names is None and "nc" not in data:
        raise DescriptionSyntaxError(f"{file}: 'names' or 'nc' is required")
    if "nc" in data:
        count = _whole_number(data["nc"])
        if count is None:
            raise DescriptionSyntaxError(f"{file}: 'nc' must be a whole number, not {data['nc']!r}")
    if names is not None and count is not None and len(names) != count:
        raise DescriptionSyntaxError(f"{file}: {len(names)} names for nc={count}")
    if names is None:
        names = [f"class_{i}" for i in range(count or 0)]
    data["nc"] = len(names)
    try:
        data["names"] = check_class_names(names)
    except (KeyError, ValueError, TypeError) as error:
        raise DescriptionKeyError(f"{file}: {error}") from error


def _whole_number(value: Any) -> int | None:  # Any: a YAML value
    """10, "10" and 10.0 as 10; anything else as None."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return int(number) if number.is_integer() else None


def check_class_names(
    names: Sequence[Any] | Mapping[Any, Any],
) -> dict[int, str]:  # Any: YAML values
    """Class names as {0: name, ..., n - 1: name}; WordNet ids become words.

    Raises:
        DescriptionKeyError: no name, or ids that are not 0 to n - 1.
    """
    pairs = names.items() if isinstance(names, Mapping) else enumerate(names)
    try:
        result = {int(key): str(value) for key, value in pairs}
    except (TypeError, ValueError):
        raise DescriptionKeyError(
            f"class ids must be whole numbers, got {list(names)[:5]}"
        ) from None
    n = len(result)
    if not n:
        raise DescriptionKeyError("'names' is empty; at least one class is needed")
    if sorted(result) != list(range(n)):
        missing = [i for i in range(n) if i not in result][:5]
        raise DescriptionKeyError(
            f"{n} names need the ids 0 to {n - 1}, got {min(result)} to {max(result)} (missing: {missing})"
        )
    return in_words(result) if result[0].startswith(WORDNET) else result


def in_words(names: Mapping[int, str]) -> dict[int, str]:
    """The same names with WordNet ids such as n01440764 replaced by words; ids that are not known stay."""
    from ultralytics.cfg.paths import DATASETS_CFG_DIR
    from ultralytics.utils.yaml_io import YAML

    words = YAML.load(DATASETS_CFG_DIR / "ImageNet.yaml")["map"]
    return {i: str(words.get(name, name)) for i, name in names.items()}


# ----------------------------------------------------------------------------------------- its paths


def _find_root(path: str | Path | None, home: Path, written: Mapping[str, Any]) -> Path:
    """Folder that split paths are relative to.

    Without `path` it is the YAML's own folder. A relative `path` is looked for from the working directory, in
    the data sets folder and beside the YAML; the first place that holds a listed split wins, then the first
    that exists, then the data sets folder.
    """
    if path is None or not str(path):
        return home.resolve()
    root = Path(path)
    if root.is_absolute():
        return root
    stored = (datasets_dir() / root).resolve()
    places = [place for place in (root, stored, (home / root).resolve()) if place.exists()]
    for place in places:
        if any(Path(_resolve(place, entry)).exists() for entry in _entries(written)):
            return place
    return places[0] if places else stored


def _entries(value: Any) -> list[str]:  # Any: split values
    """All single paths of one split or of a mapping of splits."""
    if isinstance(value, Mapping):
        return [entry for item in value.values() for entry in _entries(item)]
    return [str(item) for item in value] if isinstance(value, (list, tuple)) else [str(value)]


def _resolve(root: Path, entry: str) -> str:
    """Absolute path of one split entry; "../" is dropped where only that finds it."""
    resolved = (root / entry).resolve()
    if not resolved.exists() and entry.startswith("../"):
        resolved = (root / entry[3:]).resolve()
    return str(resolved)


def _resolve_splits(data: Description, written: Mapping[str, Any]) -> None:
    root = data["path"]
    for key, value in written.items():
        if isinstance(value, (list, tuple)):
            data[key] = [str((root / str(entry)).resolve()) for entry in value]
        else:
            data[key] = _resolve(root, str(value))


def _missing(data: Description, splits: Sequence[str]) -> list[str]:
    """Paths of the splits that do not exist."""
    listed = [entry for split in splits if data.get(split) for entry in _entries(data[split])]
    return [entry for entry in listed if not Path(entry).exists()]


def _provide(
    data: Description, written: Mapping[str, Any], wanted: Sequence[str], allowed: bool
) -> None:
    """Render or download what is missing, then look again."""
    recipe = data.get("download")
    if allowed and data.get("generator"):
        from ultralytics.data.samples import ensure_sample

        data["path"] = ensure_sample(str(data["generator"]))
    elif allowed and recipe:
        _download(str(recipe), data)
    _resolve_splits(data, written)
    missing = _missing(data, wanted)
    if missing:
        others = [path for path in _missing(data, SPLIT_KEYS) if path not in missing]
        also = f" (also missing: {', '.join(others)})" if others else ""
        raise DatasetNotFound(
            f"{data['yaml_file']}: images not found, missing path {', '.join(missing)}{also}. Paths are relative "
            f"to {data['path']}; set 'path' in the YAML, or the datasets_dir setting ({datasets_dir()})"
        )


def _download(recipe: str, data: Description) -> None:
    """Fetch and unpack an archive; anything that would have to be executed is refused."""
    is_archive = recipe.startswith("http") and recipe.split("?", 1)[0].lower().endswith(
        ARCHIVE_SUFFIXES
    )
    if not is_archive:
        first = recipe.strip().splitlines()[0][:80]
        raise DatasetNotFound(
            f"{data['yaml_file']}: images not found at {data.get('val')}, and its 'download' is a script, which is "
            f"not run for safety ({first!r} ...). Download the data yourself to {data['path']}"
        )
    from ultralytics.utils.downloads import safe_download

    LOGGER.warning(
        f"images of {data['yaml_file']} not found, downloading {recipe.split('?', 1)[0]}"
    )
    folder = datasets_dir()
    folder.mkdir(parents=True, exist_ok=True)
    safe_download(recipe, dir=folder, unzip=True, delete=True)


# --------------------------------------------------------------------------------- later additions


def convert_ndjson_to_yolo_if_needed(
    data: Any, fraction: float = 1.0, *, split: str | None = None
) -> Any:  # Any: whatever `data=` accepts
    """Pass the value through; NDJSON and hosted data sets raise NotAvailable."""
    text = str(data)
    if text.split("?", 1)[0].endswith(".ndjson") or (
        text.startswith("ul://") and "/datasets/" in text
    ):
        raise NotAvailable(
            f"data={text!r}: NDJSON and hosted data sets are not available in this version"
        )
    return data
