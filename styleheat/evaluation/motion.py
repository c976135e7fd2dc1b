"""How well a generated video follows its driver: measures of face meshes and frames, arrays in, numbers out.

Meshes are (T,468,3): x and y in pixels, z in about the same unit (`MediaPipe.track_meshes`), rows of NaN where no face
was found. Functions ignore frames without a face; they return NaN when too few are left.

All measures but jitter are taken in the head's own frame: the points that move with the skull (STABLE) of each mesh are
fitted to those of the track's mean mesh by rotation, scale and translation (least squares, Umeyama 1991). That gives
the head's angles, and what remains is the expression, as 3-D distances that do not change when the head turns.
Measured on carphone and on the example driver against coarser copies of themselves, 3-D distances correlate better
than 2-D ones in the upright image (mouth width 0.84 against 0.77; eyes of the example driver 0.94 against 0.81), and
brows do not pick up the turning of the head (correlation of brows with yaw on the example driver 0.8 in 2-D, -0.1 in
3-D).
"""

from collections.abc import Iterable
from typing import NamedTuple

import cv2
import numpy as np

from styleheat.evaluation.metrics import correlation
from styleheat.face.mesh import LEFT_EYE_CORNER, RIGHT_EYE_CORNER
from styleheat.face.person import person

EXPRESSIONS = ("mouth", "width", "eyes", "brows")
ANGLES = ("pitch", "yaw", "roll")
"""The measures of `movements`: shares of the distance between the outer eye corners, and degrees."""

# fmt: off
STABLE = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 127, 234, 162, 21, 54, 103, 67, 109,  # over the forehead, ear to ear
    168, 6, 197, 195, 5, 4, 1, 2, 98, 327,  # nose
    33, 133, 362, 263,  # corners of the eyes
)
# fmt: on
"""Mesh points that move with the skull, whatever mouth, brows and lids do."""

INNER_LIPS = (13, 14)
MOUTH_CORNERS = (61, 291)
LIDS = ((159, 145), (386, 374))
BROWS = (70, 63, 105, 66, 107, 336, 296, 334, 293, 300)
EYE_CORNERS = (33, 133, 362, 263)
FOREHEAD, CHIN = 10, 152

NEAR = 10.0
"""Degrees within which a head has the portrait's pose, so that its sharpness can be compared with the portrait's."""

BACKGROUND_MARGIN = 0.5
"""Dilation of the hull of all meshes, as a share of the distance between the outer eye corners, to find the background:
leaves out ears and most hair."""

OCCUPIED, PERSON_MARGIN = 0.1, 0.02
"""From which certainty a part of a frame counts as of a person: thin hair has little. And how much around it is left
out as well, as a share of the frame's width: what is found is no finer than that."""


class Fit(NamedTuple):
    """Meshes fitted by a template: mesh ≈ scale · template · rotationᵀ + translation.

    scale (T,) · rotation (T,3,3) · translation (T,3); NaN in frames without a face.
    """

    scale: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray


class Following(NamedTuple):
    """How one measure of the result follows the driver's: Pearson's correlation, and the slope of the regression line
    (1: moves as far as the driver, 0: not at all)."""

    correlation: float
    slope: float


def fit_rigidly(meshes: np.ndarray, template: np.ndarray) -> Fit:
    """Fit the STABLE points of a template (468,3) to those of meshes (T,468,3), least squares."""
    found = np.isfinite(meshes).all((1, 2))
    scale, rotation, translation = (np.full((len(meshes), *shape), np.nan) for shape in ((), (3, 3), (3,)))
    if not found.any():
        return Fit(scale, rotation, translation)
    points, model = meshes[found][:, STABLE], template[list(STABLE)]
    centre, model_centre = points.mean(1), model.mean(0)
    covariance = np.einsum("tki,kj->tij", points - centre[:, None], model - model_centre)
    left, singular, right = np.linalg.svd(covariance)
    signs = np.ones_like(singular)
    signs[:, 2] = np.sign(np.linalg.det(left @ right))  # a rotation, not a reflection
    rotation[found] = left * signs[:, None] @ right
    scale[found] = (singular * signs).sum(1) / ((model - model_centre) ** 2).sum()
    translation[found] = centre - scale[found, None] * (rotation[found] @ model_centre)
    return Fit(scale, rotation, translation)


