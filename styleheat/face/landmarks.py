"""The 68 landmarks of a face: two back ends with one interface, and smoothing of their tracks.

The order of the points is that of iBUG 300-W: jaw 0–16 (left of the image first), brows 17–26, nose 27–35,
eyes 36–47, outer lips 48–59, inner lips 60–67.

The back ends disagree by a tenth of the distance between the eyes on the jaw (and less elsewhere): never mix them in
one data set.
"""

import functools
import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from styleheat.constants import LANDMARKS, NO_FACE
from styleheat.errors import InputError
from styleheat.face.cuts import CutFinder
from styleheat.face.detect import Face, FaceDetector, TfliteNetwork, face_model
from styleheat.face.eyes import EyeNetwork
from styleheat.face.mesh import LEFT_EYE_CORNER, MESH_MIRRORED, MESH_TO_68, RIGHT_EYE_CORNER

STILL = slice(17, 48)
"""Of the 68: brows, nose and eyes, which move with the head whatever the mouth does."""


class Landmarker(ABC):
    """Finds faces and their 68 points. Not to be shared between threads or processes; make one in each worker."""

    @abstractmethod
    def detect_all(self, image: np.ndarray) -> list[Face]:
        """The faces of an (H, W, 3) uint8 RGB image, the most certain first."""

    @abstractmethod
    def landmarks(self, image: np.ndarray, which: int = 0) -> np.ndarray | None:
        """(68, 2) float32 pixels (x, y) of a face of an image: of the largest, or the `which`-th smaller one; None
        where there are not so many."""

    @abstractmethod
    def track(self, frames: Iterable[np.ndarray], which: int = 0) -> Iterator[np.ndarray | None]:
        """For each frame of one video, as `landmarks` where a face is first seen, and then following it from frame to
        frame."""


@functools.lru_cache(maxsize=4)
def landmarker(backend: str, device: str = "cpu") -> Landmarker:
    """The back end by its name in params: "mediapipe" (on the CPU) or "face_alignment" (on `device`, or "auto").

    Made once in each process: a worker's second clip finds the networks loaded.
    Raises InputError when the back end's package is missing or its weights can't be had.
    """
    if backend == "mediapipe":
        return mediapipe()
    if backend == "face_alignment":
        return FaceAlignment(device)
    raise InputError(f"landmarks.backend: {backend!r} is unknown; 'mediapipe' and 'face_alignment' are known")


@functools.lru_cache(maxsize=1)
def mediapipe() -> "MediaPipe":
    """The MediaPipe back end, made once in each process."""
    return MediaPipe()


@dataclass(frozen=True)
class _Region:
    """The square of an image that the mesh network looks at: centre and side in pixels, turn in radians."""

    centre: np.ndarray
    side: float
    angle: float

    @classmethod
    def of_face(cls, face: Face) -> "_Region":
        return cls((face.box[:2] + face.box[2:]) / 2, face.size * 1.5, _slope(face.keypoints[0], face.keypoints[1]))

    @classmethod
    def of_mesh(cls, mesh: np.ndarray) -> "_Region":
        """One and a half times the box around a mesh, upright on the line between the eyes (as MediaPipe tracks)."""
        angle = _slope(mesh[LEFT_EYE_CORNER], mesh[RIGHT_EYE_CORNER])
        upright = mesh[:, :2] @ _rotation(angle)
        low, high = upright.min(axis=0), upright.max(axis=0)
        return cls(_rotation(angle) @ ((low + high) / 2), float(max(high - low)) * 1.5, angle)


