"""Frames with their portrait's detail, a free head and a still background, alone and back in the photograph."""

import dataclasses
import importlib.util

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from styleheat.face.align import outline, places, widened
from styleheat.inference import finish
from styleheat.inference.animate import animate
from styleheat.inference.background import StillBackground
from styleheat.inference.compose import composer
from styleheat.inference.detail import DetailComposer
from styleheat.inference.engine import composed
from styleheat.inference.finish import AROUND, Finisher, Source, read_source
from styleheat.inference.portrait import Portrait, read_portrait
from styleheat.inference.reader import FaceReader
from styleheat.morphable.coefficients import DESCRIPTOR_ANGLE
from styleheat.networks.flow import displaced
from styleheat.networks.styleheat import StyleHEAT

needs_segmentation = pytest.mark.skipif(
    importlib.util.find_spec("mediapipe") is None, reason="no wheel for this Python or processor"
)
SIZE, WIDE = 64, 96
CPU = torch.device("cpu")


def photo() -> np.ndarray:
    """(WIDE,WIDE,3) uint8: noise that is not too fine."""
    coarse = np.random.default_rng(0).integers(0, 256, (WIDE // 4, WIDE // 4, 3), np.uint8)
    return np.asarray(coarse).repeat(4, axis=0).repeat(4, axis=1)


def source(around: int = 16) -> Source:
    """A person in the middle of `photo`."""
    found = np.zeros((WIDE, WIDE), np.float32)
    found[30:66, 30:66] = 1
    return Source(photo(), np.full((WIDE, WIDE), 255, np.uint8), around, StillBackground(photo(), found, around))


def painted(count: int = 1, mask: float = 1.0) -> torch.Tensor:
    """What a network paints, (count,4,32,32): grey, of which the portrait lets through 1 - mask."""
    colours = torch.zeros(count, 4, 32, 32)
    colours[:, 3] = mask
    return colours


def moved(right: float, down: float) -> torch.Tensor:
    return torch.tensor([right, down], dtype=torch.float32)[None, :, None, None].expand(1, 2, 32, 32).clone()


@settings(max_examples=20, deadline=None)
@given(st.integers(8, 40), st.integers(0, 12), st.integers(0, 2**32 - 1), st.floats(0, 0.6))
def test_both_composers_read_the_same_surroundings(size: int, around: int, seed: int, reach: float) -> None:
    rng = torch.Generator().manual_seed(seed)
    wider = torch.rand(1, 3, size + 2 * around, size + 2 * around, generator=rng) * 2 - 1
    colours = torch.rand(2, 4, 16, 16, generator=rng)
    displacement = (torch.rand(2, 2, 8, 8, generator=rng) * 2 - 1) * reach
    image = composed(colours, displacement, wider, around)
    compose = DetailComposer(wider[0].permute(1, 2, 0).contiguous().numpy(), 2, around)
    frames = np.stack(
        [
            compose(np.ascontiguousarray(one), field)
            for one, field in zip(colours.permute(0, 2, 3, 1).numpy(), displacement.numpy(), strict=True)
        ]
    )
    assert frames.shape == (2, size, size, 3)
    pixels = ((image + 1) * 127.5).clamp(0, 255).permute(0, 2, 3, 1).numpy()
    assert np.abs(frames - pixels).max() < 0.52  # half a shade by rounding


@settings(deadline=None)
@given(st.integers(-16, 16), st.integers(-16, 16))
def test_what_comes_into_the_square_is_the_photograph(right: int, down: int) -> None:
    wider = torch.from_numpy(photo()).permute(2, 0, 1)[None].float()
    shown = displaced(wider, moved(right / SIZE, down / SIZE), around=16)
    expected = wider[:, :, 16 + down : 80 + down, 16 + right : 80 + right]
    torch.testing.assert_close(shown, expected, rtol=0, atol=1e-2)


def test_a_head_that_does_not_move_is_its_photograph() -> None:
    (alone,) = Finisher(source(), CPU, 1, wide=False, transparent=False)(painted(), moved(0, 0))
    assert np.array_equal(alone, photo()[16:80, 16:80])
    (wide,) = Finisher(source(), CPU, 1, wide=True, transparent=False)(painted(), moved(0, 0))
    assert wide.shape == (WIDE, WIDE, 4) and np.array_equal(wide[..., :3], photo())
    assert wide[48, 48, 3] == 255 and wide[:20, :20, 3].max() == 0


def test_what_is_painted_ends_softly_with_the_square() -> None:
    (wide,) = Finisher(source(), CPU, 1, wide=True, transparent=False)(painted(mask=0.0), moved(0, 0))
    grey = np.abs(wide[..., :3].astype(int) - 128).max(axis=2) <= 1
    assert grey[30:66, 30:66].all()
    assert np.array_equal(wide[:16, :, :3], photo()[:16])
    assert np.abs(wide[16, 30:66, :3].astype(int) - photo()[16, 30:66]).max() < 8


@pytest.mark.parametrize("right", [-0.1, 0.1])
def test_around_the_square_motion_goes_on_and_ends(right: float) -> None:
    finisher = Finisher(source(), CPU, 1, wide=True, transparent=False)
    assert finisher._wider is not None
    _, field = finisher._wider(painted(), moved(right, 0))
    pixels = field[0, 0] * WIDE
    assert field.shape == (1, 2, WIDE, WIDE)
    torch.testing.assert_close(pixels[16:80, 16:80], torch.full((64, 64), right * SIZE))
    assert pixels[[0, -1]].abs().max() == 0 and pixels[:, [0, -1]].abs().max() == 0
    assert pixels.diff(dim=1).abs().max() < 1 and pixels.diff(dim=0).abs().max() < 1  # nothing folds


def test_a_free_head_moves_as_its_skull_and_not_as_the_network_adds() -> None:
    finisher = Finisher(source(), CPU, 1, wide=False, transparent=False)
    held, changes = torch.zeros(1, 3, 32, 32), torch.zeros(1, 4, 32, 32)
    changes[:, 0], changes[:, 2] = 4 / SIZE, 1
    (free,) = finisher(painted(), moved(0.3, 0.2), (held, changes))
    (expected,) = finisher(painted(), moved(4 / SIZE, 0))
    assert np.array_equal(free, expected)
    (unchanged,) = finisher(painted(), moved(0.05, 0.02), (held, torch.zeros_like(changes)))
    assert np.array_equal(unchanged, finisher(painted(), moved(0.05, 0.02))[0])


def test_eyes_are_the_portraits_where_it_shows_them() -> None:
    plain = Source(photo()[16:80, 16:80], np.full((SIZE, SIZE), 255, np.uint8), 0, None)
    finisher = Finisher(plain, CPU, 1, wide=False, transparent=False)
    changes = torch.zeros(1, 4, 32, 32)
    changes[:, 3, 8:16, 8:16] = 1
    (frame,) = finisher(painted(mask=0.0), moved(0, 0), (torch.zeros(1, 3, 32, 32), changes))
    assert np.array_equal(frame[17:31, 17:31], photo()[33:47, 33:47])
    away = frame.astype(int) - 128
    away[14:34, 14:34] = 0
    assert np.abs(away).max() <= 1


def test_without_a_background_the_border_is_held() -> None:
    plain = Source(photo()[16:80, 16:80], np.full((SIZE, SIZE), 255, np.uint8), 0, None)
    finisher = Finisher(plain, CPU, 1, wide=True, transparent=False)
    free = torch.zeros(1, 3, 32, 32), torch.full((1, 4, 32, 32), 0.1)
    (frame,) = finisher(painted(), moved(0.25, 0), free)
    assert frame.shape == (SIZE, SIZE, 3)
    assert np.array_equal(frame[:, :48], plain.photo[:, 16:])
    assert (frame[:, 50:] == plain.photo[:, -1:]).all()


@pytest.fixture(scope="module")
def portrait(model: StyleHEAT, reader: FaceReader, astronaut: str) -> Portrait:
    return read_portrait(astronaut, model, reader, largest=256)


@pytest.fixture(scope="module")
def tilts(portrait: Portrait) -> np.ndarray:
    """Descriptors of the portrait as it is, and tilted."""
    descriptors = np.stack([portrait.descriptor] * 3)
    descriptors[1:, DESCRIPTOR_ANGLE.start + 2] += np.radians([15, -15]).astype(np.float32)
    return descriptors


@needs_segmentation
@pytest.mark.parametrize("size", [None, 180])
def test_the_source_of_a_portrait(portrait: Portrait, size: int | None) -> None:
    found = read_source(portrait, size)
    side = 256 if size is None else size
    assert found.size == side and found.around == round(AROUND * side) and found.background is not None
    inner = slice(found.around, found.around + side)
    if size is None:
        assert np.array_equal(found.photo[inner, inner], portrait.image)
    assert found.opaque.shape == found.photo.shape[:2] and (found.opaque == 255).all()


def test_of_a_portrait_without_background_there_is_only_the_square(
    portrait: Portrait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finish, "still_background", lambda *_: None)
    found = read_source(portrait, None)
    assert found.around == 0 and found.background is None and np.array_equal(found.photo, portrait.image)


@needs_segmentation
@pytest.mark.parametrize("longest", [None, 400])
def test_only_the_moved_person_is_pasted(
    model: StyleHEAT, portrait: Portrait, tilts: np.ndarray, longest: int | None
) -> None:
    (width, height), show = composer("pasted", portrait, longest=longest)
    frames = list(animate(model, portrait, tilts, wide=True))
    side = 256 + 2 * round(AROUND * 256)
    assert all(frame.shape == (side, side, 4) for frame in frames)
    _, still = composer("pasted", dataclasses.replace(portrait), longest=longest)
    shown = [show(frame) for frame in frames]
    scale = width / portrait.photo.shape[1]
    to_photo = widened(portrait.to_photo, round(AROUND * 256)) * scale
    corners = outline(to_photo, side)
    y, x = np.mgrid[:height, :width]
    outside = (x < corners[:, 0].min() - 2) | (x > corners[:, 0].max() + 2) | (y > corners[:, 1].max() + 2)
    assert outside.mean() > 0.3
    nothing = np.zeros((side, side, 4), np.uint8)
    photograph = still(nothing)
    for one in shown:
        assert np.array_equal(one[outside], photograph[outside])
    changed = frames[1][..., 3]
    columns, rows = np.rint(places(to_photo, side)).astype(int)
    behind = (changed == 0) & (columns > 8) & (rows > 8) & (columns < width - 8) & (rows < height - 8)
    away = behind.copy()
    for shift in (-2, 2):  # the interpolation reads that far
        away &= np.roll(behind, shift, 0) & np.roll(behind, shift, 1)
    at = rows[away], columns[away]
    assert away.mean() > 0.05 and np.array_equal(shown[1][at], photograph[at])
    assert np.abs(shown[1].astype(int) - shown[2]).max() > 50


@needs_segmentation
def test_a_tilted_head_leaves_the_square_only_when_it_is_pasted(
    model: StyleHEAT, portrait: Portrait, tilts: np.ndarray
) -> None:
    alone, wide = (list(animate(model, portrait, tilts, wide=flag)) for flag in (False, True))
    around = round(AROUND * 256)
    for one, more in zip(alone, wide, strict=True):
        assert one.shape == (256, 256, 3)
        inner = more[around:-around, around:-around, :3]
        middle = slice(32, -32)  # what is painted ends at the square's edge
        assert np.abs(one.astype(int) - inner)[middle, middle].max() <= 2
    ring = wide[1][..., 3].copy()
    ring[around:-around, around:-around] = 0
    assert (ring > 0).any()
