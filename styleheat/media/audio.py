"""Sound files, and the sound of videos, as mono float arrays."""

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
from styleheat.media.container import decoded, opened, sound_stream, video_stream


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


def own_rate(path: str | Path) -> int:
    """Samples a second of a file's sound. Raises InputError as `read_audio`."""
    with opened(path) as container:
        return _sound(container, path).rate


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
    stream = sound_stream(container)
    if stream is None:
        raise InputError(f"{path}: has no sound; give a file with an audio track")
    return stream


def _resampled(
    container: InputContainer, stream: AudioStream, sample_rate: int
) -> Iterator[tuple[list[np.ndarray], float | None]]:
    """Pieces (C,n) float32 of the sound from where the container stands, and when the frame they came of begins, in
    seconds. Silence stands in for frames that can't be decoded, by the stamps of those after them."""
    count = len(stream.layout.channels)
    resampler: AudioResampler | None = None
    form: tuple[str, str, int] | None = None
    due: float | None = None  # when the frame begins that follows the last one
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
            # To mono it would add channels up, 3 dB too loud. PyAV ends the process over planes of eight channels:
            # packed.
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
    """Samples (C,n) of a file whose sound has `count` channels elsewhere."""
    return piece if len(piece) == count else np.repeat(piece.mean(axis=0, keepdims=True), count, axis=0)


def write_wav(path: str | Path, samples: np.ndarray, sample_rate: int = SAMPLE_RATE) -> None:
    """Write (N,) samples in [-1, 1] as a 16-bit mono wav file."""
    assert samples.ndim == 1, samples.shape
    with files.atomic(path) as temporary, wave.open(str(temporary), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(sample_rate)
        stream.writeframes(np.rint(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
