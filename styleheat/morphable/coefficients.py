"""The coefficient vectors of a clip: their layout, the windows that drive the warper, the crop, and the `.mat` file.

A frame's 257 coefficients are Deep3DFaceRecon's (`split_coeff`): identity 80, expression 64, texture 80, angle 3,
gamma 27 (light), translation 3. They describe the face inside a 224-pixel crop of the frame; five `transform_params`
say where that crop lies in the frame scaled to 256 pixels. Packed as in PIRenderer's LMDB, 260 a frame:
the 257 and the crop's (ratio, t0, t1).
"""

import io
from pathlib import Path

import numpy as np

from styleheat.constants import COEFFICIENTS, LANDMARKS, NO_FACE, WINDOW_RADIUS
from styleheat.errors import InputError
from styleheat.files import atomic

IDENTITY = slice(0, 80)
EXPRESSION = slice(80, 144)
TEXTURE = slice(144, 224)
ANGLE = slice(224, 227)
GAMMA = slice(227, 254)
TRANSLATION = slice(254, 257)
CROP = slice(257, 260)
"""Columns of packed coefficients."""

DESCRIPTOR_EXPRESSION = slice(0, 64)
DESCRIPTOR_ANGLE = slice(64, 67)
DESCRIPTOR_TRANSLATION = slice(67, 70)
DESCRIPTOR_CROP = slice(70, 73)
"""Columns of a descriptor."""

FRAME_SIZE = 256
"""Size of the frame that `transform_params` refer to (PIRenderer resizes every frame to it first)."""

CROP_SIZE = 224
CROP_SCALE = 102.0
"""Pixels of the crop, and how many of them stand for one unit of the face model (Deep3DFaceRecon `align_img`)."""


# --- vectors and windows


def pack_coefficients(coefficients: np.ndarray, transform_params: np.ndarray) -> np.ndarray:
    """(T, 257) and (T, 5) → packed float32 (T, 260)."""
    return np.concatenate([coefficients, transform_params[:, 2:]], axis=1).astype(np.float32)


def descriptor(packed: np.ndarray) -> np.ndarray:
    """Packed coefficients (T, 260) → the part that drives the warper (T, 73)."""
    return np.concatenate([packed[:, part] for part in (EXPRESSION, ANGLE, TRANSLATION, CROP)], axis=1)


def window_indices(frame: int, length: int) -> np.ndarray:
    """The frames (27,) int64 around `frame`, those outside a clip of `length` frames replaced by its first or last."""
    return np.clip(np.arange(frame - WINDOW_RADIUS, frame + WINDOW_RADIUS + 1), 0, length - 1)


def window(descriptors: np.ndarray, frame: int) -> np.ndarray:
    """Descriptors (T, 73) → the window around `frame`, channels first (73, 27)."""
    return descriptors[window_indices(frame, len(descriptors))].T


def windows(descriptors: np.ndarray) -> np.ndarray:
    """Descriptors (T, 73) → the window of every frame (T, 73, 27)."""
    frames = np.stack([window_indices(frame, len(descriptors)) for frame in range(len(descriptors))])
    return descriptors[frames].transpose(0, 2, 1)


def crop_norm_ratio(source: np.ndarray, driving: np.ndarray) -> float:
    """The factor of a driver's crop ratios that gives its face the size of the source's.

    source: descriptor (73,); driving: descriptors (T, 73). The two sizes are compared in the driving frame most like
    the source by 0.3 · mean |expression difference| + 0.7 · mean |angle difference| (StyleHEAT `inference.py`).
    """
    expression = np.abs(driving[:, DESCRIPTOR_EXPRESSION] - source[DESCRIPTOR_EXPRESSION]).mean(1)
    angle = np.abs(driving[:, DESCRIPTOR_ANGLE] - source[DESCRIPTOR_ANGLE]).mean(1)
    nearest = int(np.argmin(0.3 * expression + 0.7 * angle))
    return float(source[DESCRIPTOR_CROP][0] / driving[nearest, DESCRIPTOR_CROP][0])


# --- the crop


def five_points(landmarks: np.ndarray) -> np.ndarray:
    """68 landmarks (..., 68, D) → left eye, right eye, nose tip, left and right mouth corner (..., 5, D).

    Left and right as in the image. An eye is the mean of its outermost two points (Deep3DFaceRecon `extract_5p`).
    """
    eyes = [landmarks[..., pair, :].mean(-2) for pair in ([36, 39], [42, 45])]
    return np.stack([*eyes, *(landmarks[..., point, :] for point in (30, 48, 54))], axis=-2)


