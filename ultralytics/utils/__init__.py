"""Utilities. The public names of this package live in its modules and load on first use."""

from typing import TYPE_CHECKING, Any

from ultralytics._lazy import attach

if TYPE_CHECKING:
    from ultralytics.cfg.load import DEFAULT_CFG as DEFAULT_CFG
    from ultralytics.cfg.load import DEFAULT_CFG_DICT as DEFAULT_CFG_DICT
    from ultralytics.cfg.load import DEFAULT_CFG_KEYS as DEFAULT_CFG_KEYS
    from ultralytics.cfg.paths import DEFAULT_CFG_PATH as DEFAULT_CFG_PATH
    from ultralytics.utils.constants import DATASETS_DIR as DATASETS_DIR
    from ultralytics.utils.constants import DEVICE_MODEL as DEVICE_MODEL
    from ultralytics.utils.constants import ENVIRONMENT as ENVIRONMENT
    from ultralytics.utils.constants import FLOAT_OR_INT as FLOAT_OR_INT
    from ultralytics.utils.constants import GIT as GIT
    from ultralytics.utils.constants import IS_COLAB as IS_COLAB
    from ultralytics.utils.constants import IS_DEBIAN as IS_DEBIAN
    from ultralytics.utils.constants import IS_DEBIAN_BOOKWORM as IS_DEBIAN_BOOKWORM
    from ultralytics.utils.constants import IS_DEBIAN_TRIXIE as IS_DEBIAN_TRIXIE
    from ultralytics.utils.constants import IS_DOCKER as IS_DOCKER
    from ultralytics.utils.constants import IS_JETSON as IS_JETSON
    from ultralytics.utils.constants import IS_JUPYTER as IS_JUPYTER
    from ultralytics.utils.constants import IS_KAGGLE as IS_KAGGLE
    from ultralytics.utils.constants import IS_PIP_PACKAGE as IS_PIP_PACKAGE
    from ultralytics.utils.constants import IS_RASPBERRYPI as IS_RASPBERRYPI
    from ultralytics.utils.constants import IS_UBUNTU as IS_UBUNTU
    from ultralytics.utils.constants import ONLINE as ONLINE
    from ultralytics.utils.constants import RUNS_DIR as RUNS_DIR
    from ultralytics.utils.constants import SETTINGS_FILE as SETTINGS_FILE
    from ultralytics.utils.constants import STR_OR_PATH as STR_OR_PATH
    from ultralytics.utils.constants import TESTS_RUNNING as TESTS_RUNNING
    from ultralytics.utils.constants import TORCH_VERSION as TORCH_VERSION
    from ultralytics.utils.constants import TORCHVISION_VERSION as TORCHVISION_VERSION
    from ultralytics.utils.constants import USER_CONFIG_DIR as USER_CONFIG_DIR
    from ultralytics.utils.constants import WEIGHTS_DIR as WEIGHTS_DIR
    from ultralytics.utils.environment import ARGV as ARGV
    from ultralytics.utils.environment import ARM64 as ARM64
    from ultralytics.utils.environment import ASSETS as ASSETS
    from ultralytics.utils.environment import ASSETS_URL as ASSETS_URL
    from ultralytics.utils.environment import AUTOINSTALL as AUTOINSTALL
    from ultralytics.utils.environment import FILE as FILE
    from ultralytics.utils.environment import IS_VSCODE as IS_VSCODE
    from ultralytics.utils.environment import LINUX as LINUX
    from ultralytics.utils.environment import LOCAL_RANK as LOCAL_RANK
    from ultralytics.utils.environment import MACOS as MACOS
    from ultralytics.utils.environment import MACOS_VERSION as MACOS_VERSION
    from ultralytics.utils.environment import NOT_MACOS14 as NOT_MACOS14
    from ultralytics.utils.environment import NUM_THREADS as NUM_THREADS
    from ultralytics.utils.environment import PLATFORM_URL as PLATFORM_URL
    from ultralytics.utils.environment import PYTHON_VERSION as PYTHON_VERSION
    from ultralytics.utils.environment import RANK as RANK
    from ultralytics.utils.environment import RKNN_CHIPS as RKNN_CHIPS
    from ultralytics.utils.environment import ROOT as ROOT
    from ultralytics.utils.environment import SAFE_LOAD as SAFE_LOAD
    from ultralytics.utils.environment import VERBOSE as VERBOSE
    from ultralytics.utils.environment import WINDOWS as WINDOWS
    from ultralytics.utils.environment import WORLD_SIZE as WORLD_SIZE
    from ultralytics.utils.environment import env_bool as env_bool
    from ultralytics.utils.environment import get_ubuntu_version as get_ubuntu_version
    from ultralytics.utils.environment import is_colab as is_colab
    from ultralytics.utils.environment import is_debian as is_debian
    from ultralytics.utils.environment import is_dgx as is_dgx
    from ultralytics.utils.environment import is_dir_writeable as is_dir_writeable
    from ultralytics.utils.environment import is_docker as is_docker
    from ultralytics.utils.environment import is_github_action_running as is_github_action_running
    from ultralytics.utils.environment import is_jetson as is_jetson
    from ultralytics.utils.environment import is_jupyter as is_jupyter
    from ultralytics.utils.environment import is_kaggle as is_kaggle
    from ultralytics.utils.environment import is_online as is_online
    from ultralytics.utils.environment import is_pip_package as is_pip_package
    from ultralytics.utils.environment import is_pytest_running as is_pytest_running
    from ultralytics.utils.environment import is_raspberrypi as is_raspberrypi
    from ultralytics.utils.environment import is_runpod as is_runpod
    from ultralytics.utils.environment import is_ubuntu as is_ubuntu
    from ultralytics.utils.environment import read_device_model as read_device_model
    from ultralytics.utils.export_mixin import DataExportMixin as DataExportMixin
    from ultralytics.utils.logging import LOGGER as LOGGER
    from ultralytics.utils.logging import LOGGING_NAME as LOGGING_NAME
    from ultralytics.utils.logging import colorstr as colorstr
    from ultralytics.utils.logging import configure_logging as configure_logging
    from ultralytics.utils.logging import emojis as emojis
    from ultralytics.utils.logging import remove_colorstr as remove_colorstr
    from ultralytics.utils.logging import set_logging as set_logging
    from ultralytics.utils.misc import HELP_MSG as HELP_MSG
    from ultralytics.utils.misc import clean_url as clean_url
    from ultralytics.utils.misc import deprecation_warn as deprecation_warn
    from ultralytics.utils.misc import get_default_args as get_default_args
    from ultralytics.utils.misc import set_sentry as set_sentry
    from ultralytics.utils.misc import url2file as url2file
    from ultralytics.utils.misc import vscode_msg as vscode_msg
    from ultralytics.utils.namespace import IterableSimpleNamespace as IterableSimpleNamespace
    from ultralytics.utils.settings import SETTINGS as SETTINGS
    from ultralytics.utils.settings import JSONDict as JSONDict
    from ultralytics.utils.settings import SettingsManager as SettingsManager
    from ultralytics.utils.settings import get_user_config_dir as get_user_config_dir
    from ultralytics.utils.simple_class import SimpleClass as SimpleClass
    from ultralytics.utils.tqdm import TQDM as TQDM
    from ultralytics.utils.wrappers import Retry as Retry
    from ultralytics.utils.wrappers import ThreadingLocked as ThreadingLocked
    from ultralytics.utils.wrappers import TryExcept as TryExcept
    from ultralytics.utils.wrappers import plt_settings as plt_settings
    from ultralytics.utils.wrappers import threaded as threaded
    from ultralytics.utils.yaml_io import YAML as YAML
    from ultralytics.utils.yaml_io import yaml_load as yaml_load
    from ultralytics.utils.yaml_io import yaml_print as yaml_print
    from ultralytics.utils.yaml_io import yaml_save as yaml_save

