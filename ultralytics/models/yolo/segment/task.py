"""The segment task: boxes and a mask per object."""

from ultralytics.registry import Task, register

SEGMENT = register(
    Task(
        name="segment",
        suffix="-seg",
        metric="metrics/mAP50-95(M)",
        default_model="yolo26n-seg.pt",
        default_data="coco8-seg.yaml",
        calibration_data="coco128-seg.yaml",
        heads=("Segment", "Segment26", "YOLOESegment", "YOLOESegment26"),
        model="ultralytics.nn.tasks:SegmentationModel",
        trainer="ultralytics.models.yolo.segment:SegmentationTrainer",
        validator="ultralytics.models.yolo.segment:SegmentationValidator",
        predictor="ultralytics.models.yolo.segment:SegmentationPredictor",
        head_words=("segment",),
        labels="polygons",
    )
)
