"""Reading, writing and showing YAML files with the safe loader and dumper."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ultralytics.utils.files import atomic_write
from ultralytics.utils.logging import LOGGER

__all__ = ["YAML", "yaml_load", "yaml_print", "yaml_save"]

SUFFIXES = (".yaml", ".yml")
# Everything outside the printable set of YAML 1.2, section 5.1.
UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+")


@cache
def _loader() -> Any:  # Any: PyYAML's C and Python classes share no typed base
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def _dumper() -> Any:  # Any: as above
    import yaml

    base = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    dumper: Any = type("Dumper", (base,), {})
    # Number subclasses (numpy scalars) stay numbers; whatever YAML has no form for becomes its text.
    dumper.add_multi_representer(int, lambda d, v: d.represent_int(int(v)))
    dumper.add_multi_representer(float, lambda d, v: d.represent_float(float(v)))
    dumper.add_multi_representer(dict, lambda d, v: d.represent_dict(dict(v)))
    dumper.add_multi_representer(object, _represent_other)
    return dumper


def _represent_other(dumper: Any, value: Any) -> Any:  # Any: PyYAML nodes and foreign objects
    """Array scalars as the number they hold, everything else as its text."""
    is_scalar = getattr(value, "shape", None) == () and hasattr(value, "item")
    return dumper.represent_data(value.item()) if is_scalar else dumper.represent_str(str(value))


def _parse(text: str, file: Path) -> Any:  # Any: a YAML document may be of any type
    import yaml

    try:
        return yaml.load(text, _loader())  # the loader is the safe one
    except yaml.YAMLError as first:
        try:
            return yaml.load(UNPRINTABLE.sub("", text), _loader())
        except yaml.YAMLError:
            raise ValueError(f"{file} is not valid YAML: {first}") from first


class YAML:
    """Safe YAML files. Key order and Unicode are kept."""

    @classmethod
    def dump(cls, data: Mapping[str, Any]) -> str:
        """Block-style text of a mapping."""
        import yaml

        return yaml.dump(
            dict(data),
            Dumper=_dumper(),
            sort_keys=False,
            allow_unicode=True,
            default_flow_style=False,
        )

    @classmethod
    def save(
        cls,
        file: str | Path = "data.yaml",
        data: Mapping[str, Any] | None = None,
        header: str = "",
    ) -> None:
        """Write a mapping, creating parent folders. Values YAML cannot express are written as text."""
        path = Path(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, header + cls.dump(data or {}))

    @classmethod
    def load(cls, file: str | Path = "data.yaml", append_filename: bool = False) -> dict[str, Any]:
        """Read a mapping. An empty file is an empty mapping; the text "None" is read as None.

        Args:
            file: path ending in .yaml or .yml.
            append_filename: add the path under the key `yaml_file`.

        Raises:
            AssertionError: the suffix is another.
            ValueError: the text is not YAML or not a mapping.
        """
        path = Path(file)
        if path.suffix.lower() not in SUFFIXES:
            raise AssertionError(f"{file} is not a YAML file: its name must end in .yaml or .yml")
        data = _parse(path.read_text(encoding="utf-8", errors="ignore"), path)
        if data is None:
            data = {}
        if not isinstance(data, dict):
            raise ValueError(
                f"{path} must hold a mapping of keys, but holds a {type(data).__name__}"
            )
        data = {key: None if value == "None" else value for key, value in data.items()}
        if append_filename:
            data["yaml_file"] = str(file)
        return data

    @classmethod
    def print(cls, yaml_file: str | Path | Mapping[str, Any]) -> None:
        """Log a mapping, or the content of a file, as YAML."""
        if isinstance(yaml_file, Mapping):
            LOGGER.info(f"Printing mapping:\n{cls.dump(yaml_file)}")
        else:
            LOGGER.info(f"Printing '{yaml_file}':\n{cls.dump(cls.load(yaml_file))}")


yaml_load = YAML.load
yaml_save = YAML.save
yaml_print = YAML.print
