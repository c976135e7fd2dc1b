"""Coefficients of our own face model from 68 landmarks a frame: all frames of a clip at once, by Gauss–Newton.

Each frame is cropped by its five points as Deep3DFaceRecon crops it. Then the model's landmarks are fitted to
the found ones: pose and expression per frame, one identity per clip, by regularised, robust least squares. Every
coefficient has a standard normal prior, so that what the landmarks don't determine stays near zero.
"""

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation
from threadpoolctl import threadpool_limits

from styleheat.constants import COEFFICIENTS, EXPRESSION, IDENTITY, LANDMARKS
from styleheat.errors import InputError
from styleheat.morphable import coefficients as layout
from styleheat.morphable.camera import CAMERA_DISTANCE, FOCAL, angles, project, rotation
from styleheat.morphable.measures import interocular_distance
from styleheat.morphable.model import FaceModel, face_model
from styleheat.morphable.points import BROW_LEFT, BROW_RIGHT, JAW, MEAN, NOSE, STANDARD_POINTS

_SIGMA = np.ones(LANDMARKS)
_SIGMA[NOSE] = 1.5
_SIGMA[[*BROW_LEFT, *BROW_RIGHT]] = 1.0
_SIGMA[JAW] = 3.0
"""How far a found landmark may lie from the model's, in pixels of the crop. The jaw line's points slide along it."""

_ROBUST = 3.0
"""Residuals beyond this many sigmas have decreasing weight (Huber)."""

_TRANSLATION_SIGMA = 0.3
_IDENTITY_FRAMES = 40
"""Frames, spread over the clip, that the identity is found from."""

_IDENTITY_WEIGHT = 0.1
"""Weight of a frame in fitting the identity: the errors of a clip's frames are correlated, so that ten count as one."""

_SMOOTHING = 1.0
"""Standard deviation, in frames, of the smoothing of crop and pose. Heads are slower than that; lips are left alone."""


