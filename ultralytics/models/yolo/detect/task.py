"""The detect task."""

from ultralytics.registry import Task, register

DETECT = register(
    Task(
        name="detect",
        suffix="",
        metric="metrics/mAP50-95(B)",
        default_model="yolo26n.pt",
        default_data="coco8.yaml",
        calibration_data="coco128.yaml",
        heads=("Detect", "v10Detect", "WorldDetect", "YOLOEDetect", "RTDETRDecoder"),
        model="ultralytics.nn.tasks:DetectionModel",
        trainer="ultralytics.models.yolo.detect:DetectionTrainer",
        validator="ultralytics.models.yolo.detect:DetectionValidator",
        predictor="ultralytics.models.yolo.detect:DetectionPredictor",
        head_words=("detect",),
        labels="boxes",
    )
)
