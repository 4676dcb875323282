"""What a prediction holds. Each file has one kind of field; this package is their public home."""

from ultralytics.engine.results.base import BaseTensor
from ultralytics.engine.results.boxes import OBB, Boxes
from ultralytics.engine.results.dense import DepthMap, SemanticMask
from ultralytics.engine.results.keypoints import Keypoints
from ultralytics.engine.results.masks import Masks
from ultralytics.engine.results.probs import Probs
from ultralytics.engine.results.results import Results
from ultralytics.utils.publishing import publish

__all__ = (
    "OBB",
    "BaseTensor",
    "Boxes",
    "DepthMap",
    "Keypoints",
    "Masks",
    "Probs",
    "Results",
    "SemanticMask",
)

publish(__name__, __all__)
