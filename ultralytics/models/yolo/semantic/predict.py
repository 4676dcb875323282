"""Prediction of class maps at the size of each picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ultralytics.engine.prediction.tile_merge import Piece, merge_class_maps
from ultralytics.engine.results import Results
from ultralytics.geometry.class_maps import keep_classes, scale_class_map
from ultralytics.models.yolo.detect import DetectionPredictor
from ultralytics.models.yolo.detect.predict import pictures_of

__all__ = ["SemanticSegmentationPredictor"]


class SemanticSegmentationPredictor(DetectionPredictor):
    """Predictor of the semantic task; its results hold `semantic_mask`.

    With `classes`, pixels of other classes become 255. `save_txt` writes the map of every picture as a PNG of ids.
    """

    trackable = False

    def postprocess(self, preds: Any, img: Tensor, orig_imgs: Any, **kwargs: Any) -> list[Results]:
        """Results of a batch.

        Args:
            preds: logits (B, nc, h, w), or class maps (B, h, w) of an exported network.
            img: network input.
            orig_imgs: list of (h, w, c) BGR pictures, or the NCHW tensor that was the source.
            **kwargs: passed to `construct_results`.
        """
        found = preds[0] if isinstance(preds, (list, tuple)) else preds
        return self.construct_results(list(found), img, pictures_of(orig_imgs), **kwargs)

    def construct_result(
        self, pred: Tensor, img: Tensor, orig_img: np.ndarray[Any, Any], img_path: str
    ) -> Results:
        """The result of one picture.

        Args:
            pred: logits (nc, h, w) or class map (h, w) of the padded picture.
            img: network input.
            orig_img: the picture.
            img_path: where it came from.
        """
        ids = scale_class_map(pred, img.shape[2:], orig_img.shape)
        if self.args.classes is not None and len(self.model.names) > 1:
            ids = keep_classes(ids, self.args.classes)
        return Results(orig_img, path=img_path, names=self.model.names, semantic_mask=ids)

    def merge_tiles(
        self, pieces: Sequence[Piece], picture: np.ndarray[Any, Any]
    ) -> tuple[Results, dict[str, Any]]:
        """Result of a picture; each pixel has the class of the window it lies deepest in."""
        return merge_class_maps(pieces, picture)

    def save_labels(self, result: Results, file: Path) -> None:
        """Write the class map as a PNG of ids; label files have no form for it."""
        if result.semantic_mask is not None:
            result.semantic_mask.save(file.with_suffix(".png"))
