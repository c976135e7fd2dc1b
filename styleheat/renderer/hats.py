"""Hats, caps, hoods and headscarves."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from styleheat.renderer.body import Mesh, grid_mesh
from styleheat.renderer.curves import bump, step
from styleheat.renderer.grid import COLUMNS, ROWS, SKIN_FACES, UNDER
from styleheat.renderer.head import Head
from styleheat.renderer.raster import vertex_normals

HATS = ("cap", "beanie", "hat", "bucket", "scarf", "turban", "hood")
COVERS_HAIR = ("scarf", "turban")
HIDES_EARS = ("scarf", "hood")


@dataclass(frozen=True)
class Hat:
    """A head covering; colours as displayed."""

    kind: str  # one of HATS
    colour: np.ndarray
    second: np.ndarray
    front: float  # height of its border at the forehead, decimetres
    back: float
    thick: float  # distance from the head
    pattern: str  # "plain", "ribs", "stripes", "checks", "dots"
    seed: int

    @classmethod
    def random(cls, rng: np.random.Generator, male: bool) -> "Hat":
        odds = np.array([3.0, 2.0, 1.6, 0.8, 0.4, 0.7, 1.0] if male else [1.6, 2.0, 1.6, 1.0, 3.2, 0.7, 0.8])
        kind = str(rng.choice(HATS, p=odds / odds.sum()))
        patterns = {"beanie": ["ribs", "ribs", "stripes", "plain"], "scarf": ["plain", "plain", "dots", "checks"]}
        return cls(
            kind=kind,
            colour=np.clip(rng.uniform(0.04, 0.9) + rng.uniform(-0.3, 0.3, 3), 0.02, 0.97),
            second=rng.uniform(0.05, 0.95, 3),
            front=float(rng.uniform(0.44, 0.60)),
            back=float(rng.uniform(-0.25, 0.15)),
            thick=float(rng.uniform(0.055, 0.085)),
            pattern=str(rng.choice(patterns.get(kind, ["plain", "plain", "plain", "stripes", "checks"]))),
            seed=int(rng.integers(1 << 31)),
        )

    def border(self, angle: np.ndarray) -> np.ndarray:
        """Height (...,) of its border at an angle (...,) from the front (0) to the back (pi), decimetres; it covers
        what is above."""
        return self.front + (self.back - self.front) * (1 - np.cos(angle)) / 2


def _fabric(hat: Hat, rows: int = 96, columns: int = 320) -> np.ndarray:
    """The cloth around the head (columns: angle) from top to border (rows): linear float32."""
    rng = np.random.default_rng(hat.seed)
    y, x = np.mgrid[0:rows, 0:columns]
    cloth = np.ones((rows, columns, 3)) * hat.colour
    pitch = int(rng.integers(8, 26))
    if hat.pattern == "stripes":
        cloth[(y // pitch) % 2 == 0] = hat.second
    elif hat.pattern == "checks":
        cloth = cloth * (1 - 0.35 * (((x // pitch) % 2) + ((y // pitch) % 2)))[..., None]
    elif hat.pattern == "dots":
        dots = np.hypot((x % pitch) - pitch / 2, (y % pitch) - pitch / 2) < pitch * 0.25
        cloth[dots] = hat.second
    elif hat.pattern == "ribs":
        cloth = cloth * (0.82 + 0.25 * np.sin(x * 2 * math.pi / 5))[..., None]
    folds = cv2.GaussianBlur(rng.standard_normal((rows, columns)), (0, 0), 5)
    cloth = cloth * (1 + 0.06 * folds / folds.std() + 0.03 * rng.standard_normal((rows, columns)))[..., None]
    if hat.kind == "cap":
        seams = np.abs((x / columns * 6 + 0.5) % 1 - 0.5) < 0.012
        cloth[seams] *= 0.72
        if rng.random() < 0.7:  # a badge
            centre = (columns // 2, rows - 34)
            badge = np.clip(cloth * 255, 0, 255).astype(np.uint8)
            cv2.ellipse(badge, centre, (int(rng.integers(8, 20)), int(rng.integers(8, 17))), 0, 0, 360,
                        tuple(float(v * 255) for v in hat.second), -1, cv2.LINE_AA)  # fmt: skip
            letter = chr(int(rng.integers(65, 91)))
            cv2.putText(badge, letter, (centre[0] - 8, centre[1] + 8), cv2.FONT_HERSHEY_DUPLEX, 0.7,
                        tuple(float(v) for v in hat.colour * 255), 2, cv2.LINE_AA)  # fmt: skip
            cloth = badge / 255
    return (np.clip(cloth, 0, 1) ** 2).astype(np.float32)


def _shell_thickness(head: Head, hat: Hat) -> tuple[np.ndarray, np.ndarray]:
    """Distance of the cloth from each skin vertex (rows * columns,), and of the vertex from the border, positive inside
    (rows * columns,); decimetres."""
    x, y, z = (head.flat[..., k].ravel() for k in range(3))
    angle = np.abs(np.arctan2(x, z + 0.05))
    if hat.kind == "scarf":  # open for the face, an oval
        oval = np.hypot(x / 0.60, np.where(y > -0.2, (y + 0.2) / 0.72, (y + 0.2) / 0.85))
        inside = np.where(z > 0.0, (oval - 1) * 0.6, 0.5)
        inside = np.where(np.repeat(UNDER, COLUMNS) > 0, np.maximum(inside, 0.08), inside)
        return 0.025 + 0.055 * step(0.0, 0.35, inside), inside
    if hat.kind == "hood":
        oval = np.hypot(x / 0.72, np.where(y > -0.2, (y + 0.2) / 0.92, (y + 0.2) / 1.5))
        inside = np.where(z > 0.15, (oval - 1) * 0.7, 0.5)
        inside = np.where(y < -0.75, -0.1, inside)
        return 0.10 + 0.05 * step(0.0, 0.2, inside) + 0.05 * bump(y - 1.1, 0.3), inside
    inside = y - hat.border(angle)
    thick = hat.thick * np.ones_like(y)
    if hat.kind == "turban":
        rolls = 0.5 + 0.5 * np.sin(18 * (y + 0.35 * np.abs(x)) + 3 * np.sign(x))
        thick = 0.10 + 0.12 * bump(inside - 0.25, 0.30) + 0.03 * rolls
    elif hat.kind == "beanie":
        thick = thick + 0.035 * step(0.20, 0.17, inside) + 0.06 * step(0.75, 1.15, y)
    elif hat.kind == "cap":
        thick = thick + 0.05 * bump(angle, 0.9) * step(0.35, 0.7, y)
    return thick, inside


def shell(head: Head, hat: Hat, neutral: np.ndarray) -> tuple[Mesh, np.ndarray] | None:
    """Cloth that follows the skull: its mesh, and the index of the skin vertex below each of its vertices; None for
    hats with a crown of their own. `neutral` (rows * columns, 3): the skin of the neutral face."""
    if hat.kind in ("hat", "bucket"):
        return None
    thick, inside = _shell_thickness(head, hat)
    normals = vertex_normals(neutral, SKIN_FACES)
    edge = np.clip(inside / 0.04, -0.6, 1)  # the border comes down to the skin
    points = neutral + normals * (thick * edge)[:, None].astype(np.float32)
    faces = np.ascontiguousarray(SKIN_FACES[inside[SKIN_FACES].min(1) > -0.02])
    cloth = _fabric(hat)
    angle = np.arctan2(neutral[:, 0], neutral[:, 2])
    low = float(inside[SKIN_FACES].min()) if hat.kind in HIDES_EARS else 0.0
    across = (angle / math.pi * 0.5 + 0.5) * (cloth.shape[1] - 1)
    down = np.clip((1.17 - neutral[:, 1]) / (1.17 - min(hat.front, 0.45 + low)), 0, 1) * (cloth.shape[0] - 1)
    used, faces = np.unique(faces, return_inverse=True)
    mesh = Mesh(
        points[used].astype(np.float32),
        np.ascontiguousarray(faces.reshape(-1, 3), np.int32),
        np.stack([across, down], 1)[used].astype(np.float32),
        cloth,
        np.full(len(used), 0.03, np.float32),
        np.ones(len(used), np.float32),
    )
    return mesh, used


def _two_sided(points: np.ndarray, texture: np.ndarray, thick: float) -> list[Mesh]:
    """A sheet (rows, columns, 3) that is visible from above, with an underside."""
    under = points[:, ::-1] - np.array([0, thick, 0])
    return [grid_mesh(points, texture, 0.03), grid_mesh(under, np.ascontiguousarray(texture * 0.75), 0.02)]


def _ellipse(head: Head, hat: Hat, angle: np.ndarray, size: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """x and z around the head at the border's height, `size` times the head's own outline."""
    wide = (0.785 + hat.thick) * (1 + 0.045 * head.identity.width)
    deep = np.where(np.cos(angle) > 0, 0.93 + hat.thick, 1.02 + hat.thick)
    return size * wide * np.sin(angle), size * deep * np.cos(angle)


def _revolved(head: Head, hat: Hat) -> list[Mesh]:
    """A hat with a crown of its own and a brim all around."""
    rng = np.random.default_rng(hat.seed + 1)
    high = rng.uniform(0.68, 0.95) if hat.kind == "hat" else rng.uniform(0.66, 0.80)
    top = 1.22 + (0.18 * rng.random() if hat.kind == "hat" else 0.06)
    angle = np.linspace(-math.pi, math.pi, 73)[None]
    line = hat.border(np.abs(angle)) * 0.55 + 0.22
    sizes = [1.0, 1.0, 0.99, 0.97, 0.93, high, high * 0.75, 0.0]
    levels = [0.0, 0.08, 0.25, 0.55, 0.88, 1.0, 1.02 - 0.10 * (hat.kind == "hat"), 1.0 - 0.16 * (hat.kind == "hat")]
    crown = []
    for size, level in zip(sizes, levels, strict=True):
        x, z = _ellipse(head, hat, angle[0], size)
        crown.append(np.stack([x, line[0] + (top - line[0]) * level, z], 1))
    cloth = _fabric(hat, 64, 256)
    band = cloth.copy()
    band[-9:] = (hat.second**2).astype(np.float32) if hat.kind == "hat" else cloth[-9:] * 0.9
    reach = rng.uniform(0.30, 0.62) if hat.kind == "hat" else rng.uniform(0.22, 0.34)
    fall = rng.uniform(-0.05, 0.12) if hat.kind == "hat" else rng.uniform(0.18, 0.32)
    brim = []
    for t in np.linspace(1, 0, 6):  # the outer edge first, so that the upper side is the visible one
        x, z = _ellipse(head, hat, angle[0], 1 + 0.0 * t)
        out = np.stack([np.sin(angle[0]), np.cos(angle[0])], 1) * (reach * t)
        side = 0.08 * np.sin(angle[0]) ** 2 * t**2 * (hat.kind == "hat")
        brim.append(np.stack([x + out[:, 0], line[0] + 0.01 - fall * t**1.3 + side, z + out[:, 1]], 1))
    sheet = np.stack(brim)[::-1]
    return [grid_mesh(np.stack(crown[::-1]), band, 0.03), *_two_sided(sheet, cloth[:16].copy(), 0.02)]


def _peak(head: Head, hat: Hat) -> list[Mesh]:
    """A cap's peak."""
    rng = np.random.default_rng(hat.seed + 2)
    reach, bend = rng.uniform(0.50, 0.75), rng.uniform(0.05, 0.30)
    u = np.linspace(-1, 1, 41)
    angle = u * 1.15
    x, z = _ellipse(head, hat, angle, 0.995)
    rows = []
    for t in np.linspace(0, 1, 7):
        shape = reach * t * np.sqrt(np.clip(1 - np.abs(u) ** 2.6, 0, 1))
        y = hat.border(np.abs(angle)) + 0.03 - bend * u**2 * t - 0.16 * t**1.4
        rows.append(np.stack([x * (1 - 0.04 * t), y, z + shape], 1))
    rng_cloth = np.ones((8, 8, 3)) * (hat.second if rng.random() < 0.3 else hat.colour) ** 2
    return _two_sided(np.stack(rows), rng_cloth.astype(np.float32), 0.022)


