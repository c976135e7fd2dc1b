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
"""The EXIF tag of an image's orientation."""

UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The transposition that makes an image of each orientation upright."""

MOVING = ("GIF", "PNG", "WEBP", "AVIF")
"""Formats in which several images in a file are an animation; in others they are pages, sizes or views of a scene."""

SHORTEST = 20.0
"""Minimum duration of an animation's frame in milliseconds; many files say 0."""

MISSING_ROWS = 0.1
"""Share of a JPEG's rows that may be missing at its end."""

_PNG = b"\x89PNG\r\n\x1a\n"
_TEXT = (b"tEXt", b"zTXt", b"iTXt")
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
"""Brands of HEIF files."""


def read_image(path: str | Path) -> np.ndarray:
    """The colours (H,W,3) uint8 of `read_image_and_alpha`. Raises InputError as it does."""
    return read_image_and_alpha(path)[0]


def read_image_and_alpha(path: str | Path) -> tuple[np.ndarray, np.ndarray | None]:
    """An image as (H, W, 3) uint8 RGB, upright by its EXIF tag, on white; and its alpha channel (H, W) uint8, None if
    it is opaque everywhere.

    The missing rows of a truncated JPEG are grey, with a warning. Raises InputError when the file is absent, empty,
    truncated or no image.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the path of an image")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty (0 bytes); download or export it again")
    try:
        return _pixels(_opened(path))
    except UnidentifiedImageError as error:
        if _is_heic(path):
            raise InputError(
                f"{path}: HEIC needs pillow-heif; pip install 'styleheat[heic]', or export as JPEG"
            ) from error
        raise InputError(f"{path}: not an image; give one such as .png or .jpg") from error
    except Image.DecompressionBombError as error:
        raise InputError(f"{path}: an image of more than 170 million pixels; scale it down") from error
    except InputError:
        raise
    except Exception as error:  # Pillow's decoders raise anything on damaged files
        raise InputError(f"{path}: the image is cut off or damaged; download or export it again") from error


def is_still_image(path: str | Path) -> bool:
    """Whether a file is a still image, by its first bytes; animations are not."""
    animated = _animated(Path(path))
    return _is_heic(Path(path)) if animated is None else not animated


def is_animation(path: str | Path) -> bool:
    """Whether a file is an animation: several images with durations."""
    return _animated(Path(path)) is True


def _animated(path: Path) -> bool | None:
    """Whether an image file is an animation; None when it is no image, by its first bytes."""
    _with_heic()
    try:
        with Image.open(path) as opened:
            return None if opened.format == "MPEG" else _moves(opened)
    except Exception:  # perhaps damaged: reading it reports what is wrong
        return False if _begins(path, len(_PNG)) == _PNG else None


def read_animation(path: str | Path) -> Iterator[tuple[np.ndarray, float]]:
    """The frames of an animation, each as `read_image` returns an image, and their durations in seconds, in order.

    Raises InputError as `read_image`, possibly after some frames.
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
        if data.startswith(_PNG):  # its text chunks may exceed Pillow's limit
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
    """A truncated JPEG, decoded as far as it goes. Rows that change with the bytes after the end are missing."""
    filler = np.random.default_rng(0).integers(1, 255, 4096).astype(np.uint8).tobytes()
    image, other = _loaded(data + b"\xff\xd9"), _loaded(data + filler + b"\xff\xd9")
    changed = np.flatnonzero((np.asarray(image) != np.asarray(other)).reshape(image.height, -1).any(axis=1))
    missing = (image.height - changed[0]) / image.height if len(changed) else 0.0
    if missing > MISSING_ROWS:
        raise InputError(f"{path}: the image is cut off, {missing:.0%} of it is missing; download or export it again")
    if missing:
        tqdm.write(f"{path}: the image is cut off; the last {missing:.0%} of it is grey", file=sys.stderr)
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
    """The EXIF orientation; 1, upright, where there is none or it can't be read."""
    try:
        tag = image.getexif().get(ORIENTATION, 1)
        return int(tag[0] if isinstance(tag, tuple | bytes) else tag)
    except Exception:  # tags may be of any type and length
        return 1


def _in_srgb(image: Image.Image) -> Image.Image:
    """An image, converted to sRGB by its ICC profile."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "RGBA"):
        return image
    from PIL import ImageCms

    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(own).lower():
            return image
        converted = ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"), outputMode=image.mode)
    except (ImageCms.PyCMSError, OSError, ValueError):  # an unusable profile: the image stays as it is
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
