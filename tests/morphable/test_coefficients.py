"""Layout, windows, crop and file of the coefficients, against the reference's numbers where they are stored here."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from styleheat.errors import InputError
from styleheat.morphable import coefficients as c

# Computed by the reference (frames 0, 11 and 22 of 23; frames 5 and 99 of 100).
REFERENCE_WINDOWS = {
    (0, 23): [0] * 14 + list(range(1, 14)),
    (11, 23): [0, 0, *range(23), 22, 22],
    (22, 23): [*range(9, 22), *[22] * 14],
    (5, 100): [0] * 8 + list(range(19)),
    (99, 100): [*range(86, 99), *[99] * 14],
}
# Five points of a made-up mean face: eyes, nose tip, corners of the mouth.
STANDARD = np.array(
    [[-0.32, 0.3, 0.12], [0.32, 0.3, 0.12], [0, -0.04, 0.53], [-0.24, -0.36, 0.22], [0.24, -0.36, 0.22]]
)


def test_windows_are_the_reference_s() -> None:
    for (frame, length), expected in REFERENCE_WINDOWS.items():
        np.testing.assert_array_equal(c.window_indices(frame, length), expected)


@given(st.integers(1, 60), st.data())
def test_a_window_stays_inside_and_centred(length: int, data: st.DataObject) -> None:
    frame = data.draw(st.integers(0, length - 1))
    indices = c.window_indices(frame, length)
    assert indices.shape == (27,) and indices[13] == frame
    assert indices.min() >= 0 and indices.max() < length and set(np.diff(indices)) <= {0, 1}
    descriptors = np.arange(length * 73.0).reshape(length, 73)
    np.testing.assert_array_equal(c.window(descriptors, frame), c.windows(descriptors)[frame])


def test_descriptor_takes_the_named_columns() -> None:
    packed = np.arange(260.0)[None]
    expected = [*range(80, 144), *range(224, 227), *range(254, 260)]
    np.testing.assert_array_equal(c.descriptor(packed)[0], expected)
    parts = {"EXPRESSION": c.EXPRESSION, "ANGLE": c.ANGLE, "TRANSLATION": c.TRANSLATION, "CROP": c.CROP}
    for name, part in parts.items():
        own = getattr(c, f"DESCRIPTOR_{name}")
        np.testing.assert_array_equal(c.descriptor(packed)[:, own], packed[:, part])


@given(st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_pack_keeps_everything(length: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    coefficients = rng.normal(size=(length, 257)).astype(np.float32)
    params = rng.normal(size=(length, 5)).astype(np.float32)
    packed = c.pack_coefficients(coefficients, params)
    assert packed.dtype == np.float32
    np.testing.assert_array_equal(packed[:, :257], coefficients)
    np.testing.assert_array_equal(packed[:, c.CROP], params[:, 2:])


def test_crop_norm_ratio_compares_the_most_alike_frame() -> None:
    source, driving = np.zeros(73), np.ones((3, 73))
    driving[1, :67] = 0.1
    source[70], driving[:, 70] = 3.0, [1.0, 2.0, 4.0]
    assert c.crop_norm_ratio(source, driving) == 1.5


def test_crop_finds_a_face_of_known_size_and_place() -> None:
    """Five points drawn by scaled orthography at 30 pixels a unit around (100, 180 from the bottom)."""
    landmarks = np.zeros((1, 68, 2))
    flat = STANDARD[:, :2] * 30 + [100, 180]
    flat[:, 1] = 255 - flat[:, 1]
    for points, place in zip(([36, 39], [42, 45], [30], [48], [54]), flat, strict=True):
        landmarks[0, points] = place
    params = c.transform_params(landmarks, STANDARD)
    np.testing.assert_allclose(params, [[256, 256, 102 / 30, 100, 180]], atol=1e-9)

    crop = c.to_crop(landmarks, params)
    np.testing.assert_allclose(c.from_crop(crop, params), landmarks, atol=1e-9)
    # The face's own origin lands in the middle of the crop (y up there), at 102 pixels a unit.
    np.testing.assert_allclose(crop[0, 30], [112, 223 - (112 - 0.04 * 102)])


def test_crop_is_the_reference_s() -> None:
    landmarks = np.zeros((1, 68, 2))
    landmarks[0, [36, 39, 42, 45]] = [[97.231, 52.096], [105.5335, 50.528], [116.857, 49.247], [124.562, 47.5135]]
    landmarks[0, [30, 48, 54]] = [[112.4415, 60.2465], [105.886, 71.2655], [120.9485, 68.787]]
    params = c.transform_params(landmarks, STANDARD)
    np.testing.assert_allclose(params, [[256, 256, 3.302222, 112.043465, 195.98318]], atol=2e-5)


def test_mat_round_trip_is_exact_and_reproducible(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    coefficients = rng.normal(size=(4, 257)).astype(np.float32)
    params = rng.uniform(0.5, 200, size=(4, 5)).astype(np.float32)
    for name in ("a.mat", "b.mat"):
        c.write_mat(tmp_path / name, coefficients, params)
    read = c.read_mat(tmp_path / "a.mat")
    np.testing.assert_array_equal(read[0], coefficients)
    np.testing.assert_array_equal(read[1], params)
    content = (tmp_path / "a.mat").read_bytes()
    assert content == (tmp_path / "b.mat").read_bytes() and content.startswith(b"MATLAB 5.0 MAT-file   ")


def test_landmark_file_round_trip(tmp_path: Path) -> None:
    landmarks = np.random.default_rng(0).uniform(0, 200, (3, 68, 2)).astype(np.float32)
    landmarks[1] = -1
    c.write_landmarks(tmp_path / "a.txt", landmarks)
    assert len((tmp_path / "a.txt").read_text().splitlines()) == 3 * 68
    np.testing.assert_allclose(c.read_landmarks(tmp_path / "a.txt"), landmarks, atol=1e-4)


def test_other_files_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1 2\n3 4\n")
    with pytest.raises(InputError, match="a: no coefficients in it"):
        c.read_mat(tmp_path / "a")
    with pytest.raises(InputError, match="multiple of 68 lines"):
        c.read_landmarks(tmp_path / "a")
    with pytest.raises(InputError, match="no landmarks in it"):
        c.read_landmarks(tmp_path / "none")
