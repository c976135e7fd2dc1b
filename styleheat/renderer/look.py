"""A person's appearance: colours and styles of skin, eyes, hair, beard and clothes, glasses and hat.

Colours are chosen as a display shows them (0 .. 1) and squared into linear light, see `raster.develop`.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from styleheat.renderer.curves import bump, step
from styleheat.renderer.glasses import Glasses
from styleheat.renderer.grid import MOUTH_ROW
from styleheat.renderer.hats import Hat
from styleheat.renderer.head import Head

_SKINS = (
    (0.95, 0.80, 0.72), (0.93, 0.76, 0.66), (0.89, 0.70, 0.58), (0.86, 0.66, 0.52), (0.80, 0.60, 0.46),
    (0.72, 0.52, 0.38), (0.62, 0.43, 0.31), (0.52, 0.35, 0.25), (0.43, 0.28, 0.20), (0.36, 0.235, 0.175),
)  # fmt: skip
_HAIRS = {
    "black": (0.10, 0.085, 0.08), "dark": (0.20, 0.145, 0.11), "brown": (0.33, 0.225, 0.15),
    "light": (0.50, 0.37, 0.24), "blond": (0.70, 0.56, 0.37), "red": (0.50, 0.25, 0.13),
    "auburn": (0.40, 0.20, 0.13), "platinum": (0.86, 0.80, 0.68), "grey": (0.52, 0.51, 0.50),
    "white": (0.78, 0.77, 0.75),
}  # fmt: skip
_IRISES = (
    (0.30, 0.19, 0.11),
    (0.22, 0.14, 0.09),
    (0.36, 0.48, 0.58),
    (0.38, 0.43, 0.30),
    (0.45, 0.34, 0.20),
    (0.44, 0.50, 0.52),
)
_DYES = ((0.85, 0.40, 0.60), (0.20, 0.40, 0.75), (0.25, 0.60, 0.40), (0.50, 0.25, 0.65), (0.75, 0.12, 0.15))
_GREY = np.array([0.62, 0.61, 0.60])
STYLES = (
    "bald", "receding", "buzz", "short", "crop", "quiff", "curly", "bob", "long", "wavy", "tied", "afro", "slick",
    "mop", "mohawk", "dreads", "pony",
)  # fmt: skip
_STYLE_ODDS = {  # of a man and of a woman
    "bald": (1.2, 0), "receding": (1.2, 0), "buzz": (1.3, 0.1), "short": (2.4, 0.4), "crop": (1.8, 0.4),
    "quiff": (1.8, 0.2), "curly": (1.0, 1.4), "bob": (0.1, 1.8), "long": (0.3, 2.6), "wavy": (0.2, 2.0),
    "tied": (0.3, 2.0), "afro": (0.5, 0.7), "slick": (1.2, 0.6), "mop": (0.9, 0.5), "mohawk": (0.3, 0.1),
    "dreads": (0.3, 0.4), "pony": (0.2, 1.4),
}  # fmt: skip
COVERS_EARS = ("bob", "long", "wavy", "curly")
FRINGED = ("bob", "long", "wavy", "tied", "pony", "mop")
BEARDS = {
    "none": 0.36, "stubble": 0.20, "moustache": 0.06, "handlebar": 0.04, "goatee": 0.07, "soul patch": 0.02,
    "chin strap": 0.04, "sideburns": 0.03, "full": 0.13, "long": 0.05,
}  # fmt: skip
CLOTHES = ("tee", "vneck", "shirt", "jacket", "turtleneck", "scoop")


@dataclass
class Look:
    """A person's colours and styles; colours as displayed."""

    male: bool
    age: float
    skin: np.ndarray
    lips: np.ndarray
    iris: np.ndarray
    hair: np.ndarray
    style: str
    hairline: float
    part: float
    fringe: float  # height of its lower edge above the eyes, decimetres; 0 without a fringe
    dye: np.ndarray  # (3,) a second colour of hair
    dyed: str  # where that is: "none", "ends", "streaks"
    grey: float  # share of hairs without colour
    beard: str  # one of BEARDS
    brow_thickness: float
    glasses: Glasses | None
    hat: Hat | None
    freckles: float
    makeup: float
    clothes: str
    cloth: np.ndarray
    cloth2: np.ndarray

    @classmethod
    def random(cls, rng: np.random.Generator, male: bool, age: float) -> "Look":
        tone = rng.uniform(0, len(_SKINS) - 1)
        low = int(min(tone, len(_SKINS) - 2))
        skin = np.array(_SKINS[low]) * (1 - (tone - low)) + np.array(_SKINS[low + 1]) * (tone - low)
        pink = rng.normal() * 0.022  # or olive
        skin = np.clip(skin + rng.normal(size=3) * 0.010 + pink * np.array([0.6, -0.5, 0.5]), 0, 1)
        dark = tone > 5.5
        names = ["black", "dark"] if dark else ["black", "dark", "brown", "light", "blond", "red", "auburn", "platinum"]
        hair = str(rng.choice(names))
        grey = 0.0
        if age > 0.45 and rng.random() < 0.7:
            grey = float(np.clip((age - 0.35) * 1.6 * rng.random(), 0, 0.9))
        if age > 0.6 and rng.random() < 0.5:
            hair, grey = str(rng.choice(["grey", "white", "grey"])), 0.1
        dyed = str(rng.choice(["none", "ends", "streaks"], p=[0.84, 0.08, 0.08]))
        dye = (
            np.array(_DYES[rng.integers(len(_DYES))])
            if rng.random() < 0.4
            else np.array(_HAIRS[str(rng.choice(names))])
        )
        colour = np.clip(np.array(_HAIRS[hair]) * rng.uniform(0.85, 1.15), 0, 1)
        if rng.random() < 0.03:
            colour = np.array(_DYES[rng.integers(len(_DYES))])
        odds = np.array([_STYLE_ODDS[style][0 if male else 1] for style in STYLES])
        if not dark:
            odds[[STYLES.index("afro"), STYLES.index("dreads")]] *= 0.15
        if age < 0.35:
            odds[STYLES.index("bald")] *= 0.4
            odds[STYLES.index("receding")] *= 0.2
        style = str(rng.choice(STYLES, p=odds / odds.sum()))
        fringe = (
            float(rng.uniform(0.14, 0.40))
            if style in FRINGED and (style in ("bob", "mop") or rng.random() < 0.3)
            else 0.0
        )
        beard = str(rng.choice(list(BEARDS), p=list(BEARDS.values()))) if male else "none"
        iris = np.array(_IRISES[rng.integers(2)] if dark or hair == "black" else _IRISES[rng.integers(len(_IRISES))])
        glasses, hat = Glasses.random(rng), Hat.random(rng, male)
        makeup = 0.0 if male else float(np.clip(rng.normal() * 0.35 + 0.35, 0, 1))
        red = np.array([0.80, 0.52, 0.50]) * (1 - 0.15 * rng.random())
        lips = (
            skin * red * (1 - 0.45 * makeup)
            + 0.45 * makeup * np.array([0.68, 0.20, 0.24])
            + np.array([0.06, 0.02, 0.02])
        )
        hue, value = rng.uniform(0, 180), rng.uniform(40, 225)
        cloth = hsv(hue, rng.uniform(10, 130), value)
        cloth2 = hsv(rng.uniform(0, 180), rng.uniform(0, 60), rng.uniform(190, 245))
        return cls(
            male=male, age=age, skin=skin, lips=np.clip(lips, 0, 1), iris=iris,
            hair=colour, style=style, fringe=fringe, dye=dye, dyed=dyed, grey=grey,
            hairline=float(rng.normal() * 0.03), part=float(rng.choice([-1, 1]) * rng.uniform(0.02, 0.28)), beard=beard,
            brow_thickness=float(np.clip(1.0 + 0.25 * rng.normal() + (0.2 if male else -0.2), 0.5, 1.6)),
            glasses=glasses if rng.random() < 0.22 + 0.2 * age else None,
            hat=hat if rng.random() < 0.2 else None,
            freckles=float(max(0.0, rng.normal() * 0.5 - 0.1)) * (not dark), makeup=makeup,
            clothes=str(rng.choice(CLOTHES, p=[0.28, 0.14, 0.20, 0.20, 0.08, 0.10])), cloth=cloth, cloth2=cloth2,
        )  # fmt: skip


