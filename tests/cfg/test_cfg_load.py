"""get_cfg: merging, types, ranges, names, and the record of what the user set."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ultralytics.cfg import DEFAULT_CFG, DEFAULT_CFG_DICT, cfg2dict, check_cfg, get_cfg
from ultralytics.cfg.load import check_dict_alignment
from ultralytics.cfg.schema import SETTINGS
from ultralytics.errors import ConfigError, ConfigTypeError, ConfigValueError
from ultralytics.utils.namespace import explicit_keys

CODED = [s for s in SETTINGS if s.kind not in ("own", "name")]


def value_of(**overrides: object) -> object:
    (name,) = overrides
    return getattr(get_cfg(overrides=overrides), name)


@pytest.mark.parametrize("setting", CODED, ids=lambda s: s.name)
def test_wrong_type(setting) -> None:
    wrong = 3 if setting.kind in ("text", "flag") else "five"
    with pytest.raises(ConfigTypeError, match=f"{setting.name}={wrong}"):
        get_cfg(overrides={setting.name: wrong})


@pytest.mark.parametrize("setting", CODED, ids=lambda s: s.name)
def test_none_only_where_it_means_something(setting) -> None:
    if setting.nullable:
        assert value_of(**{setting.name: None}) is None
    else:
        with pytest.raises(TypeError, match=setting.name):
            get_cfg(overrides={setting.name: None})


@pytest.mark.parametrize(
    "setting", [s for s in CODED if s.low is not None or s.high is not None], ids=lambda s: s.name
)
def test_range(setting) -> None:
    outside = [setting.low - 1] + ([setting.high + 1] if setting.high is not None else [])
    for value in outside:
        for hard in (True, False):
            with pytest.raises(ConfigValueError, match="out of range"):
                check_cfg({setting.name: value}, hard=hard)
    check_cfg({setting.name: setting.low})


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ({"epochs": 3.0}, 3),
        ({"epochs": np.int64(4)}, 4),
        ({"degrees": 45}, 45),
        ({"lr0": np.float32(0.5)}, 0.5),
        ({"mosaic": False}, 0.0),
        ({"optimizer": "adamw"}, "AdamW"),
        ({"auto_augment": None}, None),
        ({"scale": [0.5, 1.5]}, [0.5, 1.5]),
        ({"scale": (0.1, 9)}, (0.1, 9)),
        ({"fraction": 1}, 1.0),
        ({"fraction": 40}, 40),
        ({"fraction": [0.5, 1]}, [0.5, 1.0]),
        ({"fraction": [10, 5, 0]}, [10, 5, 0.0]),
        ({"amp": "BF16"}, "bf16"),
        ({"compile": "max-autotune"}, "max-autotune"),
        ({"quantize": "INT8"}, 8),
        ({"quantize": 16}, 16),
        ({"quantize": "w32a32"}, 32),
        ({"quantize": "W8A16"}, "w8a16"),
        ({"quantize": None}, None),
        ({"task": "semseg"}, "semantic"),
        ({"task": "segment"}, "segment"),
        ({"imgsz": [320, 640]}, [320, 640]),
        ({"imgsz": "640"}, "640"),
        ({"imgsz": 320.0}, 320),
        ({"cache": "RAM"}, "ram"),
        ({"freeze": [0, "23.cv2"]}, [0, "23.cv2"]),
        ({"project": 7}, "7"),
        ({"name": 2.5}, "2.5"),
        ({"format": "trt"}, "trt"),
        ({"batch": -1}, -1),
        ({"batch": 0.7}, 0.7),
        ({"classes": [0, 2.0]}, [0, 2]),
        ({"resume": Path("last.pt")}, Path("last.pt")),
        ({"kobj": 2.0}, 2.0),
        ({"workspace": 4.0}, 4.0),
    ],
    ids=str,
)
def test_accepted(given: dict[str, object], stored: object) -> None:
    value = value_of(**given)
    assert value == stored
    assert type(value) is type(stored)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"amp": None}, TypeError),
        ({"amp": 1}, TypeError),
        ({"amp": "fp8"}, ValueError),
        ({"scale": [1, 2, 3]}, TypeError),
        ({"scale": [1]}, TypeError),
        ({"scale": 1.5}, ValueError),
        ({"fraction": True}, TypeError),
        ({"fraction": 0}, ValueError),
        ({"fraction": 1.5}, ValueError),
        ({"fraction": [0.5]}, ValueError),
        ({"fraction": [0, 0.5]}, ValueError),
        ({"fraction": [0.5, -1]}, ValueError),
        ({"compile": 3}, TypeError),
        ({"quantize": 3}, ValueError),
        ({"epochs": True}, TypeError),
        ({"epochs": 2.5}, TypeError),
        ({"lr0": float("nan")}, ValueError),
        ({"cos_lr": 1}, TypeError),
        ({"task": "detct"}, ValueError),
        ({"mode": "tarin"}, ValueError),
        ({"format": "onnxx"}, ValueError),
        ({"optimizer": "SGDD"}, ValueError),
        ({"copy_paste_mode": "flop"}, ValueError),
        ({"cache": "xx"}, ValueError),
        ({"freeze": "abc"}, TypeError),
        ({"freeze": -1}, ValueError),
        ({"imgsz": "abc"}, ValueError),
        ({"imgsz": 320.5}, TypeError),
        ({"imgsz": -32}, ValueError),
        ({"batch": 16.5}, ValueError),
        ({"data": 5}, TypeError),
        ({"device": 0.5}, TypeError),
        ({"classes": 1.5}, TypeError),
        ({"embed": "x"}, TypeError),
        ({"pretrained": 3}, TypeError),
    ],
    ids=str,
)
def test_refused(given: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        get_cfg(overrides=given)
    assert "\n" not in str(caught.value)
    assert next(iter(given)) in str(caught.value)


def test_soft_check_converts() -> None:
    values: dict[str, object] = {"epochs": "7", "lr0": "0.1", "cos_lr": 1, "split": 3}
    check_cfg(values, hard=False)
    assert values == {"epochs": 7, "lr0": 0.1, "cos_lr": True, "split": "3"}


def test_unknown_names_are_listed_in_order_with_neighbours() -> None:
    with pytest.raises(ConfigError) as caught:
        get_cfg(overrides={"zzz": 1, "epochz": 2})
    first, second = str(caught.value).splitlines()
    assert first == "'epochz' is not a valid argument; similar: epochs=100"
    assert second == "'zzz' is not a valid argument"
    assert isinstance(caught.value, (SyntaxError, ValueError))


def test_neighbours_without_default_are_bare() -> None:
    with pytest.raises(SyntaxError, match="similar: source"):
        get_cfg(overrides={"sourc": "a.jpg"})


def test_alignment_keeps_the_cause_and_allows_extras() -> None:
    cause = RuntimeError("first")
    with pytest.raises(ConfigError) as caught:
        check_dict_alignment({"a": 1}, {"b": 1}, cause)
    assert caught.value.__cause__ is cause
    check_dict_alignment({"a": 1}, {"augmentations": [], "save_dir": "x"})
    check_dict_alignment({"a": 1}, {"b": 1}, allowed_custom_keys={"b"})


def test_namespace_holds_the_arguments_and_nothing_else() -> None:
    cfg = get_cfg(overrides={"epochs": 5})
    assert vars(cfg).keys() == DEFAULT_CFG_DICT.keys()
    assert get_cfg(overrides={"save_dir": "runs/x"}).save_dir == "runs/x"


def test_inputs_are_left_alone() -> None:
    overrides = {"half": True, "epochs": 3.0}
    before = copy.deepcopy(DEFAULT_CFG_DICT)
    get_cfg(overrides=overrides)
    assert overrides == {"half": True, "epochs": 3.0}
    assert before == DEFAULT_CFG_DICT


@pytest.mark.parametrize(
    ("cfg", "overrides", "explicit"),
    [
        (DEFAULT_CFG_DICT, None, set()),
        (DEFAULT_CFG, {"epochs": 100}, {"epochs"}),
        (DEFAULT_CFG_DICT, {"half": True}, {"quantize"}),
        ({**DEFAULT_CFG_DICT, "lr0": 0.5}, {"iou": 0.7}, {"lr0", "iou"}),
        (DEFAULT_CFG_DICT, DEFAULT_CFG, set()),
        (get_cfg(overrides={"box": 7.5}), {"cls": 0.5}, {"box", "cls"}),
        (DEFAULT_CFG_DICT, SimpleNamespace(epochs=1), {"epochs"}),
    ],
)
def test_what_the_user_set(cfg, overrides, explicit) -> None:
    assert explicit_keys(get_cfg(cfg, overrides)) == explicit


def test_a_partial_file_is_filled_and_checked(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text("lr0: 0.02\nepochs: 100\nlabel_smoothing: 0.0\n", encoding="utf-8")
    cfg = get_cfg(file)
    assert (cfg.lr0, cfg.imgsz) == (0.02, 640)
    assert explicit_keys(cfg) == {"lr0"}
    file.write_text("lr: 0.02\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="'lr' is not a valid argument"):
        get_cfg(str(file))


def test_name_model_takes_the_stem() -> None:
    assert get_cfg(overrides={"name": "model", "model": "a/yolo11n.pt"}).name == "yolo11n"


def test_cfg2dict() -> None:
    given = {"a": 1}
    assert cfg2dict(given) is given
    assert cfg2dict(SimpleNamespace(b=2)) == {"b": 2}
    with pytest.raises(TypeError):
        cfg2dict(3)  # type: ignore[arg-type]
