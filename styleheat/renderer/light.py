"""Light on meshes and hairs: shadows computed once per person, shading by the scene's lights in each frame."""

import math

import numpy as np

from styleheat.renderer.body import Mesh
from styleheat.renderer.raster import compiled, nearest_depth, vertex_normals

CAMERA = 11.0
"""Distance of the camera in decimetres."""
CENTRE = -0.16
"""Height in decimetres of the point in the middle of the image."""
DIRECTIONS = 56
"""Directions in which each vertex is tested for occlusion, once per person."""


def harmonics(directions: np.ndarray) -> np.ndarray:
    """The nine real spherical harmonics up to degree 2, unnormalised, of unit vectors (N, 3): (N, 9)."""
    x, y, z = directions.T
    return np.stack([np.ones_like(x), x, y, z, x * y, y * z, x * z, x * x - y * y, 3 * z * z - 1], 1)


def bake(meshes: list[Mesh], occluders: list[Mesh]) -> None:
    """Compute for each vertex the share of the sky that is not occluded (`occlusion`), and the visibility of a light by
    its direction, as nine coefficients of `harmonics` (`visibility`), by shadow maps from evenly spread directions."""
    k = np.arange(DIRECTIONS) + 0.5
    polar, around = np.arccos(1 - 2 * k / DIRECTIONS), math.pi * (1 + math.sqrt(5)) * k
    directions = np.stack([np.cos(around) * np.sin(polar), np.cos(polar), np.sin(around) * np.sin(polar)], 1)
    directions = directions[(directions[:, 2] > -0.75) & (directions[:, 1] > -0.8)]
    size, extent = 224, 2.6
    vertices = np.concatenate([m.vertices for m in meshes])
    normals = np.concatenate([vertex_normals(m.vertices, m.faces) for m in meshes])
    visible = np.zeros((len(directions), len(vertices)), np.float32)
    for d, direction in enumerate(directions):
        across = np.cross([0.12, 1.0, 0.05], direction)
        across /= np.linalg.norm(across)
        frame = np.stack([across, np.cross(direction, across), direction]).astype(np.float32)

        def view(points: np.ndarray, frame: np.ndarray = frame) -> np.ndarray:
            p = (points - np.array([0, -0.35, 0], np.float32)) @ frame.T
            return np.stack([(p[:, 0] / extent + 0.5) * size, (p[:, 1] / extent + 0.5) * size, -p[:, 2]], 1).astype(
                np.float32
            )

        depth = np.full((size, size), 1e9, np.float32)
        for mesh in occluders:
            nearest_depth(view(mesh.vertices), mesh.faces, depth)
        p = view(vertices + 0.012 * normals)
        total = np.zeros(len(p), np.float32)
        for dx, dy in ((0, 0), (0.7, 0.7), (-0.7, 0.7), (0.7, -0.7), (-0.7, -0.7)):
            column = np.clip((p[:, 0] + dx).astype(int), 0, size - 1)
            row = np.clip((p[:, 1] + dy).astype(int), 0, size - 1)
            total += p[:, 2] < depth[row, column] + 0.035
        visible[d] = total / 5
    cosine = np.clip(directions @ normals.T, 0, None).astype(np.float32)
    occlusion = (visible * cosine).sum(0) / np.maximum(cosine.sum(0), 1e-3)
    basis = harmonics(directions)
    inverse = np.linalg.solve(basis.T @ basis + 0.5 * np.eye(9), basis.T).astype(np.float32)
    # Directions behind the surface say nothing about shadows that are cast on it: they take the mean.
    facing = directions @ normals.T > 0.0
    visibility = (inverse @ np.where(facing, visible, occlusion[None])).T
    start = 0
    for mesh in meshes:
        stop = start + len(mesh.vertices)
        mesh.occlusion = occlusion[start:stop].astype(np.float32).copy()
        mesh.visibility = np.ascontiguousarray(visibility[start:stop], np.float32)
        start = stop


