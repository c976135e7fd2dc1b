"""Points of MediaPipe's face mesh: 468 of the skin, in the order of its canonical face model.

Left and right are those of the image, not of the person.
"""

from styleheat.constants import LANDMARKS

MESH_POINTS = 468

LEFT_EYE_CORNER, RIGHT_EYE_CORNER = 33, 263
"""Outer corners of the eyes."""

# fmt: off
MESH_TO_68 = (
    127, 93, 132, 58, 172, 150, 149, 148, 152, 377, 378, 379, 397, 288, 361, 323, 356,  # jaw
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300,  # brows
    168, 197, 5, 4, 240, 97, 2, 326, 460,  # nose
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,  # eyes
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181,  # outer lips
    78, 82, 13, 312, 308, 317, 14, 87,  # inner lips
)
# fmt: on
"""For each of the 68 points, the nearest of the mesh points, the face's two halves mirrored.

Chosen by comparing the mesh with dlib's 68 points on images of real faces, mirrored and turned: lips, eyes and nose
agree within 2–4 % of the distance between the outer eye corners, brows 5 %, the jaw 6–12 %, because it is an outline
in one scheme and fixed points of the skin in the other.
"""

# fmt: off
MIDLINE = (
    0, 1, 2, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 94, 151, 152, 164, 168, 175, 195, 197, 199, 200,
)
# fmt: on
"""Points in the plane of symmetry."""


def _mirrored() -> tuple[int, ...]:
    """The points right of the midline are the last 220, in the order of the left points that they mirror."""
    left = [point for point in range(MESH_POINTS) if point not in MIDLINE][: (MESH_POINTS - len(MIDLINE)) // 2]
    table = list(range(MESH_POINTS))
    for one, other in zip(left, range(MESH_POINTS - len(left), MESH_POINTS), strict=True):
        table[one], table[other] = other, one
    return tuple(table)


MESH_MIRRORED = _mirrored()
"""The index of each point's mirror image.

The rule was found by matching the meshes of three faces with those of their mirror images.
"""

assert len(MESH_TO_68) == LANDMARKS
