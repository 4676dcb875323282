"""The task of semantic segmentation, called "semantic" or "semseg"."""

from ultralytics.registry import Task, register

SEMANTIC = register(
    Task(
        name="semantic",
        suffix="-sem",
        metric="metrics/mIoU",
        default_model="yolo26n-sem.pt",
        default_data="cityscapes8.yaml",
        calibration_data="cityscapes8.yaml",
        heads=("SemanticSegment",),
        model="ultralytics.nn.tasks:SemanticSegmentationModel",
        trainer="ultralytics.models.yolo.semantic:SemanticSegmentationTrainer",
        validator="ultralytics.models.yolo.semantic:SemanticSegmentationValidator",
        predictor="ultralytics.models.yolo.semantic:SemanticSegmentationPredictor",
        head_words=("semanticsegment",),
        file_marks=("-semseg", "-sem"),
        aliases=("semseg",),
        labels="maps",
        has_background=False,
        dataset="ultralytics.data.dataset:SemanticDataset",
    )
)