_HOMES = {
    "cfg.load": "DEFAULT_CFG DEFAULT_CFG_DICT DEFAULT_CFG_KEYS",
    "cfg.paths": "DEFAULT_CFG_PATH",
    "utils.constants": (
        "DATASETS_DIR DEVICE_MODEL ENVIRONMENT FLOAT_OR_INT GIT IS_COLAB IS_DEBIAN "
        "IS_DEBIAN_BOOKWORM IS_DEBIAN_TRIXIE IS_DOCKER IS_JETSON IS_JUPYTER IS_KAGGLE "
        "IS_PIP_PACKAGE IS_RASPBERRYPI IS_UBUNTU ONLINE RUNS_DIR SETTINGS_FILE STR_OR_PATH "
        "TESTS_RUNNING TORCHVISION_VERSION TORCH_VERSION USER_CONFIG_DIR WEIGHTS_DIR"
    ),
    "utils.environment": (
        "ARGV ARM64 ASSETS ASSETS_URL AUTOINSTALL FILE IS_VSCODE LINUX LOCAL_RANK MACOS "
        "MACOS_VERSION NOT_MACOS14 NUM_THREADS PLATFORM_URL PYTHON_VERSION RANK RKNN_CHIPS ROOT "
        "SAFE_LOAD VERBOSE WINDOWS WORLD_SIZE env_bool get_ubuntu_version is_colab is_debian "
        "is_dgx is_dir_writeable is_docker is_github_action_running is_jetson is_jupyter "
        "is_kaggle is_online is_pip_package is_pytest_running is_raspberrypi is_runpod "
        "is_ubuntu read_device_model"
    ),
    "utils.export_mixin": "DataExportMixin",
    "utils.logging": (
        "LOGGER LOGGING_NAME colorstr configure_logging emojis remove_colorstr set_logging"
    ),
    "utils.misc": (
        "HELP_MSG clean_url deprecation_warn get_default_args set_sentry url2file vscode_msg"
    ),
    "utils.namespace": "IterableSimpleNamespace",
    "utils.settings": "JSONDict SETTINGS SettingsManager get_user_config_dir",
    "utils.simple_class": "SimpleClass",
    "utils.tqdm": "TQDM",
    "utils.wrappers": "Retry ThreadingLocked TryExcept plt_settings threaded",
    "utils.yaml_io": "YAML yaml_load yaml_print yaml_save",
}

_load, __dir__, __all__ = attach(
    __name__,
    {name: f"ultralytics.{home}" for home, names in _HOMES.items() for name in names.split()},
)

_LIVE = ("DATASETS_DIR", "RUNS_DIR", "WEIGHTS_DIR")  # settings decide, so the value is never kept


def __getattr__(name: str) -> Any:  # Any: each public name has its own type, declared above
    value = _load(name)
    if name in _LIVE:
        globals().pop(name, None)
    return value
