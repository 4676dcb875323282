"""Random hue, saturation and value, by tables on 8-bit HSV planes. Chapter 30, 5.8."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
import numpy.typing as npt

from ultralytics.data.augment.compose import Array, BaseTransform, Labels, Params

__all__ = ["RandomHSV", "change_planes", "gain_tables"]

Table = npt.NDArray[np.uint8]
HUES = 180  # OpenCV stores half degrees
LEVELS = np.arange(256, dtype=np.uint8)
TRUNCATE = -0.4999  # turns rounding to the nearest level into truncation, nearly always


class RandomHSV(BaseTransform):
    """Shift the hue and scale saturation and value of 3-channel images, in the same array."""

    def __init__(self, hgain: float = 0.5, sgain: float = 0.5, vgain: float = 0.5) -> None:
        """Largest relative change of each channel; hue as a share of the full circle."""
        self.hgain = hgain
        self.sgain = sgain
        self.vgain = vgain

    def get_params(self, labels: Labels) -> Params:
        """Three gains; nothing is drawn when no gain is set or the image is not a colour image."""
        limits = (self.hgain, self.sgain, self.vgain)
        if not any(limits) or labels["img"].shape[-1] != 3:
            return {}
        return {"gains": np.random.uniform(-1, 1, 3) * limits}

    def apply_image(self, labels: Labels, params: Params) -> Labels:
        """Change the colours."""
        if "gains" not in params:
            return labels
        image = np.ascontiguousarray(labels["img"])
        planes = cv2.split(cv2.cvtColor(image, cv2.COLOR_BGR2HSV))
        change_planes(planes, params["gains"])
        cv2.cvtColor(cv2.merge(planes), cv2.COLOR_HSV2BGR, dst=image)
        labels["img"] = image
        return labels


def change_planes(planes: Iterable[Array], gains: Array) -> None:
    """Apply the tables to hue, saturation and value planes, in place.

    A plain multiplication is three times as fast as a table. Whether it gives the same 256 values is
    tried on those 256 values; tables without effect are left out.
    """
    for number, (plane, table) in enumerate(zip(planes, gain_tables(gains), strict=True)):
        if (table == LEVELS).all():
            continue
        factor = float(1 + gains[number])
        if number and (_scaled(LEVELS, factor).ravel() == table).all():
            _scaled(plane, factor, plane)
        else:
            cv2.LUT(plane, table, dst=plane)


def _scaled(levels: Array, factor: float, into: Array | None = None) -> Array:
    return np.asarray(cv2.convertScaleAbs(levels, dst=into, alpha=factor, beta=TRUNCATE))


def gain_tables(gains: Array) -> tuple[Table, Table, Table]:
    """Tables of 256 values for hue, saturation and value; black stays black, gray stays gray."""
    levels = np.arange(256, dtype=np.float64)
    hue = ((levels + gains[0] * HUES) % HUES).astype(np.uint8)
    saturation, value = (
        np.clip(levels * (1 + gain), 0, 255).astype(np.uint8) for gain in gains[1:]
    )
    saturation[0] = 0
    return hue, saturation, value