class MediaPipe(Landmarker):
    """MediaPipe's face detector, 468-point mesh, and network for lids, on one CPU thread.

    The mesh network sees the face turned upright in 192×192 pixels, whatever its size in the image: a face of 60
    pixels is enlarged. It looks four times, from slightly different places and twice in a mirror, and the points are
    the mean: on rendered talking heads the opening of the lips then follows the truth with a correlation of 0.96
    instead of 0.90 for one look.
    """

    INPUT_SIZE = 192
    MIN_PRESENCE = 0.5
    """Below this there is no face in the region (MediaPipe `min_tracking_confidence`)."""

    MORE_LOOKS = ((0.05, 0.05, True), (-0.05, 0.05, False), (0.0, -0.05, True))
    """Where to look besides the middle of the region: offsets right and down in its sides, and whether mirrored."""

    def __init__(self) -> None:
        self._detector = FaceDetector()
        self._network = TfliteNetwork(face_model("face_landmark.tflite"))
        self._eyes = EyeNetwork()

    def detect_all(self, image: np.ndarray) -> list[Face]:
        return self._detector.detect_all(image)

    def landmarks(self, image: np.ndarray, which: int = 0) -> np.ndarray | None:
        by_size = sorted(self.detect_all(image), key=lambda face: -face.size)
        found = (points for face in by_size if (points := self.landmarks_of(image, face)) is not None)
        return next(itertools.islice(found, which, None), None)

    def landmarks_of(self, image: np.ndarray, face: Face) -> np.ndarray | None:
        """(68, 2) float32 pixels of a face found in the image; None when a closer look shows no face."""
        found = self._begin(image, [face])
        return None if found is None else self._eyes.refine(image, mesh_landmarks(found[0]))

    def track(self, frames: Iterable[np.ndarray], which: int = 0) -> Iterator[np.ndarray | None]:
        for frame, mesh in self._follow(frames, which):
            yield None if mesh is None else self._eyes.refine(frame, mesh_landmarks(mesh))

    def track_meshes(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray | None]:
        """As `track`, but all points of the mesh: (468, 3) float64, x and y in pixels, z in about the same unit.

        z is the network's estimate of depth, negative towards the camera; its zero is the middle of the head.
        """
        yield from (mesh for _, mesh in self._follow(frames, 0))

    def _follow(self, frames: Iterable[np.ndarray], which: int) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """Each frame with its mesh."""
        found: tuple[np.ndarray, _Region] | None = None
        cuts = CutFinder()
        for frame in frames:
            if cuts.begins(frame):
                found = None  # after a cut the face is elsewhere
            if found is not None:
                found = self._look(frame, found[1])
            if found is None:
                found = self._begin(frame, self.detect_all(frame), which)
            yield frame, None if found is None else found[0]

    def _begin(self, image: np.ndarray, faces: list[Face], which: int = 0) -> tuple[np.ndarray, _Region] | None:
        """As `_look`, at the largest of some faces detected, or the `which`-th smaller one. The mesh gives the region
        better than the detector does, so that the first frame of a video agrees with those that follow."""
        by_size = sorted(faces, key=lambda face: -face.size)
        if which >= len(by_size):
            return None
        mesh = self._mesh(image, _Region.of_face(by_size[which]))
        return None if mesh is None else self._look(image, _Region.of_mesh(mesh))

    def _look(self, image: np.ndarray, region: _Region) -> tuple[np.ndarray, _Region] | None:
        """The (468, 3) mesh in a region and the region to look at in the next frame; None when no face is there."""
        middle = self._mesh(image, region)
        if middle is None:
            return None
        looks = [middle]
        for right, down, mirrored in self.MORE_LOOKS:
            offset = _rotation(region.angle) @ (right * region.side, down * region.side)
            mesh = self._mesh(image, _Region(region.centre + offset, region.side, region.angle), mirrored)
            if mesh is not None:
                looks.append(mesh[list(MESH_MIRRORED)] if mirrored else mesh)
        return np.mean(looks, axis=0), _Region.of_mesh(middle)

    def _mesh(self, image: np.ndarray, region: _Region, mirrored: bool = False) -> np.ndarray | None:
        """(468, 3) pixels; None when no face is there. In a mirror, left points are on the face's right."""
        shrink = region.side / self.INPUT_SIZE
        if shrink > 2:  # warping samples four pixels only: average first
            small = cv2.resize(image, None, fx=1 / shrink, fy=1 / shrink, interpolation=cv2.INTER_AREA)
            scale = np.array([image.shape[1] / small.shape[1], image.shape[0] / small.shape[0]])
            mesh = self._mesh(small, _Region(region.centre / scale, region.side / shrink, region.angle), mirrored)
            return None if mesh is None else mesh * (*scale, shrink)
        to_input = _rotation(region.angle).T / shrink
        if mirrored:
            to_input = np.diag([-1, 1]) @ to_input
        offset = self.INPUT_SIZE / 2 - to_input @ region.centre
        crop = cv2.warpAffine(
            image,
            np.column_stack([to_input, offset]),
            (self.INPUT_SIZE, self.INPUT_SIZE),
            flags=cv2.INTER_CUBIC if shrink < 1 else cv2.INTER_LINEAR,
        )
        points, presence = sorted(self._network(crop / np.float32(255)), key=np.size, reverse=True)
        if presence.item() < math.log(self.MIN_PRESENCE / (1 - self.MIN_PRESENCE)):
            return None
        mesh = points.reshape(-1, 3).astype(np.float64)
        return np.column_stack([(mesh[:, :2] - offset) @ np.linalg.inv(to_input).T, mesh[:, 2] * shrink])


