"""Rendered scenes: textured shapes on cluttered backgrounds, with exact outlines.

Images are uint8 (H, W, 3) in BGR. Outlines are float polygons (P, 2) of x, y in pixels, so that boxes, rotated boxes,
masks and keypoints can all be read off one scene. Everything is a pure function of the random generator passed in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["CLASSES", "Scene", "Shape", "render_scene"]

Array = NDArray[np.float32]

SUBPIXEL_BITS = 4
TRIES = 60  # placements tried before a scene is left with fewer shapes
MAX_OVERLAP = 0.05  # of two boxes, as intersection over union
SIZE_SHARE = (0.27, 0.50)  # diameter of a shape as a share of the shorter side
ROUND = (1.0, 1.0)  # of `stretch`: shapes as they are


@dataclass(frozen=True)
class Look:
    """How a class is drawn: hue in OpenCV units (0-179), outline of radius 1, and surface pattern."""

    hue: int
    outline: Array
    pattern: Callable[[Array, Array], Array]


@dataclass(frozen=True)
class Shape:
    """One object: class number, outline in pixels, which may leave the image, and how far it is turned (radians)."""

    label: int
    outline: Array
    angle: float = 0.0

    def box(self, height: int, width: int) -> tuple[float, float, float, float]:
        """Corners x1, y1, x2, y2 of the visible part."""
        low, high = self.outline.min(axis=0), self.outline.max(axis=0)
        limits = np.array([width, height], np.float32)
        (x1, y1), (x2, y2) = np.clip(low, 0, limits), np.clip(high, 0, limits)
        return float(x1), float(y1), float(x2), float(y2)

    def corners(self) -> Array:
        """Corners (4, 2) of the rectangle along the axes of the shape that holds its outline."""
        turn = _turn(self.angle)
        upright = self.outline @ turn.T
        (x1, y1), (x2, y2) = upright.min(axis=0), upright.max(axis=0)
        return np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], np.float32) @ turn

    def points(self) -> Array:
        """Middle of the outline, and its points furthest up, right, down and left, as (5, 2)."""
        x, y = self.outline.T
        ends = [y.argmin(), x.argmax(), y.argmax(), x.argmin()]
        return np.concatenate((self.outline.mean(axis=0, keepdims=True), self.outline[ends]))


@dataclass(frozen=True)
class Scene:
    """A picture and what is on it, in drawing order."""

    image: NDArray[np.uint8]
    shapes: tuple[Shape, ...]

    def class_map(self) -> NDArray[np.uint8]:
        """Class of every pixel (H, W): that of the shape which covers more than half of it, else the background."""
        height, width = self.image.shape[:2]
        ids = np.full((height, width), len(CLASSES), np.uint8)
        for shape in self.shapes:
            ids[_coverage(shape.outline, height, width) > 0.5] = shape.label
        return ids

    def visibility(self, index: int) -> NDArray[np.int64]:
        """Of each point of a shape: 2 seen, 1 covered by a shape drawn later, 0 outside the picture."""
        points = self.shapes[index].points()
        height, width = self.image.shape[:2]
        inside = ((points >= 0) & (points < (width, height))).all(axis=1)
        covers = [shape.outline for shape in self.shapes[index + 1 :]]
        covered = [
            any(cv2.pointPolygonTest(outline, point.tolist(), False) >= 0 for outline in covers)
            for point in points
        ]
        return np.where(inside, np.where(covered, 1, 2), 0)


def _regular(points: int, inner: float = 1.0) -> Array:
    """Points on a circle of radius 1; every second one at the inner radius."""
    angle = np.arange(points) * (2 * np.pi / points)
    radius = np.where(np.arange(points) % 2, inner, 1.0)
    return np.stack([radius * np.sin(angle), -radius * np.cos(angle)], axis=1).astype(np.float32)


def _cross(arm: float = 0.36) -> Array:
    corner = [(-arm, -1), (arm, -1), (arm, -arm)]
    turned = [(x, y) for x, y in corner]
    points: list[tuple[float, float]] = []
    for _ in range(4):
        points += turned
        turned = [(-y, x) for x, y in turned]
    return np.array(points, np.float32)


def _plain(x: Array, y: Array) -> Array:
    return np.zeros_like(x)


def _checks(x: Array, y: Array) -> Array:
    return np.sign(np.sin(7 * x) * np.sin(7 * y))


def _stripes(x: Array, y: Array) -> Array:
    return np.sign(np.sin(11 * y))


def _rings(x: Array, y: Array) -> Array:
    return np.sin(14 * np.hypot(x, y))


def _dots(x: Array, y: Array) -> Array:
    return np.where(np.cos(9 * x) + np.cos(9 * y) > 1.0, -1.0, 0.4).astype(np.float32)


LOOKS: dict[str, Look] = {
    "circle": Look(2, _regular(48), _rings),
    "square": Look(112, _regular(4), _checks),
    "triangle": Look(62, _regular(3), _stripes),
    "star": Look(27, _regular(10, inner=0.45), _plain),
    "cross": Look(148, _cross(), _dots),
}
CLASSES = tuple(LOOKS)


def render_scene(
    rng: np.random.Generator,
    height: int,
    width: int,
    count: int,
    stretch: tuple[float, float] = ROUND,
) -> Scene:
    """Draw a scene.

    Args:
        rng: the only source of randomness.
        height: of the picture in pixels.
        width: of the picture in pixels.
        count: shapes wanted; fewer are drawn when there is no free place.
        stretch: range of the length of shapes as a multiple of their width. Stretched shapes lie wholly inside.
    """
    canvas = _background(rng, height, width)
    shapes = _place(rng, height, width, count, stretch)
    for shape in shapes:
        _draw(canvas, shape, rng)
    canvas += rng.normal(0, rng.uniform(2, 7), canvas.shape).astype(np.float32)
    return Scene(np.clip(canvas, 0, 255).astype(np.uint8), tuple(shapes))


def _place(
    rng: np.random.Generator, height: int, width: int, count: int, stretch: tuple[float, float]
) -> list[Shape]:
    shapes: list[Shape] = []
    side = min(height, width)
    for _ in range(TRIES):
        if len(shapes) == count:
            break
        label = int(rng.integers(len(CLASSES)))
        radius = side * rng.uniform(*SIZE_SHARE) / 2
        centre = rng.uniform([radius * 0.8] * 2, [width - radius * 0.8, height - radius * 0.8])
        angle = rng.uniform(-np.pi, np.pi)
        outline = LOOKS[CLASSES[label]].outline
        if (
            stretch != ROUND
        ):  # rounder scenes draw no further number, so their pictures stay the same
            outline = outline * np.array([1, 1 / rng.uniform(*stretch)], np.float32)
        outline = outline @ _turn(angle) * radius
        shape = Shape(label, (outline + centre).astype(np.float32), angle)
        if stretch != ROUND and not _is_inside(shape.corners(), height, width):
            continue
        if all(_overlap(shape, other, height, width) <= MAX_OVERLAP for other in shapes):
            shapes.append(shape)
    return shapes


def _is_inside(points: Array, height: int, width: int) -> bool:
    return bool((points >= 0).all() and (points <= (width, height)).all())


def _turn(angle: float) -> Array:
    sine, cosine = np.sin(angle), np.cos(angle)
    return np.array([[cosine, sine], [-sine, cosine]], np.float32)


def _overlap(one: Shape, other: Shape, height: int, width: int) -> float:
    a, b = one.box(height, width), other.box(height, width)
    shared = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(
        0.0, min(a[3], b[3]) - max(a[1], b[1])
    )
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return shared / (sum(areas) - shared)


def _background(rng: np.random.Generator, height: int, width: int) -> Array:
    """Dull, uneven ground with grey clutter that no class looks like."""
    coarse = rng.uniform(60, 190, (int(rng.integers(2, 6)), int(rng.integers(2, 6)), 1))
    tint = rng.uniform(-18, 18, (*coarse.shape[:2], 3))
    ground = cv2.resize(
        (coarse + tint).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
    )
    cells = max(8, int(min(height, width) / rng.uniform(3, 10)))
    grain = rng.normal(0, rng.uniform(4, 16), (cells, cells)).astype(np.float32)
    ground += cv2.resize(grain, (width, height), interpolation=cv2.INTER_LINEAR)[..., None]
    for _ in range(int(rng.integers(2, 7))):
        ends = rng.uniform([0, 0], [width, height], (2, 2)).astype(int)
        grey = rng.uniform(50, 200)
        thickness = int(rng.integers(1, max(2, min(height, width) // 40)))
        cv2.line(
            ground, ends[0].tolist(), ends[1].tolist(), (grey, grey, grey), thickness, cv2.LINE_AA
        )
    return ground


def _coverage(outline: Array, height: int, width: int) -> Array:
    """Share of every pixel that lies inside the outline, in [0, 1]."""
    mask = np.zeros((height, width), np.uint8)
    fixed = np.round((outline - 0.5) * 2**SUBPIXEL_BITS).astype(np.int32)
    cv2.fillPoly(mask, [fixed], 255, cv2.LINE_AA, SUBPIXEL_BITS)
    return (mask / 255).astype(np.float32)


def _draw(canvas: Array, shape: Shape, rng: np.random.Generator) -> None:
    """Paint a shape with its shadow, pattern and shading onto the canvas."""
    height, width = canvas.shape[:2]
    look = LOOKS[CLASSES[shape.label]]
    low, high = shape.outline.min(axis=0), shape.outline.max(axis=0)
    centre, radius = (low + high) / 2, float((high - low).max()) / 2
    shadow = _coverage(shape.outline + np.float32(radius * 0.12), height, width)
    shadow = cv2.GaussianBlur(shadow, (0, 0), max(1.0, radius * 0.1))
    canvas *= 1 - 0.45 * shadow[..., None]

    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = (columns + 0.5 - centre[0]) / radius, (rows + 0.5 - centre[1]) / radius
    across, along = _turn(rng.uniform(-np.pi, np.pi)) @ np.stack([x.ravel(), y.ravel()])
    pattern = look.pattern(across.reshape(x.shape), along.reshape(x.shape))
    light = 1 + 0.16 * pattern + 0.14 * np.clip(-(x + y), -1, 1)
    cover = _coverage(shape.outline, height, width)[..., None]
    canvas *= 1 - cover
    canvas += cover * light[..., None] * _colour(rng, look.hue)


def _colour(rng: np.random.Generator, hue: int) -> Array:
    """A bright BGR colour near a hue."""
    hsv = [(hue + rng.integers(-5, 6)) % 180, rng.integers(170, 245), rng.integers(165, 235)]
    colour = cv2.cvtColor(np.array([[hsv]], np.uint8), cv2.COLOR_HSV2BGR)
    return colour.reshape(3).astype(np.float32)
