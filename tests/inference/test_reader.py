"""Images and videos read by both back ends: framed as the training clips, and never held in memory."""

import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest

from styleheat.errors import InputError
from styleheat.face.align import ffhq_box
from styleheat.face.landmarks import MediaPipe
from styleheat.inference import reader as module
from styleheat.inference.portrait import read_portrait
from styleheat.inference.reader import FaceReader, by_fitting, by_regressor, face_reader
from styleheat.media.image import read_image, write_image
from styleheat.media.video import read_frames
from styleheat.morphable.coefficients import descriptor, pack_coefficients
from styleheat.morphable.deep3d import open_deep3d, regress
from styleheat.networks.styleheat import StyleHEAT
from styleheat.params import load_params

ROOT = Path(__file__).parents[2]
BACK_ENDS = pytest.mark.parametrize("back_end", ["reader", "deep3d"])


class Blinking(MediaPipe):
    """A landmarker that misses every third frame."""

    def track(self, frames: Iterable[np.ndarray], which: int = 0) -> Iterator[np.ndarray | None]:
        for number, points in enumerate(super().track(frames, which)):
            yield None if number % 3 == 1 else points


class Spy:
    """An `Estimate` that keeps what it is given."""

    def __call__(self, frames: Iterable[np.ndarray], landmarks: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
        self.frames, self.landmarks, self.size = list(frames), landmarks, size
        return np.zeros((len(landmarks), 257)), np.ones((len(landmarks), 5))


@pytest.mark.parametrize("kind", ["video", "image"])
def test_faces_are_framed_as_in_training_clips(kind: str, driver: Path, astronaut: Path, finder: MediaPipe) -> None:
    """256 pixels in FFHQ's framing, and the landmarks where the face is in them."""
    spy = Spy()
    FaceReader(finder, spy).video(driver) if kind == "video" else FaceReader(finder, spy).image(astronaut)
    assert len(spy.frames) == len(spy.landmarks) == (14 if kind == "video" else 1)
    assert spy.size == 256 and {frame.shape for frame in spy.frames} == {(256, 256, 3)}
    boxes = np.stack([ffhq_box(points) for points in spy.landmarks])
    assert np.median(boxes, axis=0) == pytest.approx([0, 0, 256, 256], abs=4)
    for frame, points in zip(spy.frames[::5], spy.landmarks[::5], strict=True):
        found = finder.landmarks(frame)
        assert found is not None
        assert np.linalg.norm(found - points, axis=1).mean() < 3  # of 256; the driver has 144 lines
        assert np.abs((found - points).mean(axis=0)).max() < 2


def test_where_and_how_large_the_face_was_is_forgotten(astronaut: Path, finder: MediaPipe, tmp_path: Path) -> None:
    image = read_image(astronaut)
    larger = np.zeros((900, 1200, 3), np.uint8)
    larger[130 : 130 + 512, 500 : 500 + 512] = image
    write_image(tmp_path / "larger.png", larger)
    spies = Spy(), Spy()
    for spy, path in zip(spies, (astronaut, tmp_path / "larger.png"), strict=True):
        FaceReader(finder, spy).image(path)
    one, two = spies
    assert one.landmarks == pytest.approx(two.landmarks, abs=3)


@BACK_ENDS
def test_a_video_gives_one_descriptor_a_frame(back_end: str, driver: Path, request: pytest.FixtureRequest) -> None:
    reader: FaceReader = request.getfixturevalue(back_end)
    found = reader.video(driver)
    assert found.shape == (14, 73) and found.dtype == np.float32 and np.isfinite(found).all()
    assert np.ptp(found, axis=0)[:64].max() > 0


@BACK_ENDS
def test_frames_without_a_face_are_bridged(back_end: str, driver: Path, request: pytest.FixtureRequest) -> None:
    reader: FaceReader = request.getfixturevalue(back_end)
    complete = reader.video(driver)
    holes = FaceReader(Blinking(), reader.estimate).video(driver)
    assert np.isfinite(holes).all()
    if back_end == "reader":
        assert np.abs(holes[:, 64:67] - complete[:, 64:67]).max() < 0.05  # radians
    else:  # what a network of random weights sees jumps from frame to frame
        np.testing.assert_allclose(holes[1], (holes[0] + holes[2]) / 2, atol=1e-5)


@BACK_ENDS
def test_a_video_is_read_frame_by_frame(
    back_end: str, driver: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each frame is let go before the next but one is read: a long driver must fit into memory. Only the regressor,
    which looks at images, needs a second reading."""
    alive: list[weakref.ref] = []

    def frames(*args: object, **options: object) -> Iterator[np.ndarray]:
        for frame in read_frames(*args, **options):  # type: ignore[arg-type]
            assert sum(reference() is not None for reference in alive) <= 2
            held = frame.view()
            alive.append(weakref.ref(held))
            yield held

    monkeypatch.setattr(module.video, "read_frames", frames)
    request.getfixturevalue(back_end).video(driver)
    assert len(alive) == (14 if back_end == "reader" else 28)


def test_the_regressor_sees_portraits_as_it_sees_clips(
    astronaut: Path, model: StyleHEAT, deep3d: FaceReader, regressor: Path
) -> None:
    portrait = read_portrait(astronaut, model, deep3d)
    landmarks = deep3d.landmarker.landmarks(portrait.image)
    assert landmarks is not None
    found = regress(open_deep3d(regressor), [portrait.image], landmarks[None], len(portrait.image))
    np.testing.assert_array_equal(portrait.descriptor, descriptor(pack_coefficients(*found))[0])


def test_parameters_name_the_back_ends(regressor: Path, astronaut: Path, tmp_path: Path) -> None:
    infer = load_params(ROOT / "params.yaml").infer
    assert face_reader(infer, "cpu").estimate is by_fitting
    wanted = {"coefficients": "deep3d", "coefficients_weights": str(regressor)}
    found = face_reader(infer.model_copy(update=wanted), "cpu").image(astronaut)
    assert np.isfinite(found).all()
    with pytest.raises(InputError, match=r"model\.safetensors: missing; .*add deep3d to weights\.models") as error:
        by_regressor(tmp_path, "cpu")
    assert "\n" not in str(error.value)
