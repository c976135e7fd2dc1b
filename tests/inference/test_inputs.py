"""Portraits and drivers as people have them: each works, or is one clear line."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from styleheat.constants import SAMPLE_RATE
from styleheat.errors import InputError
from styleheat.inference import drive
from styleheat.inference.animate import write_video
from styleheat.inference.portrait import Portrait, read_portrait
from styleheat.inference.reader import FaceReader
from styleheat.inference.speech import SpeechOptions, from_audio
from styleheat.media.audio import read_audio, write_wav
from styleheat.media.image import read_image
from styleheat.media.video import is_steady, probe, read_frames
from styleheat.networks.audio2motion import Audio2Motion
from styleheat.networks.styleheat import StyleHEAT

START = np.zeros(73, np.float32)
START[70:] = (0.9, 128, 128)


@pytest.fixture(scope="module")
def photo(astronaut: Path) -> np.ndarray:
    return read_image(astronaut)


@pytest.fixture(scope="module")
def plain(astronaut: Path, model: StyleHEAT, reader: FaceReader) -> Portrait:
    return read_portrait(astronaut, model, reader)


def alike(one: np.ndarray, other: np.ndarray) -> float:
    """Mean difference of two aligned images (S,S,3), of 255, without what lies around the face."""
    inner = slice(len(one) // 4, -len(one) // 8)
    return float(np.abs(one[inner, inner].astype(float) - other[inner, inner]).mean())


def framed(photo: np.ndarray, width: int, height: int, side: int, left: int = 0, top: int = 0) -> np.ndarray:
    """The photo at side×side pixels in a grey image."""
    complete = np.full((height, width, 3), 127, np.uint8)
    way = cv2.INTER_AREA if side < len(photo) else cv2.INTER_CUBIC
    complete[top : top + side, left : left + side] = cv2.resize(photo, (side, side), interpolation=way)
    return complete


def one_line(path: Path, says: str, use: Callable[[Path], object]) -> None:
    with pytest.raises(InputError) as error:
        use(path)
    assert str(path) in str(error.value) and says in str(error.value) and "\n" not in str(error.value)


# --- portraits


def grey(photo: np.ndarray) -> Image.Image:
    return Image.fromarray(photo).convert("L")


def save_exif(photo: np.ndarray, path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to show
    Image.fromarray(np.rot90(photo)).save(path, exif=exif, quality=95)


def save_16_bit_colour(photo: np.ndarray, path: Path) -> None:
    cv2.imwrite(str(path), photo[..., ::-1].astype(np.uint16) * 257)


SAVED: dict[str, Callable[[np.ndarray, Path], object]] = {
    "exif.jpg": save_exif,
    "grey.png": lambda photo, path: grey(photo).save(path),
    "grey16.png": lambda photo, path: Image.fromarray(np.asarray(grey(photo)).astype(np.uint16) * 257).save(path),
    "colour16.png": save_16_bit_colour,
    "clear.png": lambda photo, path: Image.fromarray(np.dstack([photo, np.full_like(photo[..., 0], 255)])).save(path),
    "palette.gif": lambda photo, path: Image.fromarray(photo).save(path),
    "cmyk.jpg": lambda photo, path: Image.fromarray(photo).convert("CMYK").save(path, quality=95),
    "photo.webp": lambda photo, path: Image.fromarray(photo).save(path, quality=95),
    "photo.tiff": lambda photo, path: Image.fromarray(photo).save(path),
}


@pytest.mark.parametrize("name", SAVED)
def test_every_kind_of_image_is_the_same_portrait(
    name: str, photo: np.ndarray, plain: Portrait, model: StyleHEAT, reader: FaceReader, tmp_path: Path
) -> None:
    SAVED[name](photo, tmp_path / name)
    portrait = read_portrait(tmp_path / name, model, reader)
    wanted = np.asarray(grey(plain.image))[..., None] if "grey" in name else plain.image
    assert alike(portrait.image, wanted) < 6
    assert np.abs(portrait.descriptor[64:67] - plain.descriptor[64:67]).max() < 0.1  # radians


def test_no_face(model: StyleHEAT, reader: FaceReader, tmp_path: Path) -> None:
    wall = tmp_path / "wall.png"
    Image.fromarray(np.full((200, 300, 3), 90, np.uint8)).save(wall)
    one_line(wall, "no face found; give an image of a face", lambda path: read_portrait(path, model, reader))


def test_a_face_of_40_pixels(
    photo: np.ndarray, plain: Portrait, model: StyleHEAT, reader: FaceReader, tmp_path: Path
) -> None:
    side = round(len(photo) * 40 / max(face.size for face in reader.landmarker.detect_all(photo)))
    Image.fromarray(framed(photo, side, side, side)).save(tmp_path / "tiny.png")
    assert alike(read_portrait(tmp_path / "tiny.png", model, reader).image, plain.image) < 12


def test_a_face_lost_in_a_large_image(photo: np.ndarray, model: StyleHEAT, reader: FaceReader, tmp_path: Path) -> None:
    Image.fromarray(framed(photo, 4000, 3000, 200, 1500, 1500)).save(tmp_path / "far.jpg")
    one_line(tmp_path / "far.jpg", "at least a twentieth", lambda path: read_portrait(path, model, reader))


def test_of_several_faces_one_is_chosen(
    photo: np.ndarray, plain: Portrait, model: StyleHEAT, reader: FaceReader, tmp_path: Path
) -> None:
    """The smaller face is a mirrored one, so that the two can be distinguished, close to the larger one."""
    both = framed(photo, 640, 512, 512, 128)
    both[100:228, 100:228] = framed(photo[:256, 96:352, :][:, ::-1], 128, 128, 128)
    path = tmp_path / "both.png"
    Image.fromarray(both).save(path)
    first, second = (read_portrait(path, model, reader, which=which) for which in (0, 1))
    assert alike(first.image, plain.image) < 6
    assert alike(second.image[:, ::-1], plain.image) < 25 < alike(second.image, plain.image)
    assert second.descriptor[65] == pytest.approx(-plain.descriptor[65], abs=0.1)  # turned to the other side
    one_line(path, "no face 2, as infer.face wants it; it shows 2", lambda p: read_portrait(p, model, reader, which=2))


def peak_memory(reset: bool = False) -> float:
    """Megabytes that this process has had in use at most since the last reset."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def test_an_image_of_8k_costs_little_more_than_itself(
    photo: np.ndarray, plain: Portrait, model: StyleHEAT, reader: FaceReader, tmp_path: Path
) -> None:
    path = tmp_path / "8k.jpg"
    Image.fromarray(framed(photo, 7680, 4320, 4320, 2000)).save(path, quality=90)
    before = peak_memory(reset=True)
    portrait = read_portrait(path, model, reader)
    assert peak_memory() - before < 500  # the image has 100
    assert portrait.photo.shape == (4320, 7680, 3)
    assert alike(portrait.image, plain.image) < 8


