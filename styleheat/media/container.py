"""Opening and decoding media files; errors of damaged files become InputErrors and warnings of one line."""

import contextlib
import functools
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, overload

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from tqdm import tqdm

from styleheat.clock import progress
from styleheat.errors import InputError
from styleheat.files import DISK_FULL

HOPELESS = 500
"""Undecodable packets at the start of a stream after which decoding stops."""

# Demuxers of FFmpeg that turn a text file or a still image into a "video" of one frame.
_NOT_MEDIA = ("tty", "image2", "ico", "_pipe")


@contextlib.contextmanager
def opened(path: str | Path) -> Iterator[InputContainer]:
    """Open a media file for reading; close it when the block ends.

    Raises InputError when the file is absent, empty or no media file, and when decoding fails inside the block.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the path of a video or audio file")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty (0 bytes); download or export it again")
    try:
        container = av.open(str(path), metadata_errors="replace")
    except av.error.FFmpegError as error:
        raise InputError(f"{path}: not a readable video or audio file ({error.strerror}); it may be cut off") from error
    try:
        if container.format.name.endswith(_NOT_MEDIA):
            raise InputError(f"{path}: not a video or audio file; give one such as .mp4 or .wav")
        yield container
    except av.error.FFmpegError as error:
        if error.errno in DISK_FULL:  # of a file that is written inside the block
            raise
        raise InputError(f"{path}: damaged ({error.strerror}); download or export it again") from error
    finally:
        container.close()


def video_stream(container: InputContainer) -> VideoStream | None:
    """The first video stream, None without one; the cover image of a music file does not count."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    return None


def audio_stream(container: InputContainer) -> AudioStream | None:
    """The default audio stream, else the first; None when the file has none, or (with a warning) none that decodes."""
    found = [stream for stream in container.streams.audio if _decodes(stream)]
    if container.streams.audio and not found:
        warn_once(f"{container.name}: FFmpeg can't decode its audio, which is ignored")
    marked = [stream for stream in found if stream.disposition & Disposition.default]
    return next(iter([*marked, *found]), None)


def has_audio(path: str | Path) -> bool:
    """Whether a file has audio that can be decoded; a track without packets does not count, with a warning."""
    with opened(path) as container:
        stream = audio_stream(container)
        if stream is None:
            return False
        if any(packet.size for packet in container.demux(stream)):
            return True
    warn_once(f"{path}: its audio track is empty and is ignored")
    return False


def _decodes(stream: Stream) -> bool:
    try:
        return stream.codec_context is not None
    except av.error.FFmpegError:
        return False


@overload
def decoded(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame | None]: ...
@overload
def decoded(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame | None]: ...
def decoded(container: InputContainer, stream: Any) -> Iterator[Any]:
    """The frames of a stream from the container's position on; None for each packet that can't be decoded.

    Lost packets are reported in one line. Raises FFmpegError when nothing at all can be decoded.
    """
    lost, any_frame = 0, False
    fault: av.error.FFmpegError | None = None
    packets = container.demux(stream)
    try:
        while True:
            try:
                packet = next(packets)
                frames = packet.decode()
            except StopIteration:
                break
            except (EOFError, MemoryError):
                raise
            except av.error.FFmpegError as error:
                lost, fault = lost + 1, fault or error
                if not any_frame and lost >= HOPELESS:
                    break
                packets = container.demux(stream)
                yield None
                continue
            progress()
            for frame in frames:
                any_frame = True
                yield frame
        if fault is not None and not any_frame:
            raise fault
    finally:
        if lost and any_frame:
            kind, instead = ("audio", "silence") if stream.type == "audio" else ("video", "the previous frame")
            warn_once(f"{container.name}: its {kind} is damaged; {instead} replaces what can't be decoded")


@functools.cache
def warn_once(line: str) -> None:
    """Print a warning about a file, once per process."""
    tqdm.write(line, file=sys.stderr)


def check_complete(container: InputContainer) -> None:
    """Raise InputError when the file ends before the declared duration, as interrupted downloads do.

    Only the last packets are read, so that a file of hours takes no longer than a short one.
    Leaves the container at its end: open the file again to read it.
    """
    if container.duration is None:
        return
    declared = Fraction(container.duration, av.time_base)
    start = Fraction(container.start_time or 0, av.time_base)
    with contextlib.suppress(av.error.FFmpegError):  # formats without seeking are read from the current position
        container.seek(container.duration + (container.start_time or 0), backward=True)
    end, broken = Fraction(0), False
    for packet in container.demux():
        broken |= packet.is_corrupt
        if packet.pts is not None and packet.time_base is not None:
            end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base - start)
    if broken or end < declared - Fraction(1, 2):
        raise InputError(
            f"{container.name}: the file is cut off (at {float(end):.1f} s of {float(declared):.1f} s); "
            "download or export it again"
        )
