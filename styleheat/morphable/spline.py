"""Polyharmonic splines in the plane, with the distance itself as their kernel (Duchon 1977).

Between a membrane and a thin plate: they pass through scattered values smoothly, and swing less beyond them than a thin
plate does, which would fold the image beside a head that turns.
"""

import numpy as np
from scipy.spatial.distance import cdist


def spline(at: np.ndarray, values: np.ndarray, softness: np.ndarray, where: np.ndarray) -> np.ndarray:
    """The spline near values (N,2) at points (N,2), passing them by their softness (N,), at other points (M,2):
    (M,2)."""
    count = len(at)
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = np.diag(softness) - cdist(at, at)
    system[:count, count] = system[count, :count] = 1
    system[:count, count + 1 :] = at
    system[count + 1 :, :count] = at.T
    weights = np.linalg.solve(system, np.concatenate([values, np.zeros((3, 2))]))
    return weights[count] + where @ weights[count + 1 :] - cdist(where, at) @ weights[:count]