def align(meshes: np.ndarray, fit: Fit) -> np.ndarray:
    """Meshes (T,468,3) brought to the scale, rotation and place of the template that was fitted to them."""
    return (meshes - fit.translation[:, None]) @ fit.rotation / fit.scale[:, None, None]


def mean_mesh(meshes: np.ndarray) -> np.ndarray:
    """The mean (468,3) of meshes after alignment, in the pose of the first; NaN when no frame has a face."""
    found = meshes[np.isfinite(meshes).all((1, 2))]
    if not len(found):
        return np.full(meshes.shape[1:], np.nan)
    mean = found[0]
    for _ in range(2):  # generalised Procrustes analysis; a third pass changes a millionth of a pixel
        mean = align(found, fit_rigidly(found, mean)).mean(0)
    return mean


def angles(rotation: np.ndarray) -> np.ndarray:
    """Rotations (T,3,3) as (T,3) degrees of pitch, yaw and roll: roll · yaw · pitch, about the image's axes.

    Positive are: looking down, turning to the left of the image, leaning clockwise as seen.
    """
    pitch = np.arctan2(rotation[:, 2, 1], rotation[:, 2, 2])
    yaw = np.arcsin(np.clip(-rotation[:, 2, 0], -1, 1))
    roll = np.arctan2(rotation[:, 1, 0], rotation[:, 0, 0])
    return np.degrees(np.stack([pitch, yaw, roll], 1))


def movements(meshes: np.ndarray) -> dict[str, np.ndarray]:
    """The measures of a track of meshes (T,468,3), each (T,).

    mouth: gap of the inner lips. width: of the mouth. eyes: opening, mean of both. brows: mean height over the corners
    of the eyes. These are shares of the distance between the outer eye corners of the mean mesh. pitch, yaw, roll: the
    head's rotation from the mean mesh, in degrees (`angles`).
    """
    template = mean_mesh(meshes)
    fit = fit_rigidly(meshes, template)
    points = align(meshes, fit) / eye_distance(template)
    right = template[RIGHT_EYE_CORNER] - template[LEFT_EYE_CORNER]
    right = right / np.linalg.norm(right)
    up = template[FOREHEAD] - template[CHIN]
    up = up - up @ right * right
    height = points @ (up / np.linalg.norm(up))
    tracks = {
        "mouth": _gap(points, INNER_LIPS),
        "width": _gap(points, MOUTH_CORNERS),
        "eyes": np.mean([_gap(points, lids) for lids in LIDS], axis=0),
        "brows": height[:, BROWS].mean(1) - height[:, EYE_CORNERS].mean(1),
    }
    return tracks | dict(zip(ANGLES, angles(fit.rotation).T, strict=True))


def eye_distance(mesh: np.ndarray) -> float:
    """3-D distance between the outer eye corners of a mesh (468,3)."""
    return float(np.linalg.norm(mesh[LEFT_EYE_CORNER] - mesh[RIGHT_EYE_CORNER]))


def tracking_noise(again: np.ndarray, track: np.ndarray) -> float:
    """Standard deviation of the difference between two measurements (T,) of the same movement."""
    return float(np.nanstd(again - track)) if np.isfinite(again - track).any() else float("nan")


def following(result: np.ndarray, driver: np.ndarray, noise: float) -> Following | None:
    """How a measure (T,) of the result follows the driver's; None when the driver's varies no more than `noise`.

    noise: standard deviation of the measure where nothing moves.
    """
    both = np.isfinite(result) & np.isfinite(driver)
    if both.sum() < 2:
        return Following(float("nan"), float("nan"))
    result, driver = result[both], driver[both]
    spread = driver.std()
    if spread <= max(noise, 1e-9):
        return None
    covariance = np.mean((result - result.mean()) * (driver - driver.mean()))
    return Following(correlation(result, driver), float(covariance / spread**2))


