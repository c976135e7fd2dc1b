import shutil
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from styleheat.errors import InputError
from styleheat.media.audio import read_audio, stream_audio, write_wav
from styleheat.media.track import AudioTrack
from styleheat.media.video import VideoWriter, probe, read_frames

RATE = 16_000


def number_frame(number: int, width: int = 128, height: int = 96) -> np.ndarray:
    """An image from which `number_of` reads the number back after lossy coding: eight black or white bars."""
    bits = np.array([255 * (number >> bit & 1) for bit in range(8)], np.uint8)
    return np.repeat(np.repeat(bits, width // 8)[None, :, None], height, 0).repeat(3, 2)


def number_of(frame: np.ndarray) -> int:
    bars = frame[frame.shape[0] // 2, :, 0].reshape(8, -1).mean(1) > 127
    return int((bars << np.arange(8)).sum())


def write_numbers(path: Path, count: int, fps: float = 25, samples: np.ndarray | None = None, threads: int = 1) -> Path:
    with VideoWriter(path, (128, 96), fps, samples, threads=threads) as writer:
        for number in range(count):
            writer.write(number_frame(number))
    return path


def write_timed(path: Path, moments: list[Fraction], rotation: int = 0) -> Path:
    """A video whose frame k appears at moments[k] seconds, written by PyAV alone."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, width=128, height=96, pix_fmt="yuv420p")
        stream.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            stream.set_display_rotation(rotation)
        for number, moment in enumerate(moments):
            frame = av.VideoFrame.from_ndarray(number_frame(number), "rgb24")
            frame.pts, frame.time_base = round(moment * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("count", [1, 2, 25, 53])
def test_every_written_frame_is_read_back_in_order(tmp_path: Path, count: int) -> None:
    path = write_numbers(tmp_path / "clip.mp4", count)
    assert [number_of(frame) for frame in read_frames(path)] == list(range(count))
    info = probe(path)
    assert (info.width, info.height, info.fps, info.frames, info.has_audio) == (128, 96, 25, count, False)
    assert info.seconds == pytest.approx(count / 25, abs=0.001)


def test_colours_survive(tmp_path: Path) -> None:
    colours = [(200, 40, 60), (10, 180, 90), (250, 250, 250), (0, 0, 0), (90, 120, 220)]
    with VideoWriter(tmp_path / "c.mp4", (64, 64), crf=4) as writer:
        for colour in colours:
            writer.write(np.full((64, 64, 3), colour, np.uint8))
    for colour, frame in zip(colours, read_frames(tmp_path / "c.mp4"), strict=True):
        assert np.abs(frame.reshape(-1, 3).mean(0) - colour).max() < 4, colour


def test_png_loses_nothing(tmp_path: Path) -> None:
    """Noise, so that no pixel can be guessed from others; entire frames, resampled, a part, and with audio."""
    rng = np.random.default_rng(0)
    frames = list(rng.integers(0, 256, (5, 48, 64, 3), np.uint8))
    samples = np.float32(0.5) * np.sin(np.arange(RATE // 5) * 0.2, dtype=np.float32)
    with VideoWriter(tmp_path / "c.mp4", (64, 48), samples=samples, codec="png") as writer:
        for frame in frames:
            writer.write(frame)
    path = tmp_path / "c.mp4"
    assert np.array_equal(list(read_frames(path)), frames)
    assert np.array_equal(list(read_frames(path, start=0.08)), frames[2:])
    assert np.array_equal(list(read_frames(path, part=(3, 5, 40, 33))), [frame[5:33, 3:40] for frame in frames])
    assert (probe(path).frames, probe(path).has_audio) == (5, True)
    assert np.corrcoef(read_audio(path)[: len(samples)], samples)[0, 1] > 0.99


@pytest.mark.parametrize("threads", [1, 4])
def test_equal_input_gives_equal_bytes(threads: int, tmp_path: Path) -> None:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, RATE).astype(np.float32)
    first = write_numbers(tmp_path / "a.mp4", 25, samples=samples, threads=threads)
    second = write_numbers(tmp_path / "b.mp4", 25, samples=samples, threads=threads)
    assert probe(first).frames == 25
    assert first.read_bytes() == second.read_bytes()
    assert b" mbtree=0 " in first.read_bytes()  # with it other bytes came out now and then: of small videos one in 300


def test_the_index_comes_before_the_frames(tmp_path: Path) -> None:
    content = write_numbers(tmp_path / "a.mp4", 10).read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_resampling_shows_the_frame_on_screen(tmp_path: Path) -> None:
    path = write_numbers(tmp_path / "clip.mp4", 50, fps=50)
    assert [number_of(frame) for frame in read_frames(path)] == list(range(0, 50, 2))
    path = write_numbers(tmp_path / "slow.mp4", 10, fps=12.5)
    assert [number_of(frame) for frame in read_frames(path)] == [k // 2 for k in range(20)]
    path = write_numbers(tmp_path / "ntsc.mp4", 60, fps=30000 / 1001)
    numbers = [number_of(frame) for frame in read_frames(path)]
    assert numbers == [int((k / 25 + 0.004) * 30000 / 1001) for k in range(50)]
    assert [number_of(frame) for frame in read_frames(path, fps=None)] == list(range(60))


def test_coarse_timestamps_neither_drop_nor_double(tmp_path: Path) -> None:
    path = write_timed(tmp_path / "clip.mkv", [Fraction(k, 30) for k in range(60)])
    assert [number_of(frame) for frame in read_frames(path, fps=30)] == list(range(60))


def test_variable_frame_rate_follows_the_clock(tmp_path: Path) -> None:
    moments = [Fraction(0), Fraction(1, 25), Fraction(10, 25), Fraction(11, 25), Fraction(15, 25)]
    path = write_timed(tmp_path / "clip.mkv", moments)
    assert [number_of(frame) for frame in read_frames(path)][:16] == [0] + [1] * 9 + [2] + [3] * 4 + [4]


def test_a_range_is_cut_exactly(tmp_path: Path) -> None:
    path = write_numbers(tmp_path / "clip.mp4", 200)
    for start, end in [(0, 8), (0.4, 1.2), (3.2, 3.24), (6, 8), (5.6, 99)]:
        expected = list(range(round(start * 25), min(200, round(end * 25))))
        assert [number_of(frame) for frame in read_frames(path, start=start, end=end)] == expected
        assert [number_of(frame) for frame in read_frames(path, None, start, end)] == expected
    assert list(read_frames(path, start=9)) == []


def test_rotation_is_applied(tmp_path: Path) -> None:
    plain = next(read_frames(write_timed(tmp_path / "0.mp4", [Fraction(0), Fraction(1)]), fps=None))
    for turn in (90, 180, 270):
        path = write_timed(tmp_path / f"{turn}.mp4", [Fraction(0), Fraction(1)], rotation=turn)
        frame = next(read_frames(path, fps=None))
        assert np.abs(frame.astype(int) - np.rot90(plain, turn // 90)).mean() < 2
        assert (probe(path).width, probe(path).height) == (frame.shape[1], frame.shape[0])
    small = next(read_frames(tmp_path / "90.mp4", size=(48, 64)))
    assert small.shape == (64, 48, 3) and small.flags.c_contiguous


@pytest.mark.parametrize("form", ["yuv420p", "yuv444p", "yuv420p10le"])
@pytest.mark.parametrize("rotation", [0, 90])
def test_a_part_is_what_the_complete_shows_there(tmp_path: Path, form: str, rotation: int) -> None:
    """To the bit, so that it makes no difference how much of an image is converted."""
    rng = np.random.default_rng(0)
    with av.open(str(tmp_path / "noise.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25, width=130, height=98, pix_fmt=form)
        if rotation:
            stream.set_display_rotation(rotation)
        for _ in range(3):
            noise = rng.integers(0, 256, (98, 130, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise, "rgb24")))
        container.mux(stream.encode(None))
    frames = list(read_frames(tmp_path / "noise.mp4"))
    height, width = frames[0].shape[:2]
    for x0, y0, x1, y1 in [
        (0, 0, width, height),
        (10, 20, 40, 60),
        (13, 7, 50, 38),
        (width - 31, height - 3, width, height),
    ]:
        parts = list(read_frames(tmp_path / "noise.mp4", part=(x0, y0, x1, y1)))
        assert len(parts) == 3 and parts[0].flags.c_contiguous
        for frame, part in zip(frames, parts, strict=True):
            np.testing.assert_array_equal(part, frame[y0:y1, x0:x1])


@pytest.mark.parametrize("form", ["yuv420p", "yuv444p"])
@pytest.mark.parametrize("rotation", [0, 90])
@pytest.mark.parametrize("corner", [(0, 0), (20, 10), (21, 11)])
def test_a_part_is_scaled_as_the_complete_shows_it(
    form: str, rotation: int, corner: tuple[int, int], tmp_path: Path
) -> None:
    """Whether that is done while it is converted or afterwards; half a pixel off would be seen."""
    size, side = 40, 140
    path = tmp_path / "waves.mp4"
    y, x = np.mgrid[:180, :200] / 7
    waves = np.dstack([np.sin(x) * np.cos(y) * 90 + 128] * 3)  # grey: where chroma lies, scaling and not take otherwise
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, width=200, height=180, pix_fmt=form, options={"crf": "4"})
        if rotation:
            stream.set_display_rotation(rotation)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(waves.astype(np.uint8), "rgb24")))
        container.mux(stream.encode(None))
    (complete,) = read_frames(path)

    def scaled(x0: int, y0: int) -> np.ndarray:
        cut = complete[y0 : y0 + side, x0 : x0 + side]
        return cv2.resize(cut, (size, size), interpolation=cv2.INTER_AREA).astype(int)

    x0, y0 = corner
    (made,) = read_frames(path, part=(x0, y0, x0 + side, y0 + side), size=(size, size))
    assert made.shape == (size, size, 3)
    error = np.abs(made - scaled(x0, y0)).mean()
    beside = min(np.abs(made - scaled(x0 + dx, y0 + dy)).mean() for dx, dy in ((2, 0), (0, 2)))
    assert error < 2 and beside > 3 * error


def write_interlaced(path: Path, count: int, rotation: int = 0) -> Path:
    """A bright square moves four pixels a field over a grey ramp: odd lines show it half a frame before even ones."""
    with av.open(str(path), "w") as container:
        options = {"flags": "+ilme+ildct", "crf": "10"}
        stream = container.add_stream("libx264", rate=25, width=128, height=96, pix_fmt="yuv420p", options=options)
        if rotation:
            stream.set_display_rotation(rotation)
        for number in range(count):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(field_pair(number), "rgb24")))
        container.mux(stream.encode(None))
    return path


def field_pair(number: int) -> np.ndarray:
    frame = np.tile(np.linspace(40, 120, 128, dtype=np.uint8)[None, :, None], (96, 1, 3))
    for field in (0, 1):
        left = 4 * (2 * number + 1 - field)
        frame[32 + field : 64 : 2, left : left + 24] = 250
    return frame


def combing(frame: np.ndarray) -> float:
    """How much lines differ from the mean of their neighbours, in the square's rows."""
    rows = frame[34:62, :, 0].astype(float)
    return float(np.abs(rows[1:-1] - (rows[:-2] + rows[2:]) / 2).mean())


def test_interlaced_video_is_deinterlaced(tmp_path: Path) -> None:
    path = write_interlaced(tmp_path / "tv.mp4", 12)
    with av.open(str(path)) as container:
        plain = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    frames = list(read_frames(path, fps=None))
    assert len(frames) == len(plain) == 12
    assert combing(plain[6]) > 8 > 4 * combing(frames[6])
    for number in (0, 6, 11):  # the first field is kept, so nothing is late or early
        kept = frames[number][37:61:2].astype(int) - field_pair(number)[37:61:2]
        assert np.abs(kept).mean() < 4
    assert len(list(read_frames(path))) == 12
    assert [len(list(read_frames(path, None, start, end))) for start, end in ((0.2, 0.4), (0.4, 9.0))] == [5, 2]
    turned = next(read_frames(write_interlaced(tmp_path / "turned.mp4", 3, rotation=90)))
    assert np.abs(turned.astype(int) - np.rot90(frames[0])).mean() < 2


def test_progressive_video_is_left_alone(tmp_path: Path) -> None:
    path = write_numbers(tmp_path / "clip.mp4", 3)
    with av.open(str(path)) as container:
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert all(np.abs(a.astype(int) - b).mean() < 1 for a, b in zip(decoded, read_frames(path, None), strict=True))


def test_rotation_of_a_phone_is_clockwise(tmp_path: Path) -> None:
    """A phone held upright writes the matrix (0, 1, -1, 0): turn clockwise to show."""
    path = write_timed(tmp_path / "phone.mp4", [Fraction(0), Fraction(1)])
    plain = next(read_frames(path, fps=None))
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 4 + 40
    assert content[matrix : matrix + 4] == bytes.fromhex("00010000")
    content[matrix : matrix + 20] = bytes.fromhex("00000000 00010000 00000000 ffff0000 00000000")
    path.write_bytes(content)
    turned = next(read_frames(path, fps=None))
    assert np.abs(turned.astype(int) - np.rot90(plain, -1)).mean() < 2


def test_odd_sizes_and_empty_videos_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="even"):
        VideoWriter(tmp_path / "a.mp4", (65, 64))
    with pytest.raises(InputError, match="no frame"), VideoWriter(tmp_path / "a.mp4", (64, 64)):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_exception_leaves_no_file_and_keeps_the_old_one(tmp_path: Path) -> None:
    path = write_numbers(tmp_path / "clip.mp4", 3)
    before = path.read_bytes()
    with pytest.raises(RuntimeError), VideoWriter(path, (128, 96)) as writer:
        writer.write(number_frame(1))
        raise RuntimeError
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def beeps(seconds: float, rate: int = RATE) -> np.ndarray:
    """A click at each full second."""
    samples = np.zeros(round(seconds * rate), np.float32)
    for second in range(int(seconds)):
        samples[second * rate : second * rate + 160] = 0.8
    return samples


def test_audio_stays_in_sync_and_ends_with_the_video(tmp_path: Path) -> None:
    path = write_numbers(tmp_path / "clip.mp4", 75, samples=beeps(10))
    samples = read_audio(path)
    assert probe(path).has_audio and len(list(read_frames(path))) == 75
    assert abs(len(samples) - 3 * RATE) <= 1024
    lags = range(-400, 401)
    likeness = [np.dot(samples[800:40_000], np.roll(beeps(10), lag)[800:40_000]) for lag in lags]
    assert abs(lags[int(np.argmax(likeness))]) <= 2


def test_audio_in_pieces_gives_the_same_bytes(tmp_path: Path) -> None:
    samples = beeps(3)
    with VideoWriter(tmp_path / "a.mp4", (32, 32), 25, np.split(samples, [1, 700, 9_000, 9_000, 40_000])) as writer:
        for _ in range(50):
            writer.write(np.zeros((32, 32, 3), np.uint8))
    with VideoWriter(tmp_path / "b.mp4", (32, 32), 25, samples) as writer:
        for _ in range(50):
            writer.write(np.zeros((32, 32, 3), np.uint8))
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_pieces_make_up_the_audio(tmp_path: Path) -> None:
    path = write_numbers(tmp_path / "clip.mp4", 75, samples=beeps(3))
    for limits in ((None, None), (0.5, 2.0), (2.5, 9.0)):
        pieces = list(stream_audio(path, RATE, *limits))
        assert len(pieces) > 5 and all(piece.dtype == np.float32 for piece in pieces)
        assert np.array_equal(np.concatenate(pieces), read_audio(path, RATE, *limits))


def test_parts_of_audio_are_in_its_own_seconds(tmp_path: Path) -> None:
    path = write_numbers(tmp_path / "clip.mp4", 125, samples=beeps(5))
    part = AudioTrack(path, 1.0, 4.0).part(0.5, 2.0)
    assert part == AudioTrack(path, 1.5, 3.0)
    assert np.array_equal(np.concatenate(list(part.mixed().pieces()), axis=1)[0], read_audio(path, RATE, 1.5, 3.0))
    assert AudioTrack(path, 1.0, 4.0).part(2.0, 9.0) == AudioTrack(path, 3.0, 4.0)
    assert list(AudioTrack(path).part(7.0, 9.0).mixed().pieces()) == []


def test_a_range_of_audio_is_cut_exactly(tmp_path: Path) -> None:
    path = write_numbers(tmp_path / "clip.mp4", 125, samples=beeps(5))
    complete = read_audio(path)
    for start, end in [(0.0, 1.0), (0.5, 1.5), (2.96, 4.04), (3.2, None)]:
        part = read_audio(path, start=start, end=end)
        expected = complete[round(start * RATE) : None if end is None else round(end * RATE)]
        assert len(part) == len(expected)
        assert np.abs(part - expected).max() < 0.02


def test_wav_round_trip_and_resampling(tmp_path: Path) -> None:
    samples = 0.5 * np.sin(np.arange(RATE) / RATE * 2 * np.pi * 440).astype(np.float32)
    write_wav(tmp_path / "a.wav", samples)
    assert np.abs(read_audio(tmp_path / "a.wav") - samples).max() < 1e-4
    double = read_audio(tmp_path / "a.wav", 32_000)
    assert len(double) == pytest.approx(32_000, abs=64)
    assert np.abs(double[200:-200:2] - samples[100:-100][: len(double[200:-200:2])]).max() < 0.01


def test_unusable_files_are_one_clear_line(tmp_path: Path) -> None:
    complete = write_numbers(tmp_path / "complete.mp4", 200, samples=np.random.default_rng(0).normal(0, 0.1, 8 * RATE))
    content = complete.read_bytes()
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) * 2 // 3])
    (tmp_path / "cut_a_little.mp4").write_bytes(content[:-300])
    (tmp_path / "head.mp4").write_bytes(content[:50])
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(5000))
    (tmp_path / "text.mp4").write_text("not a video\n" * 50)
    (tmp_path / "text.txt").write_text("not a video\n" * 50)
    (tmp_path / "page.webm").write_text("<html><body>Sign in</body></html>")
    write_wav(tmp_path / "audio.wav", beeps(1))
    write_wav(tmp_path / "silence.wav", np.zeros(0))
    (tmp_path / "folder.mp4").mkdir()
    shutil.copy(Path(__file__), tmp_path / "code.mov")
    names = sorted(p.name for p in tmp_path.iterdir() if p != complete)
    for name in [*names, "absent.mp4"]:
        for read in (probe, lambda path: list(read_frames(path))):
            with pytest.raises(InputError, match=name) as caught:
                read(tmp_path / name)
            assert "\n" not in str(caught.value)
    for name in set(names) - {"audio.wav", "cut.mp4", "cut_a_little.mp4"} | {"absent.mp4"}:
        with pytest.raises(InputError, match=name):
            read_audio(tmp_path / name)
    with pytest.raises(InputError, match="no audio"):
        read_audio(write_numbers(tmp_path / "mute.mp4", 5))
    assert len(list(read_frames(complete))) == 200