def hsv(hue: float, saturation: float, value: float) -> np.ndarray:
    """A display colour (3,) 0 .. 1 of hue 0 .. 180, saturation and value 0 .. 255."""
    pixel = np.array([[[hue, saturation, value]]], np.uint8)
    return cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0] / 255.0


def linear(colour: np.ndarray) -> np.ndarray:
    """Display values (...,) to linear light."""
    return np.asarray(colour, np.float64) ** 2


def beard_area(look: Look, x: np.ndarray, v: np.ndarray, head: Head) -> np.ndarray:
    """Density (...,) 0 .. 1 of the beard at points of distance x from the middle and height v on the face."""
    side = np.abs(x)
    lip = v - MOUTH_ROW
    moustache = bump(lip - 0.118, 0.042) * step(0.31, 0.24, side)
    corners = bump(side - head.mouth_half - 0.045, 0.045) * step(-0.50, -0.58, v) * step(-0.95, -0.80, v)
    chin = step(-0.775, -0.84, v) * step(0.30, 0.20, side) + bump(x, 0.05) * bump(v + 0.755, 0.03)
    jaw = step(-0.62, -0.74, v - 0.62 * np.clip(side - 0.36, 0, 0.4)) * step(-0.03, -0.15, v)
    if look.beard == "moustache":
        return np.clip(moustache, 0, 1)
    if look.beard == "handlebar":
        wide = bump(lip - 0.105 + 0.10 * np.clip(side - 0.15, 0, 1), 0.045) * step(0.40, 0.33, side)
        return np.clip(wide + corners * step(-0.72, -0.66, v), 0, 1)
    if look.beard == "goatee":
        return np.clip(moustache + corners + chin, 0, 1)
    if look.beard == "soul patch":
        return np.clip(bump(x, 0.06) * bump(v + 0.80, 0.06) + 0.9 * chin * bump(x, 0.15), 0, 1)
    if look.beard == "chin strap":
        edge = v - 0.62 * np.clip(side - 0.36, 0, 0.4)
        return np.clip(step(-0.86, -0.94, edge) * step(-0.03, -0.15, v) + chin * step(-0.86, -0.92, v), 0, 1)
    if look.beard == "sideburns":
        return np.clip(step(0.50, 0.60, side - 0.25 * (v + 0.3)) * step(0.10, 0.0, v) * step(-0.85, -0.7, v), 0, 1)
    area = np.clip(moustache + corners + chin + jaw, 0, 1)
    bare = step(0.03, 0.012, np.where(lip < 0, -lip - head.lip_lower * 0.5, lip)) * step(
        head.mouth_half + 0.02, head.mouth_half - 0.02, side
    )
    return area * (1 - bare)


