"""What people wear and hold: glasses, hats, microphones, hands."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from styleheat.renderer import light
from styleheat.renderer.camera import Camera
from styleheat.renderer.controls import CONTROLS
from styleheat.renderer.glasses import Glasses, glasses_frame, lenses
from styleheat.renderer.hats import HATS, Hat
from styleheat.renderer.head import Head
from styleheat.renderer.identity import Identity
from styleheat.renderer.look import BEARDS, STYLES, Look
from styleheat.renderer.props import KINDS, Prop, prop_meshes
from styleheat.renderer.render import Frame, Renderer
from styleheat.renderer.scene import Scene

SIZE = 96
REST = np.zeros(len(CONTROLS), np.float32)
NO_PROP = Prop("none", 0)


@pytest.fixture(scope="module", autouse=True)
def quick_shadows() -> Iterator[None]:
    """Fewer directions for the shadows, which are not looked at here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(light, "DIRECTIONS", 14)
        yield


def plain() -> Look:
    """A bald man's look without anything on."""
    look = Look.random(np.random.default_rng(1), male=True, age=0.4)
    return replace(look, style="bald", beard="none", glasses=None, hat=None)


def drawn(look: Look, prop: Prop = NO_PROP) -> Frame:
    identity = Identity.random(np.random.default_rng(2), male=0.6, age=0.4)
    scene, camera = Scene.random(np.random.default_rng(3)), Camera(np.ones(3))
    return Renderer(identity, look, scene, camera, look.cloth, 0.0, prop, 4, SIZE).draw(REST)


def hat_of(kind: str) -> Hat:
    rng = np.random.default_rng(5)
    return next(hat for hat in iter(lambda: Hat.random(rng, True), None) if hat.kind == kind)


def changed(a: Frame, b: Frame) -> np.ndarray:
    """Where two images differ, (SIZE, SIZE) bool."""
    return np.abs(a.image.astype(int) - b.image).max(2) > 12


@pytest.fixture(scope="module")
def bare(quick_shadows: None) -> Frame:
    return drawn(plain())


@pytest.mark.parametrize("kind", HATS)
def test_hats_cover_the_crown_and_leave_the_face(kind: str, bare: Frame) -> None:
    frame = drawn(replace(plain(), hat=hat_of(kind)))
    assert np.array_equal(frame.landmarks, bare.landmarks)
    where = changed(frame, bare)
    brow, mouth = bare.landmarks[17:27, 1].min(), bare.landmarks[48:]
    assert where[: int(brow) - 8, SIZE // 2 - 8 : SIZE // 2 + 8].mean() > 0.3
    (left, top), (right, bottom) = mouth.min(0).astype(int), mouth.max(0).astype(int)
    assert where[top:bottom, left:right].mean() < 0.1  # but for its shadow


def test_hair_grows_below_a_hat_alone() -> None:
    looks = [replace(plain(), style="afro", hat=hat) for hat in (None, hat_of("beanie"), hat_of("scarf"))]
    identity = Identity.random(np.random.default_rng(2), male=0.6, age=0.4)
    from styleheat.renderer.hair import scalp

    head = Head(identity)
    free, under_beanie, under_scarf = (scalp(head, look).sum() for look in looks)
    assert under_scarf == 0 < under_beanie < 0.6 * free


def test_glasses_lie_before_the_eyes_and_tinted_ones_darken_them(bare: Frame) -> None:
    rng = np.random.default_rng(6)
    glasses = replace(Glasses.random(rng), glass=np.full(3, 0.4), mirror=0.0, rim="none")
    frame = drawn(replace(plain(), glasses=glasses))
    for eye in (slice(36, 42), slice(42, 48)):
        column, row = bare.landmarks[eye].mean(0).astype(int)
        part = slice(row - 2, row + 3), slice(column - 2, column + 3)
        assert frame.image[part].mean() < 0.85 * bare.image[part].mean()
    head = Head(Identity.random(rng, male=0.0, age=0.3))
    eye_z = head.eye_z + head.eye_radius
    for _ in range(20):
        pair = Glasses.random(rng)
        points, radius = glasses_frame(head, pair)
        assert points.shape[:2] == radius.shape and (radius > 0).all()
        for lens in lenses(head, pair):
            assert lens.vertices[:, 2].min() > eye_z - 0.05 and np.abs(lens.vertices[:, 0]).min() > 0


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "none"])
def test_things_hide_the_lower_face_at_most(kind: str, bare: Frame) -> None:
    frame = drawn(plain(), Prop(kind, 1))
    where = changed(frame, bare)
    nose = int(bare.landmarks[30, 1])
    assert where[nose:].mean() > 0.02 and where[: nose - 6, SIZE // 3 : -SIZE // 3].mean() < 0.06
    assert np.array_equal(frame.landmarks, bare.landmarks)


def test_props_are_a_minority_and_hands_move_but_stands_do_not() -> None:
    kinds = [Prop.random(np.random.default_rng(k)).kind for k in range(400)]
    assert set(kinds) == set(KINDS) and 0.12 < np.mean([kind != "none" for kind in kinds]) < 0.28
    assert not Prop("stand", 1).offset(30).any()
    track = np.stack([Prop("gesture", 1).offset(index) for index in range(60)])
    assert np.ptp(track, axis=0).max() > 0.15 and np.abs(np.diff(track, axis=0)).max() < 0.12
    head = Head(Identity.random(np.random.default_rng(0), male=0.0, age=0.3))
    meshes = prop_meshes(Prop("held", 2), head, np.full(3, 0.6), np.full(3, 0.3))
    assert all(np.isfinite(mesh.vertices).all() and np.isfinite(mesh.texture).all() for mesh in meshes)


@pytest.mark.parametrize(
    "look", [{"style": style} for style in STYLES[7:]] + [{"beard": beard} for beard in list(BEARDS)[2:]]
)
def test_every_style_of_hair_can_be_drawn(look: dict[str, str], bare: Frame) -> None:
    frame = drawn(replace(plain(), fringe=0.2, **look))
    assert np.array_equal(frame.landmarks, bare.landmarks)
    assert changed(frame, bare).mean() > 0.002
