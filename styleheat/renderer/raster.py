"""A small software renderer: textured triangles and hairs into a float image with a depth buffer.

Everything is compiled by numba for one thread and caches its machine code. Pixel (x, y) covers the square from (x, y)
to (x + 1, y + 1); x grows to the right, y down, depth away from the camera. Colours are linear light.
"""

import math
from typing import Any, TypeVar

import numba
import numpy as np

Function = TypeVar("Function")


def compiled(function: Function) -> Function:
    """`numba.njit` with its machine code cached, so that new worker processes need not compile again."""
    wrapped: Any = numba.njit(cache=True, fastmath=True)(function)
    return wrapped  # type: ignore[no-any-return]


@compiled
def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit normals (N, 3) of vertices (N, 3): the sum of their faces' (M, 3) area-weighted normals."""
    normals = np.zeros_like(vertices)
    for f in range(faces.shape[0]):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        ax, ay, az = vertices[j, 0] - vertices[i, 0], vertices[j, 1] - vertices[i, 1], vertices[j, 2] - vertices[i, 2]
        bx, by, bz = vertices[k, 0] - vertices[i, 0], vertices[k, 1] - vertices[i, 1], vertices[k, 2] - vertices[i, 2]
        x, y, z = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
        for v in (i, j, k):
            normals[v, 0] += x
            normals[v, 1] += y
            normals[v, 2] += z
    for v in range(vertices.shape[0]):
        length = math.sqrt(normals[v, 0] ** 2 + normals[v, 1] ** 2 + normals[v, 2] ** 2) + 1e-12
        normals[v, 0] /= length
        normals[v, 1] /= length
        normals[v, 2] /= length
    return normals


@compiled
def _pixels(low: float, high: float, size: int) -> tuple[int, int]:
    """The first and the last of `size` pixels whose middles lie between two coordinates; first > last if none does."""
    return max(0, math.ceil(low - 0.5)), min(size - 1, math.floor(high - 0.5))


