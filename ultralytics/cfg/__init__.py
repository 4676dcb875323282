"""Arguments of every mode: defaults, checks, task tables and the command line."""

from typing import TYPE_CHECKING

from ultralytics._lazy import attach

if TYPE_CHECKING:
    from ultralytics.cfg.checks import QUANTIZE_ALIASES as QUANTIZE_ALIASES
    from ultralytics.cfg.cli.commands import copy_default_cfg as copy_default_cfg
    from ultralytics.cfg.cli.commands import entrypoint as entrypoint
    from ultralytics.cfg.cli.commands import handle_yolo_login as handle_yolo_login
    from ultralytics.cfg.cli.commands import handle_yolo_settings as handle_yolo_settings
    from ultralytics.cfg.cli.commands import handle_yolo_solutions as handle_yolo_solutions
    from ultralytics.cfg.cli.parse import merge_equals_args as merge_equals_args
    from ultralytics.cfg.cli.parse import parse_key_value_pair as parse_key_value_pair
    from ultralytics.cfg.cli.parse import smart_value as smart_value
    from ultralytics.cfg.load import DEFAULT_CFG as DEFAULT_CFG
    from ultralytics.cfg.load import DEFAULT_CFG_DICT as DEFAULT_CFG_DICT
    from ultralytics.cfg.load import DEFAULT_CFG_KEYS as DEFAULT_CFG_KEYS
    from ultralytics.cfg.load import cfg2dict as cfg2dict
    from ultralytics.cfg.load import check_cfg as check_cfg
    from ultralytics.cfg.load import check_dict_alignment as check_dict_alignment
    from ultralytics.cfg.load import get_cfg as get_cfg
    from ultralytics.cfg.paths import DEFAULT_CFG_PATH as DEFAULT_CFG_PATH
    from ultralytics.cfg.rundir import get_save_dir as get_save_dir
    from ultralytics.cfg.tables import CFG_BOOL_KEYS as CFG_BOOL_KEYS
    from ultralytics.cfg.tables import CFG_FLOAT_KEYS as CFG_FLOAT_KEYS
    from ultralytics.cfg.tables import CFG_FRACTION_KEYS as CFG_FRACTION_KEYS
    from ultralytics.cfg.tables import CFG_INT_KEYS as CFG_INT_KEYS
    from ultralytics.cfg.tables import CFG_INT_MIN as CFG_INT_MIN
    from ultralytics.cfg.tables import CFG_STR_KEYS as CFG_STR_KEYS
    from ultralytics.cfg.tables import MODES as MODES
    from ultralytics.cfg.tables import SOLUTION_MAP as SOLUTION_MAP
    from ultralytics.cfg.tables import TASK2CALIBRATIONDATA as TASK2CALIBRATIONDATA
    from ultralytics.cfg.tables import TASK2DATA as TASK2DATA
    from ultralytics.cfg.tables import TASK2METRIC as TASK2METRIC
    from ultralytics.cfg.tables import TASK2MODEL as TASK2MODEL
    from ultralytics.cfg.tables import TASKS as TASKS

_HOMES = {
    "checks": "QUANTIZE_ALIASES",
    "cli.commands": (
        "copy_default_cfg entrypoint handle_yolo_login handle_yolo_settings handle_yolo_solutions"
    ),
    "cli.parse": "merge_equals_args parse_key_value_pair smart_value",
    "deprecated": "_handle_deprecation",
    "load": (
        "DEFAULT_CFG DEFAULT_CFG_DICT DEFAULT_CFG_KEYS "
        "cfg2dict check_cfg check_dict_alignment get_cfg"
    ),
    "paths": "DEFAULT_CFG_PATH",
    "rundir": "get_save_dir",
    "tables": (
        "CFG_BOOL_KEYS CFG_FLOAT_KEYS CFG_FRACTION_KEYS CFG_INT_KEYS CFG_INT_MIN CFG_STR_KEYS "
        "MODES SOLUTION_MAP TASK2CALIBRATIONDATA TASK2DATA TASK2METRIC TASK2MODEL TASKS"
    ),
}

__getattr__, __dir__, _names = attach(
    __name__,
    {name: f"{__name__}.{home}" for home, names in _HOMES.items() for name in names.split()},
)
__all__ = [name for name in _names if not name.startswith("_")]