def fit(landmarks: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit the model to the landmarks of a clip.

    landmarks: (T, 68, 2) in pixels of its frames, y down; a frame of −1 has no face. size: the frames' width and
    height in pixels.

    Returns the coefficients float32 (T, 257), of which texture and light stay 0; `transform_params` float32 (T, 5) in
    pixels of the frame scaled to 256; and the error float64 (T,), the mean distance of a landmark from the model's as
    a share of the interocular distance. Frames without a face get interpolated values, and error NaN.

    Raises InputError when no frame has a face.
    """
    found = layout.has_face(landmarks)
    if not found.any():
        raise InputError(f"landmarks: no face in any of {len(landmarks)} frames; nothing to fit")
    # The matrices are small: more threads are not faster, and may sum in another order.
    with threadpool_limits(1, user_api="blas"):
        coefficients, params, distance = _fit_found(landmarks[found], size)
    error = np.full(len(landmarks), np.nan)
    error[found] = distance
    return fill(coefficients, found).astype(np.float32), fill(params, found).astype(np.float32), error


def _fit_found(landmarks: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`fit` where every frame has a face, in float64."""
    scaled = np.asarray(landmarks, np.float64) * (layout.FRAME_SIZE / size)
    params = layout.transform_params(scaled, STANDARD_POINTS)
    params[:, 2:] = _smooth(params[:, 2:])
    target = layout.to_crop(scaled, params)

    model = face_model()
    some = np.unique(np.linspace(0, len(target) - 1, min(_IDENTITY_FRAMES, len(target))).astype(int))
    identity = _fit_identity(model, target[some])
    neutral = model.mean + np.tensordot(identity, model.identity, 1)
    state = _fit_frames(model, neutral, target)

    coefficients = np.zeros((len(target), COEFFICIENTS))
    coefficients[:, layout.IDENTITY] = identity
    coefficients[:, layout.EXPRESSION] = state.expression
    coefficients[:, layout.ANGLE] = angles(state.rotation)
    coefficients[:, layout.TRANSLATION] = state.translation
    distance = np.linalg.norm(model.landmarks(coefficients) - target, axis=-1).mean(1)
    return coefficients, params, distance / interocular_distance(target)


def fill_in(landmarks: np.ndarray) -> np.ndarray:
    """Landmarks (T, 68, 2) → the same with frames without a face (−1) interpolated, float32.

    Raises InputError when no frame has a face.
    """
    found = layout.has_face(landmarks)
    if not found.any():
        raise InputError(f"landmarks: no face in any of {len(landmarks)} frames; nothing to fill in from")
    flat = landmarks[found].reshape(found.sum(), -1)
    return fill(flat, found).reshape(landmarks.shape).astype(np.float32)


class _State:
    """Pose and expression of some frames, and the Gauss–Newton step on them."""

    def __init__(self, target: np.ndarray) -> None:
        self.target = target  # (T, 68, 2) pixels of the crop
        self.rotation = _rotation_guess(target)
        self.translation = np.zeros((len(target), 3))
        self.expression = np.zeros((len(target), EXPRESSION))

    def linearise(self, model: FaceModel, neutral: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Residuals (T, 136) and their derivatives by turn, shift and expression (T, 136, 70), both over sigma and
        weighted for robustness; and what turns any displacement of the face's points into residuals (T, 136, 3)."""
        frames = len(self.target)
        turned = (neutral + np.tensordot(self.expression, model.expression, 1)) @ self.rotation.swapaxes(1, 2)
        placed = turned + self.translation[:, None]
        residual = (project(placed) - self.target) / _SIGMA[:, None]
        size = np.linalg.norm(residual, axis=-1, keepdims=True)
        weight = np.sqrt(np.minimum(1, _ROBUST / np.maximum(size, 1e-9)))

        depth = CAMERA_DISTANCE - placed[..., 2]
        camera = np.zeros((frames, LANDMARKS, 2, 3))  # d pixel / d placed, y down
        camera[..., 0, 0] = FOCAL / depth
        camera[..., 1, 1] = -FOCAL / depth
        camera[..., 2] = FOCAL * placed[..., :2] / depth[..., None] ** 2 * (1, -1)
        camera *= (weight / _SIGMA[:, None])[..., None]

        by_turn = np.cross(turned[:, :, None], camera)  # d (ω × p) · c = ω · (p × c)
        to_face = camera @ self.rotation[:, None]  # displacement in the face's own axes
        by_expression = _by_directions(to_face, model.expression)
        jacobian = np.concatenate([by_turn, camera, by_expression], axis=-1).reshape(frames, 2 * LANDMARKS, -1)
        return (residual * weight).reshape(frames, -1), jacobian, to_face

    def normal_equations(self, residual: np.ndarray, jacobian: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gauss–Newton matrix (T, 70, 70) and right side (T, 70), with the priors."""
        prior = np.concatenate([np.full(3, 1e-3), np.full(3, _TRANSLATION_SIGMA**-2), np.ones(EXPRESSION)])
        now = np.concatenate([np.zeros_like(self.translation), self.translation, self.expression], axis=1)
        matrix = jacobian.swapaxes(1, 2) @ jacobian + np.diag(prior)
        right = -(residual[:, None] @ jacobian)[:, 0] - prior * now
        return matrix, right

    def advance(self, step: np.ndarray) -> None:
        """Apply a step (T, 70): turn, shift, expression."""
        self.rotation = Rotation.from_rotvec(step[:, :3]).as_matrix() @ self.rotation
        self.translation = self.translation + step[:, 3:6]
        self.expression = self.expression + step[:, 6:]


def _fit_identity(model: FaceModel, target: np.ndarray) -> np.ndarray:
    """The identity (80,) that fits all frames best, by joint steps (frames eliminated by Schur complement)."""
    state, identity = _State(target), np.zeros(IDENTITY)
    for _ in range(5):
        neutral = model.mean + np.tensordot(identity, model.identity, 1)
        residual, jacobian, to_face = state.linearise(model, neutral)
        by_identity = _by_directions(to_face, model.identity).reshape(*residual.shape, IDENTITY)
        matrix, right = state.normal_equations(residual, jacobian)
        mixed = jacobian.swapaxes(1, 2) @ by_identity  # (T, 70, 80)
        own = np.einsum("tri,trj->ij", by_identity, by_identity, optimize=True)
        own_right = -np.einsum("tri,tr->i", by_identity, residual)

        solved = np.linalg.solve(matrix, np.concatenate([mixed, right[..., None]], axis=-1))
        reduced = own - np.einsum("tki,tkj->ij", mixed, solved[..., :-1], optimize=True)
        reduced_right = own_right - np.einsum("tki,tk->i", mixed, solved[..., -1])
        weight = _IDENTITY_WEIGHT if len(target) > 1 else 1.0
        step = np.linalg.solve(weight * reduced + np.eye(IDENTITY), weight * reduced_right - identity)
        identity = identity + step
        state.advance(solved[..., -1] - solved[..., :-1] @ step)
    return identity


def _fit_frames(model: FaceModel, neutral: np.ndarray, target: np.ndarray, at_once: int = 128) -> _State:
    """Pose and expression of every frame for a neutral face (68, 3); then expression alone, under smoothed pose."""
    parts = [slice(start, start + at_once) for start in range(0, len(target), at_once)]
    full = _State(target)
    for part in parts:
        state = _State(target[part])
        for _ in range(5):
            residual, jacobian, _ = state.linearise(model, neutral)
            state.advance(np.linalg.solve(*_column(state.normal_equations(residual, jacobian)))[..., 0])
        full.rotation[part], full.translation[part] = state.rotation, state.translation
        full.expression[part] = state.expression

    full.rotation = rotation(_smooth(angles(full.rotation)))
    full.translation = _smooth(full.translation)
    for part in parts:
        state = _State(target[part])
        state.rotation, state.translation = full.rotation[part], full.translation[part]
        state.expression = full.expression[part]
        for _ in range(2):
            residual, jacobian, _ = state.linearise(model, neutral)
            matrix, right = state.normal_equations(residual, jacobian)
            step = np.linalg.solve(*_column((matrix[:, 6:, 6:], right[:, 6:])))[..., 0]
            state.expression = state.expression + step
        full.expression[part] = state.expression
    return full


def _column(system: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return system[0], system[1][..., None]


def _by_directions(to_face: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """(T, 68, 2, 3) and directions (K, 68, 3) → derivatives (T, 68, 2, K)."""
    return to_face @ directions.transpose(1, 2, 0)


def _rotation_guess(target: np.ndarray) -> np.ndarray:
    """Rotations (T, 3, 3) by scaled orthography of all points of the mean face: POS's two rows, made orthogonal."""
    points = target * (1, -1)  # y up
    design = np.concatenate([MEAN, np.ones((LANDMARKS, 1))], axis=1)
    rows = (np.linalg.pinv(design) @ points)[:, :3].swapaxes(1, 2)  # (T, 2, 3)
    rows = rows / np.linalg.norm(rows, axis=2, keepdims=True)
    rough = np.concatenate([rows, np.cross(rows[:, 0], rows[:, 1])[:, None]], axis=1)
    u, _, v = np.linalg.svd(rough)
    return u @ v


def _smooth(values: np.ndarray) -> np.ndarray:
    return gaussian_filter1d(values, _SMOOTHING, axis=0, mode="nearest")


def fill(values: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Values (N, K) of the N found frames → of all (T, K): between neighbours linear, beyond the ends constant."""
    at, every = np.flatnonzero(found), np.arange(len(found))
    return np.stack([np.interp(every, at, column) for column in values.T], axis=1)
