"""What a head looks like: colours of skin, eyes, hair and clothes painted into textures.

Colours are chosen as a display shows them (0 .. 1) and squared into linear light, see `raster.develop`.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter

from styleheat.sources.synthetic.body import EYE_REACH, IRIS, TRUNK_COLUMNS, TRUNK_ROWS
from styleheat.sources.synthetic.head import COLUMNS, EYE_ROW, HEIGHTS, MOUTH_ROW, ROWS, Head, bump, step
from styleheat.sources.synthetic.wear import Glasses, Hat

TEXELS = 3
"""Texels a side of a grid cell of the skin."""

_SKINS = (
    (0.95, 0.80, 0.72), (0.93, 0.76, 0.66), (0.89, 0.70, 0.58), (0.86, 0.66, 0.52), (0.80, 0.60, 0.46),
    (0.72, 0.52, 0.38), (0.62, 0.43, 0.31), (0.52, 0.35, 0.25), (0.43, 0.28, 0.20), (0.36, 0.235, 0.175),
)  # fmt: skip
_HAIRS = {
    "black": (0.10, 0.085, 0.08), "dark": (0.20, 0.145, 0.11), "brown": (0.33, 0.225, 0.15),
    "light": (0.50, 0.37, 0.24), "blond": (0.70, 0.56, 0.37), "red": (0.50, 0.25, 0.13),
    "grey": (0.52, 0.51, 0.50), "white": (0.78, 0.77, 0.75),
}  # fmt: skip
_IRISES = (
    (0.30, 0.19, 0.11),
    (0.22, 0.14, 0.09),
    (0.36, 0.48, 0.58),
    (0.38, 0.43, 0.30),
    (0.45, 0.34, 0.20),
    (0.44, 0.50, 0.52),
)
STYLES = ("bald", "receding", "buzz", "short", "crop", "quiff", "curly", "bob", "long", "wavy", "tied", "afro")
_STYLE_ODDS = {  # of a man and of a woman
    "bald": (1.2, 0), "receding": (1.2, 0), "buzz": (1.3, 0.1), "short": (2.4, 0.4), "crop": (1.8, 0.4),
    "quiff": (1.8, 0.2), "curly": (1.0, 1.4), "bob": (0.1, 1.8), "long": (0.3, 2.6), "wavy": (0.2, 2.0),
    "tied": (0.3, 2.2), "afro": (0.4, 0.6),
}  # fmt: skip
COVERS_EARS = ("bob", "long", "wavy", "curly")
CLOTHES = ("tee", "vneck", "shirt", "jacket", "turtleneck", "scoop")


@dataclass
class Look:
    """A person's colours and styles; colours as displayed."""

    male: bool
    age: float
    skin: np.ndarray
    lips: np.ndarray
    iris: np.ndarray
    hair: np.ndarray
    style: str
    hairline: float
    part: float
    beard: str  # "none", "stubble", "moustache", "goatee", "full"
    brow_thickness: float
    glasses: Glasses | None
    hat: Hat | None
    freckles: float
    makeup: float
    clothes: str
    cloth: np.ndarray
    cloth2: np.ndarray

    @classmethod
    def random(cls, rng: np.random.Generator, male: bool, age: float) -> "Look":
        tone = rng.uniform(0, len(_SKINS) - 1)
        low = int(min(tone, len(_SKINS) - 2))
        skin = np.array(_SKINS[low]) * (1 - (tone - low)) + np.array(_SKINS[low + 1]) * (tone - low)
        skin = np.clip(skin + rng.normal(size=3) * 0.010, 0, 1)
        dark = tone > 5.5
        names = ["black", "dark"] if dark else ["black", "dark", "brown", "light", "blond", "red"]
        hair = str(rng.choice(names))
        if age > 0.6 and rng.random() < 0.6:
            hair = str(rng.choice(["grey", "white", "grey"]))
        odds = np.array([_STYLE_ODDS[style][0 if male else 1] for style in STYLES])
        if not dark:
            odds[STYLES.index("afro")] *= 0.1
        if age < 0.35:
            odds[STYLES.index("bald")] *= 0.4
            odds[STYLES.index("receding")] *= 0.2
        style = str(rng.choice(STYLES, p=odds / odds.sum()))
        beard = (
            str(rng.choice(["none", "stubble", "moustache", "goatee", "full"], p=[0.42, 0.22, 0.07, 0.09, 0.20]))
            if male
            else "none"
        )
        iris = np.array(_IRISES[rng.integers(2)] if dark or hair == "black" else _IRISES[rng.integers(len(_IRISES))])
        glasses, hat = Glasses.random(rng), Hat.random(rng, male)
        makeup = 0.0 if male else float(np.clip(rng.normal() * 0.35 + 0.35, 0, 1))
        red = np.array([0.80, 0.52, 0.50]) * (1 - 0.15 * rng.random())
        lips = (
            skin * red * (1 - 0.45 * makeup)
            + 0.45 * makeup * np.array([0.68, 0.20, 0.24])
            + np.array([0.06, 0.02, 0.02])
        )
        hue, value = rng.uniform(0, 180), rng.uniform(40, 225)
        cloth = hsv(hue, rng.uniform(10, 130), value)
        cloth2 = hsv(rng.uniform(0, 180), rng.uniform(0, 60), rng.uniform(190, 245))
        return cls(
            male=male, age=age, skin=skin, lips=np.clip(lips, 0, 1), iris=iris,
            hair=np.clip(np.array(_HAIRS[hair]) * rng.uniform(0.85, 1.15), 0, 1), style=style,
            hairline=float(rng.normal() * 0.03), part=float(rng.choice([-1, 1]) * rng.uniform(0.02, 0.28)), beard=beard,
            brow_thickness=float(np.clip(1.0 + 0.25 * rng.normal() + (0.2 if male else -0.2), 0.5, 1.6)),
            glasses=glasses if rng.random() < 0.22 + 0.2 * age else None,
            hat=hat if rng.random() < 0.2 else None,
            freckles=float(max(0.0, rng.normal() * 0.5 - 0.1)) * (not dark), makeup=makeup,
            clothes=str(rng.choice(CLOTHES, p=[0.28, 0.14, 0.20, 0.20, 0.08, 0.10])), cloth=cloth, cloth2=cloth2,
        )  # fmt: skip


