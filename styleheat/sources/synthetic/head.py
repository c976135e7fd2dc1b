"""The shape of a procedural head: a morphable surface with an identity and a set of expressions.

Lengths are decimetres, so that the usual anthropometric tables (in centimetres) can be read off directly. The origin
lies between the ear canals, x to the head's left (the picture's right), y up, z towards the camera. The skin is one
grid, rows from the crown to under the chin, columns around the head, slit along a row at the eyes and one at the mouth.
"""

import math
from dataclasses import dataclass, fields

import numpy as np
from scipy.interpolate import PchipInterpolator

from styleheat.sources.synthetic.raster import compiled

EYE_ROW, MOUTH_ROW = 0.04, -0.62
"""Heights of the closed eyes' and of the closed mouth's line."""

CONTROLS = (
    "jaw",  # 0 teeth together .. 1 as open as speech gets (about 22 mm between the lips) .. 2.2 wide open
    "close",  # 0 .. 1 lips brought together, whatever the jaw does
    "round",  # 0 .. 1 corners in, lips forward
    "spread",  # 0 .. 1 corners out
    "smile",  # -0.3 .. 1 corners up and out, cheeks up
    "press",  # 0 .. 1 lips rolled in
    "upper",  # 0 .. 1 upper lip raised
    "lower",  # 0 .. 1 lower lip lowered
    "tuck",  # 0 .. 1 lower lip under the upper teeth
    "tongue",  # 0 .. 1 tongue tip raised to the teeth
    "frown",  # 0 .. 1 corners down, chin up
    "sideways",  # -1 .. 1 mouth and chin shifted to the picture's left or right
    "sneer",  # 0 .. 1 nose wrinkled, upper lip raised beside it
    "puff",  # 0 .. 1 cheeks blown up
    "brow",  # -1 .. 1.7 brows lowered or raised
    "furrow",  # 0 .. 1 brows drawn together
    "cock",  # -1 .. 1 one brow up, the other down
    "blink",  # 0 open .. 1 shut
    "squint",  # 0 .. 1 lower lids raised
    "wide",  # 0 .. 1 upper lids raised
    "wink",  # -1 .. 1 only the eye on the picture's left or right shut
    "gaze_x",  # radians, towards the picture's right
    "gaze_y",  # radians, up
    "yaw",  # radians, face turned towards the picture's right
    "pitch",  # radians, up
    "roll",  # radians, crown towards the picture's left
    "x",  # decimetres, picture's right
    "y",  # up
    "z",  # towards the camera
)
"""What moves from frame to frame: a motion is an array (frames, len(CONTROLS)) in this order."""
INDEX = {name: i for i, name in enumerate(CONTROLS)}
JAW, CLOSE, SMILE, BROW, BLINK, SQUINT, WIDE, WINK, GAZE_Y = (
    INDEX[name] for name in ("jaw", "close", "smile", "brow", "blink", "squint", "wide", "wink", "gaze_y")
)
SHAPES = (
    "round", "spread", "smile", "press", "upper", "lower", "tuck", "frown", "sideways", "sneer", "puff", "brow",
    "furrow", "cock", "squint",
)  # fmt: skip
"""The controls that add a displacement of their own to the skin."""
SHAPE_CONTROLS = np.array([INDEX[name] for name in SHAPES])

JAW_HINGE = (-0.05, 0.05)
"""Height and depth of the axis that the jaw turns about: just before the ear canal."""
JAW_ANGLE = 0.235
"""Radians the jaw turns at control 1: 22 mm at the incisors, 0.95 dm away."""
NECK_PIVOT = np.array([0.0, -0.55, -0.15])
"""What the head turns about."""


def bump(x: np.ndarray, width: float) -> np.ndarray:
    """A smooth hill of height 1 at 0."""
    return np.exp(-((x / width) ** 2))


