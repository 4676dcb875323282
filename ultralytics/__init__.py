"""Train, validate, run and export YOLO models. Nothing heavy is imported until a name is used."""

from typing import TYPE_CHECKING

from ultralytics._lazy import attach

__version__ = "8.4.190+apache.1"

if TYPE_CHECKING:
    from ultralytics.cfg.catalog import catalog as catalog
    from ultralytics.models.rtdetr.model import RTDETR as RTDETR
    from ultralytics.models.yolo.model import YOLO as YOLO
    from ultralytics.models.yolo.world.model import YOLOWorld as YOLOWorld
    from ultralytics.models.yolo.yoloe.model import YOLOE as YOLOE
    from ultralytics.utils import ASSETS as ASSETS
    from ultralytics.utils import SETTINGS as settings  # noqa: F401  (public name differs)
    from ultralytics.utils.checks import check_yolo as checks  # noqa: F401
    from ultralytics.utils.downloads import download as download

__getattr__, __dir__, _names = attach(
    __name__,
    {
        "ASSETS": "ultralytics.utils",
        "RTDETR": "ultralytics.models.rtdetr.model",
        "YOLO": "ultralytics.models.yolo.model",
        "YOLOE": "ultralytics.models.yolo.yoloe.model",
        "YOLOWorld": "ultralytics.models.yolo.world.model",
        "catalog": "ultralytics.cfg.catalog",
        "checks": "ultralytics.utils.checks:check_yolo",
        "download": "ultralytics.utils.downloads",
        "settings": "ultralytics.utils:SETTINGS",
    },
    later={
        "Explorer": "Explorer, the search in data sets, is",
        "FastSAM": "SAM models are",
        "LLM": "language models are",
        "NAS": "YOLO-NAS models are",
        "SAM": "SAM models are",
    },
)
__all__ = ["__version__", *_names]
