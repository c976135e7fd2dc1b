"""Moving picture and sound into an mp4 without encoding them again."""

import heapq
from collections.abc import Iterator
from pathlib import Path

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from styleheat.errors import InputError
from styleheat.files import DISK_FULL, atomic
from styleheat.media.container import opened, sound_stream, video_stream
from styleheat.media.video import probe


def repack(picture: Path, sound: Path, path: Path) -> None:
    """Write the picture of one file and the sound of the same or another, if it has any, to an mp4, atomically.

    Raises `InputError` when `picture` holds no whole video, or when mp4 can't hold the streams as they are, and
    `OSError` when the disk is full.
    """
    probe(picture)
    with atomic(path) as temporary:
        try:
            with opened(picture) as video, opened(sound) as tape, av.open(str(temporary), "w", format="mp4") as output:
                tracks = [(video, video_stream(video)), (tape, sound_stream(tape))]
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
            raise InputError(f"{picture}: can't be repacked as mp4 ({why}); use H.264 and AAC") from error
        probe(temporary)


def _packets(container: InputContainer, stream: Stream, copy: Stream) -> Iterator[tuple[float, Packet]]:
    """The packets of one stream with their times in seconds, addressed to its copy."""
    for packet in container.demux(stream):
        if packet.size:  # an empty one marks the stream's end
            moment = float((packet.dts or packet.pts or 0) * (packet.time_base or 0))
            packet.stream = copy
            yield moment, packet
