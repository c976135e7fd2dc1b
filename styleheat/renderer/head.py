"""The shape of a procedural head: a morphable surface with an identity and a set of expressions.

Lengths are decimetres, so that the usual anthropometric tables (in centimetres) can be read off directly. The origin
lies between the ear canals, x to the head's left (the image's right), y up, z towards the camera. The skin is one
grid, rows from the crown to under the chin, columns around the head, slit along a row at the eyes and one at the mouth.
"""

import math

import numpy as np
from scipy.interpolate import PchipInterpolator

from styleheat.renderer.controls import (
    INDEX,
    SHAPE_CONTROLS,
    SHAPES,
)
from styleheat.renderer.curves import bump, step
from styleheat.renderer.deform import deform_skin
from styleheat.renderer.expressions import Place, displacements
from styleheat.renderer.grid import (
    ANGLES,
    COLUMNS,
    EYE_ROW,
    EYE_UPPER,
    HEIGHTS,
    MOUTH_ROW,
    MOUTH_UPPER,
    SLIT,
    UNDER,
)
from styleheat.renderer.identity import Identity


def _hollow(side: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Weight 0 .. 1 of the hollow below each cheekbone."""
    return bump(side - 0.48, 0.15) * bump(v + 0.48, 0.15)


class Head:
    """The skin of one identity: neutral shape, displacements, and the measures that other parts are placed by.

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
        self.shapes = np.ascontiguousarray(displacements(self._place()).reshape(len(SHAPES), -1, 3), np.float32)
        self.vertices = np.ascontiguousarray(self.flat.reshape(-1, 3), np.float32)
        middle = COLUMNS // 2
        self.lip_z = float(self.flat[MOUTH_UPPER, middle, 2])
        lid = self.flat[EYE_UPPER]
        eye_z = np.interp(self.eye_x, lid[middle:, 0][: COLUMNS // 3], lid[middle:, 2][: COLUMNS // 3])
        self.eye_z = float(eye_z) - 0.135 - 0.010 * i.eye_depth
        self.eye_table = self._eye_table()

    # ---- the neutral face ----

    def _sculpt(self) -> np.ndarray:
        """Loft the head from its front, side and back outlines, then add the features: (rows, columns, 3)."""
        x, y, z = self._loft()
        v, side = HEIGHTS[:, None] + 0 * x, np.abs(x)  # the height and the distance the features are placed by
        self._add_brow_cheeks_and_sockets(x, z, v, side)
        self._add_nose(x, y, z, v, side)
        self._add_mouth_and_chin(x, y, z, v, side)
        self._add_age(x, y, z, v, side)
        i = self.identity
        # Length acts most below the brows.
        y = np.where(y < 0.25, 0.25 + (y - 0.25) * (1 + 0.030 * i.length), 0.25 + (y - 0.25) * (1 + 0.02 * i.length))
        z = z * (1 - 0.012 * i.width)
        x = x * (1 + 0.010 * i.asymmetry * step(-0.2, -0.9, y) * np.sign(x))
        return np.stack([x, y, z], -1)

    def _loft(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x, y and z (rows, columns) of a head without features; sets `front`, 1 on the face and 0 behind."""
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
        self.front = step(0.0, 0.35, c) + 0 * y
        # The jaw's border climbs from the chin to its angle below the ear.
        climb = np.abs(s) ** (2.9 + 0.45 * i.jaw_square + 0.3 * i.male)
        fall = np.clip((-0.10 - y) / 0.97, 0, 1) ** 1.25
        y = y + fall * np.where(c > 0, 0.47 * climb, 0.47 + 0.22 * (1 - np.abs(s)))
        # Under the chin the surface runs back into the neck.
        under = UNDER[:, None]
        x *= 1 - 0.45 * under**1.3
        z = z * (1 - 0.62 * under**1.2) - 0.03 * under
        y = y + 0.05 * under - 0.012 * np.sin(under * math.pi)
        return x, y, z

    def _add_brow_cheeks_and_sockets(self, x: np.ndarray, z: np.ndarray, v: np.ndarray, side: np.ndarray) -> None:
        """Add forehead, brow ridge, temples, cheekbones, cheeks and eye sockets; in place, as the methods below."""
        i, f = self.identity, self.front
        z += f * (0.018 * i.forehead - 0.010 * i.male) * bump(v - 0.62, 0.25)
        z += f * (0.012 + 0.008 * i.brow_ridge) * (bump(side - 0.26, 0.17) * bump(v - 0.225, 0.075))
        z += f * (0.012 + 0.006 * i.brow_ridge) * bump(x, 0.12) * bump(v - 0.22, 0.07)
        x -= np.sign(x) * 0.022 * bump(v - 0.22, 0.17) * step(0.5, 0.68, side) * step(-0.1, 0.3, z)
        z -= f * 0.030 * bump(side - 0.62, 0.12) * bump(v - 0.25, 0.18)
        bone = bump(side - 0.47, 0.17) * bump(v + 0.13 + 0.12 * (side - 0.47), 0.13)
        z += f * (0.034 + 0.013 * i.cheekbone) * bone
        x += np.sign(x) * (0.012 + 0.010 * i.cheekbone) * bone
        hollow = _hollow(side, v)
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

    def _add_nose(self, x: np.ndarray, y: np.ndarray, z: np.ndarray, v: np.ndarray, side: np.ndarray) -> None:
        """Add a ridge that widens to the tip, the wings, and the wall under the tip."""
        i, f = self.identity, self.front
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

    def _add_mouth_and_chin(self, x: np.ndarray, y: np.ndarray, z: np.ndarray, v: np.ndarray, side: np.ndarray) -> None:
        """Add the arch of the teeth, the lips, the groove above and the hollow below, the chin."""
        i, f = self.identity, self.front
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
        y -= (
            f
            * (0.018 + 0.010 * i.chin)
            * bump(x, 0.17 + 0.03 * i.chin_width)
            * bump(v + 1.05, 0.12)
            * (1 - UNDER[:, None])
        )

    def _add_age(self, x: np.ndarray, y: np.ndarray, z: np.ndarray, v: np.ndarray, side: np.ndarray) -> None:
        """Add nasolabial folds, bags below the eyes, hollow cheeks and temples, jowls."""
        i, f = self.identity, self.front
        hollow = _hollow(side, v)
        fold_x = 0.175 + 0.30 * np.clip(-0.38 - v, 0, 0.4)
        fold = bump(side - fold_x, 0.026) * step(-0.36, -0.44, v) * step(-0.72, -0.60, v)
        z -= f * (0.006 + 0.018 * i.age) * fold
        z += f * 0.016 * i.age * bump(side - self.eye_x, 0.13) * bump(v - EYE_ROW + 0.125, 0.042)
        z -= f * 0.026 * i.age * hollow + f * 0.020 * i.age * bump(side - 0.62, 0.10) * bump(v - 0.35, 0.20)
        jowl = i.age**2 * bump(side - 0.40, 0.11) * bump(v + 0.88, 0.12) * f
        y -= 0.050 * jowl
        x += np.sign(x) * 0.035 * jowl
        z += 0.020 * jowl

    def _masks(self) -> None:
        """Set the weights that movements share, all (rows, columns)."""
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

    def _place(self) -> Place:
        """Where the vertices lie, for the displacements."""
        x = self.flat[..., 0]
        v = HEIGHTS[:, None] + 0 * x
        lip, side, f, mouth = v - MOUTH_ROW, np.abs(x), self.front, self.mouth_half
        return Place(
            x=x,
            side=side,
            v=v,
            lip=lip,
            front=f,
            around=bump(lip + 0.02, 0.22) * bump(x, 0.38) * f,
            corner=bump(side - mouth, 0.11) * bump(lip, 0.13) * f,
            upper=np.where(self.is_upper, 1.0, 0.0) * self.lip_near * self.arc**0.7,
            lower=np.where(self.is_upper, 0.0, 1.0) * self.lip_near * self.arc**0.7,
            arc=self.arc,
            mouth=mouth,
            nose_y=self.nose_y,
            eye_x=self.eye_x,
            asymmetry=self.identity.asymmetry,
        )

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
        return deform_skin(
            self.vertices,
            self.shapes,
            weights,
            self.jaw_weight.ravel().astype(np.float32),
            self.close_weight.ravel().astype(np.float32),
            controls.astype(np.float32),
            self.eye_table,
            lids,
        )
