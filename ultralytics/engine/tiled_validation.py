"""Large images of a validation, predicted in tiles of the original files (settings `tile` and `overlap`).

The validator's own predictions of such images are replaced, in the coordinates it works in; images that are not larger
than a tile keep theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from ultralytics.cfg.load import OUR_KEYS, own_setting
from ultralytics.data.verify import exif_size
from ultralytics.errors import ConfigValueError
from ultralytics.geometry.tiles import tile_windows
from ultralytics.utils.ops import Profile

__all__ = ["TiledImages", "from_original"]

TAKEN = (  # settings of the validation that hold for its tiles
    *("task", "imgsz", "batch", "conf", "iou", "max_det", "augment", "rect"),
    *("channels_last", "nms"),
)
STAGES = ("preprocess", "inference", "postprocess")  # what a predictor times
LIMITS = ("max_det", "agnostic_nms")  # settings of a head that a predictor changes


class TiledImages:
    """Predicts the large images of a validation.

    Args:
        validator: gives settings, and the kind of predictor as `tile_predictor`.
        backend: the network, ready.

    Raises:
        ConfigValueError: the validator has no predictor for tiles.
    """

    def __init__(self, validator: Any, backend: Any) -> None:  # Any: a validator, an AutoBackend
        args = validator.args
        if validator.tile_predictor is None:
            raise ConfigValueError(
                f"tile={own_setting(args, 'tile')} does not work with {type(validator).__name__}; leave tile out"
            )
        given = {name: getattr(args, name) for name in TAKEN}
        given |= {name: own_setting(args, name) for name in OUR_KEYS}
        quiet = {"mode": "predict", "verbose": False, "save": False}
        merging = {"agnostic_nms": args.single_cls or args.agnostic_nms}
        where = {"save_dir": str(validator.save_dir)}
        self.predictor = validator.tile_predictor(overrides={**given, **quiet, **merging, **where})
        self.predictor.model = backend
        self.predictor.device = backend.device
        self.predictor.done_warmup = True
        self.predictor.multi_label = True  # as validation counts
        self.args = args

    def of(self, batch: Mapping[str, Any], timers: Mapping[str, Profile]) -> dict[int, Any]:
        """Results of the large images of a batch, by their place; the time they take is added to the timers."""
        found = {}
        head = self._head()
        limits = {name: getattr(head, name) for name in LIMITS if hasattr(head, name)}
        for place, file in enumerate(batch["im_file"]):
            if len(self._windows(batch, place)) > 1:
                (found[place],) = self.predictor(str(file))
                for stage in STAGES:
                    timers[stage].t += self.predictor.speed[stage] / 1e3
        for name, value in limits.items():
            setattr(head, name, value)
        return found

    def _windows(self, batch: Mapping[str, Any], place: int) -> Sequence[Any]:
        if "ori_shape" in batch:
            height, width = batch["ori_shape"][place][:2]
        else:
            with Image.open(batch["im_file"][place]) as picture:
                width, height = exif_size(picture)
        tile = own_setting(self.args, "tile")
        sides = tile if isinstance(tile, (list, tuple)) else [tile, tile]
        return tile_windows((height, width), sides, own_setting(self.args, "overlap"))

    def _head(self) -> Any:  # Any: the last layer of a network, or None
        backend = self.predictor.model
        layers = getattr(backend.base_model, "model", None) if backend.pt else None
        return None if layers is None else layers[-1]


def from_original(ratio_pad: Sequence[Sequence[float]]) -> tuple[tuple[float, float], ...]:
    """The `ratio_pad` that makes the `scale_*` functions move from the original image into the network input.

    Args:
        ratio_pad: ((gain_y, gain_x), (pad_x, pad_y)) of the way from the original image to the input.
    """
    (gain_y, gain_x), (pad_x, pad_y) = ratio_pad
    return (1 / gain_y, 1 / gain_x), (-pad_x / gain_x, -pad_y / gain_y)