def has_fringe(look: Look) -> bool:
    """Whether a fringe covers the forehead."""
    return look.fringe > 0 and look.hat is None


def hair_colours(look: Look, rng: np.random.Generator, along: np.ndarray, clump: np.ndarray) -> np.ndarray:
    """Linear colours (S, P, 3) of S hairs at P places from root (along 0) to tip (1), with dye and grey ones among
    them; clump (S,) is alike for neighbours, about -1 .. 1."""
    colours = np.ones((len(clump), len(along), 1)) * linear(look.hair)
    dyed = np.zeros((len(clump), len(along), 1))
    if look.dyed == "ends":
        dyed += step(0.25, 0.7, along)[None, :, None]
    elif look.dyed == "streaks":
        dyed += step(0.55, 0.75, clump)[:, None, None]
    colours = colours * (1 - dyed) + dyed * linear(look.dye)
    grey = (rng.random(len(clump)) < look.grey)[:, None, None]
    return np.where(grey, linear(_GREY), colours)


def hairline_height(look: Look, angle: np.ndarray) -> np.ndarray:
    """Height (...,) of the hair's border at an angle (...,) from the front (0) to the back (pi), decimetres."""
    knots = [0.0, 0.35, 0.62, 0.85, 1.05, 1.25, 1.42, 1.55, 1.75, 2.1, math.pi]
    male = [0.70, 0.71, 0.70, 0.60, 0.42, 0.22, 0.05, 0.12, -0.05, -0.42, -0.50]
    female = [0.68, 0.68, 0.64, 0.54, 0.40, 0.28, 0.20, 0.18, -0.02, -0.45, -0.55]
    line = np.interp(angle, knots, male if look.male else female)
    if look.style in ("bald", "receding"):
        bare = {"bald": 0.9, "receding": 0.24}[look.style]
        line = line + bare * step(1.25, 0.75, angle) * (1 - 0.4 * bump(angle, 0.25) * (look.style == "receding"))
        if look.style == "bald":
            line = np.maximum(line, np.interp(angle, [0, 1.2, 1.5, math.pi], [2.0, 0.5, 0.28, 0.30]))
    return line + look.hairline * step(1.2, 0.6, angle)
