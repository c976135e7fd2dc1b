"""How audio channels are written into a video."""

from pathlib import Path

import numpy as np
import pytest

from styleheat.constants import SAMPLE_RATE
from styleheat.media.audio import stream_channels, write_wav
from styleheat.media.track import AudioTrack
from styleheat.media.video import VideoWriter
from tests.media.test_voice import record

HIGH, LOW = (0.2 * np.sin(np.arange(SAMPLE_RATE) * step) for step in (0.4, 0.03))
NONE = np.zeros(SAMPLE_RATE)


@pytest.mark.parametrize(
    ("layout", "channels", "wanted"),
    [
        ("mono", [HIGH], [HIGH]),
        ("stereo", [HIGH, LOW], [HIGH, LOW]),
        ("stereo", [HIGH, NONE], [HIGH]),
        ("stereo", [NONE, HIGH], [HIGH]),
        ("stereo", [0.9 * HIGH, -HIGH], [-HIGH]),  # they cancel each other
        ("5.1", [HIGH, LOW, NONE, NONE, NONE, NONE], [HIGH, LOW]),
        ("5.1", [NONE, NONE, HIGH, LOW, NONE, NONE], [0.7071 * HIGH, 0.7071 * HIGH]),
        ("5.1", [NONE, NONE, NONE, NONE, HIGH, LOW], [0.7071 * HIGH, 0.7071 * LOW]),
        ("7.1", [NONE] * 6 + [HIGH, LOW], [0.7071 * HIGH, 0.7071 * LOW]),
    ],
)
def test_channels_of_a_video(tmp_path: Path, layout: str, channels: list, wanted: list) -> None:
    mixed = AudioTrack(record(tmp_path / "a.flac", np.stack(channels), layout)).mixed()
    assert mixed.rate == SAMPLE_RATE and mixed.channels == len(wanted)
    np.testing.assert_allclose(np.concatenate(list(mixed.pieces()), axis=1), np.stack(wanted), atol=1e-3)


@pytest.mark.parametrize(("own", "rate"), [(8_000, 16_000), (11_025, 16_000), (44_100, 44_100), (96_000, 48_000)])
def test_the_rate_is_the_files_own_where_players_know_it(tmp_path: Path, own: int, rate: int) -> None:
    write_wav(tmp_path / "a.wav", np.zeros(own), own)
    assert AudioTrack(tmp_path / "a.wav").mixed().rate == rate


def test_two_channels_are_written_as_two(tmp_path: Path) -> None:
    mixed = AudioTrack(record(tmp_path / "a.flac", np.stack([HIGH, LOW]), "stereo")).mixed()
    path = tmp_path / "video.mp4"
    with VideoWriter(path, (64, 64), 25, mixed.pieces(), mixed.rate, channels=mixed.channels) as writer:
        for _ in range(25):
            writer.write(np.zeros((64, 64, 3), np.uint8))
    read = np.concatenate(list(stream_channels(path, SAMPLE_RATE)), axis=1)[:, 2000:14_000]
    assert read.shape[0] == 2
    for channel, true in zip(read, (HIGH, LOW), strict=True):
        assert np.corrcoef(channel, true[2000:14_000])[0, 1] > 0.95