def test_more_pixels_than_pillow_trusts(model: StyleHEAT, reader: FaceReader, tmp_path: Path) -> None:
    Image.new("1", (20_000, 10_000)).save(tmp_path / "huge.png")
    one_line(tmp_path / "huge.png", "170 million pixels", lambda path: read_portrait(path, model, reader))


# --- videos


@pytest.fixture(scope="module")
def frames(driver: Path) -> list[np.ndarray]:
    return list(read_frames(driver, fps=None))


@pytest.fixture(scope="module")
def moved(driver: Path, reader: FaceReader) -> np.ndarray:
    return drive.from_video(driver, reader).motion(START).descriptors


def timed_video(
    path: Path, frames: list[np.ndarray], moments: list[float], pixels: str = "yuv420p", turned: int = 0
) -> Path:
    """Frames that appear at those moments in seconds; turned: degrees of rotation in the container."""
    with av.open(str(path), "w") as container:
        height, width = frames[0].shape[:2]
        stream = container.add_stream("libx264", rate=30, width=width, height=height, pix_fmt=pixels)
        stream.options = {"crf": "10"}
        stream.codec_context.time_base = Fraction(1, 3000)
        if turned:
            stream.set_display_rotation(turned)
        for image, moment in zip(frames, moments, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgb24")
            frame.pts, frame.time_base = round(moment * 3000), Fraction(1, 3000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def even(frames: list[np.ndarray]) -> list[float]:
    return [number / 30 for number in range(len(frames))]


@pytest.mark.parametrize(("pixels", "turned"), [("yuv420p10le", 0), ("yuv444p", 0), ("yuv420p", 90), ("yuv420p", 180)])
def test_every_kind_of_video_moves_alike(
    pixels: str, turned: int, frames: list[np.ndarray], moved: np.ndarray, reader: FaceReader, tmp_path: Path
) -> None:
    stored = [np.rot90(frame, -turned // 90) for frame in frames]
    path = timed_video(tmp_path / "other.mp4", stored, even(frames), pixels, turned)
    motion = drive.from_video(path, reader).motion(START)
    assert motion.audio is None and motion.fps == 30 and motion.descriptors.shape == moved.shape
    assert np.abs(motion.descriptors[:, 64:67] - moved[:, 64:67]).max() < 0.05  # radians


def test_frames_that_come_unevenly_stay_with_the_audio(
    frames: list[np.ndarray], moved: np.ndarray, reader: FaceReader, tmp_path: Path, model: StyleHEAT, plain: Portrait
) -> None:
    """Ten frames within a third of a second, a pause of half a second, and four more."""
    moments = [number / 30 + (number >= 10) * 0.5 for number in range(14)]
    path = timed_video(tmp_path / "uneven.mp4", frames, moments)
    assert not is_steady(path)
    opened = drive.from_video(path, reader)
    motion = opened.motion(START)
    length = len(motion.descriptors)
    assert length / motion.fps == pytest.approx(moments[-1] + 1 / 30, abs=1.5 / motion.fps)
    shown = [max(k for k in range(14) if moments[k] <= at / motion.fps + 1e-3) for at in range(length)]
    assert np.abs(motion.descriptors[:, 64:67] - moved[shown, 64:67]).max() < 0.05
    write_video(tmp_path / "video.mp4", model, plain, motion)
    assert probe(tmp_path / "video.mp4").seconds == pytest.approx(length / motion.fps, abs=0.01)


def test_steady_videos_are_taken_frame_by_frame(driver: Path, frames: list[np.ndarray], tmp_path: Path) -> None:
    assert is_steady(driver)
    jitter = np.random.default_rng(0).uniform(0, 0.01, len(frames))
    assert is_steady(timed_video(tmp_path / "phone.mp4", frames, list(np.array(even(frames)) + jitter)))


# --- recordings


@pytest.fixture(scope="module")
def words() -> np.ndarray:
    """1.6 s at 44.1 kHz of something like a voice."""
    time = np.arange(round(1.6 * 44_100)) / 44_100
    buzz = sum(np.sin(2 * np.pi * 120 * harmonic * time) / harmonic for harmonic in range(1, 20))
    return (0.2 * buzz * (0.5 - 0.5 * np.cos(2 * np.pi * 4 * time))).astype(np.float32)


def predict(path: Path, model: Audio2Motion) -> np.ndarray:
    return from_audio(path, model, SpeechOptions(pose_style=0, seed=0)).motion(START).descriptors


def write_audio(path: Path, channels: np.ndarray, codec: str) -> None:
    """(2,N) in [-1,1] at 44.1 kHz."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=44_100, layout="stereo")
        size = stream.codec_context.frame_size or 1024
        for start in range(0, channels.shape[1], size):
            piece = np.ascontiguousarray(channels[:, start : start + size], np.float32)
            frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = 44_100, start, Fraction(1, 44_100)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(("name", "codec"), [("words.mp3", "libmp3lame"), ("words.m4a", "aac"), ("words.flac", "flac")])
def test_every_audio_format_gives_the_same_motion(name: str, codec: str, words: np.ndarray, tmp_path: Path) -> None:
    write_wav(tmp_path / "plain.wav", words, 44_100)
    write_audio(tmp_path / name, np.stack([words, words]), codec)
    plain, other = read_audio(tmp_path / "plain.wav"), read_audio(tmp_path / name)
    assert len(plain) <= len(other) <= len(plain) + 1152  # codecs fill up their last block
    assert np.abs(other[: len(plain)] - plain).mean() < 0.1 * np.abs(plain).mean()


def test_channels_are_averaged(words: np.ndarray, tmp_path: Path) -> None:
    """Two equal ones are no louder than one, and full loudness is not clipped."""
    loud = words / np.abs(words).max()
    write_audio(tmp_path / "both.flac", np.stack([loud, loud]), "flac")
    write_audio(tmp_path / "one.flac", np.stack([loud, 0 * loud]), "flac")
    write_wav(tmp_path / "mono.wav", loud, 44_100)
    both, one, mono = (read_audio(tmp_path / name, 44_100) for name in ("both.flac", "one.flac", "mono.wav"))
    assert both == pytest.approx(mono, abs=1e-3) and one == pytest.approx(mono / 2, abs=1e-3)


@pytest.mark.parametrize("loudness", [0.0, 1.0])
def test_a_tenth_of_a_second(loudness: float, audio_model: Audio2Motion, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).uniform(-loudness, loudness, SAMPLE_RATE // 10)
    write_wav(tmp_path / "short.wav", noise)
    descriptors = predict(tmp_path / "short.wav", audio_model)
    assert descriptors.shape == (2, 73) and np.isfinite(descriptors).all()


def test_silence_is_a_closed_and_still_mouth(audio_model: Audio2Motion, tmp_path: Path) -> None:
    write_wav(tmp_path / "silence.wav", np.zeros(SAMPLE_RATE))
    options = SpeechOptions(pose_style=0, seed=0, blinks=np.zeros((1, 1)))
    expression = from_audio(tmp_path / "silence.wav", audio_model, options).motion(START).descriptors[:, :64]
    assert np.ptp(expression, axis=0).max() < 1e-4


def test_files_without_content_or_of_another_kind(
    audio_model: Audio2Motion, model: StyleHEAT, reader: FaceReader, astronaut: Path, speech: Path, tmp_path: Path
) -> None:
    empty, text = tmp_path / "empty", tmp_path / "text"
    empty.touch()
    text.write_text("neither an image nor audio\n" * 40)
    uses: list[Callable[[Path], object]] = [
        lambda path: read_portrait(path, model, reader),
        lambda path: drive.from_image(path, reader, 1.0),
        lambda path: drive.from_video(path, reader),
        lambda path: predict(path, audio_model),
    ]
    for use in uses:
        one_line(empty, "the file is empty (0 bytes)", use)
        one_line(text, "not a", use)
        one_line(tmp_path, "no such file", use)
    one_line(speech, "holds no video", uses[2])
    one_line(speech, "not an image", uses[0])
    one_line(astronaut, "not a video or audio file", uses[2])
    one_line(astronaut, "not a video or audio file", uses[3])
