"""Reads faces as for the training clips: detection, tracking and coefficients."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from styleheat.constants import NO_FACE
from styleheat.errors import InputError
from styleheat.face.align import ffhq_box
from styleheat.face.crop import cut_out, median_square, to_cut
from styleheat.face.landmarks import Landmarker, landmarker, smooth, stack
from styleheat.face.shots import shots, watched
from styleheat.media import video
from styleheat.media.image import read_image
from styleheat.morphable.coefficients import FRAME_SIZE, descriptor, has_face, pack_coefficients
from styleheat.morphable.fitting import fit
from styleheat.morphable.measures import blink_track
from styleheat.params import Infer

Estimate = Callable[[Iterable[np.ndarray], np.ndarray, int], tuple[np.ndarray, np.ndarray]]
"""A clip's frames (size,size,3) uint8, its landmarks (T,68,2) in their pixels, and size → coefficients (T,257) and
`transform_params` (T,5). Rows of −1 get what lies between their neighbours. Frames are read only if they are needed."""


@dataclass(frozen=True)
class FaceReader:
    """Applies the two back ends to a user's files. landmarker: finds faces. estimate: their coefficients.

    smooth: standard deviation, in frames, of the smoothing of a video's landmarks, as in the training's data.
    driver_face: which face of a driver: the largest, or so many smaller ones on.
    """

    landmarker: Landmarker
    estimate: Estimate
    smooth: float = 1.0
    driver_face: int = 0

    @property
    def own_face_model(self) -> bool:
        """Whether the coefficients are of our own face model, which `morphable.geometry` needs."""
        return self.estimate is by_fitting

    def coefficients(self, frames: Iterable[np.ndarray], landmarks: np.ndarray, size: int) -> np.ndarray:
        """The packed coefficients (T,260) float32 of T frames (size,size,3) uint8, framed as training clips are.

        landmarks: (T,68,2) in their pixels; rows of −1 get descriptors between those of their neighbours. Raises
        InputError when no frame has a face.
        """
        return pack_coefficients(*self.estimate(frames, landmarks, size))

    def clip(self, frames: Iterable[np.ndarray], landmarks: np.ndarray, size: int) -> np.ndarray:
        """The descriptors (T,73) in `coefficients`."""
        return descriptor(self.coefficients(frames, landmarks, size))

    def find(self, image: np.ndarray, path: str | Path, which: int = 0, name: str = "infer.face") -> np.ndarray:
        """The landmarks (68,2) of the largest face in an image file's content (H,W,3) uint8, or of the `which`-th
        smaller one. Raises InputError when there are not so many, as the parameter `name` wants them."""
        landmarks = self.landmarker.landmarks(image, which)
        if landmarks is not None:
            return landmarks
        if self.landmarker.landmarks(image) is None:
            raise InputError(
                f"{path}: no face found; give an image of a face seen from the front, not cut off, and at least a "
                "twentieth of the image's longer side"
            )
        count = next(number for number in range(1, which + 1) if self.landmarker.landmarks(image, number) is None)
        raise InputError(f"{path}: no face {which}, as {name} wants it; it shows {count}, from 0, the largest, on")

    def image(self, path: str | Path) -> np.ndarray:
        """The descriptor (73,) of a driver's face in an image file.

        Raises InputError when the file is no image or shows no such face.
        """
        image = read_image(path)
        return self.still(image, self.find(image, path, self.driver_face, "infer.driver_face"))

    def still(self, image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """The descriptor (73,) of a face with landmarks (68,2) in an image (H,W,3) uint8."""
        return self._framed([image], landmarks[None])[0]

    def video(self, path: str | Path, fps: float | None = None) -> np.ndarray:
        """The descriptors (T,73) of the face that a video file shows in T frames, `fps` a second or each as it comes.

        It is read once to follow the face and, if the coefficients come from images, once more to look at it: no
        more than a few frames are in memory. Raises InputError when the file is no video, or no frame shows a face.
        """
        return self._framed(_frames(path, fps, "driver's coefficients"), *self._follow(path, fps))

    def blinks(self, path: str | Path, fps: float) -> np.ndarray:
        """How far the eyes in a video file are closed in each of T frames, `fps` a second: (T,) from 0 to 1, frames
        without a face as between their neighbours. Raises InputError as `video`."""
        landmarks, _ = self._follow(path, fps)
        here = np.flatnonzero(has_face(landmarks))
        return np.interp(np.arange(len(landmarks)), here, blink_track(landmarks[here]))

    def _follow(self, path: str | Path, fps: float | None) -> tuple[np.ndarray, list[slice]]:
        """The landmarks (T,68,2) of the face that a video file shows, steadied, and its shots; each has the face in one
        frame at least."""
        cuts: list[int] = []
        frames = watched(_frames(path, fps, "driver"), cuts)
        landmarks = stack(self.landmarker.track(frames, self.driver_face))
        if not has_face(landmarks).any():
            number = f" {self.driver_face}" if self.driver_face else ""
            raise InputError(f"{path}: no face{number} found in any frame; give a video of a face seen from the front")
        found = shots(landmarks, cuts)
        return np.concatenate([smooth(landmarks[shot], self.smooth) for shot in found]), found

    def _framed(
        self, frames: Iterable[np.ndarray], landmarks: np.ndarray, shots: Sequence[slice] = (slice(None),)
    ) -> np.ndarray:
        """`clip` of any frames of one size, cut as a training clip is in FFHQ's framing: one upright square for each
        shot, the median of those of its frames with a face."""
        here = has_face(landmarks)
        squares = np.empty((len(landmarks), 4))
        points = np.full_like(landmarks, NO_FACE)
        for shot in shots:
            box = median_square(np.stack([ffhq_box(face) for face in landmarks[shot][here[shot]]]))
            squares[shot] = box
            points[shot] = np.where(here[shot, None, None], to_cut(landmarks[shot], box, FRAME_SIZE), NO_FACE)
        cut = (cut_out(frame, box, FRAME_SIZE) for frame, box in zip(frames, squares, strict=True))
        return self.clip(cut, points, FRAME_SIZE)


def face_reader(infer: Infer, device: str) -> FaceReader:
    """The back ends that params.yaml names. Raises InputError when their packages or weights can't be had."""
    estimate: Estimate = by_fitting
    if infer.coefficients == "deep3d":
        estimate = by_regressor(infer.coefficients_weights, device)
    return FaceReader(landmarker(infer.landmarks, device), estimate, infer.smooth, infer.driver_face)


def by_fitting(frames: Iterable[np.ndarray], landmarks: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """As `Estimate` says, from the landmarks alone, by fitting our own face model to them."""
    coefficients, transform_params, _ = fit(landmarks, size)
    return coefficients, transform_params


def by_regressor(folder: str | Path, device: str) -> Estimate:
    """The `Estimate` of the released regressor in a model folder, on `device`. Raises InputError without it.

    It is read anew for each clip, in a moment, and forgotten: while frames are painted its memory is theirs.
    """
    from styleheat.morphable.deep3d import read_deep3d, regress

    read_deep3d(folder, device)  # what is wrong with it is reported before anything else is done
    return lambda frames, landmarks, size: regress(read_deep3d(folder, device), frames, landmarks, size)


def _frames(path: str | Path, fps: float | None, desc: str) -> Iterator[np.ndarray]:
    """The frames of a video as `read_frames` yields them; a bar shows how fast they go, from the first one on."""
    info = video.probe(path)
    total = info.frames if fps is None else round(info.seconds * fps)
    yield from tqdm(video.read_frames(path, fps), total=total, desc=desc, unit="frame", mininterval=1.0)
