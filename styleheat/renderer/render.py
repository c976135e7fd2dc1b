"""A person in a scene, drawn: meshes and hairs are lit, turned, projected and put over the background."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from styleheat.renderer import appearance, body, facial_hair, hair, surfaces, wear
from styleheat.renderer.background import background
from styleheat.renderer.body import Mesh
from styleheat.renderer.camera import Camera, ImageProcessor
from styleheat.renderer.controls import CONTROLS, INDEX, JAW_ANGLE, JAW_HINGE, NECK_PIVOT
from styleheat.renderer.curves import step
from styleheat.renderer.facial_hair import SkinHairs
from styleheat.renderer.grid import COLUMNS, EYE_ROW, EYE_UPPER
from styleheat.renderer.hair import Hairs
from styleheat.renderer.head import Head
from styleheat.renderer.identity import Identity
from styleheat.renderer.landmarks import VIEW, landmark_vertices, project, rotation, turned
from styleheat.renderer.light import CAMERA, CENTRE, bake, harmonics, light_hairs, light_mesh, shade_below
from styleheat.renderer.look import COVERS_EARS, Look
from styleheat.renderer.props import Prop, prop_meshes
from styleheat.renderer.raster import (
    develop,
    draw_glass,
    draw_glow,
    draw_hairs,
    draw_mesh,
    vertex_normals,
)
from styleheat.renderer.scene import Scene

SAMPLES = 2
"""Samples across and down a pixel."""
MARGIN = 0.12
"""Decimetres of background beyond each edge of the picture, which a moving camera shows."""


@dataclass
class Frame:
    """A drawn frame: image uint8 (size, size, 3), and landmarks (68, 2) in its pixels."""

    image: np.ndarray
    landmarks: np.ndarray


def _ears_are_hidden(look: Look) -> bool:
    """By hair that hangs beside the face, or by a hat over it."""
    if look.hat is None:
        return look.style in COVERS_EARS
    return look.hat.kind in wear.HIDES_EARS


class Renderer:
    """One person in one scene at one size; building it takes about a second, a frame some hundredths of one.

    `seed` chooses what is random about the person's surface (spots, hairs): keep it for a person.
    """

    def __init__(
        self,
        identity: Identity,
        look: Look,
        scene: Scene,
        camera: Camera,
        cloth: np.ndarray,
        shoulders: float,
        prop: Prop,
        seed: int,
        size: int,
    ) -> None:
        rng = np.random.default_rng(seed)
        self.size, self.look, self.scene, self.prop = size, look, scene, prop
        self.head = Head(identity)
        self.neutral = self.head.deform(np.zeros(len(CONTROLS), np.float32))
        self.skin = surfaces.skin(self.head, look, self.neutral, rng)
        ears = self._build_meshes(cloth, shoulders, rng)
        self._build_eyes_and_mouth(rng)
        self._grow_hairs([self.trunk, *ears], rng)
        self.landmark_index = landmark_vertices(self.head)
        self.processor = ImageProcessor(camera, size)
        self._set_up_scene(camera)

    def _build_meshes(self, cloth: np.ndarray, shoulders: float, rng: np.random.Generator) -> list[Mesh]:
        """The trunk, ears, hat and prop, and how light falls on all meshes; returns the ears that can be seen."""
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
        self.shell = None if look.hat is None else wear.shell(head, look.hat, neutral)
        if look.hat is not None:
            self.dull += wear.brims(head, look.hat) + wear.neckcloth(look.hat, trunk, trunk_turn)
        if self.shell is not None:
            self.dull.append(self.shell[0])
            self.shell_offset = self.shell[0].vertices - neutral[self.shell[1]]
        self.statics = [self.trunk, *ears, *self.dull]
        self.things = prop_meshes(self.prop, head, look.skin, cloth)
        self.things_at = [thing.vertices for thing in self.things]
        bake([self.skin, *self.statics], [self.skin, *self.statics, *self.things])
        for mesh in ears:  # their roots lie inside the head, where no light comes
            mesh.occlusion = np.clip(mesh.occlusion, 0.45, 1)
            mesh.visibility = mesh.visibility * np.float32(0.6) + np.eye(1, 9, dtype=np.float32) * np.float32(0.4)
        if look.style in ("bob", "long", "wavy"):  # what hangs beside the face shades it
            self.skin.occlusion *= (1 - 0.35 * step(0.52, 0.70, np.abs(neutral[:, 0]))).astype(np.float32)
        return ears

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
        self.cavity_texture = appearance.cavity_texture(look)
        self.cavity = body.grid_mesh(np.zeros((8, len(self.cavity_columns), 3)), self.cavity_texture)

    def _grow_hairs(self, obstacles: list[Mesh], rng: np.random.Generator) -> None:
        """Hair of the head, brows, lashes, beard, and the frames of glasses, which are drawn like hairs.

        obstacles: meshes that the hair lies upon.
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
        self.lenses = [] if look.glasses is None else wear.lenses(head, look.glasses)
        self.skin_hairs: list[SkinHairs] = [facial_hair.brows(head, look, rng), *facial_hair.lashes(head, look)]
        grown_beard = facial_hair.beard(head, look, rng)
        if grown_beard is not None:
            self.skin_hairs.insert(0, grown_beard)

    def _set_up_scene(self, camera: Camera) -> None:
        """Lights and background, as bright as the camera exposes them."""
        scene, gain = self.scene, camera.gain.astype(np.float32)
        self.key_colour, self.sky_colour = (scene.key_colour * gain).astype(np.float32), scene.sky * gain
        soft = np.full(3, scene.soft)
        self.lights = np.stack(
            [scene.key, self.key_colour, self.sky_colour, scene.ground * gain, scene.rim, scene.rim_colour * gain, soft]
        ).astype(np.float32)
        self.margin = round(self.size * MARGIN / VIEW) if camera.shake else 0
        side = self.size + 2 * self.margin
        behind = background(scene.background_kind, scene.background_seed, scene.tint, scene.background_light, side)
        self.background = np.repeat(np.repeat(behind * gain, SAMPLES, 0), SAMPLES, 1).astype(np.float32)

    # ---- frames ----

    def frames(self, motion: np.ndarray) -> Iterator[Frame]:
        """Draw a motion (frames, len(CONTROLS))."""
        for index, controls in enumerate(motion):
            yield self.draw(controls, index)

    def draw(self, controls: np.ndarray, index: int = 0) -> Frame:
        """Draw one frame; the noise and the camera's movement are those of frame `index` of a clip."""
        controls = np.asarray(controls, np.float32)
        get = {name: float(controls[k]) for name, k in INDEX.items()}
        n = self.size * SAMPLES
        self.focal = n / VIEW * CAMERA
        right, up = (round(shift * n / VIEW) for shift in self.processor.camera.shift(index))
        self.middle = (n / 2 - right, n / 2 + up)
        row, column = self.margin * SAMPLES - up, self.margin * SAMPLES + right
        image = self.background[row : row + n, column : column + n].copy()
        depth = np.full((n, n), 1e9, np.float32)
        self.matrix = rotation(get["yaw"], get["pitch"], get["roll"])
        self.shift = np.array([get["x"], get["y"], get["z"]], np.float32)

        skin = self.head.deform(controls)
        self.skin.vertices = skin
        if self.shell is not None:
            self.shell[0].vertices = skin[self.shell[1]] + self.shell_offset
        for mesh in (self.skin, *self.statics):
            self._draw_mesh(mesh, image, depth, skin_like=not any(mesh is dull for dull in self.dull))
        for thing, at in zip(self.things, self.things_at, strict=True):
            thing.vertices = at + self.prop.offset(index)
            self._draw_mesh(thing, image, depth, skin_like=True)
        for lining in self.linings:
            light = self._soft_light(len(lining.vertices), 0.6)
            screen = self._screen(self._world(lining.vertices, lining.turn))
            draw_mesh(screen, lining.faces, lining.uv, light, np.zeros_like(light), lining.texture, image, depth)
        self._draw_eyes(skin, get, image, depth)
        self._draw_mouth(skin, get, image, depth)
        for short in self.skin_hairs:
            self._draw_skin_hairs(short, skin, max(get["blink"], get["wink"] * short.side), image, depth)
        for hairs, alpha, sharp in self.hairs:
            self._draw_hairs(hairs, alpha, sharp, image, depth)
        self._draw_lenses(image, depth)
        for hairs, alpha, sharp in self.frames_of_glasses:
            self._draw_hairs(hairs, alpha, sharp, image, depth)
        screen = self._screen(self._world(skin[self.landmark_index], np.ones(68, np.float32)))
        return Frame(self.processor.develop(develop(image, SAMPLES), index), screen[:, :2] / SAMPLES)

    def _world(self, points: np.ndarray, turn: np.ndarray) -> np.ndarray:
        out = np.empty_like(points)
        turned(points, turn, self.matrix, NECK_PIVOT.astype(np.float32), self.shift, out)
        return out

    def _direction(self, directions: np.ndarray, turn: np.ndarray) -> np.ndarray:
        out = np.empty_like(directions)
        zero = np.zeros(3, np.float32)
        turned(directions, turn, self.matrix, zero, zero, out)
        return out

    def _screen(self, world: np.ndarray) -> np.ndarray:
        out = np.empty_like(world)
        project(world, self.focal, self.middle, out)
        return out

    def _key_basis(self, turned: bool) -> np.ndarray:
        """Harmonics of the key light's direction, seen from the head or from the trunk."""
        key = self.scene.key[None].astype(np.float64)
        return harmonics(key @ self.matrix if turned else key)[0].astype(np.float32)

    def _lit(self, mesh: Mesh, world: np.ndarray, skin_like: bool) -> tuple[np.ndarray, np.ndarray]:
        normals = self._direction(vertex_normals(mesh.vertices, mesh.faces), mesh.turn)
        light, gloss = np.empty_like(world), np.empty_like(world)
        light_mesh(
            world,
            normals,
            mesh.occlusion,
            mesh.visibility,
            mesh.shine,
            self._key_basis(mesh is not self.trunk),
            self.lights,
            skin_like,
            light,
            gloss,
        )
        return light, gloss

    def _draw_mesh(self, mesh: Mesh, image: np.ndarray, depth: np.ndarray, skin_like: bool) -> None:
        world = self._world(mesh.vertices, mesh.turn)
        light, gloss = self._lit(mesh, world, skin_like)
        draw_mesh(self._screen(world), mesh.faces, mesh.uv, light, gloss, mesh.texture, image, depth)

    def _soft_light(self, count: int, strength: float) -> np.ndarray:
        """Light in hollows: the scene's colours without direction."""
        key = (
            self.key_colour
            * (0.30 + 0.38 * max(float(self.scene.key[2]), 0.0))
            * (1.0 if self.scene.key[2] > 0 else 0.4)
        )
        return np.tile(((key + self.sky_colour) * strength).astype(np.float32), (count, 1))

    def _draw_eyes(self, skin: np.ndarray, get: dict[str, float], image: np.ndarray, depth: np.ndarray) -> None:
        head = self.head
        look_at = rotation(get["gaze_x"], get["gaze_y"], 0.0)
        for sign in (-1.0, 1.0):
            centre = np.array([sign * head.eye_x, EYE_ROW, head.eye_z], np.float32)
            points = self.eye.vertices @ look_at.T + centre
            light = self._soft_light(len(points), 0.98)
            line = skin[EYE_UPPER * COLUMNS : (EYE_UPPER + 1) * COLUMNS]
            line = line[(np.abs(line[:, 0] - sign * head.eye_x) < head.eye_half * 1.05) & (line[:, 2] > 0.3)]
            shade_below(points, line[:, 0].copy(), line[:, 1].copy(), 0.055, 0.38, light)
            # the corners lie deep, the inner one is red
            across = (points[:, 0] * sign - head.eye_x) / head.eye_half
            light *= (1 - 0.40 * np.clip(np.abs(across) - 0.35, 0, 1))[:, None]
            light[:, 1:] *= (1 - 0.35 * step(-0.72, -1.0, across))[:, None]
            world = self._world(points.astype(np.float32), self.eye.turn)
            screen = self._screen(world)
            draw_mesh(
                screen,
                self.eye.faces,
                self.eye.uv,
                light.astype(np.float32),
                np.zeros_like(light),
                self.eye.texture,
                image,
                depth,
            )
            # The reflection of the lamp on the cornea, unless the lid covers it.
            half = self.scene.key + np.array([0, 0, 1.0])
            half /= np.linalg.norm(half)
            forward = look_at @ np.array([0, 0, 1.0]) * 0.45 + self.matrix.T @ half * 0.55
            spot = centre + forward / np.linalg.norm(forward) * head.eye_radius * 1.06
            if spot[1] > np.interp(spot[0], line[:, 0], line[:, 1]) - 0.006:
                continue
            x, y, z = self._screen(self._world(spot[None].astype(np.float32), np.ones(1, np.float32)))[0]
            colour = np.minimum(self.key_colour * 0.95, 1.0).astype(np.float32)
            draw_glow(float(x), float(y), float(z) - 0.004, 0.0145 * self.focal / CAMERA, colour, image, depth)

    def _draw_mouth(self, skin: np.ndarray, get: dict[str, float], image: np.ndarray, depth: np.ndarray) -> None:
        head = self.head
        inside = body.cavity(head, skin, self.cavity_columns)
        rows, count = inside.shape[:2]
        points = np.ascontiguousarray(inside.reshape(-1, 3), np.float32)
        gap = float((inside[0, :, 1] - inside[-1, :, 1]).max())
        mesh = self.cavity
        world = self._world(points, mesh.turn)
        light = self._soft_light(rows * count, 0.85)
        draw_mesh(self._screen(world), mesh.faces, mesh.uv, light, np.zeros_like(light), mesh.texture, image, depth)
        if gap < 0.012:
            return
        upper = inside[0]
        angle = get["jaw"] * JAW_ANGLE * (1 - 0.5 * get["close"])
        cosine, sine = math.cos(angle), math.sin(angle)

        def with_jaw(points: np.ndarray, share: float = 1.0) -> np.ndarray:
            y, z = points[:, 1] - JAW_HINGE[0], points[:, 2] - JAW_HINGE[1]
            c, s = 1 + (cosine - 1) * share, sine * share
            return np.stack([points[:, 0], JAW_HINGE[0] + y * c - z * s, JAW_HINGE[1] + z * c + y * s], 1).astype(
                np.float32
            )

        tongue = self.tongue.vertices.copy()
        tongue[:, 1] += 0.05 * get["tongue"] + 0.020
        tongue[:, 2] += 0.10 * get["tongue"]
        # Rounded lips come forward of the teeth: less light reaches them.
        bright = 0.95 - 0.65 * get["round"]
        parts = (
            (self.lower_teeth, with_jaw(self.lower_teeth.vertices), 0.85 * bright, 0.10),
            (self.upper_teeth, self.upper_teeth.vertices, 1.15 * bright, 0.05),
            (self.tongue, with_jaw(tongue, 0.90), 1.15, 0.10),
        )
        for mesh, points, strength, soft in parts:
            light = self._soft_light(len(points), strength)
            depth_in = np.clip((points[:, 2] - (head.lip_z - 0.40)) / 0.35, 0.10, 1) ** 1.7
            if mesh is self.tongue:
                depth_in = 0.40 + 0.60 * depth_in
            narrow = 1 - 0.90 * np.clip(np.abs(points[:, 0]) / (head.mouth_half * (1 - 0.25 * get["round"])), 0, 1) ** 2
            light *= (depth_in * narrow)[:, None].astype(np.float32)
            shade_below(points, upper[:, 0].copy(), upper[:, 1].copy(), soft, 0.40, light)
            world = self._world(points, mesh.turn)
            normals = self._direction(vertex_normals(points, mesh.faces), mesh.turn)
            half = self.scene.key + np.array([0, 0, 1.0])
            glint = np.clip(normals @ half / np.linalg.norm(half), 0, 1) ** 24
            gloss = (0.22 * mesh.shine * glint)[:, None].astype(np.float32) * light
            draw_mesh(
                self._screen(world), mesh.faces, mesh.uv, light, gloss.astype(np.float32), mesh.texture, image, depth
            )

    def _draw_hairs(self, hairs: Hairs, alpha: float, sharp: float, image: np.ndarray, depth: np.ndarray) -> None:
        shape = hairs.points.shape
        turn = hairs.turn.ravel()
        world = self._world(hairs.points.reshape(-1, 3), turn)
        normals = self._direction(hairs.normals.reshape(-1, 3), turn)
        colour = np.empty(shape, np.float32)
        light_hairs(world.reshape(shape), normals.reshape(shape), hairs.colour, self.lights, sharp, colour)
        screen = self._screen(world).reshape(shape)
        draw_hairs(screen, hairs.radius * np.float32(self.focal / CAMERA), colour, alpha, image, depth)

    def _draw_lenses(self, image: np.ndarray, depth: np.ndarray) -> None:
        """Glass: a little darker than none, with the lamp and what is bright before the face mirrored in it."""
        glasses = self.look.glasses
        if glasses is None:
            return
        for lens in self.lenses:
            world = self._world(lens.vertices, lens.turn)
            normals = self._direction(vertex_normals(lens.vertices, lens.faces), lens.turn)
            view = np.array([0, CENTRE, CAMERA], np.float32) - world
            view /= np.linalg.norm(view, axis=1, keepdims=True)
            facing = np.clip((normals * view).sum(1), 0, 1)
            towards = 2 * facing[:, None] * normals - view  # where the mirrored light comes from
            lamp = np.clip(towards @ self.scene.key, 0, 1)
            spot = step(0.955, 0.985, lamp) * (0.25 + 0.75 * (1 - self.scene.soft)) + 0.25 * lamp**6
            pane = step(0.10, 0.16, towards[:, 0]) * step(0.52, 0.46, towards[:, 0]) * step(0.05, 0.12, towards[:, 1])
            edge = 0.03 + 0.5 * (1 - facing) ** 4
            gloss = 0.30 * spot[:, None] * self.key_colour + (0.14 * pane + edge)[:, None] * self.sky_colour
            gloss = (glasses.mirror * gloss).astype(np.float32)
            draw_glass(self._screen(world), lens.faces, glasses.glass.astype(np.float32), gloss, image, depth)

    def _draw_skin_hairs(
        self, hairs: SkinHairs, skin: np.ndarray, blink: float, image: np.ndarray, depth: np.ndarray
    ) -> None:
        points = skin[hairs.index] + hairs.offset * np.float32(1 - blink) + hairs.shut * np.float32(blink)
        shape = points.shape
        world = self._world(points.reshape(-1, 3), np.ones(shape[0] * shape[1], np.float32))
        screen = self._screen(world).reshape(shape)
        screen[..., 2] -= 0.010  # over the skin they lie on
        level = (self.key_colour * 0.6 + self.sky_colour).astype(np.float32)
        draw_hairs(
            screen, hairs.radius * np.float32(self.focal / CAMERA), hairs.colour * level, hairs.alpha, image, depth
        )
