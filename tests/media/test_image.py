from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from styleheat.errors import InputError
from styleheat.media.image import read_image, write_image


def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def test_png_round_trip(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", picture())
    assert np.array_equal(read_image(tmp_path / "a.png"), picture())


def test_upright_by_exif(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show the picture rotated clockwise
    Image.fromarray(picture()).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(read_image(tmp_path / "a.png"), np.rot90(picture(), -1))


def test_grey_palette_and_transparency(tmp_path: Path) -> None:
    grey = picture()[..., 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "grey16.png")
    for name in ("grey.png", "grey16.png"):
        assert np.array_equal(read_image(tmp_path / name), grey[..., None].repeat(3, 2)), name
    clear = np.dstack([picture(), np.zeros((20, 30), np.uint8)])
    clear[:10, :, 3] = 255
    Image.fromarray(clear).save(tmp_path / "clear.png")
    image = read_image(tmp_path / "clear.png")
    assert np.array_equal(image[:10], picture()[:10]) and (image[10:] == 255).all()
    Image.fromarray(picture()).quantize(256).save(tmp_path / "palette.png")
    assert read_image(tmp_path / "palette.png").shape == (20, 30, 3)


def test_unusable_files_are_one_clear_line(tmp_path: Path) -> None:
    write_image(tmp_path / "whole.png", picture())
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:300])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("hello")
    for name in ("cut.png", "empty.png", "text.png", "absent.png"):
        with pytest.raises(InputError, match=name):
            read_image(tmp_path / name)
