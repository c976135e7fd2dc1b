"""Teeth for portraits whose mouth is closed: what comes into view between the lips when they open.

A photograph of a closed mouth shows no teeth, and networks that never saw this person's paint a grey band. Here rows of
teeth are drawn where the face model has them: the upper row is fixed to the skull, the lower row and the tongue
move with the jaw, and the lips cover what they cover. Sizes of teeth are averages of adults (Wheeler's Dental Anatomy).

Coordinates (u, v) are on the plane of the teeth: to the right and up, from where closed lips meet, in shares of half
the mouth's width.
"""

from functools import cache

import cv2
import numpy as np

from styleheat.inference.portrait import Portrait
from styleheat.morphable.geometry import GRID, Geometry, View

MILLIMETRE = 1 / 24
"""In (u, v): a mouth is 48 mm wide between the inner corners of the lips."""

ARCH = 27 * MILLIMETRE
"""Radius of the arch that the teeth stand on."""

UPPER = ((8.5, -3.0, 10.0), (6.5, -2.3, 9.0), (7.5, -3.1, 10.0), (7.0, -2.2, 8.5), (7.0, -1.8, 8.0), (10.0, -1.4, 7.5))
LOWER = ((5.3, -2.2, 8.5), (5.8, -2.2, 8.5), (6.9, -1.9, 9.0), (7.0, -2.4, 8.0), (7.0, -2.8, 7.5), (10.5, -3.0, 7.0))
"""Teeth from the middle outwards: width, height of the biting edge above where lips meet, and length, in mm."""

ROUNDING, GAP = 0.32, 0.2
"""Radius of the corners of biting edges, as a share of a tooth's width; space between neighbours, in mm."""

IVORY, GUM, TONGUE, CAVITY = (0.98, 0.94, 0.87), (0.62, 0.34, 0.33), (0.50, 0.25, 0.24), (0.15, 0.06, 0.055)
"""Colours in full light."""

REACH = 1.5
"""Of the drawn rows, from the middle to each side."""

TEXELS = 128
"""Of a drawn row, to a unit of (u, v)."""

OCCLUSION, IN_SHADE = 0.1, np.array([0.22, 0.13, 0.12])
"""How lips shade what is behind them: the distance from them, in (u, v), over which the light grows, and what is left
of it at their edge, reddened by them."""

RIM = 0.7 / GRID
"""How far the drawing goes over the edges of the lips, in shares of the image's width: the field has steps there of the
size of its cells."""

SOFT = 0.7
"""Standard deviation in pixels of the photograph of the blur that a camera gives edges."""

TINT = 0.5
"""How much of the light's colour, which cheeks show mixed with their own, teeth take on."""

THINNEST = 0.75
"""Height in pixels of an opening that is drawn, at least."""

SHOWN = 5 * MILLIMETRE
"""Of the lower row, how far the height where lips meet is above the lower lip at most: that lip hides most of the row,
although the estimated jaw moves less than the lip does."""

MIDDLE = 5
"""Of the points on the edge of a lip."""

CHEEKS = ((2, 31, 48), (14, 35, 54))
"""Landmarks around each cheek."""