class FaceAlignment(Landmarker):
    """The networks of the package face_alignment (SFD detector, 2D-FAN-4), in batches, on a GPU if there is one.

    Its weights are downloaded by the package into torch's hub folder on first use.
    """

    BATCH = 16
    VIEW_SIZE = 256
    FACE_SCALE, UPWARDS = 200, 0.12
    """The network's view: a square of 200 · (width + height) / the detector's own scale, an eighth of the box above its
    middle (face_alignment `SCALE_FACTOR`, `CENTER_Y_OFFSET`)."""

    def __init__(self, device: str = "auto", networks: Any = None) -> None:
        """networks: a `face_alignment.FaceAlignment`, or one made here when None."""
        import torch

        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self._device = device
        self._networks = networks or self._load(device)

    @staticmethod
    def _load(device: str) -> Any:
        from urllib.error import URLError

        import face_alignment

        try:
            return face_alignment.FaceAlignment(
                face_alignment.LandmarksType.TWO_D, device=device, flip_input=False, compile=False
            )
        except (URLError, OSError) as error:
            raise InputError(
                f"landmarks.backend: the weights of face_alignment can't be downloaded ({error}); connect this machine "
                "to the network once, or use 'mediapipe'"
            ) from error

    def detect_all(self, image: np.ndarray) -> list[Face]:
        return self._detect([image])[0]

    def landmarks(self, image: np.ndarray, which: int = 0) -> np.ndarray | None:
        by_size = sorted(self.detect_all(image), key=lambda face: -face.size)
        return next(self._points([image], [face.box for face in by_size[which : which + 1]] or [None]))

    def track(self, frames: Iterable[np.ndarray], which: int = 0) -> Iterator[np.ndarray | None]:
        """Each frame by itself: of its faces the one nearest to the last; at first the largest, or a smaller one."""
        last: np.ndarray | None = None
        stream = iter(frames)
        while batch := list(itertools.islice(stream, self.BATCH)):
            chosen: list[np.ndarray | None] = []
            for faces in self._detect(batch):
                if last is None:
                    found = sorted(faces, key=lambda face: -face.size)[which:]
                else:
                    gaps = [_gap(face.box, last) for face in faces]
                    found = [faces[int(np.argmin(gaps))]] if faces else []
                last = found[0].box if found else last
                chosen.append(found[0].box if found else None)
            yield from self._points(batch, chosen)

    def _detect(self, images: list[np.ndarray]) -> list[list[Face]]:
        import torch

        batch = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float().to(self._device)
        return [
            [Face(np.asarray(box[:4], np.float64), float(box[4]), np.zeros((0, 2))) for box in boxes]
            for boxes in self._networks.face_detector.detect_from_batch(batch)
        ]

    def _points(self, images: list[np.ndarray], boxes: list[np.ndarray | None]) -> Iterator[np.ndarray | None]:
        """The package's steps, but over frames instead of the faces of one image, and without rounding to pixels."""
        import torch

        views, to_images = [], []
        for image, box in zip(images, boxes, strict=True):
            if box is not None:
                size = box[2:] - box[:2]
                side = self.FACE_SCALE * size.sum() / self._networks.face_detector.reference_scale
                corner = (box[:2] + box[2:]) / 2 - np.array([0, self.UPWARDS * size[1]]) - side / 2
                pitch = side / self.VIEW_SIZE
                to_image = np.column_stack([np.eye(2) * pitch, corner + pitch / 2 - 0.5])
                view = (self.VIEW_SIZE, self.VIEW_SIZE)
                views.append(cv2.warpAffine(image, to_image, view, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP))
                to_images.append(to_image)
        points = np.zeros((0, LANDMARKS, 2))
        if views:
            inputs = torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2).float().to(self._device) / 255
            with torch.inference_mode():
                maps = self._networks.face_alignment_net(inputs)
            if isinstance(maps, list):
                maps = maps[-1]  # of the last hourglass
            points = _peaks(maps.float().cpu().numpy()) * (self.VIEW_SIZE / maps.shape[-1]) - 0.5
        found = iter(zip(points, to_images, strict=True))
        for box in boxes:
            if box is None:
                yield None
            else:
                point, to_image = next(found)
                yield (point @ to_image[:, :2].T + to_image[:, 2]).astype(np.float32)


