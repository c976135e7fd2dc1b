"""Damaged and unusual files that video players accept: what can be decoded is used at its own time."""

import itertools
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from styleheat.constants import SAMPLE_RATE
from styleheat.errors import InputError
from styleheat.media import container as module
from styleheat.media.audio import read_audio
from styleheat.media.video import VideoWriter, is_steady, probe, read_frames

SECONDS, FPS = 4, 25


@pytest.fixture(autouse=True)
def messages_reset() -> None:
    """Messages that are printed once are printed in each test."""
    module.warn_once.cache_clear()


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    """Four seconds of noise whose loudness goes up and down."""
    moment = np.arange(SECONDS * SAMPLE_RATE) / SAMPLE_RATE
    loud = np.abs(np.sin(2 * np.pi * (0.7 * moment + 0.4 * moment**2)))
    return (0.2 * loud * np.random.default_rng(0).standard_normal(len(moment))).astype(np.float32)


def sample_image(number: int) -> np.ndarray:
    """A frame as grey as its number says, brighter on the left."""
    grey = np.full((96, 128, 3), 40 + 2 * (number % 80), np.uint8)
    grey[:, :64] += 40
    return grey


def number_of(frame: np.ndarray) -> float:
    return (float(frame[:, 80:].mean()) - 40) / 2


@pytest.fixture(scope="module")
def talking(tmp_path_factory: pytest.TempPathFactory, samples: np.ndarray) -> Path:
    path = tmp_path_factory.mktemp("talking") / "talking.mp4"
    with VideoWriter(path, (128, 96), FPS, samples) as writer:
        for number in range(SECONDS * FPS):
            writer.write(sample_image(number))
    return path


def copy(source: Path, path: Path, kind: str, damaged: set[int], change: Callable[[av.Packet], None] | None = None):
    """Copy packets; those of `kind` with these numbers become noise."""
    rng = np.random.default_rng(0)
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        streams = {stream.index: new.add_stream_from_template(stream) for stream in old.streams}
        counts = dict.fromkeys(streams, 0)
        for packet in old.demux():
            if packet.dts is None:
                continue
            index, number = packet.stream.index, counts[packet.stream.index]
            counts[index] += 1
            if packet.stream.type == kind and number in damaged:
                noise = av.Packet(rng.bytes(packet.size))
                for name in ("pts", "dts", "duration", "time_base", "is_keyframe"):
                    setattr(noise, name, getattr(packet, name))
                packet = noise
            packet.stream = streams[index]
            if change:
                change(packet)
            new.mux(packet)
    return path


def late(decoded: np.ndarray, true: np.ndarray, begin: float, end: float) -> float:
    """Delay in seconds of the decoded audio between `begin` and `end`."""
    first, last = round(begin * SAMPLE_RATE), round(end * SAMPLE_RATE)
    shifts = range(-3200, 3201, 16)
    scores = [float(np.dot(decoded[first + shift : last + shift], true[first:last])) for shift in shifts]
    return shifts[int(np.argmax(scores))] / SAMPLE_RATE


def test_damaged_audio_is_silent_where_it_is_damaged(
    talking: Path, samples: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copy(talking, tmp_path / "damaged.mp4", "audio", {30, 31, 32, 33})
    decoded = read_audio(path)
    assert len(decoded) == pytest.approx(SECONDS * SAMPLE_RATE, abs=2048)
    assert abs(late(decoded, samples, 0.3, 1.5)) <= 0.01 and abs(late(decoded, samples, 2.5, 3.7)) <= 0.01
    frames = list(read_frames(path, fps=None))
    assert len(frames) == SECONDS * FPS
    assert capsys.readouterr().err.count(f"{path}: its audio is damaged; silence replaces") == 1


def test_a_damaged_frame_is_the_one_before_it_once_more(
    talking: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copy(talking, tmp_path / "damaged.mp4", "video", {40, 41})
    for fps in (None, FPS):
        numbers = [number_of(frame) for frame in read_frames(path, fps=fps)]
        assert len(numbers) == SECONDS * FPS
        assert np.abs(np.subtract(numbers[:38], np.arange(38) % 80)).max() < 2
    assert "its video is damaged" in capsys.readouterr().err


def test_a_file_of_which_nothing_can_be_decoded_is_refused(talking: Path, tmp_path: Path) -> None:
    path = copy(talking, tmp_path / "noise.mp4", "audio", set(range(10**4)))
    with pytest.raises(InputError, match=r"noise\.mp4: damaged"):
        read_audio(path)
    assert len(list(read_frames(path, fps=None))) == SECONDS * FPS


def test_joined_and_overwritten_mp3(tmp_path: Path, samples: np.ndarray) -> None:
    with av.open(str(tmp_path / "a.mp3"), "w") as container:
        stream = container.add_stream("mp3", rate=SAMPLE_RATE, layout="mono")
        resampler = av.AudioResampler("s16p", "mono", SAMPLE_RATE, 576)
        frame = av.AudioFrame.from_ndarray((samples[None] * 32767).astype(np.int16), "s16", "mono")
        frame.sample_rate = SAMPLE_RATE
        for part in [*resampler.resample(frame), *resampler.resample(None), None]:
            container.mux(stream.encode(part))
    complete = (tmp_path / "a.mp3").read_bytes()
    (tmp_path / "joined.mp3").write_bytes(complete + complete)
    decoded = read_audio(tmp_path / "joined.mp3")
    assert len(decoded) / SAMPLE_RATE == pytest.approx(2 * SECONDS, abs=0.3)
    half = len(complete) // 2
    (tmp_path / "hole.mp3").write_bytes(complete[:half] + bytes(range(200)) + complete[half + 200 :])
    decoded = read_audio(tmp_path / "hole.mp3")
    assert len(decoded) / SAMPLE_RATE == pytest.approx(SECONDS, abs=0.2)
    assert abs(late(decoded, samples, 0.3, 1.5)) <= 0.1 and abs(late(decoded, samples, 2.9, 3.7)) <= 0.1


def test_channels_and_rate_that_change_on_the_way(tmp_path: Path, samples: np.ndarray) -> None:
    parts = []
    for number, (layout, rate) in enumerate((("mono", 44_100), ("stereo", 44_100), ("mono", 22_050))):
        with av.open(str(tmp_path / f"{number}.aac"), "w", format="adts") as container:
            stream = container.add_stream("aac", rate=rate, layout=layout)
            resampler = av.AudioResampler("fltp", layout, rate, 1024)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), "fltp", "mono")
            frame.sample_rate = SAMPLE_RATE
            for part in [*resampler.resample(frame), *resampler.resample(None), None]:
                container.mux(stream.encode(part))
        parts.append((tmp_path / f"{number}.aac").read_bytes())
    (tmp_path / "joined.aac").write_bytes(b"".join(parts))
    decoded = read_audio(tmp_path / "joined.aac")
    assert len(decoded) / SAMPLE_RATE == pytest.approx(3 * SECONDS, abs=0.5)
    power = [float(np.square(part).mean()) for part in np.array_split(decoded, 3)]
    assert min(power) > 0.3 * max(power)


