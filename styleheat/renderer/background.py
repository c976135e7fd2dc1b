"""Backgrounds: interiors, shelves, windows, leaves, streets, lights, writing, drawn once per clip and blurred."""

import math
from collections.abc import Callable

import cv2
import numpy as np

SIZE = 384
"""Width and height in pixels at which backgrounds are drawn, so that they look the same at every output size."""

Draw = Callable[[np.ndarray, np.random.Generator, np.ndarray], None]
"""Draws over a canvas uint8 (SIZE, SIZE, 3) of one colour, given that colour as displayed (3,) 0 .. 1."""


def _colour(colour: np.ndarray | tuple[float, ...], factor: float = 1.0) -> tuple[float, ...]:
    return tuple(float(v) for v in np.clip(np.asarray(colour) * factor, 0, 1) * 255)


def _any(rng: np.random.Generator, vivid: float = 0.5) -> np.ndarray:
    """A random colour, grey to vivid."""
    grey = rng.uniform(0.05, 0.95)
    return np.clip(grey + vivid * rng.uniform(-0.5, 0.5, 3), 0, 1)


def _point(x: float, y: float) -> tuple[int, int]:
    """Pixel of a place given as shares of the image."""
    return round(x * SIZE), round(y * SIZE)


def _box(
    canvas: np.ndarray, x: float, y: float, width: float, height: float, colour: np.ndarray, factor: float = 1.0
) -> None:
    cv2.rectangle(canvas, _point(x, y), _point(x + width, y + height), _colour(colour, factor), -1)


def _wall(canvas: np.ndarray, rng: np.random.Generator, tint: np.ndarray) -> None:
    if rng.random() < 0.4:
        _box(canvas, 0, (low := rng.uniform(0.55, 0.9)), 1, 1, tint, rng.uniform(0.5, 0.9))
        _box(canvas, 0, low, 1, 0.015, tint, 1.15)
    for _ in range(int(rng.integers(0, 4))):  # paintings
        x, y, w, h = rng.uniform(-0.1, 0.9), rng.uniform(-0.05, 0.4), rng.uniform(0.1, 0.35), rng.uniform(0.1, 0.35)
        _box(canvas, x, y, w, h, _any(rng))
        _box(canvas, x + 0.015, y + 0.015, w - 0.03, h - 0.03, _any(rng))
        for _ in range(6):
            centre = _point(x + w * rng.uniform(0.25, 0.75), y + h * rng.uniform(0.25, 0.75))
            axes = _point(w * rng.uniform(0.03, 0.22), h * rng.uniform(0.03, 0.22))
            cv2.ellipse(canvas, centre, axes, rng.uniform(0, 180), 0, 360, _colour(_any(rng)), -1, cv2.LINE_AA)


def _gradient(canvas: np.ndarray, rng: np.random.Generator, tint: np.ndarray) -> None:
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    angle = rng.uniform(0, 2 * math.pi)
    t = (x - 0.5) * math.cos(angle) + (y - 0.5) * math.sin(angle) + 0.5
    if rng.random() < 0.5:
        t = np.hypot(x - rng.uniform(0.2, 0.8), y - rng.uniform(0.1, 0.7)) * rng.uniform(0.9, 1.8)
    t = np.clip(t, 0, 1)[..., None]
    other = tint * rng.uniform(0.1, 0.6) if rng.random() < 0.6 else _any(rng)
    canvas[:] = np.clip((tint * (1 - t) + other * t) * 255, 0, 255)


