"""Copying video and audio streams into an mp4 without encoding them again."""

import heapq
from collections.abc import Iterator
from pathlib import Path

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from styleheat.errors import InputError
from styleheat.files import DISK_FULL, atomic
from styleheat.media.container import audio_stream, opened, video_stream
from styleheat.media.video import probe


def repack(video: Path, audio: Path, path: Path) -> None:
    """Write the video of one file and the audio of the same or another, if it has any, to an mp4, atomically.

    Raises `InputError` when `video` contains no complete video, or when mp4 can't hold the streams as they are, and
    `OSError` when the disk is full.
    """
    probe(video)
    with atomic(path) as temporary:
        try:
            with opened(video) as first, opened(audio) as second, av.open(str(temporary), "w", format="mp4") as output:
                tracks = [(first, video_stream(first)), (second, audio_stream(second))]
                copies = [
                    _packets(container, stream, output.add_stream_from_template(stream))
                    for container, stream in tracks
                    if stream is not None
                ]
                for _, packet in heapq.merge(*copies, key=lambda timed: timed[0]):
                    output.mux(packet)
        except (av.error.FFmpegError, ValueError) as error:  # InputError of `opened` is one, and its cause says why
            cause = error.__cause__ or error
            if getattr(cause, "errno", None) in DISK_FULL:
                raise cause from None
            why = getattr(cause, "strerror", None) or cause
            raise InputError(f"{video}: can't be repacked as mp4 ({why}); use H.264 and AAC") from error
        probe(temporary)


def _packets(container: InputContainer, stream: Stream, copy: Stream) -> Iterator[tuple[float, Packet]]:
    """The packets of one stream with their times in seconds, addressed to its copy."""
    for packet in container.demux(stream):
        if packet.size:  # an empty one marks the stream's end
            moment = float((packet.dts or packet.pts or 0) * (packet.time_base or 0))
            packet.stream = copy
            yield moment, packet
