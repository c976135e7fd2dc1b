"""Lids, by MediaPipe's network for eyes: the face mesh hardly sees a blink.

On rendered people the mesh reads the same opening from open and from closed eyes; this network reads 0.30 of the eye's
width from open ones and 0.12 from closed ones, where it marks the edge of the lashes (0.08 to 0.17 on a real blink).
"""

import cv2
import numpy as np

from styleheat.face.detect import TfliteNetwork, face_model

INPUT_SIZE = 64
VIEWS = 2.3, 2.6
"""Sides of the squares that the network looks at, in eye widths: 2.3 as in MediaPipe; a mean of two trembles less."""

EYES = ((36, 39, False), (42, 45, True))
"""Of the 68 points, the corners of the left and the right eye of the image, and whether to look in a mirror: the
network takes left eyes."""

CONTOUR = (11, 13, 5, 3)
"""Points of the network's contour: left and right on the upper lid, then right and left on the lower one, in the order
of the 68 points."""

CLOSED, OPEN = 0.13, 0.24
"""Openings, in eye widths: at the first and below the lids meet, from the second on nothing is changed."""


class EyeNetwork:
    """Finds lids. Not to be shared between threads or processes."""

    def __init__(self) -> None:
        self._network = TfliteNetwork(face_model("iris_landmark.tflite"))

    def refine(self, image: np.ndarray, points: np.ndarray) -> np.ndarray:
        """(68, 2) points in an (H, W, 3) uint8 RGB image → the same with the eight of the lids as this network sees
        them; float32."""
        refined = points.astype(np.float32, copy=True)
        for left, right, mirrored in EYES:
            corners = points[[left, right]].astype(np.float64)
            width = float(np.hypot(*(corners[1] - corners[0])))
            if width < 2:  # pixels: nothing to see
                continue
            lids = np.mean([self._look(image, corners, view * width, mirrored) for view in VIEWS], axis=0)
            upper, lower = lids[:2], lids[:1:-1]
            gaps = np.linalg.norm(lower - upper, axis=1, keepdims=True)
            kept = np.clip((gaps.mean() / width - CLOSED) / (OPEN - CLOSED), 0, 1)
            middle = (upper + lower) / 2
            upper, lower = middle + kept * (upper - middle), middle + kept * (lower - middle)
            refined[left + 1 : left + 3], refined[left + 4 : left + 6] = upper, lower[::-1]
        return refined

    def _look(self, image: np.ndarray, corners: np.ndarray, side: float, mirrored: bool) -> np.ndarray:
        """The lids' four points (4, 2), upper left, upper right, lower right, lower left, in pixels of the image."""
        (x, y), pitch = corners[1] - corners[0], side / INPUT_SIZE
        turn = np.array([[x, -y], [y, x]]) / np.hypot(x, y)
        to_input = turn.T / pitch
        if mirrored:
            to_input = np.diag([-1, 1]) @ to_input
        offset = INPUT_SIZE / 2 - to_input @ corners.mean(0)
        matrix = np.column_stack([to_input, offset])
        if pitch > 2:  # warping samples four pixels only: average first
            matrix[:, :2] *= pitch
            image = cv2.resize(image, None, fx=1 / pitch, fy=1 / pitch, interpolation=cv2.INTER_AREA)
        crop = cv2.warpAffine(image, matrix, (INPUT_SIZE, INPUT_SIZE), flags=cv2.INTER_LINEAR)
        contour = max(self._network(crop / np.float32(255)), key=np.size).reshape(-1, 3)[:, :2].astype(np.float64)
        found = (contour[list(CONTOUR)] - offset) @ np.linalg.inv(to_input).T
        return found[[1, 0, 3, 2]] if mirrored else found
