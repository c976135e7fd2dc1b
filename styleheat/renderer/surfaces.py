"""The two surfaces of the head: the skin, and a solid layer under the hairs."""

import numpy as np

from styleheat.renderer import appearance, hair
from styleheat.renderer.body import Mesh
from styleheat.renderer.curves import step
from styleheat.renderer.grid import COLUMNS, HEIGHTS, MOUTH_ROW, ROWS, SKIN_FACES
from styleheat.renderer.head import Head
from styleheat.renderer.look import Look, linear
from styleheat.renderer.raster import vertex_normals


def skin(head: Head, look: Look, neutral: np.ndarray, rng: np.random.Generator) -> Mesh:
    """The skin of a head whose vertices without expression are `neutral` (V,3); nose, forehead and lips shine more."""
    y, x = np.meshgrid(np.arange(ROWS), np.arange(COLUMNS), indexing="ij")
    side, v = np.abs(head.flat[..., 0]), HEIGHTS[:, None]
    oily = 0.055 + 0.035 * head.front * (
        np.exp(-((side / 0.16) ** 2)) * (v < 0.2) * (v > -0.5) + np.exp(-((side / 0.35) ** 2) - ((v - 0.5) / 0.2) ** 2)
    )
    lips = np.exp(-(((v - MOUTH_ROW) / 0.08) ** 2)) * step(1.0, 0.8, side / head.mouth_half) * head.front
    texture = appearance.skin_texture(head, look, rng)
    return Mesh(
        neutral,
        SKIN_FACES,
        np.stack([x.ravel(), y.ravel()], 1).astype(np.float32) * appearance.TEXELS,
        texture,
        (oily + (0.06 + 0.10 * look.makeup) * lips).ravel().astype(np.float32),
        np.ones(ROWS * COLUMNS, np.float32),
    )


def cap(head: Head, look: Look, neutral: np.ndarray, rng: np.random.Generator) -> Mesh | None:
    """A solid layer on vertices `neutral` (V,3) under the hairs, so that the skin is not visible between them; None for
    styles without one."""
    if look.style in ("bald", "buzz", "receding", "mohawk"):
        return None
    amount = hair.scalp(head, look)
    normals = vertex_normals(neutral, SKIN_FACES)
    thick = hair.cap_thickness(look) * 0.55
    points = neutral + normals * (thick * np.clip(amount * 6 - 5, -0.5, 1))[:, None].astype(np.float32)
    inside = amount[SKIN_FACES].min(1) > 0.9
    if not inside.any():
        return None
    streaks = np.clip(1 + 0.22 * np.repeat(rng.normal(size=(1, 256)), 64, 0), 0.5, 1.6)[..., None]
    texture = (linear(look.hair) * 0.42 * streaks**1.5).astype(np.float32)
    x = np.tile(np.arange(COLUMNS), ROWS) * (255 / (COLUMNS - 1))
    return Mesh(
        points.astype(np.float32),
        np.ascontiguousarray(SKIN_FACES[inside]),
        np.stack([x, np.zeros_like(x)], 1).astype(np.float32),
        texture,
        np.zeros(len(points), np.float32),
        np.ones(len(points), np.float32),
    )
