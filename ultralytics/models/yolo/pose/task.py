"""The pose task: boxes with keypoints."""

from ultralytics.registry import Task, register

POSE = register(
    Task(
        name="pose",
        suffix="-pose",
        metric="metrics/mAP50-95(P)",
        default_model="yolo26n-pose.pt",
        default_data="coco8-pose.yaml",
        calibration_data="coco8-pose.yaml",
        heads=("Pose", "Pose26"),
        model="ultralytics.nn.tasks:PoseModel",
        trainer="ultralytics.models.yolo.pose:PoseTrainer",
        validator="ultralytics.models.yolo.pose:PoseValidator",
        predictor="ultralytics.models.yolo.pose:PosePredictor",
        head_words=("pose",),
        labels="keypoints",
    )
)
