"""Opening media files: one place where a file that can't be read becomes one clear line."""

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from styleheat.errors import InputError
from styleheat.files import DISK_FULL

# Demuxers of FFmpeg that turn a text file or a still picture into a "video" of one frame.
_NOT_MEDIA = ("tty", "image2", "ico", "_pipe")


@contextlib.contextmanager
def opened(path: str | Path) -> Iterator[InputContainer]:
    """Open a media file for reading; close it when the block ends.

    Raises InputError when the file is absent, empty or no media file, and when decoding fails inside the block.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the path of a video or sound file")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty (0 bytes); download or export it again")
    try:
        container = av.open(str(path), metadata_errors="replace")
    except av.error.FFmpegError as error:
        raise InputError(f"{path}: not a readable video or sound file ({error.strerror}); it may be cut off") from error
    try:
        if container.format.name.endswith(_NOT_MEDIA):
            raise InputError(f"{path}: not a video or sound file; give one such as .mp4 or .wav")
        yield container
    except av.error.FFmpegError as error:
        if error.errno in DISK_FULL:  # of a file that is written inside the block
            raise
        raise InputError(f"{path}: damaged ({error.strerror}); download or export it again") from error
    finally:
        container.close()


def video_stream(container: InputContainer) -> VideoStream | None:
    """The first moving picture of the file, or None; a music file's cover is none."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    return None


def check_complete(container: InputContainer) -> None:
    """Raise InputError when the end that the file declares can't be found in it: a download that broke off.

    Only the last packets are looked at, so that a file of hours costs no more than a short one.
    The container is left at its end: open the file anew to read it.
    """
    if container.duration is None:
        return
    declared = Fraction(container.duration, av.time_base)
    start = Fraction(container.start_time or 0, av.time_base)
    with contextlib.suppress(av.error.FFmpegError):  # formats that can't seek are read from where they are
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
