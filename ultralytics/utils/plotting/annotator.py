"""Drawing on a picture: boxes with labels, masks, maps, keypoints, text.

The picture is (h, w, 3) uint8 and is painted in place. Colours are given in the picture's own channel order (BGR for
arrays). ASCII labels are drawn with OpenCV, others and `pil=True` with PIL.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from ultralytics.errors import ConfigTypeError
from ultralytics.utils.plotting.colors import DARK_TEXT_ON, colors
from ultralytics.utils.plotting.depth import colorize_depth
from ultralytics.utils.plotting.fonts import load_font

__all__ = ["Annotator"]

Color = tuple[int, ...]
Picture = np.ndarray[Any, Any]

DARK_TEXT: Color = (104, 31, 17)
WHITE: Color = (255, 255, 255)
LEAST_CONTRAST = 1.5  # of text on its panel, see `_contrast`
LEGEND_PANEL: Color = (32, 32, 32)
LEGEND_SCALES = (0.35, 1.0)  # smallest and largest font scale; a picture of 640 pixels gets 0.64
# Joints of the 17-point person, counted from 1.
SKELETON = (
    "16-14 14-12 17-15 15-13 12-13 6-12 7-13 6-7 6-8 7-9 8-10 9-11 2-3 1-2 1-3 2-4 3-5 4-6 5-7"
)
LIMB_ROWS = [9] * 4 + [7] * 3 + [0] * 5 + [16] * 7
KEYPOINT_ROWS = [16] * 5 + [0] * 6 + [9] * 6


def three_channels(im: Picture) -> Picture:
    """Grey is repeated, a missing third channel is zero, channels beyond three are dropped."""
    if im.ndim == 2:
        im = im[..., None]
    count = im.shape[2]
    if count == 1:
        return np.repeat(im, 3, axis=2)
    if count == 2:
        return np.concatenate((im, np.zeros_like(im[..., :1])), axis=2)
    return im if count == 3 else np.ascontiguousarray(im[..., :3])


class Annotator:
    """A picture and the tools to draw on it.

    Args:
        im: (h, w, c) uint8 BGR array, uint8 tensor of that layout, or PIL image.
        line_width: in pixels; by picture size when not given.
        font_size: of PIL text in pixels; by picture size when not given.
        font: TrueType file; the bundled face is used when there is no such file.
        pil: draw with PIL.
        example: text that will be drawn; characters beyond ASCII switch to PIL.

    Raises:
        AssertionError: the array is not contiguous.
    """

    def __init__(
        self,
        im: Any,  # Any: array, tensor or PIL image
        line_width: float | None = None,
        font_size: float | None = None,
        font: str = "Arial.ttf",
        pil: bool = False,
        example: str = "abc",
    ) -> None:
        from PIL import Image

        self._given_pil = isinstance(im, Image.Image)
        if isinstance(im, Tensor):
            im = np.ascontiguousarray(im.detach().cpu().numpy())
        if not self._given_pil:
            if not isinstance(im, np.ndarray):
                raise ConfigTypeError(
                    f"Annotator draws on an array, a tensor or a PIL image, not on {im!r}; "
                    "reading an image gives None when the file is not there"
                )
            if not im.data.contiguous:
                raise AssertionError(
                    "Image not contiguous: pass np.ascontiguousarray(image) to Annotator."
                )
            im = three_channels(im)
        self.pil = bool(pil or self._given_pil or not str(example).isascii())
        size = (im.height, im.width, len(im.getbands())) if self._given_pil else im.shape
        self.lw: int = int(line_width or max(round(sum(size) / 2 * 0.003), 2))
        self.tf = max(self.lw - 1, 1)
        self._font_name = font
        self.sf = self.lw / 3
        self.font: Any = None  # Any: PIL font, only when drawing with PIL
        self.im: Any = im
        if self.pil:
            self._use_pil(im if self._given_pil else Image.fromarray(im))
            self.font = load_font(font, int(font_size or max(round(sum(size[:2]) / 2 * 0.035), 12)))
        self.skeleton = [[int(end) for end in limb.split("-")] for limb in SKELETON.split()]
        self.limb_color = colors.pose_palette[LIMB_ROWS]
        self.kpt_color = colors.pose_palette[KEYPOINT_ROWS]
        palette = [colors(index, bgr=True) for index in range(colors.n)]
        self.dark_colors = {palette[index] for index in DARK_TEXT_ON}
        self.light_colors = set(palette) - self.dark_colors

    def _use_pil(self, image: Any) -> None:
        from PIL import ImageDraw

        self.im = image
        self.draw = ImageDraw.Draw(image, "RGB")

    def get_txt_color(self, color: Color = (128, 128, 128), txt_color: Color = WHITE) -> Color:
        """Readable text colour: fixed on palette colours; elsewhere the one given, unless it would hardly show."""
        if color in self.dark_colors:
            return DARK_TEXT
        if color in self.light_colors:
            return WHITE
        if _contrast(color, txt_color) >= LEAST_CONTRAST:
            return txt_color
        return max(WHITE, DARK_TEXT, key=lambda text: _contrast(color, text))

    def box_label(
        self,
        box: Any,  # Any: four numbers or (n, 2) corners
        label: str = "",
        color: Color = (128, 128, 128),
        txt_color: Color = WHITE,
        rotated: bool | None = None,
    ) -> None:
        """Draw a box and its label above it, or inside where there is no room above.

        Args:
            box: x1, y1, x2, y2 or (n, 2) polygon corners, pixels.
            label: one line; none is drawn when empty.
            color: of the line and behind the label.
            txt_color: on colours outside the palette.
            rotated: accepted for older scripts; the shape of `box` decides.
        """
        del rotated
        text_color = self.get_txt_color(color, txt_color)
        places = torch.as_tensor(box).detach().cpu().numpy() if isinstance(box, Tensor) else box
        points = np.asarray(places, dtype=float).reshape(-1, 2).round().astype(int)
        if len(points) == 2:
            self._outline_rectangle(points, color)
            anchor = points[0]
        else:
            self._outline_polygon(points, color)
            anchor = points[points.sum(axis=1).argmin()]
        if label:
            self._label(anchor, label, color, text_color)

    def _outline_rectangle(self, points: Picture, color: Color) -> None:
        low, high = (tuple(int(v) for v in point) for point in points)
        if self.pil:
            self.draw.rectangle(
                [*map(min, low, high), *map(max, low, high)], width=self.lw, outline=color
            )
        else:
            cv2.rectangle(self.im, low, high, color, thickness=self.lw, lineType=cv2.LINE_AA)

    def _outline_polygon(self, points: Picture, color: Color) -> None:
        if self.pil:
            corners = [tuple(int(v) for v in point) for point in points]
            self.draw.line([*corners, corners[0]], width=self.lw, fill=color, joint="curve")
        else:
            outline = points.astype(np.int32)
            cv2.polylines(self.im, [outline], True, color, self.lw, lineType=cv2.LINE_AA)

    def _text_size(self, text: str) -> tuple[int, int, int]:
        """Width, height above the base line and depth below it, in pixels."""
        if self.pil:
            width = self.font.getlength(text)
            ascent, descent = self.font.getmetrics()
            return int(np.ceil(width)), ascent, descent
        (width, height), base = cv2.getTextSize(text, 0, self.sf, self.tf)
        return int(width), int(height), int(base)

    def text_width(self, text: str) -> int:
        """Pixels a line of text takes."""
        return self._text_size(text)[0]

    def _write(self, x: int, base_line: int, text: str, color: Color) -> None:
        if self.pil:
            self.draw.text((x, base_line), text, fill=color, font=self.font, anchor="ls")
        else:
            cv2.putText(self.im, text, (x, base_line), 0, self.sf, color, self.tf, cv2.LINE_AA)

    def _fill(self, left: int, top: int, right: int, bottom: int, color: Color) -> None:
        if self.pil:
            self.draw.rectangle((left, top, right, bottom), fill=color)
        else:
            cv2.rectangle(self.im, (left, top), (right, bottom), color, -1, cv2.LINE_AA)

    def _label(self, anchor: Picture, text: str, color: Color, text_color: Color) -> None:
        width, ascent, descent = self._text_size(text)
        margin = 1 if self.pil else max(self.tf, 2)
        height = ascent + (descent if self.pil else 0) + 2 * margin
        x, y = int(anchor[0]), int(anchor[1])
        x = min(x, max(self._size()[0] - width - 1, 0))
        top = y - height if y >= height else y
        self._fill(x, top, x + width, top + height, color)
        self._write(x, top + margin + ascent, text, text_color)

    def _size(self) -> tuple[int, int]:
        return self.im.size if self.pil else (self.im.shape[1], self.im.shape[0])

    def circle_label(
        self,
        box: Any,
        label: str = "",
        color: Color = (128, 128, 128),
        txt_color: Color = WHITE,
        margin: int = 2,
    ) -> None:
        """Write the first three characters of a label in a filled circle at the centre of a box."""
        text = str(label)[:3]
        centre = self._centre(box)
        width, ascent, _ = self._text_size(text)
        radius = int(np.hypot(width, ascent) / 2) + margin
        if self.pil:
            x, y = centre
            self.draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)
        else:
            cv2.circle(self.im, centre, radius, color, -1, cv2.LINE_AA)
        text_color = self.get_txt_color(color, txt_color)
        self._write(centre[0] - width // 2, centre[1] + ascent // 2, text, text_color)

    def text_label(
        self,
        box: Any,
        label: str = "",
        color: Color = (128, 128, 128),
        txt_color: Color = WHITE,
        margin: int = 5,
    ) -> None:
        """Write a label on a filled rectangle at the centre of a box."""
        x, y = self._centre(box)
        width, ascent, _ = self._text_size(label)
        left, top = x - width // 2, y - ascent // 2
        right, bottom = left + width + margin, top + ascent + margin
        self._fill(left - margin, top - margin, right, bottom, color)
        self._write(left, top + ascent, label, self.get_txt_color(color, txt_color))

    @staticmethod
    def _centre(box: Any) -> tuple[int, int]:
        x1, y1, x2, y2 = (float(value) for value in box)
        return int((x1 + x2) / 2), int((y1 + y2) / 2)

    def masks(self, masks: Any, colors: Sequence[Color], alpha: float = 0.5) -> None:
        """Blend instance masks over the picture.

        Args:
            masks: (n, h, w). A tensor may be on the letterboxed grid of the network and overlaps show the brightest
                colour; an array must be at the picture's size and later masks cover earlier ones.
            colors: one per mask.
            alpha: share of the colour.
        """
        if len(masks) == 0:
            return
        picture = np.asarray(self.im)
        if isinstance(masks, Tensor):
            blended = _blend_tensor(picture, masks, colors, alpha)
        else:
            overlay = picture.copy()
            for mask, color in zip(masks, colors, strict=False):
                overlay[np.asarray(mask) > 0] = color
            blended = cv2.addWeighted(picture, 1 - alpha, overlay, alpha, 0)
        self._replace(blended)

    def semantic_mask(self, mask: Any, alpha: float = 0.5, ignore_index: int = 255) -> None:
        """Blend a map of class ids; ignored pixels are darkened.

        Args:
            mask: (h, w) ids at the picture's size.
            alpha: share of the colour.
            ignore_index: id without a colour.
        """
        ids = mask.cpu().numpy() if isinstance(mask, Tensor) else np.asarray(mask)
        palette = np.array([colors(index, bgr=True) for index in range(colors.n)], dtype=np.uint8)
        overlay = palette[ids.astype(np.int64) % colors.n]
        overlay[ids == ignore_index] = 0
        self._replace(cv2.addWeighted(np.asarray(self.im), 1 - alpha, overlay, alpha, 0))

    def legend(self, entries: Sequence[tuple[str, Color]]) -> None:
        """List names beside their colours in the lower left corner, as many as fit; text follows the picture size."""
        usual = self.sf, self.tf, self.font
        width, height = self._size()
        self.sf, self.tf = float(np.clip(min(width, height) / 1000, *LEGEND_SCALES)), 1
        if self.pil:
            self.font = load_font(self._font_name, max(round(26 * self.sf), 10))
        try:
            self._list(entries, height)
        finally:
            self.sf, self.tf, self.font = usual

    def _list(self, entries: Sequence[tuple[str, Color]], height: int) -> None:
        sizes = [self._text_size(name) for name, _ in entries]
        if not sizes:
            return
        ascent, gap = max(size[1] for size in sizes), 3
        step = ascent + max(size[2] for size in sizes) + gap
        count = min(len(entries), max((height - 2 * gap) // step, 1))
        wide = max(size[0] for size in sizes[:count]) + ascent + 3 * gap
        top = height - count * step - gap
        self._fill(0, top, wide, height, LEGEND_PANEL)
        for row, (name, color) in enumerate(entries[:count]):
            y = top + gap + row * step
            self._fill(gap - 1, y - 1, gap + ascent + 1, y + ascent + 1, WHITE)  # dark colours, too
            self._fill(gap, y, gap + ascent, y + ascent, color)
            self._write(ascent + 2 * gap, y + ascent, name, WHITE)

    def depth_map(
        self, depth: Any, alpha: float = 0.6, cmap: str = "jet", mode: str = "disparity"
    ) -> None:
        """Blend a heat map of depths; arguments of the colours as for `colorize_depth`."""
        metres = depth.cpu().numpy() if isinstance(depth, Tensor) else np.asarray(depth)
        heat = colorize_depth(metres, cmap=cmap, mode=mode)
        self._replace(cv2.addWeighted(np.asarray(self.im), 1 - alpha, heat, alpha, 0))

    def _replace(self, picture: Picture) -> None:
        """Write pixels back into the picture, keeping the array it was made from."""
        if self.pil:
            self.fromarray(picture)
        else:
            self.im[:] = picture

    def kpts(
        self,
        kpts: Any,
        shape: tuple[int, int] = (640, 640),
        radius: int | None = None,
        kpt_line: bool = True,
        conf_thres: float = 0.25,
        kpt_color: Color | None = None,
    ) -> None:
        """Draw keypoints, and the limbs of the 17-point person.

        Args:
            kpts: (K, 2) or (K, 3) pixels, the third value a score. Without scores a point at (0, 0) is absent.
            shape: (height, width) the points refer to; points on its far edges are skipped.
            radius: in pixels; the line width when not given.
            kpt_line: draw limbs.
            conf_thres: least score drawn.
            kpt_color: one colour for all instead of the pose colours.
        """
        points = kpts.detach().cpu().numpy() if isinstance(kpts, Tensor) else np.asarray(kpts)
        canvas = np.array(self.im) if self.pil else self.im
        person = len(points) == 17
        visible = _visible(points, shape, conf_thres)
        places = points[:, :2].astype(int)
        if kpt_line and person:
            for limb, (first, second) in enumerate(self.skeleton):
                ends = first - 1, second - 1
                if visible[ends[0]] and visible[ends[1]]:
                    color = kpt_color or tuple(int(c) for c in self.limb_color[limb])
                    start, stop = (tuple(int(v) for v in places[end]) for end in ends)
                    thickness = int(np.ceil(self.lw / 2))
                    cv2.line(canvas, start, stop, color, thickness, cv2.LINE_AA)
        for index in np.flatnonzero(visible):
            color = tuple(int(c) for c in self.kpt_color[index]) if person else colors(index)
            place = tuple(int(v) for v in places[index])
            cv2.circle(canvas, place, radius or self.lw, kpt_color or color, -1, cv2.LINE_AA)
        if self.pil:
            self.fromarray(canvas)

    def rectangle(
        self, xy: Any, fill: Any = None, outline: Any = None, width: int = 1
    ) -> None:  # Any: what PIL takes
        """Draw a rectangle with PIL; arguments as for `ImageDraw.rectangle`."""
        self.draw.rectangle(xy, fill, outline, width)

    def text(
        self,
        xy: Sequence[int],
        text: str,
        txt_color: Color = WHITE,
        anchor: str = "top",
        box_color: Color = (),
    ) -> None:
        """Write text with its corner at a point; several lines with PIL only.

        Args:
            xy: left and top pixel, or left and bottom with `anchor="bottom"`.
            text: what to write.
            txt_color: its colour.
            anchor: "top" or "bottom".
            box_color: panel behind the text; a fourth value is its opacity of 255.
        """
        x, y = int(xy[0]), int(xy[1])
        if not self.pil:
            width, ascent, descent = self._text_size(text)
            base = y + (0 if anchor == "bottom" else ascent)
            if box_color:
                cv2.rectangle(
                    self.im, (x, base - ascent), (x + width, base + descent), box_color[:3], -1
                )
            self._write(x, base, text, txt_color)
            return
        left, top, right, bottom = self.draw.multiline_textbbox((x, y), text, font=self.font)
        if anchor == "bottom":
            y, top, bottom = y - int(bottom - top), top - (bottom - top), top
        if box_color:
            self._panel((left, top, right, bottom), box_color)
        self.draw.multiline_text((x, y), text, fill=txt_color, font=self.font)

    def _panel(self, place: tuple[float, float, float, float], color: Color) -> None:
        from PIL import Image, ImageDraw

        layer = Image.new("RGBA", self.im.size, (0, 0, 0, 0))
        ImageDraw.Draw(layer).rectangle(place, fill=color)
        self._use_pil(Image.alpha_composite(self.im.convert("RGBA"), layer).convert("RGB"))

    def fromarray(self, im: Picture) -> None:
        """Go on drawing with PIL on another picture."""
        from PIL import Image

        if self.font is None:
            self.font = load_font("Arial.ttf", 12)
        self.pil = True
        self._use_pil(im if isinstance(im, Image.Image) else Image.fromarray(im))

    def result(self, pil: bool = False) -> Any:
        """The picture as an array in its channel order, or as an RGB PIL image."""
        picture = np.asarray(self.im)
        if not pil:
            return picture
        from PIL import Image

        if self._given_pil and picture.ndim == 3:
            return self.im
        return Image.fromarray(np.ascontiguousarray(picture[..., ::-1]))

    def show(self, title: str | None = None) -> None:
        """Show the picture in the system's viewer."""
        self.result(pil=True).show(title)

    def save(self, filename: str | Path = "image.jpg") -> None:
        """Write the picture; the suffix decides the format."""
        target = Path(filename)
        self.result(pil=True).save(str(target))

    @staticmethod
    def get_bbox_dimension(bbox: Sequence[float]) -> tuple[float, float, float]:
        """Width, height and area of x1, y1, x2, y2."""
        width, height = bbox[2] - bbox[0], bbox[3] - bbox[1]
        return width, height, width * height


