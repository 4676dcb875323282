"""The training order of the transforms. Chapter 30, 5.3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ultralytics.data.augment.affine import RandomPerspective
from ultralytics.data.augment.albumentations import Albumentations
from ultralytics.data.augment.colour import RandomHSV
from ultralytics.data.augment.compose import Compose
from ultralytics.data.augment.flip import RandomFlip
from ultralytics.data.augment.mix import CutMix, MixUp
from ultralytics.data.augment.mosaic import Mosaic
from ultralytics.data.augment.paste import CopyPaste
from ultralytics.geometry.keypoints import check_flip_order
from ultralytics.utils.logging import LOGGER

__all__ = ["v8_transforms"]


def v8_transforms(dataset: Any, imgsz: int, hyp: Any) -> Compose:
    """Mosaic to flips, for one data set; the caller appends the step that makes tensors.

    Args:
        dataset: source of partners; `data["flip_idx"]`, `use_keypoints` and `use_obb` are read if present.
        imgsz: side of the square samples that leave.
        hyp: settings with the attributes of the augmentation table.
    """
    geometry = _geometry(dataset, imgsz, hyp)
    flip_idx, flipud, fliplr = _flips(dataset, hyp)
    return Compose(
        [
            geometry,
            MixUp(dataset, pre_transform=geometry, p=hyp.mixup),
            CutMix(dataset, pre_transform=geometry, p=hyp.cutmix),
            Albumentations(
                p=1.0, transforms=getattr(hyp, "augmentations", None), flip_idx=flip_idx
            ),
            RandomHSV(hgain=hyp.hsv_h, sgain=hyp.hsv_s, vgain=hyp.hsv_v),
            RandomFlip(direction="vertical", p=flipud, flip_idx=flip_idx),
            RandomFlip(direction="horizontal", p=fliplr, flip_idx=flip_idx),
        ]
    )


def _geometry(dataset: Any, imgsz: int, hyp: Any) -> Compose:
    """Mosaic, copy-paste and affine, in the order the copy-paste mode needs."""
    affine = RandomPerspective(
        degrees=hyp.degrees,
        translate=hyp.translate,
        scale=hyp.scale,
        shear=hyp.shear,
        perspective=hyp.perspective,
        size=(imgsz, imgsz),
        preserve_obb=bool(getattr(dataset, "use_obb", False)),
    )
    mosaic = Mosaic(dataset, imgsz=imgsz, p=hyp.mosaic)
    if hyp.copy_paste_mode == "flip":
        paste = CopyPaste(p=hyp.copy_paste, mode="flip")
        return Compose([mosaic, paste, affine])
    others = Compose([Mosaic(dataset, imgsz=imgsz, p=hyp.mosaic), affine])
    paste = CopyPaste(dataset, pre_transform=others, p=hyp.copy_paste, mode=hyp.copy_paste_mode)
    return Compose([mosaic, affine, paste])


def _flips(dataset: Any, hyp: Any) -> tuple[Sequence[int] | None, float, float]:
    """Keypoint order of mirrored images and the two probabilities.

    Raises:
        ValueError: `flip_idx` does not exchange the keypoints in pairs, or not all of them.
    """
    data = getattr(dataset, "data", None) or {}
    flip_idx = data.get("flip_idx") or None
    if not getattr(dataset, "use_keypoints", False):
        return flip_idx, hyp.flipud, hyp.fliplr
    if flip_idx is None:
        if hyp.flipud > 0 or hyp.fliplr > 0:
            LOGGER.warning("The data set has no 'flip_idx': flipud and fliplr are set to 0.")
        return None, 0.0, 0.0
    check_flip_order(flip_idx, (data.get("kpt_shape") or [len(flip_idx)])[0])
    return flip_idx, hyp.flipud, hyp.fliplr
