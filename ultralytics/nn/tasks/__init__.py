"""Task models, the model builder and checkpoints.

`parse_model` and `yaml_model_load` are called through this package, so that a replacement set here takes effect.
"""

from ultralytics.nn.tasks.yaml import (  # isort: skip  (the models below read this package while they load)
    guess_model_scale,
    guess_model_task,
    yaml_model_load,
)
from ultralytics.nn.tasks.base import BaseModel
from ultralytics.nn.tasks.checkpoint import (
    load_checkpoint,
    read_exact_state,
    torch_safe_load,
    write_checkpoint,
)
from ultralytics.nn.tasks.classification import ClassificationModel
from ultralytics.nn.tasks.depth import DepthModel
from ultralytics.nn.tasks.detection import DetectionModel
from ultralytics.nn.tasks.ensemble import Ensemble
from ultralytics.nn.tasks.layers import register_module
from ultralytics.nn.tasks.obb import OBBModel
from ultralytics.nn.tasks.parse import parse_model
from ultralytics.nn.tasks.pose import PoseModel
from ultralytics.nn.tasks.rtdetr import RTDETRDetectionModel
from ultralytics.nn.tasks.segmentation import SegmentationModel
from ultralytics.nn.tasks.semseg import SemanticModel, SemanticSegmentationModel
from ultralytics.nn.tasks.world import WorldModel
from ultralytics.nn.tasks.yoloe import YOLOEModel, YOLOESegModel
from ultralytics.utils.publishing import publish

__all__ = (
    "BaseModel",
    "ClassificationModel",
    "DepthModel",
    "DetectionModel",
    "Ensemble",
    "OBBModel",
    "PoseModel",
    "RTDETRDetectionModel",
    "SegmentationModel",
    "SemanticModel",
    "SemanticSegmentationModel",
    "WorldModel",
    "YOLOEModel",
    "YOLOESegModel",
    "guess_model_scale",
    "guess_model_task",
    "load_checkpoint",
    "parse_model",
    "read_exact_state",
    "register_module",
    "torch_safe_load",
    "write_checkpoint",
    "yaml_model_load",
)

publish(__name__, [name for name in __all__ if name.endswith("Model")])