def near_pose(meshes: np.ndarray, portrait: np.ndarray) -> np.ndarray:
    """(T,) bool: which meshes have the pose of the portrait's mesh (468,3) within NEAR degrees of all three angles."""
    turned = angles(fit_rigidly(meshes, portrait).rotation)
    return (np.abs(turned) <= NEAR).all(1)  # NaN compares false


def sharpness(image: np.ndarray, mesh: np.ndarray) -> float:
    """Variance of the Laplacian of an image's (H,W,3) uint8 grey values in the box of a mesh (468,3); NaN when the box
    lies outside of the image."""
    low = np.maximum(np.floor(mesh[:, :2].min(0)), 0).astype(int)
    high = np.maximum(np.ceil(mesh[:, :2].max(0)), 0).astype(int)
    face = image[low[1] : high[1], low[0] : high[0]]
    if not face.size:
        return float("nan")
    return float(cv2.Laplacian(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())


def jitter(meshes: np.ndarray) -> float:
    """Of meshes (T,468,3): mean absolute second difference over time of the STABLE points' x and y, as a share of the
    eye distance."""
    second = np.diff(meshes[:, STABLE, :2], n=2, axis=0)
    found = np.isfinite(second).all((1, 2))
    if not found.any():
        return float("nan")
    return float(np.abs(second[found]).mean() / eye_distance(mean_mesh(meshes)))


def background(meshes: np.ndarray, height: int, width: int) -> np.ndarray:
    """(height,width) bool: pixels that the head never reaches and that lie above the shoulders.

    Outside of the convex hull of all meshes (T,468,3), dilated by BACKGROUND_MARGIN, and no lower than the chin in its
    highest place. Empty when no frame has a face.
    """
    found = meshes[np.isfinite(meshes).all((1, 2))]
    if not len(found):
        return np.zeros((height, width), bool)
    margin = round(BACKGROUND_MARGIN * eye_distance(mean_mesh(found)))
    hull = cv2.convexHull(np.rint(found[..., :2].reshape(-1, 2)).astype(np.int32))
    # Drawn with a border around the image: the hull may leave it, and the dilation has to come back into it.
    drawn = np.zeros((height + 2 * margin, width + 2 * margin), np.uint8)
    cv2.fillConvexPoly(drawn, hull + margin, 1)
    ball = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1, 2 * margin + 1))
    away = cv2.dilate(drawn, ball)[margin : margin + height, margin : margin + width] == 0
    away[max(0, int(found[:, CHIN, 1].min())) :] = False
    return away


def unoccupied(frames: Iterable[np.ndarray], away: np.ndarray) -> np.ndarray:
    """(H,W) bool: of the pixels `away` (H,W), those that are of no person in any of the frames (H,W,3) uint8.

    Leaves out hair and shoulders beyond the hull of `background`, by selfie segmentation (`face.person`), dilated by
    PERSON_MARGIN. Empty, so that nothing can be measured there, without frames or where its package is missing.
    """
    most: np.ndarray | None = None
    for frame in frames:
        found = person(frame)
        if found is None:
            return np.zeros_like(away)
        most = found if most is None else np.maximum(most, found)
    if most is None:
        return np.zeros_like(away)
    height, width = away.shape
    occupied = cv2.resize(most, (width, height), interpolation=cv2.INTER_LINEAR) >= OCCUPIED
    margin = round(PERSON_MARGIN * width)
    ball = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1, 2 * margin + 1))
    return away & (cv2.dilate(occupied.astype(np.uint8), ball) == 0)


def change(frames: Iterable[np.ndarray], where: np.ndarray) -> float:
    """Mean absolute change from each frame (H,W,3) uint8 to the next, of 255, at the pixels of a mask (H,W); NaN
    without pixels or with fewer than two frames."""
    changes, last = [], None
    for frame in frames:
        pixels = frame[where].astype(np.int16)
        if last is not None and pixels.size:
            changes.append(np.abs(pixels - last).mean())
        last = pixels
    return float(np.mean(changes)) if changes else float("nan")


def _gap(points: np.ndarray, pair: tuple[int, int]) -> np.ndarray:
    """3-D distance (T,) of two points."""
    return np.linalg.norm(points[:, pair[0]] - points[:, pair[1]], axis=-1)
