"""The 68 landmarks of the iBUG 300-W scheme: their groups, their mirror images, and the mean face in three dimensions.

Axes: x to the right of the image, y up, z towards the viewer. "Left" and "right" are the image's.
"""

import numpy as np

from styleheat.constants import LANDMARKS
from styleheat.morphable import coefficients as layout

JAW = np.arange(0, 17)
BROW_LEFT, BROW_RIGHT = np.arange(17, 22), np.arange(22, 27)
NOSE = np.arange(27, 36)
EYE_LEFT, EYE_RIGHT = np.arange(36, 42), np.arange(42, 48)
LIPS = np.arange(48, 68)
"""The iBUG scheme's groups of points."""

MIRROR = np.array(
    list(range(16, -1, -1))
    + list(range(26, 16, -1))
    + [27, 28, 29, 30, 35, 34, 33, 32, 31]
    + [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
    + [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65]
)
"""The landmark that each landmark becomes in the mirror image."""

# fmt: off
_LEFT_HALF_AND_MIDDLE = {
    # jaw: temple to chin
    0: (-0.690, 0.195, -0.380), 1: (-0.671, -0.089, -0.413), 2: (-0.649, -0.239, -0.378), 3: (-0.605, -0.393, -0.311),
    4: (-0.542, -0.513, -0.204), 5: (-0.373, -0.663, 0.005), 6: (-0.295, -0.711, 0.078), 7: (-0.120, -0.784, 0.206),
    8: (0.0, -0.795, 0.225),
    # brow: temple inwards
    17: (-0.568, 0.431, 0.086), 18: (-0.506, 0.499, 0.160), 19: (-0.413, 0.537, 0.226), 20: (-0.290, 0.539, 0.285),
    21: (-0.148, 0.526, 0.315),
    # nose: bridge, tip, wings
    27: (0.0, 0.339, 0.322), 28: (0.0, 0.189, 0.428), 29: (0.0, 0.062, 0.548), 30: (0.0, -0.023, 0.578),
    31: (-0.155, -0.134, 0.364), 32: (-0.076, -0.163, 0.394), 33: (0.0, -0.163, 0.411),
    # eye: outer corner, upper lid, inner corner, lower lid
    36: (-0.452, 0.269, 0.109), 37: (-0.383, 0.309, 0.174), 38: (-0.276, 0.316, 0.192), 39: (-0.172, 0.256, 0.165),
    40: (-0.264, 0.236, 0.186), 41: (-0.368, 0.238, 0.169),
    # outer lip: corner, upper, lower
    48: (-0.280, -0.365, 0.208), 49: (-0.164, -0.305, 0.367), 50: (-0.081, -0.288, 0.405), 51: (0.0, -0.298, 0.413),
    57: (0.0, -0.468, 0.372), 58: (-0.081, -0.463, 0.365), 59: (-0.152, -0.446, 0.333),
    # inner lip: corner, upper, lower
    60: (-0.242, -0.362, 0.226), 61: (-0.065, -0.359, 0.353), 62: (0.0, -0.360, 0.362), 66: (0.0, -0.368, 0.351),
    67: (-0.068, -0.366, 0.341),
}
# fmt: on


def _mean() -> np.ndarray:
    mean = np.zeros((LANDMARKS, 3))
    for point, place in _LEFT_HALF_AND_MIDDLE.items():
        mean[point] = place
        mean[MIRROR[point]] = np.multiply(place, (-1, 1, 1))
    return mean


MEAN = _mean()
"""The mean face (68, 3)."""

STANDARD_POINTS = layout.five_points(MEAN)
"""Its eyes, nose tip and mouth corners (5, 3), by which frames are cropped."""
