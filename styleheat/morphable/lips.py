"""Lips that meet where the driver's do, although coefficients close them less than people do."""

from dataclasses import dataclass

import numpy as np

from styleheat.morphable.surface import face_surface

INNER_LIPS = np.array([[61, 62, 63], [67, 66, 65]])
CORNERS = (60, 64)
UPPER_LIP, LOWER_LIP = [49, 50, 51, 52, 53], [59, 58, 57, 56, 55]
"""Landmarks, those of the upper lip above those of the lower one; the inner corners, left and right."""

CLOSING, STEEPER = 2.0, 0.35
"""How far lips are moved together: a multiple of the gap of lips that touch, but at most this share of what the
portrait's gap exceeds that by, as the gap then changes faster by the same share."""


def gap_of(skin: np.ndarray) -> float:
    """The distance of the inner lips of a surface (V,3), in units of the face model."""
    upper, lower = face_surface().landmarks[INNER_LIPS]
    return float(np.linalg.norm(skin[upper] - skin[lower], axis=1).mean())


def lip_edges(opening: np.ndarray) -> np.ndarray:
    """Points (M,D) of the surface's vertices around the mouth (`Surface.mouth`) → (2,R,D): the upper lip's edge and the
    lower one's, from the left corner to the right one, opposite each other."""
    surface = face_surface()
    ring = list(surface.mouth)
    left, right = (ring.index(surface.landmarks[corner]) for corner in CORNERS)
    upper = np.arange(left, right + (len(ring) if right < left else 0) + 1) % len(ring)
    lower = np.arange(left, right - (len(ring) if right > left else 0) - 1, -1) % len(ring)
    return np.stack([opening[upper], opening[lower]])


@dataclass(frozen=True)
class Lips:
    """A portrait's lips: their gap, and what it would be if they touched, as `gap_of` gives them."""

    touching: float
    gap: float

    def closing(self, landmarks: np.ndarray, gap: float) -> np.ndarray:
        """Displacements of landmarks (68,2) whose lips are `gap` apart, that make lips meet.

        Where lips touch, the inner landmarks are still apart, as those of the model's neutral face are, and estimates
        of motion close lips less than people do. Teeth that the portrait shows would be seen through what remains. So
        the gap is closed the more, the less of the portrait's own is left.
        """
        apart = self.gap - self.touching
        if apart <= 0:
            return np.zeros_like(landmarks)
        left = min(max((gap - self.touching) / apart, 0.0), 1.0)
        closed = min(CLOSING * self.touching, STEEPER * apart) * (1 - left)
        upper, lower = INNER_LIPS
        half = (landmarks[lower] - landmarks[upper]) * (closed / max(gap, closed) / 2)
        sides = np.stack([half[0] / 2, *half, half[2] / 2])
        field = np.zeros_like(landmarks)
        field[upper], field[lower] = half, -half
        field[UPPER_LIP], field[LOWER_LIP] = sides, -sides
        return field
