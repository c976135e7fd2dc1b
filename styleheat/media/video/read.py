"""Reading videos: size, rate and length, and frames."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from styleheat.constants import FPS
from styleheat.errors import InputError
from styleheat.media.container import check_complete, decoded, has_audio, opened, video_stream
from styleheat.media.image import is_animation, read_animation
from styleheat.media.video.convert import Converter, shown_size
from styleheat.media.video.deinterlace import progressive

FASTEST = 240.0
"""Frames a second above which a declared rate is taken for that of a clock."""

SLACK = 0.1
"""Maximum relative difference between a file's declared number of frames and the product of its rate and duration."""


@dataclass(frozen=True)
class VideoInfo:
    """A video's size in pixels as displayed (rotation and pixel shape applied), mean frames a second, number of frames,
    and seconds of video: as the file declares them, or counted where that is missing or inconsistent."""

    width: int
    height: int
    fps: float
    frames: int
    seconds: float
    has_audio: bool


@dataclass(frozen=True)
class _Times:
    """When frames appear: their number, how many there are a second in the mean, and seconds from the first to the end
    of the last."""

    frames: int
    fps: float
    seconds: float


def probe(path: str | Path) -> VideoInfo:
    """Describe a video, or an animated image, after decoding its first frame and finding its end.

    Raises InputError for a file that is absent, empty, truncated, damaged, or contains no video.
    """
    if is_animation(path):
        height, width = next(read_animation(path))[0].shape[:2]
        times = _of_animation(path)
        return VideoInfo(width, height, times.fps, times.frames, times.seconds, has_audio=False)
    with opened(path) as container:
        stream = _video_stream(path, container)
        frame = next((frame for frame in decoded(container, stream) if frame is not None), None)
        if frame is None:
            raise InputError(f"{path}: no frame can be decoded; download or export it again")
        width, height = shown_size(frame, stream)
        times = _declared(container, stream) or _counted(path)
        check_complete(container)
    return VideoInfo(width, height, times.fps, times.frames, times.seconds, has_audio(path))


def is_steady(path: str | Path) -> bool:
    """Whether each frame's timestamp is within half a frame of a constant rate. Decodes nothing.

    Raises InputError when the file holds no video, or turns out damaged.
    """
    if is_animation(path):
        shown = [seconds for _, seconds in read_animation(path)]
        return max(shown) - min(shown) < 0.001
    with opened(path) as container:
        stream = _video_stream(path, container)
        fps = (_declared(container, stream) or _counted(path)).fps
        moments = np.array(_moments(container, stream))
    if not len(moments):
        return True
    return bool(np.abs(moments - moments[0] - np.arange(len(moments)) / fps).max() <= 0.5 / fps)


def _declared(container: InputContainer, stream: VideoStream) -> _Times | None:
    """What a file declares, or None where that is missing or inconsistent."""
    rate = float(stream.average_rate or 0)
    if stream.duration is not None and stream.time_base is not None:
        seconds = float(stream.duration * stream.time_base)
    else:
        seconds = (container.duration or 0) / av.time_base
    if not 0 < rate <= FASTEST or seconds <= 0:
        return None
    if stream.frames and abs(seconds * rate - stream.frames) > max(2, SLACK * stream.frames):
        return None
    return _Times(stream.frames or max(1, round(seconds * rate)), rate, seconds)


def _counted(path: str | Path) -> _Times:
    """The result of counting packets and their timestamps. The last frame lasts as long as the others on average."""
    with opened(path) as container:
        stream = _video_stream(path, container)
        moments = _moments(container, stream)
        guess = float(stream.guessed_rate or FPS)
    if len(moments) < 2 or moments[-1] <= moments[0]:
        rate = guess if guess <= FASTEST else FPS
        return _Times(max(1, len(moments)), rate, max(1, len(moments)) / rate)
    rate = (len(moments) - 1) / (moments[-1] - moments[0])
    return _Times(len(moments), rate, len(moments) / rate)


def _moments(container: InputContainer, stream: VideoStream) -> list[float]:
    """The packets' presentation times in seconds, sorted."""
    clock = float(stream.time_base or 0)
    return sorted(packet.pts * clock for packet in container.demux(stream) if packet.pts is not None)


def _of_animation(path: str | Path) -> _Times:
    shown = [seconds for _, seconds in read_animation(path)]
    return _Times(len(shown), len(shown) / sum(shown), sum(shown))


