"""Helpers around torch: devices, seeds, model averages, weights, measurements."""

from typing import TYPE_CHECKING, Any

from ultralytics._lazy import attach
from ultralytics.utils.torch_utils.versions import FLAGS

if TYPE_CHECKING:
    from ultralytics.engine.trainer.checkpoint import strip_optimizer as strip_optimizer
    from ultralytics.utils.ops import make_divisible as make_divisible
    from ultralytics.utils.torch_utils.device import autocast as autocast
    from ultralytics.utils.torch_utils.device import cuda_memory_usage as cuda_memory_usage
    from ultralytics.utils.torch_utils.device import get_cpu_info as get_cpu_info
    from ultralytics.utils.torch_utils.device import get_gpu_info as get_gpu_info
    from ultralytics.utils.torch_utils.device import (
        get_torch_device_backend as get_torch_device_backend,
    )
    from ultralytics.utils.torch_utils.device import parse_device as parse_device
    from ultralytics.utils.torch_utils.device import select_device as select_device
    from ultralytics.utils.torch_utils.device import smart_inference_mode as smart_inference_mode
    from ultralytics.utils.torch_utils.device import time_sync as time_sync
    from ultralytics.utils.torch_utils.device import (
        torch_distributed_zero_first as torch_distributed_zero_first,
    )
    from ultralytics.utils.torch_utils.ema import ModelEMA as ModelEMA
    from ultralytics.utils.torch_utils.fusion import fuse_conv_and_bn as fuse_conv_and_bn
    from ultralytics.utils.torch_utils.fusion import fuse_deconv_and_bn as fuse_deconv_and_bn
    from ultralytics.utils.torch_utils.info import get_flops as get_flops
    from ultralytics.utils.torch_utils.info import get_num_gradients as get_num_gradients
    from ultralytics.utils.torch_utils.info import get_num_params as get_num_params
    from ultralytics.utils.torch_utils.info import model_info as model_info
    from ultralytics.utils.torch_utils.info import model_info_for_loggers as model_info_for_loggers
    from ultralytics.utils.torch_utils.initial import initialize_weights as initialize_weights
    from ultralytics.utils.torch_utils.initial import intersect_dicts as intersect_dicts
    from ultralytics.utils.torch_utils.initial import scale_img as scale_img
    from ultralytics.utils.torch_utils.precision import attempt_compile as attempt_compile
    from ultralytics.utils.torch_utils.quantization import is_qat as is_qat
    from ultralytics.utils.torch_utils.quantization import prepare_qat as prepare_qat
    from ultralytics.utils.torch_utils.quantization import qat_state as qat_state
    from ultralytics.utils.torch_utils.quantization import restore_qat as restore_qat
    from ultralytics.utils.torch_utils.quantization import strip_qat as strip_qat
    from ultralytics.utils.torch_utils.rates import one_cycle as one_cycle
    from ultralytics.utils.torch_utils.seeds import init_seeds as init_seeds
    from ultralytics.utils.torch_utils.seeds import unset_deterministic as unset_deterministic
    from ultralytics.utils.torch_utils.stopping import EarlyStopping as EarlyStopping
    from ultralytics.utils.torch_utils.storage import (
        convert_optimizer_state_dict_to_fp16 as convert_optimizer_state_dict_to_fp16,
    )
    from ultralytics.utils.torch_utils.wrapping import copy_attr as copy_attr
    from ultralytics.utils.torch_utils.wrapping import is_parallel as is_parallel
    from ultralytics.utils.torch_utils.wrapping import unwrap_model as unwrap_model

_HERE = "ultralytics.utils.torch_utils"

_load, __dir__, _names = attach(
    __name__,
    {
        "EarlyStopping": f"{_HERE}.stopping",
        "ModelEMA": f"{_HERE}.ema",
        "attempt_compile": f"{_HERE}.precision",
        "autocast": f"{_HERE}.device",
        "convert_optimizer_state_dict_to_fp16": f"{_HERE}.storage",
        "copy_attr": f"{_HERE}.wrapping",
        "cuda_memory_usage": f"{_HERE}.device",
        "de_parallel": f"{_HERE}.wrapping:unwrap_model",
        "fuse_conv_and_bn": f"{_HERE}.fusion",
        "fuse_deconv_and_bn": f"{_HERE}.fusion",
        "get_cpu_info": f"{_HERE}.device",
        "get_flops": f"{_HERE}.info",
        "get_flops_with_torch_profiler": f"{_HERE}.info:get_flops",
        "get_gpu_info": f"{_HERE}.device",
        "get_num_gradients": f"{_HERE}.info",
        "get_num_params": f"{_HERE}.info",
        "get_torch_device_backend": f"{_HERE}.device",
        "init_seeds": f"{_HERE}.seeds",
        "initialize_weights": f"{_HERE}.initial",
        "intersect_dicts": f"{_HERE}.initial",
        "is_parallel": f"{_HERE}.wrapping",
        "is_qat": f"{_HERE}.quantization",
        "make_divisible": "ultralytics.utils.ops",
        "model_info": f"{_HERE}.info",
        "model_info_for_loggers": f"{_HERE}.info",
        "one_cycle": f"{_HERE}.rates",
        "parse_device": f"{_HERE}.device",
        "prepare_qat": f"{_HERE}.quantization",
        "qat_state": f"{_HERE}.quantization",
        "restore_qat": f"{_HERE}.quantization",
        "scale_img": f"{_HERE}.initial",
        "select_device": f"{_HERE}.device",
        "smart_inference_mode": f"{_HERE}.device",
        "strip_optimizer": "ultralytics.engine.trainer.checkpoint",
        "strip_qat": f"{_HERE}.quantization",
        "time_sync": f"{_HERE}.device",
        "torch_distributed_zero_first": f"{_HERE}.device",
        "unset_deterministic": f"{_HERE}.seeds",
        "unwrap_model": f"{_HERE}.wrapping",
    },
)
__all__ = [*_names, *FLAGS]


def __getattr__(name: str) -> Any:  # Any: each public name has its own type, declared above
    return FLAGS[name] if name in FLAGS else _load(name)