def _room(canvas: np.ndarray, rng: np.random.Generator, tint: np.ndarray) -> None:
    corner = rng.uniform(0.1, 0.9)
    if rng.random() < 0.6:  # the other wall
        _box(canvas, corner, 0, 1, 1, tint, rng.uniform(0.6, 0.9))
    _box(canvas, 0, (floor := rng.uniform(0.7, 1.0)), 1, 1, _any(rng, 0.3), 0.7)
    for _ in range(int(rng.integers(2, 7))):  # cupboards, doors, chairs
        x, w, h = rng.uniform(-0.1, 0.95), rng.uniform(0.08, 0.4), rng.uniform(0.15, 0.7)
        y, colour = (
            floor - h * rng.uniform(0.4, 1.1),
            np.clip(tint * rng.uniform(0.3, 1.4) + 0.25 * _any(rng) - 0.1, 0, 1),
        )
        _box(canvas, x, y, w, h, colour)
        for k in range(int(rng.integers(0, 4))):
            _box(canvas, x, y + h * (k + 1) / 4, w, 0.008, colour, 0.5)
        if rng.random() < 0.5:
            _box(canvas, x + w / 2, y, 0.006, h, colour, 0.5)
            cv2.circle(canvas, _point(x + w * 0.45, y + h * 0.5), 3, _colour(colour, 1.8), -1, cv2.LINE_AA)
    if rng.random() < 0.5:  # a lamp
        x, y = rng.uniform(0, 1), rng.uniform(0.05, 0.5)
        shade = np.array([[x - 0.05, y], [x + 0.05, y], [x + 0.09, y + 0.12], [x - 0.09, y + 0.12]]) * SIZE
        cv2.fillPoly(canvas, [shade.astype(np.int32)], _colour((1.0, 0.95, 0.8)), cv2.LINE_AA)
        _box(canvas, x - 0.006, y + 0.12, 0.012, 0.5, _any(rng), 0.5)


def _shelves(canvas: np.ndarray, rng: np.random.Generator, tint: np.ndarray) -> None:
    canvas[:] = _colour(tint, rng.uniform(0.25, 0.6))
    gap = rng.uniform(0.16, 0.32)
    y = rng.uniform(-0.2, 0.1)
    wood = tint * rng.uniform(0.6, 1.3)
    while y < 1.2:
        x = -0.02
        while x < 1:
            if rng.random() < 0.12:
                x += rng.uniform(0.03, 0.15)
            elif rng.random() < 0.12:
                centre, axes = _point(x + 0.05, y + gap * 0.75), _point(0.045, gap * 0.25)
                cv2.ellipse(canvas, centre, axes, 0, 0, 360, _colour(_any(rng, 0.8)), -1, cv2.LINE_AA)
                x += 0.11
            else:
                width, tall = rng.uniform(0.012, 0.05), gap * rng.uniform(0.5, 0.88)
                colour = _any(rng, 0.9)
                _box(canvas, x, y + gap - tall, width, tall, colour)
                for _ in range(2):  # titles
                    _box(canvas, x + 0.25 * width, y + gap - tall * rng.uniform(0.2, 0.9), width / 2, 0.02, 1 - colour)
                x += width + 0.002
        y += gap
        _box(canvas, 0, y, 1, 0.025, wood)
        y += 0.025
    for x in np.arange(rng.uniform(-0.3, 0.3), 1.2, rng.uniform(0.35, 0.8)):
        _box(canvas, x, 0, 0.025, 1, wood, 0.85)


def _leaves(canvas: np.ndarray, rng: np.random.Generator, top: float, bottom: float, count: int) -> None:
    green = np.array([rng.uniform(0.15, 0.5), rng.uniform(0.3, 0.55), rng.uniform(0.1, 0.25)])
    for _ in range(count):
        centre = _point(rng.uniform(-0.05, 1.05), rng.uniform(top, bottom))
        length = rng.uniform(0.01, 0.045)
        colour = green * rng.uniform(0.2, 1.9) + rng.uniform(-0.04, 0.04, 3)
        axes = _point(length, length * rng.uniform(0.25, 0.7))
        cv2.ellipse(canvas, centre, axes, rng.uniform(0, 180), 0, 360, _colour(colour), -1, cv2.LINE_AA)


def _foliage(canvas: np.ndarray, rng: np.random.Generator, tint: np.ndarray) -> None:
    canvas[:] = _colour((0.75, 0.82, 0.88) if rng.random() < 0.5 else (0.06, 0.10, 0.05))
    for _ in range(int(rng.integers(0, 5))):  # trunks
        x = rng.uniform(0, 1)
        start, end = _point(x, 1.0), _point(x + rng.uniform(-0.15, 0.15), 0.0)
        cv2.line(canvas, start, end, _colour((0.24, 0.18, 0.13)), int(rng.integers(3, 26)))
    _leaves(canvas, rng, rng.uniform(-0.1, 0.3), 1.05, int(rng.integers(250, 1100)))


