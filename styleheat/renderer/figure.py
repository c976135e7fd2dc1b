"""All that is drawn of a person: meshes, hairs and lenses, built once and then posed by `render` in each frame."""

import numpy as np

from styleheat.renderer import appearance, body, facial_hair, glasses, hair, hats, surfaces
from styleheat.renderer.body import Mesh
from styleheat.renderer.controls import CONTROLS
from styleheat.renderer.curves import step
from styleheat.renderer.facial_hair import SkinHairs
from styleheat.renderer.hair import Hairs
from styleheat.renderer.head import Head
from styleheat.renderer.identity import Identity
from styleheat.renderer.light import bake
from styleheat.renderer.look import COVERS_EARS, Look
from styleheat.renderer.props import Prop, prop_meshes
from styleheat.renderer.raster import vertex_normals


class Figure:
    """The parts of one person, with clothes and a prop, in the neutral pose.

    cloth: the clothes' colour (3,) as displayed. shoulders: how much wider they are than usual, as a share. seed: of
    what is random about the person's surface (spots, hairs); use the same one whenever the person is drawn.
    """

    def __init__(
        self, identity: Identity, look: Look, cloth: np.ndarray, shoulders: float, prop: Prop, seed: int
    ) -> None:
        rng = np.random.default_rng(seed)
        self.look, self.head = look, Head(identity)
        self.neutral = self.head.deform(np.zeros(len(CONTROLS), np.float32))
        self.skin = surfaces.skin(self.head, look, self.neutral, rng)
        ears = self._build_meshes(cloth, shoulders, prop, rng)
        self._build_eyes_and_mouth(rng)
        self._grow_hairs([self.trunk, *ears], rng)

    def _build_meshes(self, cloth: np.ndarray, shoulders: float, prop: Prop, rng: np.random.Generator) -> list[Mesh]:
        """Trunk, ears, hat and prop, and how light falls on all meshes; returns the visible ears."""
        look, head, neutral = self.look, self.head, self.neutral
        trunk = body.trunk_points(head, shoulders)
        trunk_turn = body.trunk_turn(trunk)
        trunk_texture = appearance.trunk_texture(trunk, look, cloth, rng)
        self.trunk = body.grid_mesh(trunk, trunk_texture, shine=0.03, turn=trunk_turn)
        ears = [] if _ears_are_hidden(look) else [body.ear(head, s, appearance.ear_texture(look)) for s in (-1.0, 1.0)]
        self.dull: list[Mesh] = []  # lit without subsurface scattering
        cap = surfaces.cap(head, look, neutral, rng)
        if cap is not None:
            self.dull.append(cap)
        self.shell = None if look.hat is None else hats.shell(head, look.hat, neutral)
        if look.hat is not None:
            self.dull += hats.brims(head, look.hat) + hats.neckcloth(look.hat, trunk, trunk_turn)
        if self.shell is not None:
            self.dull.append(self.shell[0])
            self.shell_offset = self.shell[0].vertices - neutral[self.shell[1]]
        self.statics = [self.trunk, *ears, *self.dull]
        self.props = prop_meshes(prop, head, look.skin, cloth)
        self._bake_light(ears)
        return ears

    def _bake_light(self, ears: list[Mesh]) -> None:
        lit = [self.skin, *self.statics]
        bake(lit, [*lit, *self.props])
        for mesh in ears:  # their roots lie inside the head, where no light reaches
            mesh.occlusion = np.clip(mesh.occlusion, 0.45, 1)
            mesh.visibility = mesh.visibility * np.float32(0.6) + np.eye(1, 9, dtype=np.float32) * np.float32(0.4)
        if self.look.style in ("bob", "long", "wavy"):  # hair that hangs beside the face shades it
            beside = step(0.52, 0.70, np.abs(self.neutral[:, 0]))
            self.skin.occlusion *= (1 - 0.35 * beside).astype(np.float32)

    def _build_eyes_and_mouth(self, rng: np.random.Generator) -> None:
        look, head = self.look, self.head
        self.eye = body.eyeball(head, appearance.eye_texture(look, rng))
        white = rng.uniform(0.86, 1.02)
        self.upper_teeth, self.lower_teeth = body.teeth(
            head, appearance.teeth_texture(rng, True, white), appearance.teeth_texture(rng, False, white * 0.94)
        )
        self.tongue = body.tongue(head, appearance.flesh_texture((0.66, 0.34, 0.34), rng))
        self.linings = body.linings(head)
        self.cavity_columns = body.cavity_columns(head)
        self.cavity = body.grid_mesh(np.zeros((8, len(self.cavity_columns), 3)), appearance.cavity_texture(look))

    def _grow_hairs(self, obstacles: list[Mesh], rng: np.random.Generator) -> None:
        """Hair of the head, brows, lashes, beard, and the frames of glasses, which are drawn like hairs.

        obstacles: meshes that the hair lies upon. Hairs are listed with their opacity and the strength of their
        highlight.
        """
        look, head = self.look, self.head
        grown = hair.grow(
            head,
            look,
            np.concatenate([mesh.vertices for mesh in obstacles]),
            np.concatenate([vertex_normals(mesh.vertices, mesh.faces) for mesh in obstacles]),
            rng,
        )
        self.hairs: list[tuple[Hairs, float, float]] = []
        if grown is not None:
            self.hairs.append((grown, 0.9, 1.0 if look.style != "afro" else 0.3))
        self.hairs += [(border, 1.0, 0.2) for border in hair.hem(head, look, self.neutral)]
        self.frames_of_glasses = [(frame, 1.0, 1.0) for frame in hair.glasses(head, look)]
        self.lenses = [] if look.glasses is None else glasses.lenses(head, look.glasses)
        self.skin_hairs: list[SkinHairs] = [facial_hair.brows(head, look, rng), *facial_hair.lashes(head, look)]
        grown_beard = facial_hair.beard(head, look, rng)
        if grown_beard is not None:
            self.skin_hairs.insert(0, grown_beard)


def _ears_are_hidden(look: Look) -> bool:
    """By hair that hangs beside the face, or by a hat over it."""
    if look.hat is None:
        return look.style in COVERS_EARS
    return look.hat.kind in hats.HIDES_EARS
