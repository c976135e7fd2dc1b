"""What is painted, in the colours and with the skin of the portrait."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from styleheat.inference.retouch import Retouch, harmonised, interpolated, skin
from styleheat.morphable import coefficients as layout
from styleheat.morphable.geometry import GRID, Geometry, View
from styleheat.morphable.model import face_model

SIZE = 256


def coefficients(yaw: float) -> np.ndarray:
    """(260,), of the mean face in the middle of an image."""
    found = np.zeros(260, np.float32)
    found[layout.ANGLE] = np.radians([0, yaw, 0])
    found[layout.CROP] = 1.3, 128, 124
    return found


def landmarks(yaw: float) -> np.ndarray:
    """(68,2), in pixels."""
    own = coefficients(yaw)
    params = np.concatenate([[256, 256], own[layout.CROP]])[None]
    return layout.from_crop(face_model().landmarks(own[None]), params)[0]


def geometry(yaw: float) -> Geometry:
    return Geometry(coefficients(yaw), landmarks(yaw), SIZE)


def view(face: Geometry, yaw: float) -> View:
    return face.view(layout.descriptor(coefficients(yaw)[None])[0])


def photograph(seed: int) -> torch.Tensor:
    """A smooth image (1,3,SIZE,SIZE) within [-0.5,0.5]."""
    noise = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(seed)) - 0.5
    return torch.nn.functional.interpolate(noise, (SIZE, SIZE), mode="bilinear")


@settings(max_examples=15, deadline=None)
@given(value=st.floats(-1, 1), seed=st.integers(0, 2**16))
def test_what_is_known_anywhere_is_interpolated_everywhere(value: float, seed: int) -> None:
    weight = (torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(seed)) > 0.99).float()
    weight[..., 5, 7] = 1
    found = interpolated(torch.cat([value * weight, weight], dim=1))
    assert found.shape == (1, 1, 64, 64)
    assert (found - value).abs().max() < 1e-3


@settings(max_examples=15, deadline=None)
@given(cast=st.tuples(*[st.floats(-0.12, 0.12)] * 3), seed=st.integers(0, 2**16))
def test_a_cast_of_what_is_painted_is_removed(cast: tuple[float, float, float], seed: int) -> None:
    image, still = photograph(seed), torch.zeros(1, 2, 32, 32)
    mask = torch.zeros(1, 1, SIZE, SIZE)
    mask[..., : SIZE // 2] = 1
    painted = image + torch.tensor(cast)[None, :, None, None]
    assert (harmonised(painted, image, still, mask) - image).abs().max() < 0.02
    assert (harmonised(image, image, still, mask) - image).abs().max() < 1e-5


def test_what_is_something_else_gives_no_colours() -> None:
    image, still, mask = photograph(0), torch.zeros(1, 2, 32, 32), torch.ones(1, 1, SIZE, SIZE)
    painted = image.clone()
    painted[..., :100, :] = -1.0  # hair where the portrait has skin
    mask[..., 100:, :] = 0
    changed = harmonised(painted, image, still, mask) - painted
    assert changed[..., 100:, :].abs().max() < 0.1 < (image - painted)[..., :100, :].abs().mean()


def test_a_portrait_that_shows_all_of_a_view_has_no_other_side() -> None:
    face = geometry(30)
    assert face.other_side(face.own) is None
    assert face.other_side(view(face, 40)) is None


@pytest.mark.parametrize("own", [-35, 35])
def test_hidden_skin_is_on_the_other_side(own: int) -> None:
    face = geometry(own)
    field = face.other_side(view(face, 0))
    assert field is not None and field.shape == (4, GRID, GRID) and field.dtype == np.float32
    assert field[2:].min() >= 0 and field[2:].max() <= 1
    hidden, seen = field[3, :, : GRID // 2], field[3, :, GRID // 2 :]
    if own > 0:
        hidden, seen = seen, hidden
    assert hidden.sum() > 500 > 10 * seen.sum()
    # Beside the mouth and the nose, away from the outline.
    ours, theirs = ((48, 31), (54, 35)) if own < 0 else ((54, 35), (48, 31))
    front, turned = landmarks(0), landmarks(own)
    here = front[list(ours)].mean(0) + (front[list(ours)].mean(0) - front[30]) * 0.4
    there = turned[list(theirs)].mean(0) + (turned[list(theirs)].mean(0) - turned[30]) * 0.4
    x, y = np.rint(here * GRID / SIZE).astype(int)
    np.testing.assert_allclose(here + field[:2, y, x] * SIZE, there, atol=8)
    assert field[2, y, x] > 0.9


@pytest.mark.parametrize("own", [-35, 35])
def test_skin_that_comes_into_view_has_the_portraits_colours(own: int) -> None:
    """The portrait is of one colour; what is painted has another one."""
    face = geometry(own)
    image = np.full((SIZE, SIZE, 3), (200, 150, 120), np.uint8)
    target = view(face, 0)
    field = face.other_side(target)
    assert field is not None
    hidden = field[3] > 0.97
    painted = torch.full((1, 4, SIZE, SIZE), -0.8)
    painted[:, 3] = torch.from_numpy(1 - np.clip(field[3] * 2, 0, 1))
    retouch = Retouch(image, face, SIZE, torch.device("cpu"))
    before = painted.clone()
    retouch(painted, torch.zeros(1, 2, 64, 64), [target])
    wanted = torch.tensor((200, 150, 120)) / 127.5 - 1
    assert (painted[0, :3, hidden].T - wanted).abs().max() < 0.1
    assert torch.equal(painted[:, 3], before[:, 3])
    away = torch.from_numpy(field[3] == 0)
    assert (painted[0, :3, away] - before[0, :3, away]).abs().max() < 0.1


@pytest.mark.parametrize(("level", "left"), [(-0.97, (0, 0.02)), (0.0, (0.4, 0.7))])
def test_of_what_is_half_hidden_only_what_is_darker_than_skin_is_covered(
    level: float, left: tuple[float, float]
) -> None:
    face = geometry(35)
    image = np.full((SIZE, SIZE, 3), (200, 150, 120), np.uint8)
    field = face.other_side(view(face, 0))
    assert field is not None
    half = (field[3] > 0.4) & (field[3] < 0.6) & (field[2] == 0)
    painted = torch.full((1, 4, SIZE, SIZE), level)
    painted[:, 3] = 0
    wanted = torch.tensor((200, 150, 120)) / 127.5 - 1
    retouch = Retouch(image, face, SIZE, torch.device("cpu"))
    retouch(painted, torch.zeros(1, 2, 64, 64), [view(face, 0)])
    remains = (painted[0, :3, half].T - wanted).abs().mean() / (level - wanted).abs().mean()
    assert left[0] <= remains <= left[1]


def test_hair_that_reaches_in_is_no_skin_and_brows_are() -> None:
    image = np.full((GRID, GRID, 3), (200, 150, 120), np.uint8)
    covered = np.zeros((GRID, GRID), bool)
    covered[40:200, 60:180] = True
    image[40:200, 60:80] = (20, 15, 15)
    image[40:200, 165:180] = (120, 150, 200)  # background
    image[90:100, 110:140] = (20, 15, 15)
    found = skin(image, covered)
    assert found.shape == (GRID, GRID) and found.dtype == np.float32
    assert found[:, :82].max() == found[:, 163:].max() == 0
    assert found[95, 125] == found[150, 120] == 1


def test_without_geometry_colours_alone_are_retouched() -> None:
    image = np.full((SIZE, SIZE, 3), 128, np.uint8)
    painted = torch.full((2, 4, SIZE, SIZE), 0.1)
    painted[:, 3, :, :128] = 1
    painted[:, 3, :, 128:] = 0
    Retouch(image, None, SIZE, torch.device("cpu"))(painted, torch.zeros(2, 2, 64, 64), [])
    assert (painted[:, :3] - (128 / 127.5 - 1)).abs().max() < 0.02
