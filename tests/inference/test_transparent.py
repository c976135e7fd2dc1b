"""Portraits that are cut out: their videos are, too."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from styleheat.inference.animate import write_video
from styleheat.inference.compose import unmixed
from styleheat.inference.drive import Motion
from styleheat.inference.portrait import Portrait, read_portrait
from styleheat.inference.reader import FaceReader
from styleheat.media.image import read_image, read_image_and_alpha
from styleheat.media.track import AudioTrack
from styleheat.media.video import probe, read_frames
from styleheat.networks.styleheat import StyleHEAT


@pytest.fixture
def cut_out(astronaut: Path, tmp_path: Path) -> Path:
    """The astronaut in an ellipse; beside it, black that nobody is to see."""
    image = read_image(astronaut).copy()
    opaque = cv2.ellipse(np.zeros(image.shape[:2], np.uint8), (230, 200), (160, 190), 0, 0, 360, 255, -1)
    image[opaque == 0] = 0
    Image.fromarray(np.dstack([image, opaque])).save(tmp_path / "cut-out.png")
    return tmp_path / "cut-out.png"


def motion(portrait: Portrait, audio: Path | None = None) -> Motion:
    return Motion(np.repeat(portrait.descriptor[None], 4, axis=0), 25, None if audio is None else AudioTrack(audio))


def covers(path: Path) -> np.ndarray:
    """How opaque the frames of a WebM are, (T,H,W)."""
    decoder = av.CodecContext.create("libvpx-vp9", "r")  # FFmpeg's own leaves transparency out
    with av.open(str(path)) as container:
        frames = [frame for packet in container.demux(video=0) for frame in decoder.decode(packet)]
    return np.stack([frame.to_ndarray(format="rgba")[..., 3] for frame in frames])


def test_an_image_has_its_own_opacity(cut_out: Path, astronaut: Path, tmp_path: Path) -> None:
    colours, opaque = read_image_and_alpha(cut_out)
    assert opaque is not None and opaque.shape == colours.shape[:2] and set(np.unique(opaque)) == {0, 255}
    assert (colours[opaque == 0] == 255).all()
    assert read_image_and_alpha(astronaut)[1] is None
    turned = Image.open(cut_out)
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(read_image_and_alpha(tmp_path / "turned.png")[1], np.rot90(opaque, -1))


def test_a_pasted_video_is_transparent_where_the_image_is(
    cut_out: Path, model: StyleHEAT, reader: FaceReader, speech: Path, tmp_path: Path
) -> None:
    portrait = read_portrait(cut_out, model, reader, largest=256)
    write_video(tmp_path / "video.mp4", model, portrait, motion(portrait, speech), "pasted", transparent=True)
    video, clear = probe(tmp_path / "video.mp4"), probe(tmp_path / "video.webm")
    assert (clear.frames, clear.width, clear.height) == (video.frames, video.width, video.height) == (4, 512, 512)
    assert clear.has_audio
    (found, *_), (expected, *_) = covers(tmp_path / "video.webm"), [read_image_and_alpha(cut_out)[1]]
    assert np.abs(found.astype(int) - expected).mean() < 12  # untrained networks move a little by themselves
    assert found[20, 20] == 0 and found[150, 230] == 255
    shown = next(read_frames(tmp_path / "video.mp4"))
    assert shown[20, 20].min() > 250  # on white
    write_video(tmp_path / "other.mp4", model, portrait, motion(portrait), "pasted")
    write_video(tmp_path / "square.mp4", model, portrait, motion(portrait), "aligned", transparent=True)
    assert not list(tmp_path.glob("other.webm")) and not list(tmp_path.glob("square.webm"))


def test_an_opaque_portrait_has_one_video(
    astronaut: Path, model: StyleHEAT, reader: FaceReader, tmp_path: Path
) -> None:
    portrait = read_portrait(astronaut, model, reader, largest=256)
    write_video(tmp_path / "video.mp4", model, portrait, motion(portrait), "pasted", transparent=True)
    assert [path.name for path in tmp_path.iterdir()] == ["video.mp4"]


def test_colours_are_taken_off_the_white_they_lie_on() -> None:
    frame = np.array([[[255, 155, 205, 128], [9, 8, 7, 255], [255, 255, 255, 0]]], np.uint8)
    found = unmixed(frame)
    assert np.array_equal(found[..., 3], frame[..., 3]) and np.array_equal(found[0, 1], frame[0, 1])
    np.testing.assert_allclose(found[0, 0, :3], (255, 56, 155), atol=1)
