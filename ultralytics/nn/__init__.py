"""Networks: layers, the model builder, task models and checkpoints. Loaded on first use."""

from typing import TYPE_CHECKING

from ultralytics._lazy import attach

if TYPE_CHECKING:
    from ultralytics.nn.tasks import BaseModel as BaseModel
    from ultralytics.nn.tasks import DetectionModel as DetectionModel
    from ultralytics.nn.tasks import guess_model_scale as guess_model_scale
    from ultralytics.nn.tasks import guess_model_task as guess_model_task
    from ultralytics.nn.tasks import load_checkpoint as load_checkpoint
    from ultralytics.nn.tasks import parse_model as parse_model
    from ultralytics.nn.tasks import torch_safe_load as torch_safe_load
    from ultralytics.nn.tasks import yaml_model_load as yaml_model_load

__getattr__, __dir__, __all__ = attach(
    __name__,
    dict.fromkeys(
        (
            "BaseModel",
            "DetectionModel",
            "guess_model_scale",
            "guess_model_task",
            "load_checkpoint",
            "parse_model",
            "torch_safe_load",
            "yaml_model_load",
        ),
        "ultralytics.nn.tasks",
    ),
)
