import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin, UnidentifiedImageError

from styleheat.errors import InputError
from styleheat.media.image import UPRIGHT, is_animation, is_still_image, read_animation, read_image, write_image
from styleheat.media.video import is_steady, probe, read_frames


def sample_image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def test_png_round_trip(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", sample_image())
    assert np.array_equal(read_image(tmp_path / "a.png"), sample_image())


def test_upright_by_exif(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show the image rotated clockwise
    Image.fromarray(sample_image()).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(read_image(tmp_path / "a.png"), np.rot90(sample_image(), -1))


def test_grey_palette_and_transparency(tmp_path: Path) -> None:
    grey = sample_image()[..., 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "grey16.png")
    for name in ("grey.png", "grey16.png"):
        assert np.array_equal(read_image(tmp_path / name), grey[..., None].repeat(3, 2)), name
    clear = np.dstack([sample_image(), np.zeros((20, 30), np.uint8)])
    clear[:10, :, 3] = 255
    Image.fromarray(clear).save(tmp_path / "clear.png")
    image = read_image(tmp_path / "clear.png")
    assert np.array_equal(image[:10], sample_image()[:10]) and (image[10:] == 255).all()
    Image.fromarray(sample_image()).quantize(256).save(tmp_path / "palette.png")
    assert read_image(tmp_path / "palette.png").shape == (20, 30, 3)


def test_unusable_files_are_one_clear_line(tmp_path: Path) -> None:
    write_image(tmp_path / "complete.png", sample_image())
    (tmp_path / "cut.png").write_bytes((tmp_path / "complete.png").read_bytes()[:300])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("hello")
    for name in ("cut.png", "empty.png", "text.png", "absent.png"):
        with pytest.raises(InputError, match=name):
            read_image(tmp_path / name)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_every_orientation_is_brought_upright(tmp_path: Path, orientation: int, suffix: str) -> None:
    upright = np.kron(np.arange(6).reshape(2, 3), np.ones((16, 16))).astype(np.uint8)[..., None].repeat(3, 2) * 40
    exif = Image.Exif()
    exif[0x0112] = orientation
    # As the camera writes it: what brings it upright, undone.
    undone = {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}.get(orientation)
    turned = Image.fromarray(upright)
    if orientation > 1:
        turned = turned.transpose(undone or UPRIGHT[orientation])
    turned.save(tmp_path / f"a{suffix}", exif=exif, quality=100)
    assert np.abs(read_image(tmp_path / f"a{suffix}").astype(int) - upright).mean() < 4


def test_tags_of_odd_types_are_no_matter(tmp_path: Path) -> None:
    """A hand-made block: Orientation 6, and a resolution that is text."""
    entries = [(0x0112, 3, 1, struct.pack("<HH", 6, 0)), (0x011A, 2, 4, b"abc\0"), (0x0132, 5, 1, b"\0\0\0\0")]
    block = b"II*\0" + struct.pack("<IH", 8, len(entries))
    block += b"".join(struct.pack("<HHI", *entry[:3]) + entry[3] for entry in entries) + bytes(4)
    Image.fromarray(sample_image()).save(tmp_path / "a.jpg", exif=b"Exif\0\0" + block, quality=95)
    assert read_image(tmp_path / "a.jpg").shape == (30, 20, 3)


def photograph() -> np.ndarray:
    y, x = np.mgrid[:240, :320] / 40
    return np.stack([np.sin(x * k + y) * np.cos(y * k) * 100 + 128 for k in (1, 2, 3)], -1).astype(np.uint8)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_without_its_end(tmp_path: Path, progressive: bool, capsys: pytest.CaptureFixture[str]) -> None:
    complete, path = tmp_path / "complete.jpg", tmp_path / "short.jpg"
    Image.fromarray(photograph()).save(complete, quality=90, progressive=progressive)
    data = complete.read_bytes()
    path.write_bytes(data[:-2])
    assert np.array_equal(read_image(path), read_image(complete)) and not capsys.readouterr().err
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"short\.jpg: the image is cut off, \d+% of it is missing"):
        read_image(path)
    if not progressive:
        path.write_bytes(data[: round(0.96 * len(data))])
        kept = read_image(path)
        assert np.abs(kept[:200].astype(int) - read_image(complete)[:200]).max() == 0
        assert "the last" in capsys.readouterr().err
        with pytest.raises(InputError):
            path.write_bytes(data[:100])
            read_image(path)


def test_a_png_with_much_text(tmp_path: Path) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("comment", "a" * 2_000_000, zip=True)
    Image.fromarray(sample_image()).save(tmp_path / "a.png", pnginfo=text)
    assert np.array_equal(read_image(tmp_path / "a.png"), sample_image()) and is_still_image(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp", ".avif"])
def test_animations_are_played(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    frames = [Image.fromarray(np.full((32, 48, 3), 40 * number, np.uint8)) for number in range(5)]
    shown = [100, 100, 200, 100, 100]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=shown, lossless=True)
    assert is_animation(path) and not is_still_image(path)
    read = list(read_animation(path))
    assert [round(seconds, 2) for _, seconds in read] == [number / 1000 for number in shown]
    assert np.abs([frame.mean() - 40 * number for number, (frame, _) in enumerate(read)]).max() < 3
    info = probe(path)
    assert (info.frames, info.width, info.height, info.has_audio) == (5, 48, 32, False) and not is_steady(path)
    assert info.seconds == pytest.approx(0.6)
    at_20 = [round(float(frame.mean()) / 40) for frame in read_frames(path, fps=20)]
    assert at_20 == [0, 0, 1, 1, 2, 2, 2, 2, 3, 3, 4, 4]
    assert len(list(read_frames(path, fps=None, part=(0, 0, 16, 16), size=(8, 8)))) == 5


def test_stills_that_hold_several_images_are_no_animations(tmp_path: Path) -> None:
    pages = [Image.fromarray(sample_image()) for _ in range(3)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=pages[1:])
    for name in ("a.tif", "a.jpg"):
        assert is_still_image(tmp_path / name) and not is_animation(tmp_path / name)


def test_colours_of_another_space_are_converted(tmp_path: Path) -> None:
    """A profile whose red and green are exchanged."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    red = profile.index(b"rXYZ") + 4
    green = profile.index(b"gXYZ") + 4
    swapped = bytearray(profile.replace("sRGB".encode("utf-16-be"), "test".encode("utf-16-be")))
    swapped[red : red + 8], swapped[green : green + 8] = profile[green : green + 8], profile[red : red + 8]
    colour = np.full((8, 8, 3), (200, 40, 90), np.uint8)
    Image.fromarray(colour).save(tmp_path / "a.png", icc_profile=bytes(swapped))
    Image.fromarray(colour).save(tmp_path / "b.png", icc_profile=profile)
    Image.fromarray(colour).save(tmp_path / "c.png", icc_profile=b"no profile")
    assert np.abs(read_image(tmp_path / "a.png").astype(int) - (40, 200, 90)).max() <= 12
    for name in ("b.png", "c.png"):
        assert np.array_equal(read_image(tmp_path / name), colour)


def test_heic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    Image.fromarray(photograph()).save(tmp_path / "a.heic", quality=95)
    assert np.abs(read_image(tmp_path / "a.heic").astype(int) - photograph()).mean() < 4
    assert is_still_image(tmp_path / "a.heic")

    def unknown(*_: object) -> None:
        raise UnidentifiedImageError

    monkeypatch.setattr(Image, "open", unknown)
    assert is_still_image(tmp_path / "a.heic")  # so that it is not taken for a video
    with pytest.raises(InputError, match="HEIC needs pillow-heif"):
        read_image(tmp_path / "a.heic")
