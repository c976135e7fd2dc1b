"""Sound files, and the sound of videos, as mono float arrays."""

import wave
from pathlib import Path

import av
import numpy as np
from av.audio.resampler import AudioResampler

from styleheat import files
from styleheat.constants import SAMPLE_RATE
from styleheat.errors import InputError
from styleheat.media.container import opened, video_stream


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
    with opened(path) as container:
        if not container.streams.audio:
            raise InputError(f"{path}: has no sound; give a file with an audio track")
        stream = container.streams.audio[0]
        picture = video_stream(container)
        origin = 0.0
        for track in (stream, picture):
            if track is not None and track.start_time is not None and track.time_base is not None:
                origin = float(track.start_time * track.time_base)
        begin = start or 0.0
        # Codecs need a little of what came before to decode a sample right: seek early, cut exactly.
        if begin > 1:
            container.seek(int((origin + begin - 1) * av.time_base), backward=True)

        resampler = AudioResampler(format="flt", layout="mono", rate=sample_rate)
        chunks: list[np.ndarray] = []
        first: int | None = None  # index on the output's clock of the first sample decoded
        length = 0
        wanted = None if end is None else round(end * sample_rate)
        for frame in container.decode(stream):
            if first is None:
                moment = origin if frame.time is None else frame.time
                first = round((moment - origin) * sample_rate)
            frame.pts = None  # the resampler would take gaps of rounded timestamps for errors
            for part in resampler.resample(frame):
                chunks.append(part.to_ndarray().reshape(-1))
                length += part.samples
            if wanted is not None and first + length >= wanted + sample_rate // 10:
                break
        if first is None:
            raise InputError(f"{path}: its audio track is empty; export it again")
        chunks.extend(part.to_ndarray().reshape(-1) for part in resampler.resample(None))
    samples = np.concatenate([np.zeros(0, np.float32), *chunks])
    offset = round(begin * sample_rate) - first
    samples = samples[offset:] if offset >= 0 else np.pad(samples, (-offset, 0))
    if wanted is not None:
        samples = samples[: max(0, wanted - round(begin * sample_rate))]
    return np.clip(samples, -1, 1).astype(np.float32)


def write_wav(path: str | Path, samples: np.ndarray, sample_rate: int = SAMPLE_RATE) -> None:
    """Write (N,) samples in [-1, 1] as a 16-bit mono wav file."""
    assert samples.ndim == 1, samples.shape
    with files.atomic(path) as temporary, wave.open(str(temporary), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(sample_rate)
        stream.writeframes(np.rint(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