def _window(canvas: np.ndarray, rng: np.random.Generator, tint: np.ndarray) -> None:
    x, y, w, h = rng.uniform(-0.2, 0.5), rng.uniform(-0.1, 0.2), rng.uniform(0.35, 0.8), rng.uniform(0.4, 0.9)
    inside = canvas.copy()
    canvas[:] = _colour((0.85, 0.91, 0.97), rng.uniform(0.7, 1.05))
    if rng.random() < 0.6:
        _leaves(canvas, rng, rng.uniform(0.2, 0.6), 1.0, 300)
    else:
        _buildings(canvas, rng, rng.uniform(0.1, 0.5))
    mask = np.ones((SIZE, SIZE), bool)
    (left, top), (right, bottom) = _point(max(x, 0), max(y, 0)), _point(x + w, y + h)
    mask[top:bottom, left:right] = False
    canvas[mask] = inside[mask]
    frame = np.full(3, rng.choice([0.95, 0.9, 0.3, 0.15]))
    for k in range(int(rng.integers(1, 4)) + 1):
        _box(canvas, x + (w - 0.02) * k / 2, y, 0.022, h, frame)
        _box(canvas, x, y + (h - 0.02) * k / 2, w, 0.02, frame, 0.9)
    if rng.random() < 0.5:  # curtains
        cloth = _any(rng, 0.4)
        for start in (x - 0.06, x + w - 0.12):
            for k in range(9):
                _box(canvas, start + k * 0.02, max(y - 0.05, 0), 0.02, 1.0, cloth, 0.75 + 0.3 * math.sin(k * 2.1) ** 2)
    elif rng.random() < 0.5:  # blinds
        for level in np.arange(max(y, 0), y + h, 0.03):
            _box(canvas, x, level, w, 0.014, np.full(3, 0.9), rng.uniform(0.85, 1.0))


def _buildings(canvas: np.ndarray, rng: np.random.Generator, top: float) -> None:
    x = -0.1
    while x < 1:
        width, height = rng.uniform(0.12, 0.4), top + rng.uniform(-0.15, 0.3)
        colour = _any(rng, 0.25)
        _box(canvas, x, height, width, 1.2, colour)
        across, down = rng.uniform(0.02, 0.06), rng.uniform(0.03, 0.08)
        for wx in np.arange(x + across / 2, x + width - across / 2, across):
            for wy in np.arange(height + down / 2, 1.0, down):
                _box(canvas, wx, wy, across * 0.55, down * 0.55, colour, rng.choice([0.45, 0.6, 1.6]))
        x += width


def _street(canvas: np.ndarray, rng: np.random.Generator, tint: np.ndarray) -> None:
    canvas[:] = _colour((0.66, 0.78, 0.92) if rng.random() < 0.6 else (0.8, 0.81, 0.83), rng.uniform(0.75, 1.1))
    _buildings(canvas, rng, rng.uniform(0.05, 0.5))
    _box(canvas, 0, (kerb := rng.uniform(0.65, 0.9)), 1, 1, np.full(3, rng.uniform(0.3, 0.6)))
    if rng.random() < 0.6:
        _leaves(canvas, rng, rng.uniform(0.0, 0.5), kerb, 250)
    for _ in range(int(rng.integers(0, 5))):  # cars, passers-by
        x, w, h = rng.uniform(0, 1), rng.uniform(0.03, 0.25), rng.uniform(0.1, 0.25)
        colour = _any(rng, 0.9)
        cv2.ellipse(canvas, _point(x, kerb), _point(w / 2, h / 2), 0, 0, 360, _colour(colour), -1, cv2.LINE_AA)
        _box(canvas, x - w / 2, kerb, w, h * 0.4, colour, 0.7)