@compiled
def light_mesh(
    points: np.ndarray,
    normals: np.ndarray,
    occlusion: np.ndarray,
    visibility: np.ndarray,
    shine: np.ndarray,
    key_basis: np.ndarray,
    lights: np.ndarray,
    skin: bool,
    light: np.ndarray,
    gloss: np.ndarray,
) -> None:
    """Light that vertices reflect diffusely, and their highlights, both (N, 3).

    lights (7, 3): key direction, key colour, sky, ground, rim direction, rim colour, and the key's softness 0 .. 1
    three times. Skin scatters light below its surface, red the furthest: its shading reaches around edges (wrapped
    diffuse), further the larger the lamp.
    """
    soft = 0.5 + lights[6, 0]
    wrap = (0.23 * soft, 0.14 * soft, 0.10 * soft) if skin else (0.12 * soft, 0.12 * soft, 0.12 * soft)
    edge_of_shadow = 2.3 - 1.2 * lights[6, 0]
    for n in range(points.shape[0]):
        nx, ny, nz = normals[n, 0], normals[n, 1], normals[n, 2]
        open_sky = occlusion[n]
        visible = 0.0
        for q in range(9):
            visible += visibility[n, q] * key_basis[q]
        visible = min(max(edge_of_shadow * (visible - 0.6) + 0.6, 0.0), 1.0)
        cosine = nx * lights[0, 0] + ny * lights[0, 1] + nz * lights[0, 2]
        rim = max(nx * lights[4, 0] + ny * lights[4, 1] + nz * lights[4, 2], 0.0)
        up = 0.5 + 0.5 * ny
        # towards the camera
        vx, vy, vz = -points[n, 0], CENTRE - points[n, 1], CAMERA - points[n, 2]
        scale = 1 / math.sqrt(vx * vx + vy * vy + vz * vz)
        vx, vy, vz = vx * scale, vy * scale, vz * scale
        facing = max(nx * vx + ny * vy + nz * vz, 0.0)
        edge = (1 - facing) ** 4
        hx, hy, hz = vx + lights[0, 0], vy + lights[0, 1], vz + lights[0, 2]
        scale = 1 / math.sqrt(hx * hx + hy * hy + hz * hz)
        half = max((nx * hx + ny * hy + nz * hz) * scale, 0.0)
        broad, narrow = half**14, half**56
        glint = shine[n] * ((0.45 + 1.5 * edge) * broad + 0.55 * narrow) * visible * max(min(cosine * 4, 1.0), 0.0)
        for q in range(3):
            w = wrap[q]
            diffuse = max((cosine + w) / (1 + w), 0.0)
            diffuse = diffuse * (0.35 * diffuse + 0.65) if skin else diffuse
            shadow = visible ** (0.85 if q == 0 and skin else 1.0)
            ambient = (lights[2, q] * up + lights[3, q] * (1 - up)) * open_sky ** (0.87 if q == 0 and skin else 1.0)
            light[n, q] = ambient + lights[1, q] * diffuse * shadow + lights[5, q] * rim * open_sky
            gloss[n, q] = (
                glint * lights[1, q]
                + 0.05 * shine[n] * edge * lights[2, q] * open_sky
                + 0.3 * shine[n] * rim**4 * lights[5, q] * edge
            )


@compiled
def light_hairs(
    points: np.ndarray, normals: np.ndarray, colour: np.ndarray, lights: np.ndarray, sharp: float, out: np.ndarray
) -> None:
    """Colours of hairs (S, P, 3): diffuse by the surface they lie on and by their own direction, and a highlight that
    runs across them (Kajiya and Kay 1989)."""
    for s in range(points.shape[0]):
        count = points.shape[1]
        for p in range(count):
            a, b = max(p - 1, 0), min(p + 1, count - 1)
            tx, ty, tz = (
                points[s, b, 0] - points[s, a, 0],
                points[s, b, 1] - points[s, a, 1],
                points[s, b, 2] - points[s, a, 2],
            )
            scale = 1 / math.sqrt(tx * tx + ty * ty + tz * tz + 1e-12)
            tx, ty, tz = tx * scale, ty * scale, tz * scale
            nx, ny, nz = normals[s, p, 0], normals[s, p, 1], normals[s, p, 2]
            along = tx * lights[0, 0] + ty * lights[0, 1] + tz * lights[0, 2]
            strand = math.sqrt(max(1 - along * along, 0.0))
            surface = max((nx * lights[0, 0] + ny * lights[0, 1] + nz * lights[0, 2] + 0.25) / 1.25, 0.0)
            hx, hy, hz = lights[0, 0], lights[0, 1], lights[0, 2] + 1.0
            scale = 1 / math.sqrt(hx * hx + hy * hy + hz * hz)
            across = (tx * hx + ty * hy + tz * hz) * scale
            glint = math.sqrt(max(1 - across * across, 0.0)) ** 40 * min(1.0, surface * 1.4)
            rim = max(nx * lights[4, 0] + ny * lights[4, 1] + nz * lights[4, 2], 0.0)
            up = 0.5 + 0.5 * ny
            for q in range(3):
                ambient = (lights[2, q] * up + lights[3, q] * (1 - up)) * 0.85
                diffuse = lights[1, q] * surface * (0.35 + 0.65 * strand)
                shine = sharp * glint * lights[1, q] * (0.03 + 0.30 * math.sqrt(colour[s, p, q]))
                out[s, p, q] = colour[s, p, q] * (ambient + diffuse + lights[5, q] * rim * 1.5) + shine


@compiled
def shade_below(
    points: np.ndarray, edge_x: np.ndarray, edge_y: np.ndarray, soft: float, darkest: float, light: np.ndarray
) -> None:
    """Darken points close below an edge (of an upper lid over the eye, of a lip over the teeth); edge_x increases."""
    last = edge_x.shape[0] - 1
    for n in range(points.shape[0]):
        x = points[n, 0]
        k = 0
        while k < last - 1 and edge_x[k + 1] < x:
            k += 1
        t = min(max((x - edge_x[k]) / max(edge_x[k + 1] - edge_x[k], 1e-6), 0.0), 1.0)
        y = edge_y[k] + (edge_y[k + 1] - edge_y[k]) * t
        s = min(max((y - points[n, 1]) / soft, 0.0), 1.0)
        factor = darkest + (1 - darkest) * s * s * (3 - 2 * s)
        for q in range(3):
            light[n, q] *= factor
