"""Everything a model said about one picture.

A result owns the picture, the class names and up to seven kinds of fields. Coordinates are pixels of the original
picture, which is (h, w, c) BGR uint8. Moving and slicing give new results; only `update` changes one.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ultralytics.engine.results.base import Array, BaseTensor
from ultralytics.engine.results.boxes import OBB, Boxes
from ultralytics.engine.results.dense import DepthMap, SemanticMask
from ultralytics.engine.results.draw import Style, canvas_of, paint
from ultralytics.engine.results.keypoints import Keypoints
from ultralytics.engine.results.masks import Masks
from ultralytics.engine.results.probs import Probs
from ultralytics.engine.results.text import label_lines, phrase, summary_rows
from ultralytics.utils import ops
from ultralytics.utils.export_mixin import DataExportMixin
from ultralytics.utils.logging import LOGGER
from ultralytics.utils.plotting.annotator import Annotator
from ultralytics.utils.plotting.crops import crop_folder, save_one_box
from ultralytics.utils.simple_class import SimpleClass

__all__ = ["FIELDS", "Results"]

FIELDS: dict[str, type[BaseTensor]] = {  # in the order that decides a result's length
    "boxes": Boxes,
    "masks": Masks,
    "probs": Probs,
    "keypoints": Keypoints,
    "obb": OBB,
    "semantic_mask": SemanticMask,
    "depth": DepthMap,
}


class Results(SimpleClass, DataExportMixin):
    """Predictions for one picture.

    Args:
        orig_img: the picture, (h, w, c) BGR uint8, or an NCHW tensor of RGB values 0-1.
        path: where it came from; decides default file names.
        names: class index -> name.
        boxes: (N, 6) or (N, 7) rows, see `Boxes`.
        masks: (N, h, w).
        probs: (classes,).
        keypoints: (N, K, 2) or (N, K, 3).
        obb: (N, 7) or (N, 8) rows, see `OBB`.
        speed: milliseconds per image by stage.
        semantic_mask: (H, W) class ids.
        depth: (H, W) metres.
    """

    boxes: Boxes | None
    probs: Probs | None
    keypoints: Keypoints | None
    obb: OBB | None
    semantic_mask: SemanticMask | None
    depth: DepthMap | None

    def __init__(
        self,
        orig_img: Any,  # Any: array or tensor, see above
        path: str,
        names: dict[int, str],
        boxes: Array | None = None,
        masks: Array | None = None,
        probs: Array | None = None,
        keypoints: Array | None = None,
        obb: Array | None = None,
        speed: dict[str, float | None] | None = None,
        semantic_mask: Array | None = None,
        depth: Array | None = None,
    ) -> None:
        self.orig_img = orig_img
        self.orig_shape: tuple[int, int] = tuple(orig_img.shape[:2])
        self.speed = speed or dict.fromkeys(("preprocess", "inference", "postprocess"))
        self.names = names
        self.path = path
        self.save_dir: str | None = None
        given = (boxes, masks, probs, keypoints, obb, semantic_mask, depth)
        for (name, kind), data in zip(FIELDS.items(), given, strict=True):
            setattr(self, name, None if data is None else kind(data, self.orig_shape))

    @property
    def masks(self) -> Masks | None:
        """Masks of the instances; of a class map, one per class that occurs, see `semantic_mask.ids`."""
        if self._masks is None and self.semantic_mask is not None:
            return Masks(self.semantic_mask.masks(), self.orig_shape)
        return self._masks

    @masks.setter
    def masks(self, masks: Masks | None) -> None:
        self._masks = masks

    def _present(self) -> Iterator[tuple[str, BaseTensor]]:
        for name in FIELDS:
            field = self._masks if name == "masks" else getattr(self, name)
            if field is not None:
                yield name, field

    def _each(self, change: Callable[[BaseTensor], BaseTensor]) -> Results:
        """A result whose every field went through a function."""
        moved = self.new()
        for name, field in self._present():
            setattr(moved, name, change(field))
        return moved

    def __repr__(self) -> str:
        """One line: source, size and what was found; `str` lists the fields."""
        height, width = self.orig_shape
        found = self.verbose().rstrip(", ") or ", ".join(name for name, _ in self._present())
        return f"Results({self.path}, {height}x{width}: {found})"

    def __len__(self) -> int:
        return next((len(field) for _, field in self._present()), 0)

    def __getitem__(self, index: Any) -> Results:  # Any: whatever the fields accept as an index
        return self._each(lambda field: field[index])

    def __iter__(self) -> Iterator[Results]:
        return (self[index] for index in range(len(self)))

    def new(self) -> Results:
        """A result of the same picture without predictions."""
        empty = type(self)(self.orig_img, self.path, self.names, speed=self.speed)
        empty.save_dir = self.save_dir
        return empty

    def cpu(self) -> Results:
        """A copy with every field in main memory."""
        return self._each(lambda field: field.cpu())

    def numpy(self) -> Results:
        """A copy with every field as a NumPy array."""
        return self._each(lambda field: field.numpy())

    def cuda(self) -> Results:
        """A copy with every field on the current CUDA device."""
        return self._each(lambda field: field.cuda())

    def to(self, *args: Any, **kwargs: Any) -> Results:  # Any: the arguments of Tensor.to
        """A copy with every field moved or converted; arguments as for `Tensor.to`."""
        return self._each(lambda field: field.to(*args, **kwargs))

    def update(
        self,
        boxes: Array | None = None,
        masks: Array | None = None,
        probs: Array | None = None,
        obb: Array | None = None,
        keypoints: Array | None = None,
        semantic_mask: Array | None = None,
        depth: Array | None = None,
    ) -> None:
        """Replace the given fields of this result; boxes are clipped to the picture in place."""
        if boxes is not None:
            boxes = ops.clip_boxes(boxes, self.orig_shape)  # type: ignore[type-var]  # tensor or array
        given = {
            "boxes": boxes,
            "masks": masks,
            "probs": probs,
            "obb": obb,
            "keypoints": keypoints,
            "semantic_mask": semantic_mask,
            "depth": depth,
        }
        for name, data in given.items():
            if data is not None:
                setattr(self, name, FIELDS[name](data, self.orig_shape))

    def plot(
        self,
        conf: bool = True,
        line_width: float | None = None,
        font_size: float | None = None,
        font: str = "Arial.ttf",
        pil: bool = False,
        img: Any = None,  # Any: array or tensor of a picture
        kpt_radius: int = 5,
        kpt_line: bool = True,
        labels: bool = True,
        boxes: bool = True,
        masks: bool = True,
        probs: bool = True,
        show: bool = False,
        save: bool = False,
        filename: str | Path | None = None,
        color_mode: str = "class",
        txt_color: tuple[int, int, int] = (255, 255, 255),
    ) -> Any:
        """Paint the predictions on a copy of the picture.

        Args:
            conf: write confidences.
            line_width: of boxes, in pixels; by picture size when not given.
            font_size: of PIL text; by picture size when not given.
            font: TrueType file or family for PIL text.
            pil: draw with PIL and return a PIL image.
            img: picture to paint on instead of the result's own.
            kpt_radius: of keypoints, in pixels.
            kpt_line: connect the 17 points of a person.
            labels: write class names.
            boxes: draw boxes.
            masks: draw masks, semantic and depth maps.
            probs: write class probabilities.
            show: open a window with the picture.
            save: write the picture to `filename`.
            filename: default `results_<name of the source>` in the working directory.
            color_mode: "class" or "instance".
            txt_color: of text on colours that do not fix their own.

        Returns:
            (h, w, 3) BGR uint8 array, or an RGB PIL image with `pil`.

        Raises:
            AssertionError: another colour mode.
        """
        style = Style(
            conf, labels, boxes, masks, probs, kpt_radius, kpt_line, color_mode, txt_color
        )
        annotator = Annotator(
            canvas_of(self.orig_img if img is None else img),
            line_width,
            font_size,
            font,
            pil or (self.probs is not None and probs),  # class names are blended, which needs PIL
            example="".join(str(name) for name in self.names.values()),
        )
        paint(self, annotator, style)
        if show:
            annotator.show(self.path)
        if save:
            annotator.save(str(filename or f"results_{Path(self.path).name}"))
        return annotator.result(pil)

    def show(self, *args: Any, **kwargs: Any) -> None:  # Any: the arguments of plot
        """Open a window with the painted picture; arguments as for `plot`."""
        self.plot(*args, **{**kwargs, "show": True})

    def save(self, filename: str | Path | None = None, *args: Any, **kwargs: Any) -> str:
        """Write the painted picture and return its name; missing folders are created.

        Args:
            filename: default `results_<name of the source>` in the working directory.
            *args: as for `plot`.
            **kwargs: as for `plot`.
        """
        target = str(filename or f"results_{Path(self.path).name}")
        Path(target).absolute().parent.mkdir(parents=True, exist_ok=True)
        self.plot(*args, **{**kwargs, "save": True, "filename": target})
        return target

    def verbose(self) -> str:
        """What was found, as the phrase used in console lines."""
        return phrase(self)

    def save_txt(self, txt_file: str | Path, save_conf: bool = False, ids: bool = False) -> str:
        """Append label lines to a file; no file is made when there are none.

        Args:
            txt_file: missing folders are created.
            save_conf: append confidences; a track id comes after them.
            ids: write class indexes instead of names for classification.
        """
        lines = label_lines(self, save_conf, ids)
        if lines:
            target = Path(txt_file)
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("a", encoding="utf-8") as stream:
                stream.writelines(f"{line}\n" for line in lines)
        return str(txt_file)

    def save_crop(self, save_dir: str | Path, file_name: str | Path = Path("im.jpg")) -> None:
        """Write every detection's part of the picture to `save_dir/<class name>/<file_name>.jpg`.

        Further detections of a class get -2, -3, ... Class names are made safe as folder names.
        """
        found = self.obb if self.obb is not None else self.boxes
        if found is None:
            LOGGER.warning("Crops need boxes; this result has none.")
            return
        places = self.obb.xyxyxyxy if self.obb is not None else found.xyxy
        picture = canvas_of(self.orig_img)
        for place, cls in zip(places, found.cls.tolist(), strict=True):
            folder = Path(save_dir) / crop_folder(str(self.names[int(cls)]))
            save_one_box(place, picture, folder / Path(file_name).with_suffix(".jpg"), BGR=True)

    def summary(self, normalize: bool = False, decimals: int = 5) -> list[dict[str, Any]]:
        """One dictionary per detection, per top-5 class, or per class of a semantic map.

        Args:
            normalize: give coordinates as fractions of the picture.
            decimals: places kept.
        """
        return summary_rows(self, normalize, decimals)

    def tojson(self, normalize: bool = False, decimals: int = 5) -> str:
        """The older name of `to_json`."""
        warnings.warn("tojson() is now to_json()", DeprecationWarning, stacklevel=2)
        return self.to_json(normalize=normalize, decimals=decimals)
