"""Frames of a person in a scene: meshes and hairs are lit, turned, projected and drawn over the background."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from styleheat.renderer import body
from styleheat.renderer.background import background
from styleheat.renderer.body import Mesh
from styleheat.renderer.camera import Camera, ImageProcessor
from styleheat.renderer.controls import INDEX, JAW_ANGLE, JAW_HINGE, NECK_PIVOT
from styleheat.renderer.curves import step
from styleheat.renderer.facial_hair import SkinHairs
from styleheat.renderer.figure import Figure
from styleheat.renderer.grid import COLUMNS, EYE_ROW, EYE_UPPER
from styleheat.renderer.hair import Hairs
from styleheat.renderer.identity import Identity
from styleheat.renderer.landmarks import VIEW, landmark_vertices, project, rotation, turned
from styleheat.renderer.light import CAMERA, CENTRE, harmonics, light_hairs, light_mesh, shade_below
from styleheat.renderer.look import Look
from styleheat.renderer.props import Prop
from styleheat.renderer.raster import develop, draw_glass, draw_glow, draw_hairs, draw_mesh, vertex_normals
from styleheat.renderer.scene import Scene

SAMPLES = 2
"""Samples across and down a pixel."""
MARGIN = 0.12
"""Decimetres of background beyond each edge of the image, which a moving camera shows."""


@dataclass
class Frame:
    """A drawn frame: image uint8 (size, size, 3), and landmarks (68, 2) in its pixels."""

    image: np.ndarray
    landmarks: np.ndarray


@dataclass(frozen=True)
class _Shot:
    """A frame while it is drawn, n = size * SAMPLES pixels a side.

    controls: by name. image (n, n, 3) linear and depth (n, n): what is drawn so far. matrix (3, 3) and shift (3,): how
    the head is turned and moved. focal: the camera's, in pixels. middle: the pixel (x, y) that shows (0, CENTRE, 0).
    """

    controls: dict[str, float]
    image: np.ndarray
    depth: np.ndarray
    matrix: np.ndarray
    shift: np.ndarray
    focal: float
    middle: tuple[float, float]

    def world(self, points: np.ndarray, turn: np.ndarray) -> np.ndarray:
        """Points (N, 3) turned and moved with the head, each by its share `turn` (N,)."""
        out = np.empty_like(points)
        turned(points, turn, self.matrix, NECK_PIVOT.astype(np.float32), self.shift, out)
        return out

    def direction(self, directions: np.ndarray, turn: np.ndarray) -> np.ndarray:
        """Directions (N, 3) turned with the head, each by its share `turn` (N,)."""
        out = np.empty_like(directions)
        zero = np.zeros(3, np.float32)
        turned(directions, turn, self.matrix, zero, zero, out)
        return out

    def screen(self, world: np.ndarray) -> np.ndarray:
        """Pixel x, y and depth (N, 3) of points (N, 3)."""
        out = np.empty_like(world)
        project(world, self.focal, self.middle, out)
        return out


class Renderer:
    """One person in one scene at one size; building it takes about a second, a frame some hundredths of one.

    cloth, shoulders and seed: as `Figure` takes them.
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
        self.size, self.look, self.scene, self.prop = size, look, scene, prop
        self.figure = Figure(identity, look, cloth, shoulders, prop, seed)
        self.prop_vertices = [mesh.vertices for mesh in self.figure.props]
        self.landmark_index = landmark_vertices(self.figure.head)
        self.processor = ImageProcessor(camera, size)
        self._set_up_scene(camera)

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

    def frames(self, motion: np.ndarray) -> Iterator[Frame]:
        """Draw a motion (frames, len(CONTROLS))."""
        for index, controls in enumerate(motion):
            yield self.draw(controls, index)

    def draw(self, controls: np.ndarray, index: int = 0) -> Frame:
        """Draw one frame; the noise and the camera's movement are those of frame `index` of a clip."""
        controls = np.asarray(controls, np.float32)
        figure, shot = self.figure, self._shot(controls, index)
        skin = self._pose(controls, index)
        for mesh in (figure.skin, *figure.statics):
            self._draw_mesh(mesh, shot, skin_like=not any(mesh is dull for dull in figure.dull))
        for mesh in figure.props:
            self._draw_mesh(mesh, shot, skin_like=True)
        for lining in figure.linings:
            light = self._soft_light(len(lining.vertices), 0.6)
            screen = shot.screen(shot.world(lining.vertices, lining.turn))
            no_gloss = np.zeros_like(light)
            draw_mesh(screen, lining.faces, lining.uv, light, no_gloss, lining.texture, shot.image, shot.depth)
        self._draw_eyes(skin, shot)
        self._draw_mouth(skin, shot)
        for short in figure.skin_hairs:
            self._draw_skin_hairs(short, skin, shot)
        for hairs, alpha, sharp in figure.hairs:
            self._draw_hairs(hairs, alpha, sharp, shot)
        self._draw_lenses(shot)
        for hairs, alpha, sharp in figure.frames_of_glasses:
            self._draw_hairs(hairs, alpha, sharp, shot)
        landmarks = shot.screen(shot.world(skin[self.landmark_index], np.ones(68, np.float32)))[:, :2] / SAMPLES
        return Frame(self.processor.develop(develop(shot.image, SAMPLES), index), landmarks)

    def _shot(self, controls: np.ndarray, index: int) -> _Shot:
        """A frame that shows the background only."""
        get = {name: float(controls[k]) for name, k in INDEX.items()}
        n = self.size * SAMPLES
        right, up = (round(shift * n / VIEW) for shift in self.processor.camera.shift(index))
        row, column = self.margin * SAMPLES - up, self.margin * SAMPLES + right
        return _Shot(
            controls=get,
            image=self.background[row : row + n, column : column + n].copy(),
            depth=np.full((n, n), 1e9, np.float32),
            matrix=rotation(get["yaw"], get["pitch"], get["roll"]),
            shift=np.array([get["x"], get["y"], get["z"]], np.float32),
            focal=n / VIEW * CAMERA,
            middle=(n / 2 - right, n / 2 + up),
        )

    def _pose(self, controls: np.ndarray, index: int) -> np.ndarray:
        """Move the figure's vertices to where they are in a frame; returns those of the skin."""
        figure = self.figure
        skin = figure.head.deform(controls)
        figure.skin.vertices = skin
        if figure.shell is not None:
            figure.shell[0].vertices = skin[figure.shell[1]] + figure.shell_offset
        for mesh, vertices in zip(figure.props, self.prop_vertices, strict=True):
            mesh.vertices = vertices + self.prop.offset(index)
        return skin

    def _draw_mesh(self, mesh: Mesh, shot: _Shot, skin_like: bool) -> None:
        world = shot.world(mesh.vertices, mesh.turn)
        light, gloss = self._lit(mesh, world, shot, skin_like)
        draw_mesh(shot.screen(world), mesh.faces, mesh.uv, light, gloss, mesh.texture, shot.image, shot.depth)

    def _lit(self, mesh: Mesh, world: np.ndarray, shot: _Shot, skin_like: bool) -> tuple[np.ndarray, np.ndarray]:
        normals = shot.direction(vertex_normals(mesh.vertices, mesh.faces), mesh.turn)
        # harmonics of the key light's direction, in the axes of the head or of the trunk
        key = self.scene.key[None].astype(np.float64)
        key_basis = harmonics(key if mesh is self.figure.trunk else key @ shot.matrix)[0].astype(np.float32)
        light, gloss = np.empty_like(world), np.empty_like(world)
        light_mesh(
            world, normals, mesh.occlusion, mesh.visibility, mesh.shine, key_basis, self.lights, skin_like, light, gloss
        )
        return light, gloss

    def _soft_light(self, count: int, strength: float) -> np.ndarray:
        """Light in hollows: the scene's colours without direction."""
        towards = float(self.scene.key[2])
        key = self.key_colour * (0.30 + 0.38 * max(towards, 0.0)) * (1.0 if towards > 0 else 0.4)
        return np.tile(((key + self.sky_colour) * strength).astype(np.float32), (count, 1))

    def _draw_eyes(self, skin: np.ndarray, shot: _Shot) -> None:
        head = self.figure.head
        look_at = rotation(shot.controls["gaze_x"], shot.controls["gaze_y"], 0.0)
        for sign in (-1.0, 1.0):
            centre = np.array([sign * head.eye_x, EYE_ROW, head.eye_z], np.float32)
            lid = skin[EYE_UPPER * COLUMNS : (EYE_UPPER + 1) * COLUMNS]
            lid = lid[(np.abs(lid[:, 0] - sign * head.eye_x) < head.eye_half * 1.05) & (lid[:, 2] > 0.3)]
            self._draw_eyeball(centre, look_at, lid, sign, shot)
            self._draw_reflection(centre, look_at, lid, shot)

    def _draw_eyeball(self, centre: np.ndarray, look_at: np.ndarray, lid: np.ndarray, sign: float, shot: _Shot) -> None:
        """The eye at `centre` (3,), turned by `look_at` (3, 3), in the shade of the upper lid's edge (points, 3)."""
        head, mesh = self.figure.head, self.figure.eye
        points = mesh.vertices @ look_at.T + centre
        light = self._soft_light(len(points), 0.98)
        shade_below(points, lid[:, 0].copy(), lid[:, 1].copy(), 0.055, 0.38, light)
        # the corners lie deep, the inner one is red
        across = (points[:, 0] * sign - head.eye_x) / head.eye_half
        light *= (1 - 0.40 * np.clip(np.abs(across) - 0.35, 0, 1))[:, None]
        light[:, 1:] *= (1 - 0.35 * step(-0.72, -1.0, across))[:, None]
        screen, light = shot.screen(shot.world(points.astype(np.float32), mesh.turn)), light.astype(np.float32)
        draw_mesh(screen, mesh.faces, mesh.uv, light, np.zeros_like(light), mesh.texture, shot.image, shot.depth)

    def _draw_reflection(self, centre: np.ndarray, look_at: np.ndarray, lid: np.ndarray, shot: _Shot) -> None:
        """The key light's reflection on the cornea, unless the lid covers it."""
        half = self._half_vector()
        half /= np.linalg.norm(half)
        forward = look_at @ np.array([0, 0, 1.0]) * 0.45 + shot.matrix.T @ half * 0.55
        spot = centre + forward / np.linalg.norm(forward) * self.figure.head.eye_radius * 1.06
        if spot[1] > np.interp(spot[0], lid[:, 0], lid[:, 1]) - 0.006:
            return
        x, y, z = shot.screen(shot.world(spot[None].astype(np.float32), np.ones(1, np.float32)))[0]
        colour = np.minimum(self.key_colour * 0.95, 1.0).astype(np.float32)
        radius = 0.0145 * shot.focal / CAMERA
        draw_glow(float(x), float(y), float(z) - 0.004, radius, colour, shot.image, shot.depth)

    def _half_vector(self) -> np.ndarray:
        """Half way between the directions of the key light and of the camera (3,), of any length."""
        return self.scene.key + np.array([0, 0, 1.0])

    def _draw_mouth(self, skin: np.ndarray, shot: _Shot) -> None:
        figure = self.figure
        inside = body.cavity(figure.head, skin, figure.cavity_columns)
        points = np.ascontiguousarray(inside.reshape(-1, 3), np.float32)
        mesh, light = figure.cavity, self._soft_light(len(points), 0.85)
        screen, no_gloss = shot.screen(shot.world(points, mesh.turn)), np.zeros_like(light)
        draw_mesh(screen, mesh.faces, mesh.uv, light, no_gloss, mesh.texture, shot.image, shot.depth)
        gap = float((inside[0, :, 1] - inside[-1, :, 1]).max())
        if gap >= 0.012:
            self._draw_teeth_and_tongue(inside[0], shot)

    def _draw_teeth_and_tongue(self, upper_lip: np.ndarray, shot: _Shot) -> None:
        """upper_lip (columns, 3): its edge, which shades them."""
        figure, get = self.figure, shot.controls
        jaw = get["jaw"] * JAW_ANGLE * (1 - 0.5 * get["close"])
        tongue = figure.tongue.vertices.copy()
        tongue[:, 1] += 0.05 * get["tongue"] + 0.020
        tongue[:, 2] += 0.10 * get["tongue"]
        # Rounded lips lie in front of the teeth: less light reaches them.
        bright = 0.95 - 0.65 * get["round"]
        parts = (
            (figure.lower_teeth, _turned_by_jaw(figure.lower_teeth.vertices, jaw), 0.85 * bright, 0.10),
            (figure.upper_teeth, figure.upper_teeth.vertices, 1.15 * bright, 0.05),
            (figure.tongue, _turned_by_jaw(tongue, jaw, 0.90), 1.15, 0.10),
        )
        half = self._half_vector()
        half_width = figure.head.mouth_half * (1 - 0.25 * get["round"])
        for mesh, points, strength, soft in parts:
            light = self._soft_light(len(points), strength)
            depth_in = np.clip((points[:, 2] - (figure.head.lip_z - 0.40)) / 0.35, 0.10, 1) ** 1.7
            if mesh is figure.tongue:
                depth_in = 0.40 + 0.60 * depth_in
            narrow = 1 - 0.90 * np.clip(np.abs(points[:, 0]) / half_width, 0, 1) ** 2
            light *= (depth_in * narrow)[:, None].astype(np.float32)
            shade_below(points, upper_lip[:, 0].copy(), upper_lip[:, 1].copy(), soft, 0.40, light)
            normals = shot.direction(vertex_normals(points, mesh.faces), mesh.turn)
            glint = np.clip(normals @ half / np.linalg.norm(half), 0, 1) ** 24
            gloss = ((0.22 * mesh.shine * glint)[:, None].astype(np.float32) * light).astype(np.float32)
            screen = shot.screen(shot.world(points, mesh.turn))
            draw_mesh(screen, mesh.faces, mesh.uv, light, gloss, mesh.texture, shot.image, shot.depth)

    def _draw_hairs(self, hairs: Hairs, alpha: float, sharp: float, shot: _Shot) -> None:
        shape = hairs.points.shape
        turn = hairs.turn.ravel()
        world = shot.world(hairs.points.reshape(-1, 3), turn)
        normals = shot.direction(hairs.normals.reshape(-1, 3), turn)
        colour = np.empty(shape, np.float32)
        light_hairs(world.reshape(shape), normals.reshape(shape), hairs.colour, self.lights, sharp, colour)
        screen = shot.screen(world).reshape(shape)
        draw_hairs(screen, hairs.radius * np.float32(shot.focal / CAMERA), colour, alpha, shot.image, shot.depth)

    def _draw_lenses(self, shot: _Shot) -> None:
        """Glass: darkens a little, and mirrors the lamp and a bright window before the face."""
        glasses = self.look.glasses
        if glasses is None:
            return
        for lens in self.figure.lenses:
            world = shot.world(lens.vertices, lens.turn)
            normals = shot.direction(vertex_normals(lens.vertices, lens.faces), lens.turn)
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
            passed = glasses.glass.astype(np.float32)
            draw_glass(shot.screen(world), lens.faces, passed, gloss, shot.image, shot.depth)

    def _draw_skin_hairs(self, hairs: SkinHairs, skin: np.ndarray, shot: _Shot) -> None:
        blink = max(shot.controls["blink"], shot.controls["wink"] * hairs.side)
        points = skin[hairs.index] + hairs.offset * np.float32(1 - blink) + hairs.shut * np.float32(blink)
        shape = points.shape
        world = shot.world(points.reshape(-1, 3), np.ones(shape[0] * shape[1], np.float32))
        screen = shot.screen(world).reshape(shape)
        screen[..., 2] -= 0.010  # over the skin they lie on
        level = (self.key_colour * 0.6 + self.sky_colour).astype(np.float32)
        radius = hairs.radius * np.float32(shot.focal / CAMERA)
        draw_hairs(screen, radius, hairs.colour * level, hairs.alpha, shot.image, shot.depth)


def _turned_by_jaw(points: np.ndarray, angle: float, share: float = 1.0) -> np.ndarray:
    """Points (N, 3) float32, turned about the jaw's hinge by an angle, of which `share` counts."""
    cosine, sine = math.cos(angle), math.sin(angle)
    c, s = 1 + (cosine - 1) * share, sine * share
    y, z = points[:, 1] - JAW_HINGE[0], points[:, 2] - JAW_HINGE[1]
    return np.stack([points[:, 0], JAW_HINGE[0] + y * c - z * s, JAW_HINGE[1] + z * c + y * s], 1).astype(np.float32)
