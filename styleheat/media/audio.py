"""Sound files, and the sound of videos, as mono float arrays."""

import wave
from collections.abc import Iterator
from dataclasses import dataclass
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
from styleheat.media.container import opened, video_stream


@dataclass(frozen=True)
class Sound:
    """The sound of a file from `start` seconds to `end`, or to its own end; read when it is wanted, in pieces."""

    path: Path
    start: float = 0.0
    end: float | None = None

    def part(self, start: float, end: float) -> "Sound":
        """What is heard from `start` to `end` seconds after this sound's own start."""
        last = self.start + end
        return Sound(self.path, self.start + start, last if self.end is None else min(last, self.end))

    def pieces(self, sample_rate: int) -> Iterator[np.ndarray]:
        """`stream_audio` of it."""
        return stream_audio(self.path, sample_rate, self.start, self.end)


def read_audio(
    path: str | Path, sample_rate: int = SAMPLE_RATE, start: float | None = None, end: float | None = None
) -> np.ndarray:
    """The sound of a file as (N,) float32 in [-1, 1], its channels averaged to one.

    Time 0 is the first frame of the picture where there is one, else the first sample: sound that begins later is
    preceded by silence, so that `samples[k · sample_rate / fps]` is heard with frame k.

    Args:
        path: any sound or video file.
        sample_rate: samples a second wanted, in Hz.
        start, end: the range in seconds; an end past that of the sound shortens the array.

    Raises InputError when the file can't be read or has no sound.
    """
    return np.concatenate([np.zeros(0, np.float32), *stream_audio(path, sample_rate, start, end)])


def stream_audio(
    path: str | Path, sample_rate: int = SAMPLE_RATE, start: float | None = None, end: float | None = None
) -> Iterator[np.ndarray]:
    """`read_audio` piece by piece, in constant memory; it raises before the first piece, or where the file ends."""
    for piece in stream_channels(path, sample_rate, start, end):
        yield piece.mean(axis=0)


def channel_names(path: str | Path) -> tuple[str, ...]:
    """What the channels of a file's sound are for, in their order: FL and FR are left and right, FC is the centre, LFE
    the lowest tones, …, as FFmpeg has them. Raises InputError as `read_audio`."""
    with opened(path) as container:
        return tuple(channel.name for channel in _sound(container, path).layout.channels)


def stream_channels(
    path: str | Path, sample_rate: int = SAMPLE_RATE, start: float | None = None, end: float | None = None
) -> Iterator[np.ndarray]:
    """As `stream_audio`, each piece (C,n) with all channels."""
    with opened(path) as container:
        stream = _sound(container, path)
        picture = video_stream(container)
        origin = 0.0
        for track in (stream, picture):
            if track is not None and track.start_time is not None and track.time_base is not None:
                origin = float(track.start_time * track.time_base)
        begin = start or 0.0
        # Codecs need a little of what came before to decode a sample right: seek early, cut exactly.
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
        if at is None and begin <= 1:  # else the sound may have ended before
            raise InputError(f"{path}: its audio track is empty; export it again")


def _sound(container: InputContainer, path: str | Path) -> AudioStream:
    if not container.streams.audio:
        raise InputError(f"{path}: has no sound; give a file with an audio track")
    return container.streams.audio[0]


def _resampled(
    container: InputContainer, stream: AudioStream, sample_rate: int
) -> Iterator[tuple[list[np.ndarray], float | None]]:
    """Pieces (C,n) float32 of the sound from where the container stands, and when the frame they came of begins, in
    seconds."""
    # To mono it would add channels up, 3 dB too loud. PyAV ends the process over planes of eight channels: packed.
    resampler = AudioResampler(format="flt", rate=sample_rate)

    def channels(frame: AudioFrame | None) -> list[np.ndarray]:
        parts = resampler.resample(frame)
        return [part.to_ndarray().reshape(-1, len(part.layout.channels)).T for part in parts]

    decoded = False
    for frame in container.decode(stream):
        decoded, moment = True, frame.time
        frame.pts = None  # the resampler would take gaps of rounded timestamps for errors
        yield channels(frame), moment
    if decoded:
        yield channels(None), None


def write_wav(path: str | Path, samples: np.ndarray, sample_rate: int = SAMPLE_RATE) -> None:
    """Write (N,) samples in [-1, 1] as a 16-bit mono wav file."""
    assert samples.ndim == 1, samples.shape
    with files.atomic(path) as temporary, wave.open(str(temporary), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(sample_rate)
        stream.writeframes(np.rint(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