def test_the_track_that_players_play(tmp_path: Path, samples: np.ndarray) -> None:
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        tracks = [container.add_stream("flac", rate=SAMPLE_RATE, layout="mono") for _ in range(2)]
        tracks[0].disposition, tracks[1].disposition = 0, av.stream.Disposition.default
        for track, content in zip(tracks, (0 * samples, samples), strict=True):
            frame = av.AudioFrame.from_ndarray((content[None] * 32767).astype(np.int16), "s16", "mono")
            frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, 0, Fraction(1, SAMPLE_RATE)
            for packet in [*track.encode(frame), *track.encode(None)]:
                container.mux(packet)
    np.testing.assert_allclose(read_audio(path), samples, atol=1e-3)


def test_audio_that_cannot_be_decoded_is_none(
    talking: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "odd.mp4"
    path.write_bytes(talking.read_bytes().replace(b"mp4a", b"apac").replace(b"esds", b"xsds"))
    assert not probe(path).has_audio and "can't decode its audio" in capsys.readouterr().err
    assert len(list(read_frames(path, fps=None))) == SECONDS * FPS
    with pytest.raises(InputError, match="has no audio"):
        read_audio(path)


def test_an_audio_track_without_packets_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "empty.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        container.add_stream("aac", rate=44_100, layout="mono")
        for number in range(10):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 20 * number, np.uint8), "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    info = probe(path)
    assert (info.frames, info.has_audio) == (10, False)
    assert "its audio track is empty" in capsys.readouterr().err


def test_a_recording_without_a_rate(tmp_path: Path) -> None:
    """As browsers make them: stamps that tremble, a pause, no duration and no rate."""
    path, rng = tmp_path / "webcam.webm", np.random.default_rng(0)
    moments = [round(1000 * number / 30 + rng.uniform(-8, 8)) for number in range(60)]
    moments = [max(0, moment) + (400 if number >= 40 else 0) for number, moment in enumerate(moments)]
    with av.open(str(path), "w", format="webm", options={"live": "1"}) as container:
        stream = container.add_stream("vp8", rate=1000)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, moment in enumerate(moments):
            frame = av.VideoFrame.from_ndarray(sample_image(number), "rgb24")
            frame.pts, frame.time_base = moment, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    info = probe(path)
    assert info.frames == 60 and info.seconds == pytest.approx(2.4, abs=0.1) and 22 < info.fps < 27
    assert not is_steady(path)
    numbers = [number_of(frame) for frame in read_frames(path, fps=info.fps)]
    assert len(numbers) == pytest.approx(60, abs=2)
    still = np.abs(np.diff(numbers)) < 0.3
    assert still[30:50].sum() >= 8  # the pause


def test_frames_that_change_their_size(tmp_path: Path) -> None:
    path = tmp_path / "change.webm"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("vp8", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        packets = [stream.encode(av.VideoFrame.from_ndarray(sample_image(number), "rgb24")) for number in range(20)]
        packets.append(stream.encode(None))
        small = av.CodecContext.create("libvpx", "w")
        small.width, small.height, small.pix_fmt, small.time_base = 64, 48, "yuv420p", Fraction(1, 25)
        for number in range(20, 40):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(sample_image(number)[::2, ::2]), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            packets.append(small.encode(frame))
        packets.append(small.encode(None))
        for packet in itertools.chain.from_iterable(packets):
            packet.stream = stream
            container.mux(packet)
    frames = list(read_frames(path, fps=None))
    assert len(frames) == 40 and {frame.shape for frame in frames} == {(96, 128, 3)}
    parts = list(read_frames(path, fps=None, part=(0, 0, 64, 96)))
    complete = [float(frame[:, 4:60].mean()) for frame in frames]
    assert np.abs(np.subtract([float(part[:, 4:60].mean()) for part in parts], complete)).max() < 2
