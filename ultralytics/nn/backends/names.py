"""Class names that come with a network or a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ultralytics.data.description import WORDNET, in_words

__all__ = ["check_class_names", "default_class_names"]

PLACEHOLDER_CLASSES = 999


def check_class_names(names: Mapping[int | str, object] | Sequence[object]) -> dict[int, str]:
    """Class names as a table from index to text; WordNet ids become words.

    Raises:
        KeyError: the table is empty, or an index is not below the number of names.
    """
    pairs = names.items() if isinstance(names, Mapping) else enumerate(names)
    table = {int(index): str(name) for index, name in pairs}
    count = len(table)
    if not count:
        raise KeyError("the table of class names is empty")
    if max(table) >= count:
        raise KeyError(
            f"{count}-class dataset requires class indices 0-{count - 1}, but you have invalid class indices "
            f"{min(table)}-{max(table)} defined in your dataset YAML."
        )
    if table.get(0, "").startswith(WORDNET):
        return in_words(table)
    return table


def default_class_names(data: str | Path | None = None) -> dict[int, str]:
    """Names from a data set description, or class0, class1, ... when there is none.

    Args:
        data: name or path of a YAML file with a `names` entry.

    Raises:
        FileNotFoundError: the file does not exist.
    """
    if data:
        from ultralytics.utils.checks import check_yaml
        from ultralytics.utils.yaml_io import YAML

        names = YAML.load(check_yaml(data)).get("names")
        if names:
            return check_class_names(names)
    return {index: f"class{index}" for index in range(PLACEHOLDER_CLASSES)}