def neckcloth(hat: Hat, trunk: np.ndarray, turn: np.ndarray) -> list[Mesh]:
    """The part of a headscarf around the neck, on the trunk (rows, columns, 3), whose points follow the head by `turn`
    (rows, columns)."""
    if hat.kind != "scarf":
        return []
    rng = np.random.default_rng(hat.seed + 3)
    rows = trunk[:, 0, 1] > -1.62 - 0.25 * rng.random()
    points, share = trunk[rows].copy(), turn[rows]
    folds = np.sin(9 * points[..., 1] + 2.5 * np.sin(2 * np.arctan2(points[..., 0], points[..., 2] + 0.2)))
    out = points * [1, 0, 1] - np.array([0, 0, -0.22])
    out /= np.linalg.norm(out, axis=-1, keepdims=True)
    loose = 0.09 + 0.05 * step(-1.1, -1.5, points[..., 1]) + 0.02 * folds
    mesh = grid_mesh(points + out * loose[..., None], _fabric(hat), 0.03, share)
    return [mesh]


def brims(head: Head, hat: Hat) -> list[Mesh]:
    """The parts of a hat that do not follow the skull: a crown with its brim, or a peak."""
    if hat.kind in ("hat", "bucket"):
        return _revolved(head, hat)
    return _peak(head, hat) if hat.kind == "cap" else []


