"""Deinterlacing."""

import contextlib
from collections.abc import Iterator

import av
from av.video.frame import VideoFrame
from av.video.stream import VideoStream


def progressive(frames: Iterator[VideoFrame | None], stream: VideoStream) -> Iterator[VideoFrame | None]:
    """Frames, deinterlaced where they are marked as interlaced.

    The lines of one field stay, those of the other are interpolated from the fields around them (FFmpeg's bwdif).
    None, for a lost frame, is passed on.
    """
    graph: av.filter.Graph | None = None
    for frame in frames:
        if frame is None:
            yield None
            continue
        if graph is None and frame.interlaced_frame:
            graph = av.filter.Graph()
            source = graph.add_buffer(template=stream)
            bwdif = graph.add("bwdif", "mode=send_frame:deint=interlaced")
            graph.link_nodes(source, bwdif, graph.add("buffersink")).configure()
        if graph is None:
            yield frame
        else:
            graph.push(frame)
            yield from _filtered(graph, stream)
    if graph is not None:
        graph.push(None)
        yield from _filtered(graph, stream)


def _filtered(graph: av.filter.Graph, stream: VideoStream) -> Iterator[VideoFrame]:
    """The frames that a graph has ready, with timestamps in the stream's time base."""
    with contextlib.suppress(BlockingIOError, EOFError):
        while True:
            frame = graph.vpull()
            assert stream.time_base is not None and frame.time_base is not None
            if frame.pts is not None:
                frame.pts = round(frame.pts * frame.time_base / stream.time_base)
            frame.duration = round(frame.duration * frame.time_base / stream.time_base)
            frame.time_base = stream.time_base
            yield frame
