"""Audio that the networks take, whatever the recording's loudness, channels and rate."""

from pathlib import Path

import av
import numpy as np
import pytest

from styleheat.constants import SAMPLE_RATE
from styleheat.media.audio import channel_names, read_audio, write_wav
from styleheat.media.voice import LOUDNESS, NEAR_SILENCE, levelled, loudness, read_voice

SPEECH = Path(__file__).parent.parent.parent / "data/examples/speech.wav"


@pytest.fixture(scope="module")
def said() -> np.ndarray:
    return read_audio(SPEECH)


def record(path: Path, channels: np.ndarray, layout: str) -> Path:
    """Write channels (C,N) as a file that knows its layout."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=SAMPLE_RATE, layout=layout)
        samples = np.ascontiguousarray((channels.T * 2**31).clip(-(2**31), 2**31 - 1).astype(np.int32)).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(samples, format="s32", layout=layout)
        frame.sample_rate = SAMPLE_RATE
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return path


@pytest.mark.parametrize("decibels", [-40, -30, -20, -12, 0])
def test_a_voice_of_any_loudness_gives_the_same_audio(tmp_path: Path, said: np.ndarray, decibels: int) -> None:
    path = record(tmp_path / "quiet.flac", said[None] * 10 ** (decibels / 20), "mono")
    loaded = read_voice(path)
    assert loudness(loaded) == pytest.approx(LOUDNESS, abs=0.1)
    np.testing.assert_allclose(loaded, read_voice(SPEECH), atol=4e-3)  # 16 bits at -40 dB


SILENT = 0.0


@pytest.mark.parametrize(
    ("layout", "shares"),
    [
        ("stereo", [1, 1]),
        ("stereo", [1, SILENT]),
        ("stereo", [SILENT, 1]),
        ("stereo", [1, -1]),  # its channels cancel each other
        ("stereo", [1, -0.9]),
        ("5.1", [SILENT, SILENT, 1, SILENT, SILENT, SILENT]),
        ("5.1", [0.7, -0.7, SILENT, SILENT, SILENT, SILENT]),
        ("7.1", [1, 1, 1, 1, 1, 1, 1, 1]),
    ],
)
def test_a_voice_is_found_in_any_channel(tmp_path: Path, said: np.ndarray, layout: str, shares: list[float]) -> None:
    path = record(tmp_path / "voice.flac", np.outer(shares, said * 0.5), layout)
    assert len(channel_names(path)) == len(shares)
    loaded, wanted = read_voice(path), read_voice(SPEECH)
    sign = np.sign(loaded @ wanted)
    np.testing.assert_allclose(loaded * sign, wanted, atol=1e-3)


def test_the_centre_counts_more_than_what_is_around(tmp_path: Path, said: np.ndarray) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal((5, len(said)))
    left, right, low, back_left, back_right = noise
    path = record(tmp_path / "video.flac", np.stack([left, right, said * 0.5, 8 * low, back_left, back_right]), "5.1")
    loaded = read_voice(path)
    assert np.corrcoef(loaded, said)[0, 1] > np.corrcoef(read_audio(path), said)[0, 1] + 0.2


def test_times_are_those_of_the_audio(said: np.ndarray) -> None:
    part = read_voice(SPEECH, 1.0, 3.0)
    assert len(part) == 2 * SAMPLE_RATE
    assert np.corrcoef(part, said[SAMPLE_RATE : 3 * SAMPLE_RATE])[0, 1] > 0.9999
    assert len(read_voice(SPEECH, 100.0)) == 0


def test_silence_stays_silent(tmp_path: Path) -> None:
    hiss = (1e-5 * np.random.default_rng(0).standard_normal(2 * SAMPLE_RATE)).astype(np.float32)
    assert loudness(hiss) < NEAR_SILENCE and np.array_equal(levelled(hiss), hiss)
    write_wav(tmp_path / "silent.wav", np.zeros(SAMPLE_RATE, np.float32))
    assert loudness(np.zeros(10)) == loudness(np.zeros(0)) == -np.inf
    assert not read_voice(tmp_path / "silent.wav").any()


def test_a_moment_has_a_loudness(said: np.ndarray) -> None:
    moment = said[SAMPLE_RATE : SAMPLE_RATE + 1600]  # a tenth of a second
    assert -40 < loudness(moment) < 0
