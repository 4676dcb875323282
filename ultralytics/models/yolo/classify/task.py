"""The classify task: one class for the whole picture."""

from ultralytics.registry import Task, register

CLASSIFY = register(
    Task(
        name="classify",
        suffix="-cls",
        metric="metrics/accuracy_top1",
        default_model="yolo26n-cls.pt",
        default_data="imagenet10",
        calibration_data="imagenet100",
        heads=("Classify", "classifier", "cls", "fc"),
        model="ultralytics.nn.tasks:ClassificationModel",
        trainer="ultralytics.models.yolo.classify:ClassificationTrainer",
        validator="ultralytics.models.yolo.classify:ClassificationValidator",
        predictor="ultralytics.models.yolo.classify:ClassificationPredictor",
        labels="folders",
        has_background=False,
    )
)