class Teeth:
    """Draws the teeth of one portrait with a closed mouth into its frames."""

    def __init__(self, image: np.ndarray, own: View, pitch: float) -> None:
        """image: (S,S,3) uint8, the portrait. own: its own view. pitch: pixels of the photograph for one of it."""
        self._closed = _apart(own) / _height(own)
        # The portrait's lips meet at v = 0, wherever its face model has them.
        self._meet = [_level(plane, own.lips[:, MIDDLE].mean(0)) for plane in (own.teeth, own.lower_teeth)]
        self._light = _light(image, own.landmarks * len(image))
        self._blur = SOFT / min(pitch, 1.0)

    def __call__(self, frame: np.ndarray, view: View, beyond: int = 0) -> np.ndarray:
        """A frame (S,S,3) uint8 of a view → the frame with teeth, a new array where any are seen. beyond: pixels that
        it shows beyond the portrait's square, on each side."""
        size = len(frame) - 2 * beyond
        upper, lower = self._opening(view) * size
        if ((lower - upper) @ _down(view)).max() < THINNEST:
            return frame
        around = np.concatenate([upper, lower])
        margin = 3 * self._blur + 2
        x0, y0 = np.maximum(np.floor(around.min(0) - margin), -beyond).astype(int)
        x1, y1 = np.minimum(np.ceil(around.max(0) + margin), size + beyond).astype(int)
        if x1 - x0 < 2 or y1 - y0 < 2:
            return frame
        corner, box = np.array([x0, y0]), (int(x1 - x0), int(y1 - y0))
        opening = _filled(np.concatenate([upper, lower[::-1]]) - corner, box)
        colours = self._mouth(view, size, corner, box)
        half = _half_width(view) * size
        light = np.clip(2.2 * cv2.GaussianBlur(opening, (0, 0), OCCLUSION * half) - 0.5, 0, 1)
        colours *= (self._light * (IN_SHADE + (1 - IN_SHADE) * light[..., None])).astype(np.float32)
        colours = cv2.GaussianBlur(colours, (0, 0), self._blur)
        cover = cv2.GaussianBlur(opening, (0, 0), self._blur)[..., None]
        result = frame.copy()
        part = result[beyond + y0 : beyond + y1, beyond + x0 : beyond + x1]
        part[:] = np.rint(part + cover * (np.clip(colours, 0, 1) * 255 - part))
        return result

    def _opening(self, view: View) -> np.ndarray:
        """The edges of the lips (2,R,2), upper and lower, in shares of the image's width; together where landmarks are
        no further apart than those of the portrait's closed lips."""
        upper, lower = view.lips
        across = lower - upper
        down = _down(view)
        apart = across @ down
        closed = np.maximum(self._closed * _height(view), 1e-6)
        opened = np.maximum(apart - closed, 0)
        wanted = opened + closed * np.clip(opened / (2 * closed), 0, 1)
        middle = (upper + lower) / 2
        over = 2 * RIM * wanted / (wanted + 4 * RIM)
        half = (across - (apart - wanted - over)[:, None] * down) / 2
        half[wanted == 0] = 0
        return np.stack([middle - half, middle + half])

    def _mouth(self, view: View, size: int, corner: np.ndarray, box: tuple[int, int]) -> np.ndarray:
        """What is in the mouth, in full light, in a box of the image whose first pixel is `corner`: (h,w,3) float32."""
        colours = np.empty((box[1], box[0], 3), np.float32)
        colours[:] = CAVITY
        upper, lower, tongue = _rows()
        raised = self._meet[0]
        low = min(self._meet[1], _level(view.lower_teeth, view.lips[1, MIDDLE]) + SHOWN)
        rows = ((tongue, view.lower_teeth, low), (lower, view.lower_teeth, low), (upper, view.teeth, raised))
        for texture, plane, level in rows:
            left, right, bottom, top = plane * size - corner
            across, up = (right - left) / 2, (top - bottom) / 2
            centre = (left + right) / 2 + level * up
            to_box = np.column_stack([across, -up]) / TEXELS
            origin = centre + to_box @ (0.5 - TEXELS * np.array([REACH, REACH]))
            flags = cv2.INTER_LINEAR
            drawn = cv2.warpAffine(texture, np.column_stack([to_box, origin - 0.5]), box, flags=flags)
            colours += drawn[..., :3] - drawn[..., 3:] * colours
        return colours


def _level(plane: np.ndarray, point: np.ndarray) -> float:
    """The v of a point (2,) on a plane of teeth (4,2)."""
    left, right, bottom, top = plane
    up = (top - bottom) / 2
    return float((point - (left + right) / 2) @ up / (up @ up))


def _half_width(view: View) -> float:
    left, right = view.lips[0, 0], view.lips[0, -1]
    return float(np.linalg.norm(right - left)) / 2


def _height(view: View) -> float:
    """The distance of the places below and above the middle of the teeth's plane, which turns to the side don't
    shorten."""
    _, _, bottom, top = view.teeth
    return float(np.linalg.norm(bottom - top))


def _down(view: View) -> np.ndarray:
    """The direction (2,) in the image from the upper teeth to the lower."""
    _, _, bottom, top = view.teeth
    return np.asarray((bottom - top) / _height(view))


def _apart(view: View) -> np.ndarray:
    """How far the lower lip's edge is below the upper one's (R,)."""
    return np.asarray((view.lips[1] - view.lips[0]) @ _down(view))


