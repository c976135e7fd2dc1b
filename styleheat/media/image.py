"""Still pictures as uint8 RGB arrays."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from styleheat import files
from styleheat.errors import InputError


def read_image(path: str | Path) -> np.ndarray:
    """A picture as (H, W, 3) uint8 RGB: upright by its EXIF tag, grey spread to RGB, transparency laid on white.

    Raises InputError when the file is absent, empty, cut off or no picture.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the path of a picture")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty (0 bytes); download or export it again")
    try:
        with Image.open(path) as opened:
            opened.load()
            ImageOps.exif_transpose(opened, in_place=True)
    except UnidentifiedImageError as error:
        raise InputError(f"{path}: not a picture; give one such as .png or .jpg") from error
    except Image.DecompressionBombError as error:
        raise InputError(f"{path}: a picture of more than 170 million pixels; scale it down") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path}: the picture is cut off or damaged; download or export it again") from error
    image: Image.Image = opened
    if image.mode.startswith("I;16") or image.mode == "I":  # 16-bit grey
        return np.repeat((np.asarray(image) >> 8).astype(np.uint8)[..., None], 3, axis=2)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.ascontiguousarray(np.asarray(image if image.mode == "RGB" else image.convert("RGB")))


def is_picture(path: str | Path) -> bool:
    """Whether a file begins as a still picture does; an animated GIF is none."""
    try:
        with Image.open(path) as opened:
            return opened.format != "MPEG" and not (opened.format == "GIF" and getattr(opened, "is_animated", False))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False


def write_image(path: str | Path, image: np.ndarray) -> None:
    """Write (H, W, 3) uint8 RGB; the suffix chooses the format (.png, .jpg at quality 95)."""
    assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3, (image.dtype, image.shape)
    with files.atomic(path) as temporary:
        Image.fromarray(image).save(temporary, quality=95)