def _landscape(canvas: np.ndarray, rng: np.random.Generator, tint: np.ndarray) -> None:
    """Sky with clouds, hills or the sea."""
    horizon = rng.uniform(0.35, 0.75)
    y = np.linspace(0, 1, SIZE)[:, None, None]
    sky = np.array([0.35, 0.55, 0.85]) * (1 - y / horizon) + np.array([0.85, 0.88, 0.92]) * (y / horizon)
    canvas[:] = np.clip(sky * 255, 0, 255)
    for _ in range(int(rng.integers(0, 14))):
        centre, axes = (
            _point(rng.random(), horizon * rng.random()),
            _point(rng.uniform(0.05, 0.2), rng.uniform(0.02, 0.06)),
        )
        cv2.ellipse(canvas, centre, axes, 0, 0, 360, _colour((0.95, 0.95, 0.96)), -1, cv2.LINE_AA)
    ground = np.array([[0.25, 0.38, 0.45], [0.35, 0.42, 0.22], [0.70, 0.62, 0.48], [0.86, 0.88, 0.92]])[rng.integers(4)]
    x = np.linspace(0, 1, 25)
    for k in range(4):
        line = horizon + 0.09 * k + (0.03 + 0.05 * (k < 2)) * np.sin(x * rng.uniform(3, 12) + rng.uniform(0, 6))
        hill = np.concatenate([np.stack([x, line], 1), [[1, 1.1], [0, 1.1]]]) * SIZE
        cv2.fillPoly(canvas, [hill.astype(np.int32)], _colour(ground, rng.uniform(0.55, 1.1)), cv2.LINE_AA)


def _bokeh(canvas: np.ndarray, rng: np.random.Generator, tint: np.ndarray) -> None:
    canvas[:] = _colour(tint, rng.uniform(0.05, 0.3))
    palette = [_any(rng, 1.0) * 0.5 + 0.5 for _ in range(4)]
    radius = rng.uniform(0.012, 0.06)
    layer = np.zeros_like(canvas)
    for _ in range(int(rng.integers(25, 110))):
        layer[:] = 0
        reach = int(radius * rng.uniform(0.6, 1.3) * SIZE) + 1
        colour = _colour(palette[rng.integers(4)], rng.uniform(0.15, 0.7))
        x, y = (int(v) for v in rng.integers(0, SIZE, 2))
        part = slice(max(y - reach, 0), y + reach + 1), slice(max(x - reach, 0), x + reach + 1)
        disc = np.zeros_like(canvas[part])
        cv2.circle(disc, (x - part[1].start, y - part[0].start), reach - 1, colour, -1, cv2.LINE_AA)
        canvas[part] = cv2.add(canvas[part], disc)


def _writing(canvas: np.ndarray, rng: np.random.Generator, tint: np.ndarray) -> None:
    """Posters, a board, a screen: letters and lines."""
    fonts = (
        cv2.FONT_HERSHEY_SIMPLEX,
        cv2.FONT_HERSHEY_COMPLEX,
        cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
        cv2.FONT_HERSHEY_DUPLEX,
    )
    for _ in range(int(rng.integers(1, 6))):
        x, y, w, h = rng.uniform(-0.2, 0.8), rng.uniform(-0.1, 0.6), rng.uniform(0.2, 0.9), rng.uniform(0.2, 0.7)
        paper = _any(rng, 0.6)
        ink = np.clip(paper + (0.75 if paper.mean() < 0.5 else -0.75), 0, 1) * 0.8 + 0.2 * _any(rng, 1.0)
        _box(canvas, x, y, w, h, paper)
        scale = float(rng.uniform(0.35, 1.6))
        for level in np.arange(y + 0.08 * scale + 0.02, y + h, 0.075 * scale):
            letters = rng.integers(0, 26, int(w / 0.045 / scale) + 1) + ord(rng.choice(["a", "A"]))
            text = "".join(chr(c) if rng.random() < 0.85 else " " for c in letters)
            place = _point(x + 0.02, level)
            cv2.putText(
                canvas,
                text,
                place,
                int(rng.choice(fonts)),
                scale,
                _colour(ink),
                max(1, round(1.5 * scale)),
                cv2.LINE_AA,
            )


