"""The effects of a clip's camera on its frames: blur, vignette, noise, sharpening, tones and compression."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

CLEAN = 0.25
"""Share of clips without any of these effects."""
REFERENCE = 256
"""Image size in pixels that lengths are given for; they scale with the image."""
_TILE = 96
"""Pixels by which the noise is larger than an image, so that each frame takes another part of it."""


@dataclass
class Camera:
    """One clip's camera. The defaults of the fields leave images unchanged.

    gain (3,) multiplies linear red, green and blue: exposure and white balance. Noise is in display values 0 .. 255,
    lengths in pixels of an image of REFERENCE pixels, shake in decimetres at the head.
    """

    gain: np.ndarray
    blur: float = 0.0  # standard deviation
    vignette: float = 0.0  # share of the light that the corners lose
    noise: float = 0.0  # standard deviation of the brightness
    colour_noise: float = 0.0
    grain: float = 0.0  # standard deviation of the noise's own blur
    sharpen: float = 0.0
    contrast: float = 1.0
    gamma: float = 1.0
    fade: float = 0.0  # display value 0 .. 1 that black becomes
    saturation: float = 1.0
    quality: int | None = None  # of JPEG
    shake: float = 0.0
    seed: int = 0

    @classmethod
    def random(cls, rng: np.random.Generator, skin: np.ndarray) -> "Camera":
        """A random camera; a share of CLEAN has a gain only. Dark `skin` (3,), as displayed 0 .. 1, is exposed more."""
        exposure = float(np.clip(0.22 * rng.normal(), -0.55, 0.40))
        exposure += 0.28 * math.log2(0.32 / float((np.asarray(skin) ** 2).mean()))
        clean, seed = rng.random() < CLEAN, int(rng.integers(1 << 31))
        warm, green = (0.0, 0.0) if clean else (0.10 * rng.normal(), 0.03 * rng.normal())
        gain = 2**exposure * np.exp([warm, green, -warm])
        if clean:
            return cls(gain, seed=seed)

        def sometimes(chance: float, low: float, high: float, rest: float = 0.0) -> float:
            """With probability `chance` a number low .. high, small ones more often, else `rest`."""
            value = low + (high - low) * float(rng.random()) ** 1.6
            return value if rng.random() < chance else rest

        noise = sometimes(0.75, 0.8, 8.0)
        return cls(
            gain,
            blur=sometimes(0.55, 0.2, 1.3),
            vignette=sometimes(0.35, 0.08, 0.5),
            noise=noise,
            colour_noise=noise * float(rng.uniform(0.0, 0.6)),
            grain=sometimes(0.6, 0.3, 1.0),
            sharpen=sometimes(0.4, 0.2, 1.3) / (1 + 0.3 * noise),
            contrast=float(np.clip(1 + 0.14 * rng.normal(), 0.7, 1.35)),
            gamma=float(np.clip(np.exp(0.14 * rng.normal()), 0.72, 1.4)),
            fade=sometimes(0.25, 0.0, 0.10),
            saturation=float(np.clip(1 + 0.22 * rng.normal(), 0.35, 1.4)) if rng.random() > 0.04 else 0.0,
            quality=int(100 - sometimes(1.0, 5, 70)) if rng.random() < 0.7 else None,
            shake=sometimes(0.15, 0.02, 0.12),
            seed=seed,
        )

    def shift(self, index: int) -> tuple[float, float]:
        """Displacement of a hand-held camera in frame `index`: decimetres to the image's right and up."""
        if not self.shake:
            return 0.0, 0.0
        phase = np.random.default_rng(self.seed).uniform(0, 2 * math.pi, (2, 3))
        waves = np.sin(index * np.array([0.05, 0.13, 0.31]) + phase) @ np.array([0.6, 0.3, 0.1])
        return float(self.shake * waves[0]), float(self.shake * waves[1])


class ImageProcessor:
    """A camera's processing of images of one size; what all frames share is computed once."""

    def __init__(self, camera: Camera, size: int) -> None:
        self.camera, self.size, self.scale = camera, size, size / REFERENCE
        value = np.linspace(0, 1, 256)
        tone = camera.fade + (1 - camera.fade) * ((value**camera.gamma - 0.5) * camera.contrast + 0.5)
        self.tone = np.clip(tone * 255 + 0.5, 0, 255).astype(np.uint8)
        luma = np.array([0.30, 0.59, 0.11])
        self.mix = camera.saturation * np.eye(3) + (1 - camera.saturation) * luma[None]
        axis = np.linspace(-1, 1, size) ** 2
        corner = (axis[:, None] + axis[None]) / 2
        self.shade = (1 - camera.vignette * corner**1.3)[..., None].astype(np.float32) if camera.vignette else None
        self.noise = self._noise() if camera.noise else None

    def _noise(self) -> np.ndarray:
        """Noise larger than the image, which frames take parts of: float32 (size + _TILE, size + _TILE, 3)."""
        camera, n = self.camera, self.size + _TILE
        rng = np.random.default_rng(camera.seed)
        noise = rng.standard_normal((n, n, 3), np.float32) * np.float32(camera.colour_noise)
        noise += rng.standard_normal((n, n, 1), np.float32) * np.float32(camera.noise)
        if camera.grain:
            strength = noise.std()
            noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), camera.grain * max(self.scale, 1.0)), np.float32)
            noise *= strength / max(float(noise.std()), 1e-6) * np.float32(0.8)
        return noise

    def develop(self, image: np.ndarray, index: int) -> np.ndarray:
        """The processed frame `index`: uint8 (size, size, 3) → uint8 (size, size, 3)."""
        camera = self.camera
        if camera.blur * self.scale > 0.15:
            image = cv2.GaussianBlur(image, (0, 0), camera.blur * self.scale)
        if self.shade is not None or self.noise is not None:
            light = image.astype(np.float32)
            if self.shade is not None:
                light *= self.shade
            if self.noise is not None:
                rng = np.random.default_rng([camera.seed, index])
                row, column = rng.integers(0, _TILE, 2)
                part = self.noise[row : row + self.size, column : column + self.size]
                turn = int(rng.integers(4))  # mirrored either way, or both
                light += part[:: 1 - 2 * (turn & 1), :: 1 - (turn & 2)]
            image = np.clip(light + 0.5, 0, 255).astype(np.uint8)
        if camera.sharpen:
            soft = cv2.GaussianBlur(image, (0, 0), max(0.8 * self.scale, 0.5))
            image = cv2.addWeighted(image, 1 + camera.sharpen, soft, -camera.sharpen, 0)
        if camera.saturation != 1:
            image = cv2.transform(image, self.mix)
        image = cv2.LUT(image, self.tone)
        if camera.quality is not None:
            _, packed = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, camera.quality])
            image = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR))[..., ::-1]
        return np.ascontiguousarray(image)
