"""Lids that close as far as the driver's do, although coefficients close them less; where eyes are in an image."""

from dataclasses import dataclass

import cv2
import numpy as np

from styleheat.morphable.model import face_model
from styleheat.morphable.points import EYE_LEFT, EYE_RIGHT
from styleheat.morphable.surface import face_surface

EYES = np.array([EYE_LEFT, EYE_RIGHT])
"""Landmarks of each eye: a corner, two of the upper lid, the other corner, two of the lower lid."""

SHUT, TRUE = 0.04, 0.15
"""Openness, as coefficients have it, at which lids meet, and from which on it is right. In 18,000 frames of 300
rendered people, the median of coefficients is 0.034 where the landmarks' openness is below 0.02, 0.063 at 0.035, 0.098
at 0.075, 0.145 at 0.125, and equal to it from 0.18 on."""

LEAST = 0.03
"""How much further than SHUT a portrait's own eyes are open, at least, for its lids to be corrected."""

UPPER = 0.85
"""Share of the way that the upper lid goes."""

LASHES = 0.03
"""How far from their edge closed lids begin, as a share of the eye's width: the edge shows something of the eye."""

BEYOND = 0.03
"""Openness below 0 that `blinking` gives closed eyes, as the eyes of some people are wider than the average's."""

AROUND, SOFT = (0.62, 0.45), 0.06
"""Half axes of the ellipse of an eye with its lids, and the width of its soft edge, in shares of the eye's width."""


def openness(points: np.ndarray) -> np.ndarray:
    """Landmarks (...,68,2), y down → the height of each eye over its width (...,2); negative where lids cross."""
    eyes = points[..., EYES, :]
    across = eyes[..., 3, :] - eyes[..., 0, :]
    height = (eyes[..., [5, 4], :] - eyes[..., [1, 2], :]).mean(-2)
    return np.asarray((across[..., 0] * height[..., 1] - across[..., 1] * height[..., 0]) / (across**2).sum(-1))


def blinking(expression: np.ndarray, blinks: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Expressions (T,64) of this project's face model whose eyes are closed at least as far as `blinks` (T,1), from 0,
    as in the expression `own` (64,), to 1: by the model's directions for that, where they are wider open."""
    lids = [face_model().expression_names.index(f"blink_{side}") for side in ("left", "right")]
    wanted = _on_average(own) * (1 - blinks) - BEYOND * blinks
    effect = _on_average(np.eye(len(own))[lids]) - _on_average(np.zeros(len(own)))
    amount = np.minimum(wanted - _on_average(expression), 0) * (blinks > 0) @ np.linalg.inv(effect)
    result = expression.copy()
    result[:, lids] += amount.astype(expression.dtype)
    return result


def _on_average(expression: np.ndarray) -> np.ndarray:
    """The `openness` (...,2) of expressions (...,64) on the average face."""
    model = face_model()
    points = model.mean + np.tensordot(expression, model.expression, 1)
    return openness(points[..., :2] * (1, -1))


@dataclass(frozen=True)
class Lids:
    """The lids of a portrait. own: the `openness` (2,) that its coefficients have."""

    own: np.ndarray

    def closing(self, points: np.ndarray, residual: np.ndarray, open_by: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Displacements (68,2) of landmarks `points` (68,2) in an image, y down, for eyes that are open_by (2,), their
        `openness` by coefficients; and how far each eye is closed (2,), from 0, as in the portrait, to 1.

        Coefficients close eyes less than people do. And what landmarks of the portrait differ by from its coefficients,
        `residual` (68,2) of the points, keeps wide eyes open: as eyes close, so does it.
        """
        field, shut = np.zeros_like(points), np.zeros(2)
        for number, eye in enumerate(EYES):
            own, here = self.own[number], open_by[number]
            known = min(own, TRUE)
            if here >= own or own < SHUT + LEAST:
                continue
            true = here if here >= known else known * max(here - SHUT, 0) / (known - SHUT)
            down = _down(points[eye])
            for upper, lower in (eye[[1, 5]], eye[[2, 4]]):
                apart, kept = ((of[lower] - of[upper]) @ down for of in (points, residual))
                wanted = max(apart - kept, 0) * true / max(here, SHUT) + kept * true / own
                field[upper] += UPPER * (apart - wanted) * down
                field[lower] -= (1 - UPPER) * (apart - wanted) * down
            shut[number] = 1 - true / own
        return field, shut


def lid_edges(points: np.ndarray, landmarks: np.ndarray, shut: np.ndarray) -> np.ndarray:
    """Points (V,2) of the surface in an image, with those on the edges of lids moved away from the eye, by LASHES
    where an eye is closed, `shut` (2,) of 1. landmarks: (68,2), of these points."""
    moved = points.copy()
    for ring, eye, share in zip(face_surface().eyes, landmarks[EYES], shut, strict=True):
        across, down = eye[3] - eye[0], _down(eye)
        apart = points[ring] - eye[0]
        along = np.clip(apart @ across / (across @ across), 0, 1)
        way = LASHES * share * np.linalg.norm(across) * np.sin(np.pi * along) * np.sign(apart @ down)
        moved[ring] += way[:, None] * down
    return moved


def around_eyes(landmarks: np.ndarray, grid: int) -> np.ndarray:
    """Where eyes and lids are in an image, (grid,grid) float32, 0 to 1. landmarks: (68,2), in shares of its width."""
    drawn = np.zeros((grid, grid), np.float32)
    shift = 4
    for eye in landmarks[EYES] * grid:
        across = eye[3] - eye[0]
        width, angle = np.linalg.norm(across), np.degrees(np.arctan2(across[1], across[0]))
        centre, axes = (
            np.rint(np.multiply(n, 2**shift)).astype(int) for n in (eye.mean(0), np.multiply(AROUND, width))
        )
        cv2.ellipse(drawn, centre.tolist(), axes.tolist(), angle, 0, 360, 1.0, -1, cv2.LINE_8, shift)
    width = np.linalg.norm(landmarks[EYES[:, 3]] - landmarks[EYES[:, 0]], axis=-1).mean() * grid
    return cv2.GaussianBlur(drawn, (0, 0), max(SOFT * width, 0.5))


def _down(eye: np.ndarray) -> np.ndarray:
    """The direction (2,) from the upper to the lower lid of an eye (6,2)."""
    across = eye[3] - eye[0]
    return np.array([-across[1], across[0]]) / np.linalg.norm(across)
