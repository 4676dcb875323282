"""From the words of a command line to arguments. Nothing is run, read from the network or evaluated as code.

Two notations may be mixed: `key=value` and GNU style (`--key value`, `--key=value`, `--flag`).
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ultralytics.cfg.deprecated import OLD_FLAGS
from ultralytics.cfg.load import DEFAULT_CFG_DICT, OUR_KEYS, check_dict_alignment
from ultralytics.cfg.paths import CFG_DIR
from ultralytics.cfg.schema import SETTINGS
from ultralytics.cfg.tables import MODES
from ultralytics.errors import ConfigError, NotAvailable
from ultralytics.registry import task_words
from ultralytics.utils.logging import LOGGER
from ultralytics.utils.yaml_io import YAML

__all__ = [
    "SPECIALS",
    "CommandLine",
    "EmptyValueError",
    "merge_equals_args",
    "parse_key_value_pair",
    "parse_words",
    "smart_value",
]

# Words that start a command instead of setting an argument.
SPECIALS = (
    "help",
    "checks",
    "check",
    "version",
    "settings",
    "cfg",
    "copy-cfg",
    "models",
    "profile",
    "login",
    "logout",
    "hub",
    "solutions",
)
_SHORT = {"-h": "help", "-v": "version", "setting": "settings", "solution": "solutions"}
_LATER_WORDS = frozenset({"tune"})
_FLAGS = frozenset(s.name for s in SETTINGS if s.kind == "flag") | OLD_FLAGS
_FLAG_NAMES = {s.name: s.choices for s in SETTINGS if s.kind == "flag"}
_BARE = frozenset(s.name for s in SETTINGS if isinstance(s.default, bool)) | OLD_FLAGS | {"nms"}
_TRUTH = frozenset({"true", "false", "none"})
_FILE_HINTS = {
    ".pt": "model",
    ".safetensors": "model",
    ".yaml": "data",
    ".yml": "data",
    ".jpg": "source",
    ".png": "source",
}


class EmptyValueError(ConfigError, AssertionError):
    """An argument without a value, as in `epochs=`."""


@dataclass
class CommandLine:
    """What the words ask for: a command with the words after it, or arguments of a mode."""

    overrides: dict[str, Any] = field(default_factory=dict)  # Any: values of arguments
    command: str = ""
    rest: tuple[str, ...] = ()


def merge_equals_args(args: Sequence[str]) -> list[str]:
    """Join words that a shell took apart: around a lone `=`, and inside square brackets.

    Raises:
        ConfigError: a bracket is never closed.
    """
    return list(_join_brackets(_join_equals(args)))


def _join_equals(args: Sequence[str]) -> list[str]:
    joined: list[str] = []
    position = 0
    while position < len(args):
        word = args[position]
        following = args[position + 1] if position + 1 < len(args) else None
        if word == "=" and joined:
            joined[-1] += "=" + (following or "")
            position += 2
        elif word.endswith("=") and following and "=" not in following:
            joined.append(word + following)
            position += 2
        elif word.startswith("=") and joined:
            joined[-1] += word
            position += 1
        else:
            joined.append(word)
            position += 1
    return joined


def _join_brackets(words: Sequence[str]) -> Iterator[str]:
    open_words: list[str] = []
    depth = 0
    for word in words:
        depth += word.count("[") - word.count("]")
        open_words.append(word)
        if depth == 0:
            yield "".join(open_words)
            open_words = []
    if open_words:
        raise ConfigError(f"the square brackets of '{open_words[0]}' do not match")


def smart_value(v: str) -> Any:  # Any: the value the text stands for
    """The value a text stands for: none, true and false in any case, Python literals, else the text.

    `module.NAME` gives a number of a module that is already imported, such as `cv2.COLORMAP_JET`.
    Text is never evaluated as code.
    """
    word = v.strip().lower()
    if word in _TRUTH:
        return {"true": True, "false": False, "none": None}[word]
    try:
        return ast.literal_eval(v)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return _module_number(v)


def _module_number(text: str) -> int | float | str:
    module, _, name = text.rpartition(".")
    if module in sys.modules and name.isupper():
        value = getattr(sys.modules[module], name, None)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return value
    return text


def parse_key_value_pair(pair: str) -> tuple[str, Any]:
    """Split at the first `=`. `name` and `project` stay text, other values go through `smart_value`.

    Raises:
        EmptyValueError: nothing stands after the `=`.
        ConfigError: nothing stands before it.
    """
    key, _, text = (part.strip() for part in pair.partition("="))
    if not key:
        raise ConfigError(f"'{pair}' has no argument name before the equals sign")
    if not text:
        raise EmptyValueError(f"'{pair}' has no value after the equals sign")
    if key in ("name", "project"):
        return key, None if text.lower() == "none" else text
    return key, smart_value(text)


def parse_words(words: Sequence[str]) -> CommandLine:
    """Read a command line from left to right. Stops at the first special command.

    Raises:
        ConfigError: a word or name that is not known; the text holds the nearest ones.
    """
    line = CommandLine()
    plain = _from_gnu(merge_equals_args(words))
    for position, raw in enumerate(plain):
        word = _without_comma(raw)
        command = "" if "=" in word else _command_of(word)
        is_flag = word in _BARE and "mode" in line.overrides  # as in `yolo train ... profile`
        if command and not _is_task_or_mode(word) and not is_flag:
            return CommandLine(line.overrides, command, tuple(plain[position + 1 :]))
        _take_word(word, line.overrides)
    return line


def _command_of(word: str) -> str:
    lowered = word.lower()
    bare = lowered.lstrip("-")
    if lowered in _SHORT or bare in _SHORT:
        return _SHORT.get(lowered) or _SHORT[bare]
    return bare if bare in SPECIALS and len(lowered) - len(bare) <= 2 else ""


def _is_task_or_mode(word: str) -> bool:
    return word in MODES or word in task_words()


def _without_comma(word: str) -> str:
    if word.endswith(",") and len(word) > 1:
        LOGGER.warning(f"the comma at the end of '{word}' is ignored; separate arguments by spaces")
        return word[:-1]
    return word


def _take_word(word: str, overrides: dict[str, Any]) -> None:
    if "=" in word:
        key, value = parse_key_value_pair(word)
        if key == "cfg" and value is not None:
            known = {k: v for k, v in _read_arguments(str(value)).items() if k != "cfg"}
            overrides.update({**known, **overrides})
        else:
            overrides[key] = value
    elif word in MODES:
        overrides["mode"] = word
    elif _is_task_or_mode(word):
        overrides["task"] = word
    elif word in _BARE:
        overrides[word] = True
    elif word in DEFAULT_CFG_DICT:
        raise ConfigError(f"'{word}' needs a value after an equals sign, as in {_example(word)}")
    else:
        raise _unknown_word(word)


def _example(key: str) -> str:
    default = DEFAULT_CFG_DICT[key]
    return f"{key}=..." if default is None else f"{key}={default}"


def _unknown_word(word: str) -> Exception:
    if word in _LATER_WORDS:
        return NotAvailable(
            f"'{word}' is not part of the command line; in Python: YOLO(...).{word}(data=...)"
        )
    key = _FILE_HINTS.get(Path(word).suffix.lower())
    if key:
        return ConfigError(f"'{word}' has no argument name; did you mean {key}={word}?")
    words = {*MODES, *task_words(), *SPECIALS}
    near = get_close_matches(word.lower(), sorted(words | DEFAULT_CFG_DICT.keys()))
    # A name may be both, as `profile` is a command and an argument.
    close = [name for name in near if name in words]
    close += [_example(name) for name in near if name in DEFAULT_CFG_DICT]
    hint = f"; similar: {', '.join(close)}" if close else "; see 'yolo help'"
    return ConfigError(f"'{word}' is not a valid argument{hint}")


def _read_arguments(file: str) -> dict[str, Any]:
    """Arguments of a `cfg=` file: a path, or the name of a file beside the packaged default.yaml."""
    found = next((p for p in (Path(file).expanduser(), CFG_DIR / file) if p.is_file()), None)
    if found is None:
        raise ConfigError(f"'cfg={file}' does not exist")
    try:
        values = YAML.load(found)
    except (ValueError, AssertionError) as error:
        raise ConfigError(f"'cfg={file}' cannot be used: {error}") from error
    check_dict_alignment(DEFAULT_CFG_DICT, values)
    return values


def _from_gnu(words: Sequence[str]) -> list[str]:
    """`--key value` and `--key=value` as `key=value`; other words unchanged."""
    plain: list[str] = []
    position = 0
    while position < len(words):
        word = words[position]
        following = words[position + 1] if position + 1 < len(words) else None
        position += 1
        if not word.startswith("--") or _command_word(word, following):
            plain.append(word)
            continue
        key, separator, value = word[2:].partition("=")
        key = key.replace("-", "_")
        if not separator and following is not None and _is_value_of(key, following):
            separator, value = "=", following
            position += 1
        plain.append(key + separator + value)
    return plain


def _command_word(word: str, following: str | None) -> bool:
    """Whether `--word` is a command. `--cfg` is one only when no file follows."""
    return bool(_command_of(word)) and not (word == "--cfg" and following is not None)


def _is_value_of(key: str, word: str) -> bool:
    """Whether the word after `--key` is its value rather than the next argument."""
    if key not in DEFAULT_CFG_DICT and key not in OUR_KEYS and key not in OLD_FLAGS:
        return False
    if word.startswith("--") or ("=" in word and word.partition("=")[0] in DEFAULT_CFG_DICT):
        return False
    if key in _FLAGS:
        return word.lower() in _TRUTH or word.lower() in _FLAG_NAMES.get(key, ())
    return key not in _BARE or not (_is_task_or_mode(word) or _command_of(word))