def _light(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """The colour (3,) of the light on a face, 1 for white, by its cheeks: those of dark skin are given more than they
    reflect."""
    radius = max(1, round(0.02 * len(image)))
    cheeks = []
    for points in CHEEKS:
        x, y = np.clip(np.rint(landmarks[list(points)].mean(0)).astype(int), radius, len(image) - radius - 1)
        cheeks.append(np.median(image[y - radius : y + radius + 1, x - radius : x + radius + 1], axis=(0, 1)) / 255)
    cheek = np.mean(cheeks, axis=0)
    brightness = max(float(cheek.max()), 0.1)
    tint = 1 + TINT * (cheek / brightness - 1)
    return np.asarray(brightness**0.7 * tint)


def _filled(outline: np.ndarray, box: tuple[int, int]) -> np.ndarray:
    """How much of each pixel lies in a polygon (N,2), in pixels whose first goes from 0 to 1: (h,w) float32."""
    finer = 4
    drawn = np.zeros((box[1] * finer, box[0] * finer), np.uint8)
    shift = 4
    points = np.rint((outline * finer - 0.5) * 2**shift).astype(np.int32)
    cv2.fillPoly(drawn, [points], 255, cv2.LINE_8, shift)
    return cv2.resize(drawn, box, interpolation=cv2.INTER_AREA).astype(np.float32) / 255


@cache
def _rows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The upper row, the lower row and the tongue: (T,T,4) float32, colours multiplied by the fourth channel, how
    opaque they are. The middle of the square is (u, v) = 0, v upwards."""
    steps = (np.arange(2 * REACH * TEXELS) + 0.5) / TEXELS - REACH
    u, v = np.meshgrid(steps, -steps)
    return _row(u, v, UPPER, 1), _row(u, v, LOWER, -1), _tongue(u, v)


def _row(u: np.ndarray, v: np.ndarray, teeth: tuple[tuple[float, float, float], ...], up: int) -> np.ndarray:
    """One row. up: 1, if the teeth go upwards from their biting edges, or -1."""
    sharp = 1.5 / TEXELS
    angle = np.arcsin(np.clip(np.abs(u) / ARCH, 0, 1))
    along = angle * ARCH / MILLIMETRE  # mm on the arch
    colours, opaque = np.zeros((*u.shape, 3)), np.zeros(u.shape)
    start = 0.0
    for width, edge, length in teeth:
        x = np.abs(along - start - width / 2) * MILLIMETRE
        half, radius = (width - GAP) / 2 * MILLIMETRE, ROUNDING * width * MILLIMETRE
        start += width
        y = up * (v - edge * MILLIMETRE)  # from the biting edge to the root
        corner = np.hypot(np.maximum(x - half + radius, 0), np.maximum(radius - y, 0)) - radius
        inside = np.maximum(corner, np.minimum(np.maximum(x - half, -y), 0))
        tooth = np.clip(0.5 - inside / sharp, 0, 1)
        bulge = 1 - 0.18 * (x / half) ** 4 - 0.10 * np.clip(1 - y / (2.5 * MILLIMETRE), 0, 1)
        colour = np.array(IVORY) * np.clip(bulge, 0, 1)[..., None]
        scallop = (length - 1.2 * (x / half) ** 2) * MILLIMETRE
        gum = np.clip((y - scallop) / (0.6 * MILLIMETRE), 0, 1) * (x <= width / 2 * MILLIMETRE)
        colours += (tooth * (1 - gum))[..., None] * colour + gum[..., None] * GUM
        opaque += tooth * (1 - gum) + gum
    outside = np.abs(u) >= ARCH
    opaque[outside] = 0
    turned = np.cos(angle) ** 0.7 * (1 if up > 0 else 0.9)  # teeth at the side get less light, and so do lower ones
    colours *= (turned * ~outside)[..., None]
    return np.dstack([colours, np.clip(opaque, 0, 1)]).astype(np.float32)


def _tongue(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Behind the lower teeth, a little higher than they are."""
    top = 0.10 - 0.25 * (u / 0.75) ** 2
    opaque = np.clip((top - v) / 0.12, 0, 1) * np.clip((0.9 - np.abs(u)) / 0.2, 0, 1)
    furrow = 1 - 0.25 * np.exp(-((u / 0.08) ** 2))
    return np.dstack([opaque[..., None] * np.array(TONGUE) * furrow[..., None], opaque]).astype(np.float32)


def teeth_of(portrait: Portrait, geometry: Geometry, size: int | None) -> Teeth | None:
    """What draws teeth in a portrait's frames of `size` pixels, or of its own; None where it shows teeth itself."""
    if geometry.opens:
        return None
    side = len(portrait.image)
    return Teeth(portrait.image, geometry.own, float(np.hypot(*portrait.to_photo[:, 0])) * side / (size or side))
