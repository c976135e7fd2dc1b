"""Smooth functions of one number."""

import numpy as np


def bump(x: np.ndarray, width: float | np.ndarray) -> np.ndarray:
    """A smooth hill of height 1 at 0, of values (...,)."""
    return np.exp(-((x / width) ** 2))


def step(low: float | np.ndarray, high: float | np.ndarray, x: np.ndarray) -> np.ndarray:
    """Of values (...,): 0 below `low`, 1 above `high` (or the other way round), smooth between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