def step(low: float | np.ndarray, high: float | np.ndarray, x: np.ndarray) -> np.ndarray:
    """0 below `low`, 1 above `high` (or the other way round), smooth between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


@dataclass
class Identity:
    """What makes one head's shape differ from another's; each number is 0 for the average and about ±1 for most."""

    width: float
    length: float
    jaw: float  # breadth at the jaw's angles
    jaw_square: float
    chin: float  # forward
    chin_width: float
    cheekbone: float
    cheek: float  # full or hollow
    forehead: float
    brow_ridge: float
    nose_length: float
    nose_width: float
    nose_height: float
    nose_bridge: float  # straight, hooked or snub
    nose_tip: float
    eye_distance: float
    eye_width: float
    eye_open: float
    eye_tilt: float
    eye_depth: float
    lid_fold: float
    brow_height: float
    mouth_width: float
    lip_upper: float
    lip_lower: float
    mouth_height: float
    ear_size: float
    ear_angle: float
    asymmetry: float
    male: float  # -1 .. 1: brow ridge, jaw and neck together
    age: float  # 0 .. 1: sagging, folds

    @classmethod
    def random(cls, rng: np.random.Generator, male: float, age: float) -> "Identity":
        """Draw a head: normal numbers, cut at 1.8 to keep faces plausible."""
        names = [field.name for field in fields(cls)][:-2]
        values = {name: float(np.clip(rng.normal() * 0.85, -1.8, 1.8)) for name in names}
        values["jaw"] += 0.5 * male
        values["brow_ridge"] += 0.7 * male
        values["chin"] += 0.3 * male
        values["lip_upper"] -= 0.3 * male
        values["eye_open"] -= 0.3 * male
        return cls(**values, male=male, age=age)


def _rows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per row: height of its front, way under the chin (0 .. 1), and slit (±1, ±3 eye, ±2 mouth, + above; else 0)."""
    heights = np.concatenate(
        [
            np.linspace(1.16, 0.95, 10)[:-1],
            np.linspace(0.95, 0.30, 22)[:-1],
            np.linspace(0.30, -0.14, 45)[:-1],
            np.linspace(-0.14, -0.50, 33)[:-1],
            np.linspace(-0.50, -0.80, 35)[:-1],
            np.linspace(-0.80, -1.08, 22),
        ]
    )
    rows = [(y, 0.0, 0) for y in heights if abs(y - EYE_ROW) > 0.004 and abs(y - MOUTH_ROW) > 0.004]
    rows += [(-1.08 - 0.001 * k, k / 9, 0) for k in range(1, 10)]
    # An eyelid's edge has some thickness: its rim is a row of its own (slit ±1 at the edge, ±3 at the rim).
    rows += [(EYE_ROW + offset, 0.0, slit) for offset, slit in ((2e-6, 1), (1e-6, 3), (-1e-6, -3), (-2e-6, -1))]
    rows += [(MOUTH_ROW + 1e-6, 0.0, 2), (MOUTH_ROW - 1e-6, 0.0, -2)]
    rows.sort(key=lambda row: -row[0])
    table = np.array(rows)
    return table[:, 0], table[:, 1], table[:, 2].astype(np.int64)


HEIGHTS, UNDER, SLIT = _rows()
ANGLES = np.concatenate(
    [np.linspace(-math.pi, -1.3, 14)[:-1], np.linspace(-1.3, 1.3, 123), np.linspace(1.3, math.pi, 14)[1:]]
)
ROWS, COLUMNS = len(HEIGHTS), len(ANGLES)
EYE_UPPER, EYE_UPPER_RIM, EYE_LOWER_RIM, EYE_LOWER = (int(np.flatnonzero(s == SLIT)[0]) for s in (1, 3, -3, -1))
MOUTH_UPPER, MOUTH_LOWER = (int(np.flatnonzero(s == SLIT)[0]) for s in (2, -2))


def grid_faces(rows: int, columns: int, skip: tuple[int, ...] = ()) -> np.ndarray:
    """Triangles (M, 3) of a grid of vertices, rows downward, columns to the right; none below the rows in `skip`."""
    i, j = np.meshgrid([r for r in range(rows - 1) if r not in skip], np.arange(columns - 1), indexing="ij")
    a = (i * columns + j).ravel()
    b, c, d = a + 1, a + columns, a + columns + 1
    return np.concatenate([np.stack([a, c, b], 1), np.stack([b, c, d], 1)]).astype(np.int32)