def read_frames(
    path: str | Path,
    fps: float | None = FPS,
    start: float | None = None,
    end: float | None = None,
    size: tuple[int, int] | None = None,
    part: tuple[int, int, int, int] | None = None,
) -> Iterator[np.ndarray]:
    """Yield the frames of a video, (H, W, 3) uint8 RGB, contiguous, upright, with square pixels, deinterlaced.

    All have the size of the first. A frame that can't be decoded is replaced by the previous one.

    Args:
        path: the video, or an animated image.
        fps: frames a second to yield: at each output time the frame then on screen (the latest one not after it),
            whatever the file's own timing. None yields every frame of the file once.
        start, end: the range in seconds from the first frame; `round((end - start) · fps)` frames when the video
            lasts that long.
        part: (x0, y0, x1, y1) pixels to yield instead of the full frame; only these are converted.
        size: (width, height) to scale to, frame or part; None for the file's.

    Raises InputError as `probe` does, before the first frame; or when no later frame can be read.
    """
    probe(path)
    begin, stop = start or 0.0, math.inf if end is None else end
    if is_animation(path):
        yield from _timed(_animated(path), _cutting(size, part), fps, begin, stop)
        return
    with opened(path) as container:
        stream = _video_stream(path, container)
        frames = _timed_frames(container, stream, begin)
        yield from _timed(frames, Converter(stream, size, part), fps, begin, stop)


def _timed(
    frames: Iterator[tuple[Any, float, float]],
    convert: Callable[[Any], np.ndarray],
    fps: float | None,
    begin: float,
    stop: float,
) -> Iterator[np.ndarray]:
    """Arrays at the output times, from frames (None for lost ones) with their start and end in seconds."""
    image: np.ndarray | None = None
    if fps is None:
        for frame, since, _ in frames:
            if since >= stop:
                return
            if since >= begin and (frame is not None or image is not None):
                image = convert(frame) if frame is not None else image.copy()  # type: ignore[union-attr]
                yield image
        return

    # Output k is the last frame that starts before its time. The tolerance: timestamps that are rounded to a coarse
    # clock (milliseconds in Matroska) must not delay a frame.
    tolerance = 0.1 / fps
    count = 0

    def due(until: float) -> bool:
        moment = begin + count / fps
        return moment + tolerance < until and moment < stop - tolerance

    shown: Any = None
    finish = 0.0
    for frame, since, until in frames:
        if frame is None:
            finish = until
            continue
        while shown is not None and due(since):
            image = convert(shown) if image is None else image.copy()
            yield image
            count += 1
        if begin + count / fps >= stop - tolerance:
            return
        shown, image, finish = frame, None, until
    while shown is not None and due(finish):
        image = convert(shown) if image is None else image.copy()
        yield image
        count += 1


def _animated(path: str | Path) -> Iterator[tuple[np.ndarray, float, float]]:
    """The frames of an animation with their start and end in seconds."""
    since = 0.0
    for image, seconds in read_animation(path):
        yield image, since, since + seconds
        since += seconds


def _cutting(
    size: tuple[int, int] | None, part: tuple[int, int, int, int] | None
) -> Callable[[np.ndarray], np.ndarray]:
    """What `Converter` does, for frames that are arrays already."""

    def convert(image: np.ndarray) -> np.ndarray:
        if part is not None:
            image = image[part[1] : part[3], part[0] : part[2]]
        if size is not None and size != (image.shape[1], image.shape[0]):
            shrinks = size[0] * size[1] < image.shape[0] * image.shape[1]
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
        return np.ascontiguousarray(image)

    return convert


def _video_stream(path: str | Path, container: InputContainer) -> VideoStream:
    stream = video_stream(container)
    if stream is None:
        raise InputError(f"{path}: holds no video; give a video file")
    return stream


def _timed_frames(
    container: InputContainer, stream: VideoStream, begin: float
) -> Iterator[tuple[av.VideoFrame | None, float, float]]:
    """(frame, start, end), times in seconds, from a key frame at or before `begin` on; None for a lost frame."""
    assert stream.time_base is not None
    first = stream.start_time or 0
    rate = float(stream.average_rate or 0)
    step = 1 / rate if 0 < rate <= FASTEST else 1 / FPS  # minimum duration of the last frame
    end = float((stream.duration or 0) * stream.time_base)  # with an uneven rate, the last frame may declare more
    if begin > 0:
        container.seek(first + int(begin / stream.time_base), stream=stream, backward=True)
    until = 0.0
    for frame in progressive(decoded(container, stream), stream):
        since = until if frame is None or frame.pts is None else float((frame.pts - first) * stream.time_base)
        lasts = 0.0 if frame is None else float((frame.duration or 0) * stream.time_base)
        until = since + max(step, lasts)
        if end:
            until = min(until, max(end, since + step))
        yield frame, since, until