def _peaks(maps: np.ndarray) -> np.ndarray:
    """(N, 68, 2) places (x, y) of the maxima of heat maps (N, 68, H, W), (0, 0) being the corner of the first cell.

    The middle of the highest cell and a quarter of a cell towards its higher neighbours (Newell et al. 2016, "Stacked
    hourglass networks").
    """
    count, points, height, width = maps.shape
    best = maps.reshape(count, points, -1).argmax(axis=-1)
    n, p = np.ogrid[:count, :points]
    y, x = best // width, best % width
    left, right = maps[n, p, y, np.maximum(x - 1, 0)], maps[n, p, y, np.minimum(x + 1, width - 1)]
    above, below = maps[n, p, np.maximum(y - 1, 0), x], maps[n, p, np.minimum(y + 1, height - 1), x]
    return np.stack([x + 0.5 + 0.25 * np.sign(right - left), y + 0.5 + 0.25 * np.sign(below - above)], axis=-1)


def mesh_landmarks(mesh: np.ndarray) -> np.ndarray:
    """The 68 points (68, 2) float32 of a mesh (468, 3)."""
    return mesh[list(MESH_TO_68), :2].astype(np.float32)


def stack(points: Iterable[np.ndarray | None]) -> np.ndarray:
    """The points of T frames as (T, 68, 2) float32, NO_FACE where there is None."""
    absent = np.full((LANDMARKS, 2), NO_FACE, np.float32)
    rows = [absent if point is None else point for point in points]
    return np.stack(rows).astype(np.float32) if rows else np.zeros((0, LANDMARKS, 2), np.float32)


def smooth(landmarks: np.ndarray, sigma: float) -> np.ndarray:
    """Steady (T, 68, 2) landmarks over time without delay; frames without a face stay as they are and divide the track.

    sigma: standard deviation in frames of the Gaussian over the head's place, size and turn; 0 changes nothing.

    What the face does by itself, seen from the head, is smoothed half as much: lips close within two frames. On a real
    talking face at 30 frames a second, sigma 1 halves the tremble and keeps 98 % of the mouth's movement, where the
    same Gaussian over the plain points keeps 94 %.
    """
    smoothed = landmarks.copy()
    face = ~(landmarks == NO_FACE).all(axis=(1, 2))
    edges = np.flatnonzero(np.diff(np.concatenate([[False], face, [False]]).astype(int)))
    for start, stop in edges.reshape(-1, 2) if sigma > 0 else ():
        smoothed[start:stop] = _smooth_run(landmarks[start:stop].astype(np.float64), sigma)
    return smoothed


def _smooth_run(points: np.ndarray, sigma: float) -> np.ndarray:
    """`smooth` for frames that all have a face. A point is a complex number: turning and scaling is a product."""
    from scipy.ndimage import gaussian_filter1d

    z = points[..., 0] + 1j * points[..., 1]  # (T, 68)
    still = z[:, STILL]
    place = still.mean(axis=1, keepdims=True)  # (T, 1)
    shape = (still - place).mean(axis=0)
    pose = ((still - place) @ shape.conj())[:, None] / (np.abs(shape) ** 2).sum()  # least squares, (T, 1)
    own = (z - place) / pose

    def filtered(track: np.ndarray, width: float) -> np.ndarray:
        return gaussian_filter1d(track, width, axis=0, mode="nearest")

    steady = filtered(own, sigma / 2) * filtered(pose, sigma) + filtered(place, sigma)
    return np.stack([steady.real, steady.imag], axis=-1)


def _rotation(angle: float) -> np.ndarray:
    """Turns image coordinates (y down) clockwise as seen."""
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


def _slope(left: np.ndarray, right: np.ndarray) -> float:
    return math.atan2(right[1] - left[1], right[0] - left[0])


def _gap(a: np.ndarray, b: np.ndarray) -> float:
    """Distance of two boxes' centres."""
    return float(np.hypot(*((a[:2] + a[2:]) / 2 - (b[:2] + b[2:]) / 2)))
