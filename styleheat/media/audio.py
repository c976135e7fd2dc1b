"""Audio files, and the audio tracks of videos, as float arrays."""

import wave
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer

from styleheat import files
from styleheat.constants import SAMPLE_RATE
from styleheat.errors import InputError
from styleheat.media.container import audio_stream, decoded, opened, video_stream


def read_audio(
    path: str | Path, sample_rate: int = SAMPLE_RATE, start: float | None = None, end: float | None = None
) -> np.ndarray:
    """The audio of a file as (N,) float32 in [-1, 1], its channels averaged.

    Time 0 is the first video frame where there is one, else the first sample. Audio that starts later is preceded by
    silence, so that `samples[k · sample_rate / fps]` belongs to frame k.

    Args:
        path: any audio or video file.
        sample_rate: of the result, in Hz.
        start, end: the range in seconds; an end past that of the audio shortens the array.

    Raises InputError when the file can't be read or has no audio.
    """
    return np.concatenate([np.zeros(0, np.float32), *stream_audio(path, sample_rate, start, end)])


def stream_audio(
    path: str | Path, sample_rate: int = SAMPLE_RATE, start: float | None = None, end: float | None = None
) -> Iterator[np.ndarray]:
    """As `read_audio`, in chunks (n,), in constant memory; raises as it does, before the first chunk or where the file
    ends."""
    for piece in stream_channels(path, sample_rate, start, end):
        yield piece.mean(axis=0)


def channel_names(path: str | Path) -> tuple[str, ...]:
    """FFmpeg's names of a file's audio channels, in order: FL and FR are left and right, FC is the centre, LFE is low
    frequencies. Raises InputError as `read_audio`."""
    with opened(path) as container:
        return tuple(channel.name for channel in _audio(container, path).layout.channels)


def own_rate(path: str | Path) -> int:
    """Samples a second of a file's audio. Raises InputError as `read_audio`."""
    with opened(path) as container:
        return _audio(container, path).rate


def stream_channels(
    path: str | Path, sample_rate: int = SAMPLE_RATE, start: float | None = None, end: float | None = None
) -> Iterator[np.ndarray]:
    """As `stream_audio`, with all channels: chunks (C,n). Raises InputError as it does."""
    with opened(path) as container:
        stream = _audio(container, path)
        video = video_stream(container)
        origin = 0.0
        for track in (stream, video):
            if track is not None and track.start_time is not None and track.time_base is not None:
                origin = float(track.start_time * track.time_base)
        begin = start or 0.0
        # Decoding a sample needs some samples before it: seek early, cut exactly.
        if begin > 1:
            container.seek(int((origin + begin - 1) * av.time_base), backward=True)

        first = round(begin * sample_rate)  # of the samples wanted, on the output's clock
        last = None if end is None else max(first, round(end * sample_rate))
        at: int | None = None  # of the next sample decoded
        for pieces, moment in _resampled(container, stream, sample_rate):
            if at is None:
                at = round(((origin if moment is None else moment) - origin) * sample_rate)
                if at > first:
                    silence = (at if last is None else min(at, last)) - first
                    yield np.zeros((len(stream.layout.channels), silence), np.float32)
            for piece in pieces:
                wanted = piece[:, max(0, first - at) : None if last is None else max(0, last - at)]
                at += piece.shape[1]
                if wanted.shape[1]:
                    yield np.clip(wanted, -1, 1)
            if last is not None and at >= last:
                break
        if at is None and begin <= 1:  # else the audio may have ended before
            raise InputError(f"{path}: its audio track is empty; export it again")


def _audio(container: InputContainer, path: str | Path) -> AudioStream:
    stream = audio_stream(container)
    if stream is None:
        raise InputError(f"{path}: has no audio; give a file with an audio track")
    return stream


def _resampled(
    container: InputContainer, stream: AudioStream, sample_rate: int
) -> Iterator[tuple[list[np.ndarray], float | None]]:
    """Chunks (C,n) float32 of the audio from the container's position on, and the start of the frame they came from, in
    seconds. Frames that can't be decoded become silence, as long as the timestamps of the next frames say."""
    count = len(stream.layout.channels)
    resampler: AudioResampler | None = None
    form: tuple[str, str, int] | None = None
    due: float | None = None  # start of the frame after the last one
    lost = False

    def resampled(frame: AudioFrame | None) -> list[np.ndarray]:
        assert resampler is not None
        parts = resampler.resample(frame)
        return [_of_channels(part.to_ndarray().reshape(-1, len(part.layout.channels)).T, count) for part in parts]

    for frame in decoded(container, stream):
        if frame is None:
            lost = True
            continue
        pieces, moment = [], frame.time
        if form != (frame.format.name, frame.layout.name, frame.sample_rate):  # it may change on the way
            pieces = [] if resampler is None else resampled(None)
            # Not to mono: it would add the channels, 3 dB too loud. Packed: PyAV crashes over planes of eight channels.
            resampler = AudioResampler(format="flt", rate=sample_rate)
            form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if lost and due is not None and moment is not None and moment > due:
            pieces.append(np.zeros((count, round((moment - due) * sample_rate)), np.float32))
        lost = False
        due = (moment if moment is not None else due or 0.0) + frame.samples / frame.sample_rate
        frame.pts = None  # the resampler would take gaps of rounded timestamps for errors
        yield pieces + resampled(frame), moment
    if resampler is not None:
        yield resampled(None), None


def _of_channels(piece: np.ndarray, count: int) -> np.ndarray:
    """Samples (C,n) as (count,n): the channels of a file may change on the way."""
    return piece if len(piece) == count else np.repeat(piece.mean(axis=0, keepdims=True), count, axis=0)


def write_wav(path: str | Path, samples: np.ndarray, sample_rate: int = SAMPLE_RATE) -> None:
    """Write (N,) samples in [-1, 1] as a 16-bit mono wav file."""
    assert samples.ndim == 1, samples.shape
    with files.atomic(path) as temporary, wave.open(str(temporary), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(sample_rate)
        stream.writeframes(np.rint(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
