"""Still images as uint8 RGB arrays, and how they are distinguished from animations."""

import functools
import io
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

from styleheat import files
from styleheat.errors import InputError

ORIENTATION = 0x0112
"""The EXIF tag that says how a picture lies."""

UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What brings a picture of each orientation upright."""

MOVING = ("GIF", "PNG", "WEBP", "AVIF")
"""Formats whose files of several pictures are played; those of the others are pages, sizes or views of one scene."""

SHORTEST = 20.0
"""Milliseconds that a picture of an animation is shown at least; many files say 0."""

MISSING_ROWS = 0.1
"""Share of a JPEG's rows that may be missing at its end."""

_PNG = b"\x89PNG\r\n\x1a\n"
_TEXT = (b"tEXt", b"zTXt", b"iTXt")
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
"""Brands of HEIF files."""


def read_image(path: str | Path) -> np.ndarray:
    """The colours of `read_picture`."""
    return read_picture(path)[0]


def read_picture(path: str | Path) -> tuple[np.ndarray, np.ndarray | None]:
    """A picture as (H, W, 3) uint8 RGB: upright by its EXIF tag, grey spread to RGB, transparency laid on white; and
    how opaque it is, (H, W) uint8, or None if it is so everywhere.

    Of a JPEG without its end, what is missing stays grey, and one line says how much. Raises InputError when the file
    is absent, empty, cut off or no picture.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the path of a picture")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty (0 bytes); download or export it again")
    try:
        return _pixels(_opened(path))
    except UnidentifiedImageError as error:
        if _is_heic(path):
            raise InputError(
                f"{path}: HEIC needs pillow-heif; pip install 'styleheat[heic]', or export as JPEG"
            ) from error
        raise InputError(f"{path}: not a picture; give one such as .png or .jpg") from error
    except Image.DecompressionBombError as error:
        raise InputError(f"{path}: a picture of more than 170 million pixels; scale it down") from error
    except InputError:
        raise
    except Exception as error:  # Pillow's decoders raise whatever comes up in a damaged file
        raise InputError(f"{path}: the picture is cut off or damaged; download or export it again") from error


def is_picture(path: str | Path) -> bool:
    """Whether a file begins as a still picture does; one of several pictures that are played is none."""
    seen = _seen(Path(path))
    return _is_heic(Path(path)) if seen is None else not seen


def is_animation(path: str | Path) -> bool:
    """Whether a file holds several pictures, each to be shown for its time."""
    return _seen(Path(path)) is True


def _seen(path: Path) -> bool | None:
    """Whether the pictures of a file are played; None when it holds none, as far as its beginning shows."""
    _with_heic()
    try:
        with Image.open(path) as opened:
            return None if opened.format == "MPEG" else _moves(opened)
    except Exception:  # a damaged one, perhaps: whoever reads it says what is wrong
        return False if _begins(path, len(_PNG)) == _PNG else None


def read_animation(path: str | Path) -> Iterator[tuple[np.ndarray, float]]:
    """The pictures of an animation as `read_image` gives one, and the seconds that each is shown, one after the other.

    Raises InputError as `read_image`, and where the file turns out damaged on the way.
    """
    _with_heic()
    try:
        with Image.open(path) as opened:
            for number in range(getattr(opened, "n_frames", 1)):
                opened.seek(number)
                opened.load()  # before the duration is known, in WebP
                yield _pixels(opened)[0], max(float(opened.info.get("duration") or 0), SHORTEST) / 1000
    except Exception as error:
        raise InputError(f"{path}: the animation is cut off or damaged; export it again") from error


def write_image(path: str | Path, image: np.ndarray, quality: int = 95) -> None:
    """Write (H, W, 3) uint8 RGB; the suffix chooses the format (.png, or .jpg of this quality, 1 to 95)."""
    assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3, (image.dtype, image.shape)
    with files.atomic(path) as temporary:
        Image.fromarray(image).save(temporary, quality=quality)


def _opened(path: Path) -> Image.Image:
    _with_heic()
    data = path.read_bytes()
    try:
        return _loaded(data)
    except (OSError, SyntaxError, ValueError):
        if data.startswith(_PNG):  # its texts may be more than Pillow wants to unpack
            return _loaded(_without_text(data))
        if data.startswith(b"\xff\xd8"):
            return _with_end(path, data)
        raise


def _loaded(data: bytes) -> Image.Image:
    opened = Image.open(io.BytesIO(data))
    opened.load()
    return opened


def _without_text(data: bytes) -> bytes:
    """A PNG without its texts."""
    kept, at = [_PNG], len(_PNG)
    while at + 12 <= len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        if kind not in _TEXT:
            kept.append(data[at : at + 12 + length])
        at += 12 + length
    return b"".join(kept)


def _with_end(path: Path, data: bytes) -> Image.Image:
    """A JPEG that breaks off, up to there. What bytes behind the break could change was not there."""
    filler = np.random.default_rng(0).integers(1, 255, 4096).astype(np.uint8).tobytes()
    image, other = _loaded(data + b"\xff\xd9"), _loaded(data + filler + b"\xff\xd9")
    changed = np.flatnonzero((np.asarray(image) != np.asarray(other)).reshape(image.height, -1).any(axis=1))
    missing = (image.height - changed[0]) / image.height if len(changed) else 0.0
    if missing > MISSING_ROWS:
        raise InputError(f"{path}: the picture is cut off, {missing:.0%} of it is missing; download or export it again")
    if missing:
        tqdm.write(f"{path}: the picture is cut off; the last {missing:.0%} of it stay grey", file=sys.stderr)
    return image


def _pixels(image: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
    turn = UPRIGHT.get(_orientation(image))
    if image.mode.startswith("I;16") or image.mode == "I":  # 16-bit grey
        upright = image if turn is None else image.transpose(turn)
        return np.repeat((np.asarray(upright) >> 8).astype(np.uint8)[..., None], 3, axis=2), None
    image, opaque = _in_srgb(image), None
    if image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
        opaque = np.array(alpha if turn is None else alpha.transpose(turn))
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image if image.mode == "RGB" else image.convert("RGB")
    colours = np.ascontiguousarray(np.asarray(image if turn is None else image.transpose(turn)))
    return colours, None if opaque is None or opaque.min() == 255 else opaque


def _orientation(image: Image.Image) -> int:
    """1, upright, where the EXIF block says nothing or can't be read."""
    try:
        tag = image.getexif().get(ORIENTATION, 1)
        return int(tag[0] if isinstance(tag, tuple | bytes) else tag)
    except Exception:  # tags may be of any type and length
        return 1


def _in_srgb(image: Image.Image) -> Image.Image:
    """A picture of another colour space, by its ICC profile, as networks and videos expect it."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "RGBA"):
        return image
    from PIL import ImageCms

    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(own).lower():
            return image
        converted = ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"), outputMode=image.mode)
    except (ImageCms.PyCMSError, OSError, ValueError):  # a profile that can't be used: the numbers as they are
        return image
    return image if converted is None else converted


def _moves(image: Image.Image) -> bool:
    return image.format in MOVING and bool(getattr(image, "is_animated", False))


@functools.cache
def _with_heic() -> None:
    """Let Pillow read HEIC, where the package for it is installed."""
    try:
        import pillow_heif
    except ImportError:
        return
    pillow_heif.register_heif_opener()


def _is_heic(path: Path) -> bool:
    head = _begins(path, 12)
    return head[4:8] == b"ftyp" and head[8:] in _HEIC


def _begins(path: Path, count: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(count)
    except OSError:
        return b""
