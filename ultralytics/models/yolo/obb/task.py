"""The obb task: rotated boxes."""

from ultralytics.registry import Task, register

OBB = register(
    Task(
        name="obb",
        suffix="-obb",
        metric="metrics/mAP50-95(B)",
        default_model="yolo26n-obb.pt",
        default_data="dota8.yaml",
        calibration_data="dota128.yaml",
        heads=("OBB", "OBB26"),
        model="ultralytics.nn.tasks:OBBModel",
        trainer="ultralytics.models.yolo.obb:OBBTrainer",
        validator="ultralytics.models.yolo.obb:OBBValidator",
        predictor="ultralytics.models.yolo.obb:OBBPredictor",
        head_words=("obb",),
        labels="corners",
    )
)
