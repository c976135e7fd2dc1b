"""The face model on a dense surface: 464 vertices with triangles, holes for eyes and mouth, moved as the landmarks are.

The vertices lie where MediaPipe's face mesh has its points, and 68 of them are the landmarks. Their mean is the average
of the mesh on photographs, frames of a video and rendered people, turned upright and made symmetric. The triangles are
a constrained Delaunay triangulation of the unrolled mean with its lips apart, computed once; so no triangle joins the
upper to the lower lip or lid. `surface.txt` holds both.

The directions of the face model are given at its 68 landmarks. They are spread over the surface as smoothly as it
allows: of all displacements that agree with the landmarks', the one of least bending (∫|Δd|², Δ the cotangent
Laplacian; Botsch and Kobbelt 2004, "An intuitive framework for real-time freeform modeling").
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from styleheat.morphable.model import face_model
from styleheat.morphable.points import MEAN, MIRROR

FOREHEAD_Y = 0.6
"""Vertices of the outline above this height don't follow expressions, as raised brows don't move the hair."""

BROW_GAIN = 2.0
"""Factor of the brows' movement: the fit finds a third of the true movement, in rendered people and in photographs that
were warped by a known amount."""

_FILE = Path(__file__).with_name("surface.txt")


@dataclass(frozen=True)
class Surface:
    """Vertices that are linear in the coefficients, in the axes of the face model.

    mean (V,3); identity (80,V,3) and expression (64,V,3): displacements for a coefficient of 1.
    triangles (F,3): vertices counter-clockwise in the frontal view.
    landmarks (68,): the vertex of each landmark.
    outline, mouth, eyes: the vertices around the surface and around its holes, in order; eyes: left and right.
    mirror (V,): the vertex that each vertex is in the mirror image.
    spread (V,68): a smooth field on the surface of given values at the landmarks.
    """

    mean: np.ndarray
    identity: np.ndarray
    expression: np.ndarray
    triangles: np.ndarray
    landmarks: np.ndarray
    outline: np.ndarray
    mouth: np.ndarray
    eyes: tuple[np.ndarray, np.ndarray]
    mirror: np.ndarray
    spread: np.ndarray

    def neutral(self, identity: np.ndarray) -> np.ndarray:
        """Identity coefficients (80,) → the face without expression (V,3)."""
        return self.mean + np.tensordot(identity, self.identity, 1)

    def moved(self, expression: np.ndarray) -> np.ndarray:
        """Expression coefficients (64,) → displacements (V,3) to add to a neutral face."""
        return np.tensordot(expression, self.expression, 1)


@cache
def face_surface() -> Surface:
    """The surface, computed once a process (some tens of milliseconds)."""
    vertices, triangles, landmarks = _read()
    mirror = _mirror(vertices, landmarks)
    vertices = (vertices + vertices[mirror] * (-1, 1, 1)) / 2  # exactly symmetric, whatever was rounded
    outline, mouth, *eyes = _loops(triangles, vertices)
    stiffness = _bending(vertices, triangles)
    spread = _spread(stiffness, landmarks)
    still = outline[vertices[outline, 1] > FOREHEAD_Y]
    held = _spread(stiffness, np.concatenate([landmarks, still]))[:, : len(landmarks)]
    model = face_model()
    mean = vertices + spread @ (MEAN - vertices[landmarks])
    gains = [BROW_GAIN if name.startswith("brow_") else 1.0 for name in model.expression_names]
    gains += [1.0] * (len(model.expression) - len(gains))
    identity, expression = spread @ model.identity, held @ (model.expression * np.array(gains)[:, None, None])
    return Surface(mean, identity, expression, triangles, landmarks, outline, mouth, (eyes[0], eyes[1]), mirror, spread)


def _read() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = [line.split() for line in _FILE.read_text().splitlines() if not line.startswith("#")]
    vertices = np.array([[float(number) for number in row[1:]] for row in rows if row[0] == "v"])
    triangles = np.array([[int(number) for number in row[1:]] for row in rows if row[0] == "f"])
    return vertices, triangles, np.array([int(row[1]) for row in rows if row[0] == "l"])


def _mirror(vertices: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """The vertex (V,) that each vertex becomes in the mirror."""
    distance = np.linalg.norm(vertices[:, None] - vertices * (-1, 1, 1), axis=-1)
    mirror = distance.argmin(1)
    assert (mirror[mirror] == np.arange(len(vertices))).all()
    assert (mirror[landmarks] == landmarks[MIRROR]).all()
    return mirror


def _loops(triangles: np.ndarray, vertices: np.ndarray) -> list[np.ndarray]:
    """The closed borders of the surface, each in order: outline, mouth, left eye, right eye."""
    edges = {(int(t[k]), int(t[(k + 1) % 3])) for t in triangles for k in range(3)}
    following = {a: b for a, b in sorted(edges) if (b, a) not in edges}
    loops = []
    while following:
        start, loop = min(following), []
        at = start
        while at in following:
            loop.append(at)
            at = following.pop(at)
        loops.append(np.array(loop))
    loops.sort(key=len, reverse=True)  # 36, 20, 16, 16
    outline, mouth, *eyes = loops
    return [outline, mouth, *sorted(eyes, key=lambda eye: vertices[eye, 0].mean())]


def _bending(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(V,V): dᵀ·B·d is the bending of a field d (V,) on the surface."""
    count = len(vertices)
    laplacian, area = np.zeros((count, count)), np.zeros(count)
    for k in range(3):
        i, j, opposite = triangles[:, k], triangles[:, (k + 1) % 3], triangles[:, (k + 2) % 3]
        a, b = vertices[i] - vertices[opposite], vertices[j] - vertices[opposite]
        double = np.linalg.norm(np.cross(a, b), axis=1)
        half_cotangent = (a * b).sum(1) / double / 2
        np.add.at(laplacian, (i, j), -half_cotangent)
        np.add.at(laplacian, (j, i), -half_cotangent)
        np.add.at(laplacian, (i, i), half_cotangent)
        np.add.at(laplacian, (j, j), half_cotangent)
        np.add.at(area, opposite, double / 6)
    return laplacian / area @ laplacian


def _spread(bending: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(V,K): the field of least bending whose values at K known vertices are given."""
    free = np.setdiff1d(np.arange(len(bending)), known)
    spread = np.zeros((len(bending), len(known)))
    spread[known] = np.eye(len(known))
    spread[free] = -np.linalg.solve(bending[np.ix_(free, free)], bending[np.ix_(free, known)])
    return spread