def hsv(hue: float, saturation: float, value: float) -> np.ndarray:
    """A display colour (3,) 0 .. 1 of hue 0 .. 180, saturation and value 0 .. 255."""
    pixel = np.array([[[hue, saturation, value]]], np.uint8)
    return cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0] / 255.0


def linear(colour: np.ndarray) -> np.ndarray:
    """Display value to linear light."""
    return np.asarray(colour, np.float64) ** 2


def _noise(rng: np.random.Generator, shape: tuple[int, ...], width: float | tuple[float, ...]) -> np.ndarray:
    """Smooth noise of unit variance."""
    values = gaussian_filter(rng.normal(size=shape), width, mode="wrap")
    return values / values.std()


def skin_texture(head: Head, look: Look, rng: np.random.Generator) -> np.ndarray:
    """The skin's colours on its grid, TEXELS a cell: float32 linear (rows, columns, 3)."""
    i = head.identity
    # Sampled so that texel (TEXELS * row, TEXELS * column) is the grid's vertex.
    size = ((COLUMNS - 1) * TEXELS + 1, (ROWS - 1) * TEXELS + 1)
    row_map, column_map = np.meshgrid(
        np.linspace(0, ROWS - 1, size[1]).astype(np.float32),
        np.linspace(0, COLUMNS - 1, size[0]).astype(np.float32),
        indexing="ij",
    )

    def fine(values: np.ndarray) -> np.ndarray:
        return cv2.remap(values.astype(np.float32), column_map, row_map, cv2.INTER_LINEAR).astype(np.float64)

    x, y, z = (fine(head.flat[..., k]) for k in range(3))
    v = fine(np.repeat(HEIGHTS[:, None], COLUMNS, 1))
    front = fine(head.front)
    side = np.abs(x)
    shape = x.shape
    # Noise must not follow the grid's uneven cells: it is made on a map of the head and looked up there.
    angle = np.arctan2(x, z)
    atlas = np.stack(
        [_noise(rng, (512, 1024), s) for s in (0.8, 2.0, 6.0, 22.0)]
        + [np.maximum(0, _noise(rng, (512, 1024), 1.1) - 2.1)]
    )
    look_x = ((angle / math.pi * 0.5 + 0.5) * 1023).astype(np.float32)
    look_y = ((1.2 - y) / 2.5 * 511).astype(np.float32)
    grain, pores, blotch, patch, spots = (
        cv2.remap(layer.astype(np.float32), look_x, look_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        for layer in atlas
    )
    base = look.skin
    out = np.ones((*shape, 3)) * base
    out *= (1 + 0.012 * grain + 0.014 * pores + 0.016 * blotch + 0.022 * patch)[..., None]
    # Blood: cheeks, nose, ears' side, chin, around the eyes; the beard's shadow is bluish.
    red = np.zeros(shape)
    red += (0.55 + 0.35 * look.makeup) * bump(side - 0.42, 0.17) * bump(v + 0.20, 0.16) * front
    red += 0.65 * bump(x, 0.13) * bump(v - head.nose_y, 0.10) * front
    red += 0.30 * bump(x, 0.16) * bump(v + 0.92, 0.10) * front
    red += 0.25 * bump(side - head.eye_x, 0.17) * bump(v - EYE_ROW, 0.07) * front + 0.15 * blotch * front
    out *= 1 - np.clip(red, -0.3, 1.2)[..., None] * np.array([0.0, 0.11, 0.10])
    out[..., 0] *= 1 + 0.025 * np.clip(red, 0, 1)
    yellow = bump(v - 0.55, 0.25) * front
    out *= 1 + yellow[..., None] * np.array([0.015, 0.010, -0.02])
    out *= 1 - (look.freckles * spots * bump(side - 0.28, 0.30) * bump(v + 0.15, 0.22) * front)[..., None] * np.array(
        [0.14, 0.22, 0.26]
    )
    for _ in range(int(rng.integers(0, 4))):  # moles
        mx, my, radius = rng.uniform(-0.5, 0.5), rng.uniform(-0.95, 0.6), rng.uniform(0.008, 0.014)
        mole = bump(np.hypot(x - mx, v - my), radius) * front
        out *= 1 - mole[..., None] * np.array([0.45, 0.55, 0.6])

    # Shade in the small hollows that the mesh is too coarse for.
    shade = np.zeros(shape)
    xr = (side - head.eye_x) / head.eye_half
    shade += 0.14 * bump(side - head.eye_x * 0.95, 0.17) * bump(v - EYE_ROW - 0.03, 0.09)
    shade += 0.13 * bump(side - 0.175, 0.05) * bump(v - EYE_ROW - 0.02, 0.08)
    shade += 0.30 * bump(v - EYE_ROW - 0.066, 0.010) * step(1.25, 0.75, np.abs(xr))  # crease of the upper lid
    shade += (
        (0.07 + 0.10 * i.age) * bump(v - EYE_ROW + 0.085 - 0.03 * xr**2, 0.018) * step(1.2, 0.6, np.abs(xr))
    )  # under the eye
    shade += 0.10 * bump(side - head.eye_x, 0.15) * bump(v - EYE_ROW + 0.06, 0.035)
    tip, wide = head.nose_y, head.nose_w
    nostril = bump((side - 0.066 * wide) / 0.034, 1.0) * bump((v - tip + 0.066 - 0.10 * (side - 0.066)) / 0.019, 1.0)
    shade += 0.72 * nostril
    shade += 0.17 * bump(side - 0.163 * wide, 0.018) * bump(v - tip + 0.020, 0.055)
    shade += 0.20 * bump(x, 0.12) * bump(v - tip + 0.105, 0.022)
    fold_x = 0.180 + 0.30 * np.clip(-0.38 - v, 0, 0.4)
    shade += (0.08 + 0.16 * i.age) * bump(side - fold_x, 0.018) * step(-0.36, -0.43, v) * step(-0.68, -0.55, v)
    mouth = head.mouth_half
    shade += (0.05 + 0.08 * i.age) * bump(side - mouth - 0.035, 0.02) * step(-0.60, -0.66, v) * step(-0.84, -0.72, v)
    shade += 0.13 * bump(x, 0.14) * bump(v + 0.765, 0.024)
    shade += 0.06 * bump(x, 0.016) * bump(v - MOUTH_ROW - 0.13, 0.05)
    # Forehead lines, crow's feet.
    wave = 0.012 * np.sin(x * 9 + 1.3) + 0.010 * blotch * 0.3
    for line in (0.42, 0.50, 0.58):
        shade += 0.16 * max(0.0, i.age - 0.25) * bump(v - line - wave, 0.009) * step(0.45, 0.25, side)
    for slope in (-0.5, 0.0, 0.5):
        shade += (
            0.15
            * max(0.0, i.age - 0.3)
            * bump(v - EYE_ROW - slope * (side - 0.46), 0.007)
            * step(0.47, 0.50, side)
            * step(0.62, 0.55, side)
        )
    for sign in (-1, 1):
        shade += 0.16 * max(0.0, i.age - 0.4) * bump(side - 0.045 - sign * 0.01, 0.008) * bump(v - 0.24, 0.06)
    out *= 1 - np.clip(shade * front, 0, 0.9)[..., None] * np.array([0.86, 1.0, 1.0])
    bright = 0.05 * bump(x, 0.05) * bump(v + 0.1, 0.2) + 0.04 * bump(side - 0.44, 0.12) * bump(v + 0.05, 0.06)
    out *= 1 + (bright * front)[..., None]

    if has_fringe(look) and look.hat is None:  # its shade on the forehead
        shaded = step(head.brow_y + 0.02, head.brow_y + 0.12, v) * step(0.62, 0.48, side) * front
        out = out * (1 - 0.62 * shaded[..., None]) + 0.62 * shaded[..., None] * (0.35 * out + 0.35 * look.hair)

    # Lips.
    lip = v - MOUTH_ROW
    across = np.clip(1 - (x / mouth) ** 2, 0, 1)
    bow = 1 - 0.26 * bump(x, 0.030) + 0.06 * bump(side - 0.06, 0.035)
    top = head.lip_upper * across**0.60 * bow
    bottom = head.lip_lower * across**0.55
    edge = np.where(lip >= 0, step(top + 0.010, top - 0.008, lip), step(bottom + 0.011, bottom - 0.010, -lip))
    edge *= step(1.03, 0.97, side / mouth) * front
    lines = cv2.remap(
        _noise(rng, (8, 640), (3.0, 1.0)).astype(np.float32),
        ((x + 0.4) / 0.8 * 639).astype(np.float32),
        (np.clip((lip + 0.1) / 0.2, 0, 1) * 7).astype(np.float32),
        cv2.INTER_LINEAR,
    )
    tint = (
        look.lips
        * np.ones((*shape, 3))
        * (1 + 0.030 * lines - 0.10 * (lip > 0) + 0.05 * bump(lip + 0.045, 0.02))[..., None]
    )
    out = out * (1 - 0.88 * edge[..., None]) + tint * 0.88 * edge[..., None]
    out *= (1 - 0.42 * bump(lip, 0.009) * step(1.10, 0.9, side / mouth) * front)[..., None]
    out *= (1 + 0.035 * bump(np.where(lip > 0, lip - top - 0.014, 1.0), 0.010) * step(1.0, 0.6, side / mouth) * front)[
        ..., None
    ]
    # Eye shadow and the beard's roots.
    lid = bump(side - head.eye_x, 0.15) * step(0.11, 0.04, v - EYE_ROW) * step(-0.01, 0.01, v - EYE_ROW) * front
    out *= 1 - (0.35 * look.makeup * lid)[..., None] * np.array([0.5, 0.75, 0.65])
    stubble = beard_area(look, x, v, head) * (1 - edge)
    shaved = 0.10 if look.male else 0.0
    strength = {"none": shaved, "stubble": 0.42, "moustache": 0.40, "goatee": 0.45, "full": 0.62}[look.beard]
    roots = np.clip(stubble * (strength * (1 + 0.25 * grain)), 0, 0.8)[..., None]
    out = out * (1 - roots) + (0.35 * out + 0.65 * look.hair * 0.8) * roots
    # The scalp between the hairs: dark, with an uneven border.
    amount = {"bald": 0.16, "buzz": 0.60, "receding": 0.45}.get(look.style, 0.88)
    scalp = step(-0.015, 0.055, y - hairline_height(look, np.abs(angle)) + 0.012 * pores)
    dots = np.clip(scalp * amount * (1 + 0.2 * grain), 0, 0.95)[..., None]
    out = out * (1 - dots) + look.hair * 0.75 * dots
    return np.clip(linear(np.clip(out, 0, 1)), 0, 1).astype(np.float32)


def beard_area(look: Look, x: np.ndarray, v: np.ndarray, head: Head) -> np.ndarray:
    """0 .. 1: where a beard grows, for points at x and front height v."""
    side = np.abs(x)
    lip = v - MOUTH_ROW
    moustache = bump(lip - 0.118, 0.042) * step(0.31, 0.24, side)
    corners = bump(side - head.mouth_half - 0.045, 0.045) * step(-0.50, -0.58, v) * step(-0.95, -0.80, v)
    chin = step(-0.775, -0.84, v) * step(0.30, 0.20, side) + bump(x, 0.05) * bump(v + 0.755, 0.03)
    jaw = step(-0.62, -0.74, v - 0.62 * np.clip(side - 0.36, 0, 0.4)) * step(-0.03, -0.15, v)
    if look.beard == "moustache":
        return np.clip(moustache, 0, 1)
    if look.beard == "goatee":
        return np.clip(moustache + corners + chin, 0, 1)
    area = np.clip(moustache + corners + chin + jaw, 0, 1)
    bare = step(0.03, 0.012, np.where(lip < 0, -lip - head.lip_lower * 0.5, lip)) * step(
        head.mouth_half + 0.02, head.mouth_half - 0.02, side
    )
    return area * (1 - bare)


def has_fringe(look: Look) -> bool:
    """Whether the hair is cut straight above the brows."""
    return look.style == "bob" or (look.style == "long" and look.part < -0.15)


def hairline_height(look: Look, angle: np.ndarray) -> np.ndarray:
    """Height of the hair's border at an angle from the front (0) to the back (pi), decimetres."""
    knots = [0.0, 0.35, 0.62, 0.85, 1.05, 1.25, 1.42, 1.55, 1.75, 2.1, math.pi]
    male = [0.70, 0.71, 0.70, 0.60, 0.42, 0.22, 0.05, 0.12, -0.05, -0.42, -0.50]
    female = [0.68, 0.68, 0.64, 0.54, 0.40, 0.28, 0.20, 0.18, -0.02, -0.45, -0.55]
    line = np.interp(angle, knots, male if look.male else female)
    if look.style in ("bald", "receding"):
        bare = {"bald": 0.9, "receding": 0.24}[look.style]
        line = line + bare * step(1.25, 0.75, angle) * (1 - 0.4 * bump(angle, 0.25) * (look.style == "receding"))
        if look.style == "bald":
            line = np.maximum(line, np.interp(angle, [0, 1.2, 1.5, math.pi], [2.0, 0.5, 0.28, 0.30]))
    return line + look.hairline * step(1.2, 0.6, angle)


def eye_texture(look: Look, rng: np.random.Generator, size: int = 160) -> np.ndarray:
    """A ball seen along its axis, radius = angle: linear (size, size, 3)."""
    axis = np.linspace(-EYE_REACH, EYE_REACH, size)
    x, y = np.meshgrid(axis, -axis)
    r, around = np.hypot(x, y), np.arctan2(y, x)
    white = np.ones((size, size, 3)) * np.array([0.905, 0.885, 0.865])
    white *= 1 - step(0.40, 1.2, r)[..., None] * np.array([0.08, 0.20, 0.20])
    veins = np.maximum(0, _noise(rng, (size, size), 1.5) - 1.5)
    white *= 1 - (0.10 * veins * step(0.45, 0.9, r))[..., None] * np.array([0.2, 1, 1])
    t = r / IRIS
    rays = np.interp(around, np.linspace(-math.pi, math.pi, 97), np.r_[spokes := rng.normal(size=96), spokes[0]])
    iris = look.iris * np.ones((size, size, 3)) * (0.80 + 0.50 * step(0.4, 0.8, t) + 0.10 * rays)[..., None]
    iris += 0.10 * bump(t - 0.45, 0.14)[..., None] * np.array([1.0, 0.7, 0.3])
    iris *= (1 - 0.70 * step(0.80, 0.99, t))[..., None]
    out = white * step(0.94, 1.06, t)[..., None] + iris * step(1.06, 0.94, t)[..., None]
    out = out * step(0.36, 0.42, t)[..., None] + 0.025 * step(0.42, 0.36, t)[..., None]
    return linear(np.clip(out, 0, 1)).astype(np.float32)


def teeth_texture(rng: np.random.Generator, upper: bool, white: float) -> np.ndarray:
    """A row of teeth along its arch, the gum at one side: linear (40, 200, 3)."""
    widths = np.array([8.4, 6.6, 7.6, 7.0, 6.8, 10.0, 9.5] if upper else [5.4, 5.9, 6.9, 7.0, 7.1, 11.0, 10.5])
    edges = np.cumsum(np.r_[0, widths])
    edges = edges / edges[-1]
    u = np.abs(np.linspace(-1, 1, 200))[None]
    v = np.linspace(0, 1, 40)[:, None] if upper else np.linspace(1, 0, 40)[:, None]  # 0 gum .. 1 biting edge
    k = np.clip(np.searchsorted(edges, u[0], side="right") - 1, 0, len(widths) - 1)
    within = ((u[0] - edges[k]) / (edges[k + 1] - edges[k]))[None]
    gap = np.clip(np.abs(within - 0.5) * 2, 0, 1)
    out = np.ones((40, 200, 3)) * np.array([0.93, 0.89, 0.80]) * white
    out *= (1 - 0.30 * step(0.72, 1.0, gap) * (0.4 + 0.6 * v))[..., None]
    out *= (1 - 0.10 * (k % 2))[None, :, None] * (1 - 0.30 * u[..., None])
    gum = step(0.24, 0.14, v + 0.10 * (1 - gap**2))
    out = out * (1 - gum[..., None]) + gum[..., None] * np.array([0.66, 0.36, 0.36])
    out *= (1 - 0.5 * step(0.90, 1.0, v) * step(0.55, 1.0, gap))[..., None]
    return linear(np.clip(out, 0, 1)).astype(np.float32)


def flesh_texture(colour: tuple[float, float, float], rng: np.random.Generator) -> np.ndarray:
    """Mottled flesh, linear (32, 32, 3)."""
    out = np.ones((32, 32, 3)) * np.array(colour) * (1 + 0.05 * _noise(rng, (32, 32), 1.5))[..., None]
    return linear(np.clip(out, 0, 1)).astype(np.float32)


def cavity_texture(look: Look) -> np.ndarray:
    """Inside of the mouth from the upper lip's edge (row 0) around to the lower's: linear (8, 4, 3)."""
    lips = look.lips
    rows = [lips * 0.85, lips * 0.50, lips * 0.22, np.array([0.10, 0.035, 0.035])]
    rows += [np.array([0.11, 0.04, 0.04]), lips * 0.24, lips * 0.60, lips * 0.92]
    return np.repeat(linear(np.stack(rows))[:, None], 4, 1).astype(np.float32)


def ear_texture(look: Look) -> np.ndarray:
    """From the ear's middle outwards (rows): the hollow is darker, the rim redder. Linear (16, 4, 3)."""
    t = np.linspace(0, 1, 16)[:, None]
    dark = 1 - 0.42 * bump(t, 0.35) - 0.16 * bump(t - 0.74, 0.09)
    rows = look.skin * np.array([1.0, 0.93, 0.92]) * dark
    return np.repeat(linear(np.clip(rows, 0, 1))[:, None], 4, 1).astype(np.float32)


def trunk_texture(points: np.ndarray, look: Look, cloth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Skin of the neck and the clothes, 6 texels a cell of the trunk's grid `points`: linear (rows, columns, 3)."""
    rows, columns = (TRUNK_ROWS - 1) * 6 + 1, (TRUNK_COLUMNS - 1) * 6 + 1
    size = (columns, rows)
    row_map, column_map = np.meshgrid(
        np.linspace(0, TRUNK_ROWS - 1, rows).astype(np.float32),
        np.linspace(0, TRUNK_COLUMNS - 1, columns).astype(np.float32),
        indexing="ij",
    )
    assert row_map.shape == size[::-1]
    x, y, z = (cv2.remap(points[..., k].astype(np.float32), column_map, row_map, cv2.INTER_LINEAR) for k in range(3))
    front = z > -0.3
    side = np.abs(x)
    skin = look.skin * np.ones((rows, columns, 3)) * np.array([0.97, 0.95, 0.94])
    skin *= (1 + 0.02 * _noise(rng, (rows, columns), 8))[..., None]
    weave = 1 + 0.03 * _noise(rng, (rows, columns), 0.7) + 0.015 * _noise(rng, (rows, columns), (14, 5))
    folds = _noise(rng, (rows, columns), (16, 7))
    weave += 0.03 * folds * step(-1.6, -2.0, y)
    fabric = cloth * np.ones((rows, columns, 3)) * weave[..., None]
    under = look.cloth2 * np.ones((rows, columns, 3)) * (0.97 + 0.03 * (weave[..., None] - 1) * 10)
    style = look.clothes

    def cover(body: np.ndarray, layer: np.ndarray, inside: np.ndarray, seam: float = 0.02) -> np.ndarray:
        """Lay a layer where `inside` (decimetres, positive within) and shade the skin along its border."""
        body = body * (1 - 0.35 * step(-0.10, 0.0, inside) * step(0.02, -0.01, inside))[..., None]
        on = step(-0.006, 0.006, inside)[..., None]
        rim = 1 - 0.16 * bump(inside - seam, 0.008) * (seam > 0)
        return body * (1 - on) + layer * rim[..., None] * on

    neckline = np.where(front, -1.60 + 0.10 * np.clip(side / 0.5, 0, 1) ** 2, -1.50)
    if style == "tee":
        out = cover(skin, fabric, neckline - y, 0.055)
    elif style == "scoop":
        out = cover(skin, fabric, np.where(front, -1.80 + 0.24 * np.clip(side / 0.75, 0, 1) ** 2, -1.55) - y, 0.03)
    elif style == "turtleneck":
        out = cover(skin, fabric, np.where(front, -1.30, -1.22) - y, 0.0)
        out *= 1 - 0.05 * np.sin(np.arange(columns) * 0.9)[None, :, None] * step(-1.5, -1.3, y)[..., None]
    elif style == "vneck":
        line = np.where(front, np.minimum(-1.50, -1.98 + 1.15 * side), -1.50)
        out = cover(skin, fabric, line - y, 0.05)
    else:
        inner = under if style == "jacket" else fabric
        opening = np.where(front, np.minimum(-1.44, -1.78 + 1.6 * side), -1.42)
        out = cover(skin, inner, opening - y, 0.0)
        # collar points: a lighter flap from the neck to below the opening
        inner_border = (side - 0.85 * (y + 1.78) / 1.6) * 0.9
        flap = np.minimum(np.minimum(inner_border, -1.40 - y), (y + 1.86 - 0.55 * np.abs(side - 0.34)) * 0.8)
        flap = np.where(front, np.minimum(flap, 0.62 - side), -1)
        shadow = step(-0.05, 0.0, flap) * step(0.01, -0.005, flap)
        out *= (1 - 0.30 * shadow)[..., None]
        on = step(-0.006, 0.006, flap)[..., None]
        out = out * (1 - on) + np.clip(inner * 1.06, 0, 1) * on
        placket = bump(x - 0.035, 0.006) * step(-1.80, -1.84, y) * front
        out *= (1 - 0.18 * placket)[..., None]
        for button in (-1.98, -2.25, -2.52):
            out *= (1 - 0.45 * bump(np.hypot(x, y - button), 0.022) * front)[..., None]
        if style == "jacket":
            lapel = np.where(
                front, side - (0.30 + 0.62 * np.clip(y + 2.35, -0.4, 1.0)) * step(-2.9, -2.3, y) * 0.72, 1.0
            )
            lapel = np.where(y > -1.46, -0.1, lapel)
            dark = cloth * 0.55 * np.ones((rows, columns, 3)) * weave[..., None]
            out = cover(out, dark, lapel, 0.0)
            edge = 0.20 + 0.10 * np.clip((y + 2.4) / 0.6, 0, 1)
            out *= (1 - 0.30 * bump(lapel - edge, 0.012) * front * step(-1.55, -1.65, y))[..., None]
            out *= (1 + 0.10 * step(0, 0.02, lapel) * step(edge, edge - 0.01, lapel) * front)[..., None]
    return linear(np.clip(out, 0, 1)).astype(np.float32)
