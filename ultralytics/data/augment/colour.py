"""Random hue, saturation and value, by tables on 8-bit HSV planes. Chapter 30, 5.8."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from ultralytics.data.augment.compose import Array, BaseTransform, Labels, Params

__all__ = ["RandomHSV", "gain_tables"]

Table = npt.NDArray[np.uint8]
HUES = 180  # OpenCV stores half degrees


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
        changed = [cv2.LUT(p, t) for p, t in zip(planes, gain_tables(params["gains"]), strict=True)]
        cv2.cvtColor(cv2.merge(changed), cv2.COLOR_HSV2BGR, dst=image)
        labels["img"] = image
        return labels


def gain_tables(gains: Array) -> tuple[Table, Table, Table]:
    """Tables of 256 values for hue, saturation and value; black stays black, gray stays gray."""
    levels = np.arange(256, dtype=np.float64)
    hue = ((levels + gains[0] * HUES) % HUES).astype(np.uint8)
    saturation, value = (
        np.clip(levels * (1 + gain), 0, 255).astype(np.uint8) for gain in gains[1:]
    )
    saturation[0] = 0
    return hue, saturation, value