def _contrast(first: Color, second: Color) -> float:
    """Contrast ratio of two BGR colours, 1 to 21 (WCAG 2.1, relative luminance)."""
    levels = []
    for color in (first, second):
        parts = np.asarray(color[:3], dtype=float) / 255
        linear = np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        levels.append(float(linear @ (0.0722, 0.7152, 0.2126)) + 0.05)
    return max(levels) / min(levels)


def _visible(points: Picture, shape: tuple[int, int], conf_thres: float) -> Picture:
    """Which keypoints are drawn, (K,) bool."""
    height, width = shape[:2]
    drawn = (points[:, 0] % width != 0) & (points[:, 1] % height != 0)
    if points.shape[-1] == 3:
        drawn &= points[:, 2] >= conf_thres
    return drawn


def _blend_tensor(
    picture: Picture, masks: Tensor, shades: Sequence[Color], alpha: float
) -> Picture:
    """Brightest colour of the masks on a pixel, over the picture dimmed once per mask."""
    from ultralytics.utils import ops

    size = picture.shape[:2]
    if tuple(masks.shape[1:]) != tuple(size):
        masks = ops.scale_masks(masks[None].float(), size)[0]
    glow = np.zeros(picture.shape, dtype=np.float32)
    share = np.ones((*size, 1), dtype=np.float32)
    for mask, shade in zip((masks > 0.5).cpu().numpy(), shades, strict=True):
        share[mask] *= 1 - alpha
        glow[mask] = np.maximum(glow[mask], np.asarray(shade, dtype=np.float32) * alpha)
    return (picture * share + glow).astype(np.uint8)