def bare(head: Head, hat: Hat | None) -> np.ndarray:
    """0 .. 1 per skin vertex (rows * columns,): where the hat leaves the hair visible."""
    if hat is None:
        return np.ones(ROWS * COLUMNS)
    if hat.kind in COVERS_HAIR:
        return np.zeros(ROWS * COLUMNS)
    if hat.kind in ("hat", "bucket"):
        angle = np.abs(np.arctan2(head.flat[..., 0], head.flat[..., 2] + 0.05)).ravel()
        inside = head.flat[..., 1].ravel() - (hat.border(angle) * 0.55 + 0.22)
    else:
        inside = _shell_thickness(head, hat)[1]
    return step(0.02, -0.05, inside)


def hem(head: Head, hat: Hat, neutral: np.ndarray) -> np.ndarray | None:
    """The border of cloth that follows the skull, a polyline (1, points, 3) that hides the mesh's ragged edge; None for
    other hats."""
    if hat.kind in ("hat", "bucket"):
        return None
    inside = _shell_thickness(head, hat)[1]
    grid = inside.reshape(ROWS, COLUMNS)
    points = neutral.reshape(ROWS, COLUMNS, 3)
    normals = vertex_normals(neutral, SKIN_FACES).reshape(ROWS, COLUMNS, 3)
    line: list[np.ndarray] = []
    if hat.kind in HIDES_EARS:  # around the face: by angle about the face's middle
        x, y, z = (head.flat[..., k] for k in range(3))
        border = np.flatnonzero((np.abs(inside) < 0.02) & (z.ravel() > 0.1) & (y.ravel() > -1.0))
        about = np.arctan2(y.ravel()[border] + 0.2, x.ravel()[border])
        for centre in np.linspace(-math.pi, math.pi, 73):
            near = np.abs((about - centre + math.pi) % (2 * math.pi) - math.pi)
            if near.min() < 0.12:
                chosen = border[near < 0.12]
                line.append((points.reshape(-1, 3)[chosen] + 0.03 * normals.reshape(-1, 3)[chosen]).mean(0))
    else:
        for column in range(COLUMNS):
            rows = np.flatnonzero(grid[:, column] > 0)
            if not len(rows) or rows[-1] + 1 >= ROWS:
                continue
            a = rows[-1]
            t = grid[a, column] / max(grid[a, column] - grid[a + 1, column], 1e-6)
            stand = 0.035 if hat.kind != "turban" else 0.06
            line.append(points[a, column] * (1 - t) + points[a + 1, column] * t + stand * normals[a, column])
    return np.stack(line)[None] if len(line) > 3 else None