def transform_params(landmarks: np.ndarray, standard: np.ndarray) -> np.ndarray:
    """Where the crop lies that shows the face upright-scaled and centred, one a frame.

    landmarks: (T, 68, 2) in pixels of a 256-pixel frame, y down.
    standard: the five points of the mean face (5, 3), y up.
    Returns float64 (T, 5): frame width and height, ratio (crop pixels a frame pixel), and the pixel (t0, t1; y UP, from
    the bottom row) that lands in the middle of the crop.

    Solves scaled orthography of the five points by least squares, POS (DeMenthon & Davis 1995), as Deep3DFaceRecon's
    `align_img` does: x = s · R1·X + t0, y = s · R2·X + t1; the scale is the mean length of the two rows.
    """
    points = five_points(np.asarray(landmarks, np.float64))
    points[..., 1] = FRAME_SIZE - 1 - points[..., 1]
    design = np.concatenate([standard, np.ones((5, 1))], axis=1)
    solution = np.linalg.pinv(design) @ points  # (T, 4, 2): rows X, Y, Z, 1
    scale = np.linalg.norm(solution[:, :3], axis=1).mean(1)
    params = np.full((len(points), 5), float(FRAME_SIZE))
    params[:, 2] = CROP_SCALE / scale
    params[:, 3:] = solution[:, 3]
    return params


def to_crop(landmarks: np.ndarray, transform_params: np.ndarray) -> np.ndarray:
    """Landmarks (T, N, 2) in pixels of a 256-pixel frame → pixels of the 224-pixel crop, y down in both.

    Exactly scaled: the reference rounds the scaled frame's size down, which moves its crop by up to half a pixel.
    """
    ratio, shift = _crop_transform(transform_params)
    return landmarks * ratio + shift


def from_crop(landmarks: np.ndarray, transform_params: np.ndarray) -> np.ndarray:
    """The inverse of `to_crop`, with arguments as for `to_crop`."""
    ratio, shift = _crop_transform(transform_params)
    return (landmarks - shift) / ratio


def _crop_transform(params: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(T, 1, 1) and (T, 1, 2) with crop = frame · ratio + shift: the pixel (t0, t1) lands in the middle."""
    ratio, centre = params[:, 2:3], params[:, 3:5]
    centre = np.stack([centre[:, 0], FRAME_SIZE - 1 - centre[:, 1]], axis=1)  # y down
    middle = np.array([CROP_SIZE / 2, CROP_SIZE / 2 - 1])  # 112 from the left, and from the bottom row
    return ratio[:, :, None], (middle - centre * ratio)[:, None]


# --- the file


def write_mat(path: str | Path, coefficients: np.ndarray, transform_params: np.ndarray) -> None:
    """Write `coeff` (T, 257) and `transform_params` (T, 5) as PIRenderer does; equal content gives equal bytes."""
    from scipy.io import savemat

    assert coefficients.shape == (len(transform_params), COEFFICIENTS), coefficients.shape
    buffer = io.BytesIO()
    savemat(
        buffer,
        {"coeff": coefficients.astype(np.float32), "transform_params": transform_params.astype(np.float32)},
    )
    content = bytearray(buffer.getvalue())
    content[:116] = b"MATLAB 5.0 MAT-file".ljust(116)  # the header's free text, where scipy writes the time
    with atomic(path) as temporary:
        temporary.write_bytes(content)


def read_mat(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """The `coeff` (T, 257) and `transform_params` (T, 5) of a file, float32; InputError when they aren't in it."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; give a .mat file of coefficients")
    try:
        content = loadmat(str(path))
        coefficients, params = (np.asarray(content[key], np.float32) for key in ("coeff", "transform_params"))
    except (OSError, ValueError, TypeError, KeyError, NotImplementedError, MatReadError) as error:
        raise InputError(f"{path}: no coefficients in it ({error}); expected `coeff` and `transform_params`") from error
    shapes = f"{coefficients.shape} and {params.shape}"
    if coefficients.ndim != 2 or coefficients.shape[1] != COEFFICIENTS or params.shape != (len(coefficients), 5):
        raise InputError(f"{path}: shapes {shapes}; expected (T, 257) and (T, 5)")
    if not len(coefficients) or not np.isfinite(coefficients).all() or not (params[:, 2] > 0).all():
        raise InputError(f"{path}: no face in {shapes}; expected frames of finite numbers, crop ratios above 0")
    return coefficients, params


# --- the landmark file


def has_face(landmarks: np.ndarray) -> np.ndarray:
    """Landmarks (T, 68, 2) → which frames have a face (T,): those that are not NO_FACE throughout."""
    return ~(landmarks == NO_FACE).all(axis=(1, 2))


def write_landmarks(path: str | Path, landmarks: np.ndarray) -> None:
    """Write (T, 68, 2) pixels as T·68 lines "x y", −1 where there is no face, as PIRenderer's `extract_kp_videos`."""
    assert landmarks.shape[1:] == (LANDMARKS, 2), landmarks.shape
    with atomic(path) as temporary:
        np.savetxt(temporary, landmarks.reshape(-1, 2), fmt="%.4f")


def read_landmarks(path: str | Path) -> np.ndarray:
    """The landmarks (T, 68, 2) of a file, float32. InputError when its lines are not T·68 pairs of numbers."""
    try:
        points = np.loadtxt(path, dtype=np.float32, ndmin=2)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: no landmarks in it ({error}); expected lines of x y") from error
    if points.size == 0 or points.shape[1] != 2 or len(points) % LANDMARKS:
        raise InputError(f"{path}: {points.shape} numbers; expected a multiple of 68 lines of x y")
    return points.reshape(-1, LANDMARKS, 2)
