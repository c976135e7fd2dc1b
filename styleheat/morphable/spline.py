"""Thin-plate splines in the plane (Duchon 1977)."""

import math

import numba
import numpy as np


def thin_plate(at: np.ndarray, values: np.ndarray, softness: np.ndarray, where: np.ndarray) -> np.ndarray:
    """The thin-plate spline near values (N,2) at points (N,2), passing them by their softness (N,), at other points
    (M,2): (M,2)."""
    count = len(at)
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _kernel(at, at) + np.diag(softness)
    system[:count, count] = system[count, :count] = 1
    system[:count, count + 1 :] = at
    system[count + 1 :, :count] = at.T
    right = np.concatenate([values, np.zeros((3, 2))])
    weights = np.linalg.solve(system, right)
    return _kernel(where, at) @ weights[:count] + weights[count] + where @ weights[count + 1 :]


@numba.njit(cache=True, nogil=True)
def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """r² log r of the distances of points (N,2) and (M,2): (N,M)."""
    values = np.empty((len(a), len(b)))
    for i in range(len(a)):
        for j in range(len(b)):
            square = max((a[i, 0] - b[j, 0]) ** 2 + (a[i, 1] - b[j, 1]) ** 2, 1e-12)
            values[i, j] = 0.5 * square * math.log(square)
    return values