def _pattern(canvas: np.ndarray, rng: np.random.Generator, tint: np.ndarray) -> None:
    """Bricks, tiles, stripes, dots."""
    kind, pitch = rng.choice(["bricks", "tiles", "stripes", "dots"]), rng.uniform(0.03, 0.14)
    if kind in ("bricks", "tiles"):
        canvas[:] = _colour(tint, rng.uniform(0.5, 1.4))
        wide = pitch * (2.2 if kind == "bricks" else 1.0)
        for k, y in enumerate(np.arange(-pitch, 1, pitch)):
            for x in np.arange(-wide * (1 + 0.5 * (k % 2)), 1, wide):
                _box(canvas, x, y, wide - 0.006, pitch - 0.006, tint, rng.uniform(0.75, 1.1))
    elif kind == "stripes":
        other, slant = _any(rng), rng.choice([0.0, 0.3, 1.0])
        for x in np.arange(-1, 2, 2 * pitch):
            corners = np.array([[x, 0], [x + pitch, 0], [x + pitch + slant, 1], [x + slant, 1]]) * SIZE
            cv2.fillPoly(canvas, [corners.astype(np.int32)], _colour(other), cv2.LINE_AA)
    else:
        other = _any(rng, 0.8)
        for k, y in enumerate(np.arange(0, 1.1, pitch)):
            for x in np.arange((k % 2) * pitch / 2, 1.1, pitch):
                cv2.circle(canvas, _point(x, y), int(pitch * SIZE * 0.25) + 1, _colour(other), -1, cv2.LINE_AA)


def _clutter(canvas: np.ndarray, rng: np.random.Generator, tint: np.ndarray) -> None:
    """Shapes of all sizes and colours."""
    for _ in range(int(rng.integers(15, 90))):
        colour, size = _colour(_any(rng, 0.9)), rng.uniform(0.01, 0.22)
        x, y = rng.uniform(-0.1, 1.1, 2)
        if rng.random() < 0.4:
            corners = np.array([x, y]) + rng.uniform(-size, size, (int(rng.integers(3, 6)), 2))
            cv2.fillPoly(canvas, [cv2.convexHull((corners * SIZE).astype(np.int32))], colour, cv2.LINE_AA)
        elif rng.random() < 0.5:
            axes = _point(size, size * rng.uniform(0.2, 1))
            cv2.ellipse(canvas, _point(x, y), axes, rng.uniform(0, 180), 0, 360, colour, -1, cv2.LINE_AA)
        else:
            _box(canvas, x, y, size * rng.uniform(0.3, 2), size, _any(rng, 0.9))


KINDS: dict[str, Draw] = {
    "wall": _wall, "gradient": _gradient, "room": _room, "shelves": _shelves, "foliage": _foliage, "window": _window,
    "street": _street, "landscape": _landscape, "bokeh": _bokeh, "writing": _writing, "pattern": _pattern,
    "clutter": _clutter,
}  # fmt: skip


def background(kind: str, seed: int, tint: np.ndarray, light: float, size: int) -> np.ndarray:
    """A background of one of KINDS, linear float32 (size, size, 3), which looks the same at every size.

    tint (3,): the wall's colour as displayed. light: factor of the brightness. A fifth is sharp, the rest blurred.
    """
    rng = np.random.default_rng(seed)
    canvas = np.empty((SIZE, SIZE, 3), np.uint8)
    canvas[:] = _colour(tint)
    KINDS[kind](canvas, rng, tint)
    texture = np.zeros((SIZE, SIZE), np.float32)  # no real surface has one uniform colour
    for width, strength in ((0.7, 0.03), (5.0, 0.03), (30.0, 0.05)):
        noise = cv2.GaussianBlur(rng.standard_normal((SIZE, SIZE), np.float32), (0, 0), width)
        texture += noise * np.float32(strength / noise.std())
    image = (canvas.astype(np.float32) / 255 * (1 + texture[..., None])).clip(0, 1.1) ** 2
    radius = float(rng.choice([rng.uniform(0, 0.8), rng.uniform(1, 4), rng.uniform(4, 12)], p=[0.2, 0.45, 0.35]))
    if radius > 0.8:  # out of focus: each point becomes a disc
        reach = math.ceil(radius)
        axis = np.arange(-reach, reach + 1)
        disc = np.clip(radius + 0.5 - np.hypot(axis[:, None], axis[None]), 0, 1)
        image = cv2.filter2D(image, -1, disc / disc.sum(), borderType=cv2.BORDER_REFLECT)
    # light falls off from somewhere
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) / SIZE
    away = np.hypot(x - rng.uniform(-0.2, 1.2), y - rng.uniform(-0.2, 0.7))
    image *= (light * (1.15 - rng.uniform(0.0, 0.8) * np.clip(away, 0, 1.2)) ** 2)[..., None]
    interpolation = cv2.INTER_AREA if size < SIZE else cv2.INTER_CUBIC
    return np.clip(cv2.resize(image, (size, size), interpolation=interpolation), 0, 1.5)