@compiled
def draw_mesh(
    screen: np.ndarray,
    faces: np.ndarray,
    uv: np.ndarray,
    light: np.ndarray,
    gloss: np.ndarray,
    texture: np.ndarray,
    image: np.ndarray,
    depth: np.ndarray,
) -> None:
    """Draw triangles that face the camera, nearest wins: image = texture * light + gloss, interpolated.

    screen (N, 3) pixel x, y and depth; faces (M, 3); uv (N, 2) column and row in the texture (H, W, 3), whose borders
    repeat; light and gloss (N, 3) linear; image (h, w, 3) and depth (h, w) are changed in place. All float32.
    """
    height, width = depth.shape
    rows, columns = texture.shape[0], texture.shape[1]
    for f in range(faces.shape[0]):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        x0, y0, x1, y1, x2, y2 = screen[i, 0], screen[i, 1], screen[j, 0], screen[j, 1], screen[k, 0], screen[k, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area >= -1e-7:  # turned away, or without extent
            continue
        left, right = _pixels(min(x0, x1, x2), max(x0, x1, x2), width)
        top, bottom = _pixels(min(y0, y1, y2), max(y0, y1, y2), height)
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                px, py = x + 0.5, y + 0.5
                a = ((x1 - px) * (y2 - py) - (x2 - px) * (y1 - py)) / area
                b = ((x2 - px) * (y0 - py) - (x0 - px) * (y2 - py)) / area
                c = 1 - a - b
                if a < 0 or b < 0 or c < 0:
                    continue
                z = a * screen[i, 2] + b * screen[j, 2] + c * screen[k, 2]
                if z >= depth[y, x]:
                    continue
                depth[y, x] = z
                u = min(max(a * uv[i, 0] + b * uv[j, 0] + c * uv[k, 0], 0.0), columns - 1.001)
                v = min(max(a * uv[i, 1] + b * uv[j, 1] + c * uv[k, 1], 0.0), rows - 1.001)
                iu, iv = int(u), int(v)
                fu, fv = u - iu, v - iv
                for q in range(3):
                    upper = texture[iv, iu, q] * (1 - fu) + texture[iv, iu + 1, q] * fu
                    lower = texture[iv + 1, iu, q] * (1 - fu) + texture[iv + 1, iu + 1, q] * fu
                    lit = a * light[i, q] + b * light[j, q] + c * light[k, q]
                    shine = a * gloss[i, q] + b * gloss[j, q] + c * gloss[k, q]
                    image[y, x, q] = (upper * (1 - fv) + lower * fv) * lit + shine


@compiled
def draw_hairs(
    points: np.ndarray, radius: np.ndarray, colour: np.ndarray, alpha: float, image: np.ndarray, depth: np.ndarray
) -> None:
    """Draw polylines with soft edges over the image where nothing drawn before is nearer.

    points (S, P, 3) pixel x, y and depth; radius (S, P) pixels; colour (S, P, 3) linear; alpha the opacity of a hair
    wider than a pixel; image and depth as in `draw_mesh`.
    """
    height, width = depth.shape
    for s in range(points.shape[0]):
        for p in range(points.shape[1] - 1):
            x0, y0, z0 = points[s, p, 0], points[s, p, 1], points[s, p, 2]
            x1, y1, z1 = points[s, p + 1, 0], points[s, p + 1, 1], points[s, p + 1, 2]
            # most of the hair is behind the head: skip segments that are hidden at both ends and in the middle
            hidden = True
            for k in range(3):
                column, row = int(x0 + (x1 - x0) * 0.5 * k), int(y0 + (y1 - y0) * 0.5 * k)
                if 0 <= column < width and 0 <= row < height and z0 + (z1 - z0) * 0.5 * k < depth[row, column] + 0.03:
                    hidden = False
            if hidden:
                continue
            reach = max(radius[s, p], radius[s, p + 1]) + 0.5
            left, right = _pixels(min(x0, x1) - reach, max(x0, x1) + reach, width)
            top, bottom = _pixels(min(y0, y1) - reach, max(y0, y1) + reach, height)
            dx, dy = x1 - x0, y1 - y0
            squared = dx * dx + dy * dy + 1e-6
            for y in range(top, bottom + 1):
                for x in range(left, right + 1):
                    px, py = x + 0.5 - x0, y + 0.5 - y0
                    t = (px * dx + py * dy) / squared
                    if t < 0:
                        if p > 0:  # the joint belongs to the segment before
                            continue
                        t = 0.0
                    t = min(t, 1.0)
                    z = z0 + (z1 - z0) * t
                    if z >= depth[y, x]:
                        continue
                    r = radius[s, p] + (radius[s, p + 1] - radius[s, p]) * t
                    distance = math.sqrt((px - t * dx) ** 2 + (py - t * dy) ** 2)
                    cover = min(max(r + 0.5 - distance, 0.0), 1.0, 2 * r) * alpha
                    if cover <= 0.004:
                        continue
                    for q in range(3):
                        shade = colour[s, p, q] + (colour[s, p + 1, q] - colour[s, p, q]) * t
                        image[y, x, q] += (shade - image[y, x, q]) * cover
                    if cover > 0.5:
                        depth[y, x] = z


@compiled
def draw_glass(
    screen: np.ndarray, faces: np.ndarray, pass_on: np.ndarray, gloss: np.ndarray, image: np.ndarray, depth: np.ndarray
) -> None:
    """Draw see-through triangles that face the camera: image = image * pass_on + gloss where nothing is nearer.

    screen, faces, image and depth as in `draw_mesh`, but the depth is not changed. pass_on (3,): shares of red, green
    and blue that pass. gloss (N, 3) linear.
    """
    height, width = depth.shape
    for f in range(faces.shape[0]):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        x0, y0, x1, y1, x2, y2 = screen[i, 0], screen[i, 1], screen[j, 0], screen[j, 1], screen[k, 0], screen[k, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area >= -1e-7:
            continue
        left, right = _pixels(min(x0, x1, x2), max(x0, x1, x2), width)
        top, bottom = _pixels(min(y0, y1, y2), max(y0, y1, y2), height)
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                px, py = x + 0.5, y + 0.5
                a = ((x1 - px) * (y2 - py) - (x2 - px) * (y1 - py)) / area
                b = ((x2 - px) * (y0 - py) - (x0 - px) * (y2 - py)) / area
                c = 1 - a - b
                # half open, so that no pixel belongs to two triangles
                if a < 0 or b <= 0 or c <= 0:
                    continue
                if a * screen[i, 2] + b * screen[j, 2] + c * screen[k, 2] >= depth[y, x]:
                    continue
                for q in range(3):
                    shine = a * gloss[i, q] + b * gloss[j, q] + c * gloss[k, q]
                    image[y, x, q] = image[y, x, q] * pass_on[q] + shine


@compiled
def draw_glow(
    x: float, y: float, z: float, radius: float, colour: np.ndarray, image: np.ndarray, depth: np.ndarray
) -> None:
    """Add a soft round spot of light (a reflection on an eye) to an image (H,W,3) where its depth (H,W) does not hide
    z."""
    height, width = depth.shape
    reach = radius + 0.5
    for row in range(max(0, int(y - reach - 1)), min(height, int(y + reach + 2))):
        for column in range(max(0, int(x - reach - 1)), min(width, int(x + reach + 2))):
            if z >= depth[row, column]:
                continue
            distance = math.sqrt((column + 0.5 - x) ** 2 + (row + 0.5 - y) ** 2)
            cover = min(max(reach - distance, 0.0), 1.0)
            for q in range(3):
                image[row, column, q] += (colour[q] - image[row, column, q]) * cover


@compiled
def nearest_depth(screen: np.ndarray, faces: np.ndarray, depth: np.ndarray) -> None:
    """Lower the depth map (h, w) to the triangles, whichever way they face: a shadow map."""
    height, width = depth.shape
    for f in range(faces.shape[0]):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        x0, y0, x1, y1, x2, y2 = screen[i, 0], screen[i, 1], screen[j, 0], screen[j, 1], screen[k, 0], screen[k, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if abs(area) < 1e-9:
            continue
        left, right = _pixels(min(x0, x1, x2), max(x0, x1, x2), width)
        top, bottom = _pixels(min(y0, y1, y2), max(y0, y1, y2), height)
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                px, py = x + 0.5, y + 0.5
                a = ((x1 - px) * (y2 - py) - (x2 - px) * (y1 - py)) / area
                b = ((x2 - px) * (y0 - py) - (x0 - px) * (y2 - py)) / area
                if a < 0 or b < 0 or a + b > 1:
                    continue
                z = a * screen[i, 2] + b * screen[j, 2] + (1 - a - b) * screen[k, 2]
                depth[y, x] = min(depth[y, x], z)


@compiled
def develop(image: np.ndarray, factor: int) -> np.ndarray:
    """Compress the highlights softly, encode for a display, average factor x factor samples: uint8 (h, w, 3).

    Values below 0.6 stay as they are, higher ones approach 1. The encoding is a square root, close to that of sRGB
    and fast; averaging comes after it, so that edges between bright and dark have even steps.
    """
    height, width = image.shape[0] // factor, image.shape[1] // factor
    out = np.empty((height, width, 3), np.uint8)
    for y in range(height):
        for x in range(width):
            for q in range(3):
                total = 0.0
                for i in range(factor):
                    for j in range(factor):
                        value = max(image[y * factor + i, x * factor + j, q], 0.0)
                        if value > 0.6:
                            value = 0.6 + 0.4 * (1 - math.exp(-(value - 0.6) / 0.4))
                        total += math.sqrt(value)
                out[y, x, q] = int(total / (factor * factor) * 255 + 0.5)
    return out