SKIN_FACES = grid_faces(ROWS, COLUMNS, skip=(EYE_UPPER_RIM, MOUTH_UPPER))


class Head:
    """The skin of one identity: neutral shape, displacements, and the numbers the other parts hang on.

    `flat` (rows, columns, 3) is the neutral face with its eyes shut, on which colours are painted; `deform` gives the
    vertices of a frame. `eye_*` and `mouth_*` are lengths in decimetres.
    """

    def __init__(self, identity: Identity) -> None:
        self.identity = i = identity
        self.eye_x = 0.312 + 0.011 * i.eye_distance
        self.eye_half = 0.153 + 0.008 * i.eye_width - 0.004 * i.male
        self.eye_top = 0.052 + 0.008 * i.eye_open - 0.006 * i.age
        self.eye_bottom = 0.040 + 0.004 * i.eye_open
        self.eye_tilt = 0.09 + 0.07 * i.eye_tilt
        self.eye_radius = 0.165
        self.brow_y = EYE_ROW + 0.225 + 0.014 * i.brow_height - 0.012 * i.male
        self.nose_y = -0.330 - 0.020 * i.age - 0.026 * i.nose_length - 0.010 * i.male
        self.nose_w = 1 + 0.11 * i.nose_width + 0.05 * i.male
        self.mouth_half = 0.258 + 0.017 * i.mouth_width
        self.lip_upper = 0.075 + 0.013 * i.lip_upper - 0.006 * i.male - 0.014 * i.age
        self.lip_lower = 0.096 + 0.013 * i.lip_lower - 0.006 * i.male - 0.010 * i.age
        self.flat = self._sculpt()
        self._masks()
        self.shapes = np.ascontiguousarray(
            np.stack([self._displacement(name) for name in SHAPES]).reshape(len(SHAPES), -1, 3), np.float32
        )
        self.vertices = np.ascontiguousarray(self.flat.reshape(-1, 3), np.float32)
        middle = COLUMNS // 2
        self.lip_z = float(self.flat[MOUTH_UPPER, middle, 2])
        lid = self.flat[EYE_UPPER]
        eye_z = np.interp(self.eye_x, lid[middle:, 0][: COLUMNS // 3], lid[middle:, 2][: COLUMNS // 3])
        self.eye_z = float(eye_z) - 0.135 - 0.010 * i.eye_depth
        self.eye_table = self._eye_table()

    # ---- the neutral face ----

    def _sculpt(self) -> np.ndarray:
        """Loft the head from its front, side and back outlines, then add what rises or sinks: (rows, columns, 3)."""
        i = self.identity
        y_knots = [1.165, 1.14, 1.08, 0.92, 0.70, 0.45, 0.20, 0.0, -0.20, -0.40, -0.62, -0.80, -0.95, -1.05, -1.09]
        half = [0.0, 0.24, 0.42, 0.62, 0.735, 0.77, 0.765, 0.750, 0.735, 0.720, 0.695, 0.655, 0.600, 0.545, 0.51]
        front = [0.0, 0.22, 0.42, 0.66, 0.825, 0.905, 0.925, 0.905, 0.925, 0.930, 0.930, 0.905, 0.895, 0.850, 0.79]
        back = [0.0, 0.30, 0.55, 0.82, 0.960, 1.010, 0.980, 0.90, 0.78, 0.66, 0.56, 0.50, 0.46, 0.44, 0.42]

        def curve(values: list[float]) -> np.ndarray:
            return PchipInterpolator(y_knots[::-1], values[::-1])(np.clip(HEIGHTS, -1.09, 1.165))[:, None]

        y = np.clip(HEIGHTS, -1.085, None)[:, None] + 0 * ANGLES[None]
        s, c = np.sin(ANGLES)[None], np.cos(ANGLES)[None]
        low = step(-0.15, -0.95, y)
        breadth = (1 + 0.045 * i.width) * (1 + low * (0.05 * i.jaw + 0.02 * i.male))
        x = curve(half) * breadth * np.sign(s) * np.abs(s) ** (0.96 + 0.04 * low)
        z = np.where(c > 0, curve(front) * np.abs(c) ** (0.93 + 0.05 * low), -curve(back) * np.abs(c) ** 0.9)
        self.front = f = step(0.0, 0.35, c) + 0 * y
        # The jaw's border climbs from the chin to its angle below the ear.
        climb = np.abs(s) ** (2.9 + 0.45 * i.jaw_square + 0.3 * i.male)
        fall = np.clip((-0.10 - y) / 0.97, 0, 1) ** 1.25
        y = y + fall * np.where(c > 0, 0.47 * climb, 0.47 + 0.22 * (1 - np.abs(s)))
        # Under the chin the surface runs back into the neck.
        under = UNDER[:, None]
        x *= 1 - 0.45 * under**1.3
        z = z * (1 - 0.62 * under**1.2) - 0.03 * under
        y = y + 0.05 * under - 0.012 * np.sin(under * math.pi)

        v = HEIGHTS[:, None] + 0 * x  # the height the features are placed by
        side = np.abs(x)
        # Forehead, brow ridge, temples, cheekbones, cheeks.
        z += f * (0.018 * i.forehead - 0.010 * i.male) * bump(v - 0.62, 0.25)
        z += f * (0.012 + 0.008 * i.brow_ridge) * (bump(side - 0.26, 0.17) * bump(v - 0.225, 0.075))
        z += f * (0.012 + 0.006 * i.brow_ridge) * bump(x, 0.12) * bump(v - 0.22, 0.07)
        x -= np.sign(x) * 0.022 * bump(v - 0.22, 0.17) * step(0.5, 0.68, side) * step(-0.1, 0.3, z)
        z -= f * 0.030 * bump(side - 0.62, 0.12) * bump(v - 0.25, 0.18)
        bone = bump(side - 0.47, 0.17) * bump(v + 0.13 + 0.12 * (side - 0.47), 0.13)
        z += f * (0.034 + 0.013 * i.cheekbone) * bone
        x += np.sign(x) * (0.012 + 0.010 * i.cheekbone) * bone
        hollow = bump(side - 0.48, 0.15) * bump(v + 0.48, 0.15)
        z += f * (0.018 * i.cheek - 0.006) * hollow
        x += np.sign(x) * (0.016 * i.cheek - 0.006) * hollow
        pad = bump(side - 0.33, 0.13) * bump(v + 0.33, 0.13)
        z += f * (0.030 + 0.010 * i.cheek) * pad
        # Sockets: deepest towards the nose, with the lids' ball in them.
        z -= (
            f * (0.090 + 0.012 * i.eye_depth) * bump(side - self.eye_x * 0.95, 0.195) * bump(v - EYE_ROW - 0.015, 0.120)
        )
        z -= f * 0.045 * bump(side - 0.165, 0.055) * bump(v - 0.07, 0.075)
        z += f * 0.012 * bump(side - self.eye_x, 0.15) * bump(v - EYE_ROW + 0.115, 0.05)
        # Nose: a ridge that widens to the tip, wings, and the wall under the tip.
        tip = self.nose_y
        t = np.clip((0.12 - v) / (0.12 - tip), 0, 1.3)
        # the lower border dips at the middle and at the wings and arches over the nostrils
        border = tip - 0.022 * bump(x, 0.040) + 0.016 * bump(side - 0.068 * self.nose_w, 0.030)
        border = border - 0.012 * bump(side - 0.130 * self.nose_w, 0.028)
        under_tip = step(border - 0.105, border - 0.010, v)
        height = 1 + 0.13 * i.nose_height + 0.06 * i.male
        profile = 0.022 + 0.125 * t**1.15 + 0.016 * i.nose_bridge * np.sin(np.clip(t, 0, 1) * math.pi)
        rise = step(0.20, 0.02, v) * under_tip * height * profile
        z += (
            f
            * rise
            * (0.55 * bump(x, (0.062 + 0.034 * np.clip(t, 0, 1)) * self.nose_w) + 0.45 * bump(x, 0.135 * self.nose_w))
        )
        ball = bump(x, 0.088 * self.nose_w) * bump(v - tip - 0.010, 0.075) * under_tip
        z += f * (0.056 + 0.012 * i.nose_tip) * height * ball
        wing = (
            bump(side - 0.120 * self.nose_w, 0.046) * bump(v - tip + 0.028, 0.058) * step(tip - 0.115, tip - 0.055, v)
        )
        z += f * 0.085 * height**0.5 * wing
        z -= f * 0.030 * bump(side - 0.062 * self.nose_w, 0.028) * bump(v - tip + 0.082, 0.020)
        y -= f * (0.020 - 0.012 * i.nose_tip) * ball
        z -= f * 0.022 * bump(side - 0.185 * self.nose_w, 0.030) * bump(v - tip + 0.03, 0.07)
        # Mouth: the teeth's arch, lips, the groove above and the hollow below, the chin.
        lip = v - MOUTH_ROW
        across = np.clip(1 - (x / (self.mouth_half * 1.12)) ** 2, 0, 1)
        z += f * 0.040 * bump(x, 0.30) * bump(lip, 0.24)
        upper, lower = self.lip_upper / 0.072, self.lip_lower / 0.094
        z += (
            f * across * (0.056 * upper**0.6 * bump(lip - 0.034, 0.040) + 0.066 * lower**0.6 * bump(lip + 0.044, 0.046))
        )
        z -= f * 0.030 * bump(lip, 0.012) * across
        z -= f * 0.014 * bump(x, 0.028) * bump(lip - 0.135, 0.055) - f * 0.008 * bump(side - 0.05, 0.022) * bump(
            lip - 0.12, 0.06
        )
        z -= f * 0.022 * bump(side - self.mouth_half - 0.03, 0.045) * bump(lip + 0.01, 0.06)
        z -= f * 0.042 * bump(x, 0.19) * bump(v + 0.775, 0.050)
        z += f * (0.055 + 0.018 * i.chin) * bump(x, 0.19 + 0.025 * i.chin_width) * bump(v + 0.93, 0.105)
        y -= f * (0.018 + 0.010 * i.chin) * bump(x, 0.17 + 0.03 * i.chin_width) * bump(v + 1.05, 0.12) * (1 - under)
        # Folds from the nose's wings to the mouth's corners, deeper with age.
        fold_x = 0.175 + 0.30 * np.clip(-0.38 - v, 0, 0.4)
        fold = bump(side - fold_x, 0.026) * step(-0.36, -0.44, v) * step(-0.72, -0.60, v)
        z -= f * (0.006 + 0.018 * i.age) * fold
        # Age: bags below the eyes, hollow cheeks and temples, jowls.
        z += f * 0.016 * i.age * bump(side - self.eye_x, 0.13) * bump(v - EYE_ROW + 0.125, 0.042)
        z -= f * 0.026 * i.age * hollow + f * 0.020 * i.age * bump(side - 0.62, 0.10) * bump(v - 0.35, 0.20)
        jowl = i.age**2 * bump(side - 0.40, 0.11) * bump(v + 0.88, 0.12) * f
        y -= 0.050 * jowl
        x += np.sign(x) * 0.035 * jowl
        z += 0.020 * jowl
        # Length acts on all that is below the brows.
        y = np.where(y < 0.25, 0.25 + (y - 0.25) * (1 + 0.030 * i.length), 0.25 + (y - 0.25) * (1 + 0.02 * i.length))
        z = z * (1 - 0.012 * i.width)
        x = x * (1 + 0.010 * i.asymmetry * step(-0.2, -0.9, y) * np.sign(x))
        return np.stack([x, y, z], -1)

    def _masks(self) -> None:
        """Weights that the movements share, all (rows, columns)."""
        x, z = self.flat[..., 0], self.flat[..., 2]
        v = HEIGHTS[:, None] + 0 * x
        lip = v - MOUTH_ROW
        self.is_upper = lip > 0
        arc = np.sqrt(np.clip(1 - (x / self.mouth_half) ** 2, 0, 1))
        self.arc = arc
        beside = step(0.34, -0.34, lip)  # beyond the corners: from the fixed cheek to the jaw
        self.jaw_weight = np.where(self.is_upper, beside * (1 - arc), beside + (1 - beside) * arc) * step(
            -0.55, 0.10, z
        )
        near = bump(lip, 0.085) * self.front * step(1.35, 0.9, np.abs(x) / self.mouth_half)
        self.close_weight = np.where(self.is_upper, -0.22, 0.78) * bump(lip, 0.16) * self.front
        self.lip_near = near

    def _displacement(self, name: str) -> np.ndarray:
        """How far control 1 moves each point: (rows, columns, 3)."""
        x = self.flat[..., 0]
        v = HEIGHTS[:, None] + 0 * x
        lip, side, f, mouth = v - MOUTH_ROW, np.abs(x), self.front, self.mouth_half
        out = np.zeros_like(self.flat)
        around = bump(lip + 0.02, 0.22) * bump(x, 0.38) * f
        corner = bump(side - mouth, 0.11) * bump(lip, 0.13) * f
        upper = np.where(self.is_upper, 1.0, 0.0) * self.lip_near * self.arc**0.7
        lower = np.where(self.is_upper, 0.0, 1.0) * self.lip_near * self.arc**0.7
        if name == "round":
            out[..., 0] = -0.36 * x * around
            out[..., 2] = 0.070 * bump(lip, 0.13) * bump(x, 0.17) * f - 0.01 * corner
            out[..., 1] = 0.030 * upper - 0.034 * lower
        elif name == "spread":
            out[..., 0] = 0.20 * x * around
            out[..., 2] = -0.035 * corner - 0.012 * bump(lip, 0.1) * bump(x, 0.2) * f
        elif name == "smile":
            cheek = bump(side - 0.40, 0.15) * bump(v + 0.20, 0.14) * f
            lifted = bump(side - mouth - 0.02, 0.15) * bump(lip - 0.02, 0.19) * f
            uneven = 1 + 0.12 * self.identity.asymmetry * np.sign(x)
            out[..., 0] = np.sign(x) * (0.060 * lifted) * uneven
            out[..., 1] = (0.075 * lifted + 0.030 * cheek) * uneven
            out[..., 2] = -0.045 * corner + 0.035 * cheek - 0.014 * bump(lip, 0.12) * bump(x, 0.2) * f
            fold_x = 0.20 + 0.30 * np.clip(-0.38 - v, 0, 0.4)
            out[..., 2] -= 0.012 * bump(side - fold_x, 0.03) * step(-0.34, -0.42, v) * step(-0.72, -0.58, v) * f
        elif name == "press":
            out[..., 2] = -0.030 * bump(lip, 0.055) * self.arc * f
            out[..., 1] = -0.020 * upper * bump(lip - 0.07, 0.06) + 0.022 * lower * bump(lip + 0.09, 0.06)
        elif name == "upper":
            out[..., 1] = 0.055 * upper + 0.012 * bump(side - 0.15, 0.08) * bump(v + 0.36, 0.08) * f
            out[..., 2] = 0.010 * upper
        elif name == "lower":
            out[..., 1] = -0.060 * lower
            out[..., 2] = 0.008 * lower
        elif name == "tuck":
            out[..., 1] = 0.040 * lower
            out[..., 2] = -0.055 * lower * bump(lip, 0.06)
        elif name == "brow":
            raised = bump(v - 0.27, 0.15) * step(0.72, 0.55, side) * f
            out[..., 1] = 0.060 * raised * (0.85 + 0.25 * bump(side - 0.33, 0.2))
            out[..., 2] = 0.006 * raised
        elif name == "furrow":
            inner = bump(side - 0.13, 0.10) * bump(v - 0.22, 0.10) * f
            out[..., 0] = -np.sign(x) * 0.030 * inner * step(0.0, 0.05, side)
            out[..., 1] = -0.035 * inner
            out[..., 2] = 0.012 * inner
        elif name == "frown":
            drawn = bump(side - mouth - 0.01, 0.10) * bump(lip + 0.03, 0.14) * f
            out[..., 1] = -0.060 * drawn + 0.022 * bump(x, 0.16) * bump(lip + 0.03, 0.10) * f
            out[..., 1] += 0.012 * bump(x, 0.2) * bump(v + 0.92, 0.1) * f
            out[..., 0] = np.sign(x) * 0.010 * drawn
            out[..., 2] = 0.014 * bump(x, 0.16) * bump(lip + 0.06, 0.09) * f
        elif name == "sideways":
            out[..., 0] = 0.060 * bump(lip + 0.03, 0.17) * bump(x, 0.42) * f + 0.025 * bump(v + 0.95, 0.2) * f
            out[..., 1] = 0.022 * np.tanh(x / 0.15) * corner
        elif name == "sneer":
            wings = bump(side - 0.14, 0.09) * bump(v - self.nose_y - 0.02, 0.09) * f
            out[..., 1] = 0.034 * wings + 0.040 * upper * bump(side - 0.12, 0.12)
            out[..., 1] -= 0.018 * bump(side - 0.12, 0.10) * bump(v - 0.20, 0.09) * f
            out[..., 2] = 0.014 * wings + 0.010 * bump(x, 0.10) * bump(v - 0.08, 0.05) * f
        elif name == "puff":
            cheeks = bump(side - 0.42, 0.17) * bump(v + 0.55, 0.20) * f
            out[..., 0] = np.sign(x) * 0.055 * cheeks
            out[..., 2] = 0.065 * cheeks + 0.015 * bump(x, 0.25) * bump(lip - 0.08, 0.10) * f
        elif name == "cock":
            raised = bump(v - 0.27, 0.14) * step(0.72, 0.55, side) * f
            out[..., 1] = 0.045 * raised * np.tanh(x / 0.12)
        elif name == "squint":
            out[..., 1] = 0.018 * bump(side - self.eye_x, 0.16) * bump(v + 0.09, 0.08) * f
        else:
            raise AssertionError(name)
        return out

    def _eye_table(self) -> np.ndarray:
        """The vertices that lids move, one row each: index, eye side, xr, height, upper share, lower share, ball share.

        xr is the place between the corners (-1 inner .. 1 outer); height counts from the closed line; the shares say
        how much of the lids' shift a vertex takes and how firmly it lies on the eyeball.
        """
        x = self.flat[..., 0].ravel()
        v = np.repeat(HEIGHTS, COLUMNS)
        slit = np.repeat(SLIT, COLUMNS)
        rows = []
        for sign in (-1.0, 1.0):
            xr = (x * sign - self.eye_x) / self.eye_half
            ey = v - EYE_ROW
            upper = np.where(ey > 0, 1 - step(0.0, 0.20, ey), 0)
            lower = np.where(ey < 0, 1 - step(0.0, 0.13, -ey), 0)
            ball = (1 - step(0.85, 1.45, np.abs(xr))) * np.where(
                ey > 0, 1 - step(0.045, 0.13, ey), 1 - step(0.035, 0.12, -ey)
            )
            rim = np.where(np.abs(slit) == 3, 1.0, 0.0)
            use = (np.abs(xr) < 1.6) & (ey < 0.21) & (ey > -0.14) & (self.front.ravel() > 0.5)
            index = np.flatnonzero(use)
            rows.append(
                np.stack([index, 0 * index + sign, xr[use], ey[use], upper[use], lower[use], ball[use], rim[use]], 1)
            )
        return np.concatenate(rows).astype(np.float32)

    # ---- a frame ----

    def deform(self, controls: np.ndarray) -> np.ndarray:
        """The skin's vertices (rows * columns, 3) float32, before the head's turn, for one frame's controls."""
        i = self.identity
        lids = np.array(
            [
                self.eye_x,
                self.eye_z,
                self.eye_radius,
                self.eye_top,
                self.eye_bottom,
                self.eye_tilt,
                self.eye_half,
                0.004 + 0.010 * i.lid_fold,
            ],
            np.float32,
        )
        weights = controls[SHAPE_CONTROLS].astype(np.float32)
        # an opening mouth also raises the upper lip a little, which bares the teeth's edges
        weights[SHAPES.index("upper")] += 0.40 * controls[INDEX["jaw"]] * (1 - controls[INDEX["close"]])
        return _deform(
            self.vertices,
            self.shapes,
            weights,
            self.jaw_weight.ravel().astype(np.float32),
            self.close_weight.ravel().astype(np.float32),
            controls.astype(np.float32),
            self.eye_table,
            lids,
        )


@compiled
def _deform(
    vertices: np.ndarray,
    shapes: np.ndarray,
    weights: np.ndarray,
    jaw_weight: np.ndarray,
    close_weight: np.ndarray,
    controls: np.ndarray,
    eye_table: np.ndarray,
    lids: np.ndarray,
) -> np.ndarray:
    """Add displacements, turn the jaw, bring the lips together, slide the lids over the eyeballs."""
    out = vertices.copy()
    for k in range(shapes.shape[0]):
        w = weights[k]
        if w != 0:
            for n in range(out.shape[0]):
                out[n, 0] += w * shapes[k, n, 0]
                out[n, 1] += w * shapes[k, n, 1]
                out[n, 2] += w * shapes[k, n, 2]
    jaw, close = controls[JAW], controls[CLOSE]
    if jaw != 0:
        for n in range(out.shape[0]):
            angle = jaw * JAW_ANGLE * jaw_weight[n]
            if angle != 0:
                y, z = out[n, 1] - JAW_HINGE[0], out[n, 2] - JAW_HINGE[1]
                co, si = math.cos(angle), math.sin(angle)
                out[n, 1] = JAW_HINGE[0] + y * co - z * si
                out[n, 2] = JAW_HINGE[1] + z * co + y * si
    if close != 0:
        for column in range(COLUMNS):
            upper, lower = MOUTH_UPPER * COLUMNS + column, MOUTH_LOWER * COLUMNS + column
            gap_y, gap_z = out[upper, 1] - out[lower, 1], out[upper, 2] - out[lower, 2]
            for row in range(ROWS):
                n = row * COLUMNS + column
                w = close * close_weight[n]
                if w != 0:
                    out[n, 1] += w * gap_y
                    out[n, 2] += w * gap_z
    blink, squint, brow, smile, gaze = (
        controls[BLINK],
        controls[SQUINT],
        controls[BROW],
        controls[SMILE],
        controls[GAZE_Y],
    )
    eye_x, eye_z, radius, eye_top, eye_bottom, tilt, half, fold = lids
    opened = 1 + 0.16 * brow + 0.9 * gaze - 0.12 * smile - 0.25 * squint + 0.32 * controls[WIDE]
    wink = controls[WINK]
    for n in range(eye_table.shape[0]):
        index, sign, xr, ey = int(eye_table[n, 0]), eye_table[n, 1], eye_table[n, 2], eye_table[n, 3]
        inside = max(0.0, 1 - abs(xr + 0.06) ** 2.3 / 1.06**2.3)
        above = eye_top * opened * inside**0.72 * (1 - 0.10 * xr)
        inside = max(0.0, 1 - abs(xr) ** 2.2)
        below = -eye_bottom * max(1 - 0.35 * smile - 0.45 * squint - 0.5 * gaze, 0.1) * inside**0.8 * (1 + 0.18 * xr)
        shut = -0.55 * eye_bottom * inside**0.8
        closed = max(blink, wink * sign)
        above += (shut - above) * closed
        below += (shut - below) * closed
        if abs(xr) < 1.6:
            slope = tilt * half * xr * (1 - min(1.0, max(0.0, (abs(xr) - 1.0) / 0.6)))
        else:
            slope = 0.0
        rim = eye_table[n, 7]
        shift = above * eye_table[n, 4] + below * eye_table[n, 5]
        fade = 1 - min(1.0, abs(ey) / 0.2)
        out[index, 1] += shift + slope * fade
        x = out[index, 0] - sign * eye_x
        y = out[index, 1] - EYE_ROW
        thick = 0.020 - 0.014 * rim
        ball = math.sqrt(max((radius + thick) ** 2 - x * x - y * y, 0.0)) + eye_z
        # the fold above the upper lid
        crease = math.exp(-(((ey - 0.062) / 0.016) ** 2)) * (1 - closed) * max(0.0, 1 - abs(xr / 1.15) ** 3)
        hood = math.exp(-(((ey - 0.10) / 0.03) ** 2)) * (1 - closed) * max(0.0, 1 - abs(xr / 1.3) ** 3)
        lying = ball - 0.020 * crease + fold * hood
        out[index, 2] += (lying - out[index, 2]) * eye_table[n, 6]
    return out
