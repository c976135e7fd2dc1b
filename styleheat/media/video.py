"""Video files, read and written frame by frame: no function here holds a whole video in memory."""

import contextlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Literal

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter
from av.video.stream import VideoStream

from styleheat import files
from styleheat.constants import FPS, SAMPLE_RATE
from styleheat.errors import InputError
from styleheat.media.container import check_complete, opened, video_stream

Codec = Literal["h264", "png"]
"""What `VideoWriter` encodes pictures by."""

BT601 = 6
"""H.273 code of the SMPTE 170M colours, written into our files: readers that ignore the tag assume it anyway."""


@dataclass(frozen=True)
class VideoInfo:
    """What a video file declares: size in pixels as shown (rotation and pixel shape applied), mean frames a second,
    number of frames (from the duration where the format keeps no count), seconds of its picture."""

    width: int
    height: int
    fps: float
    frames: int
    seconds: float
    has_audio: bool


def probe(path: str | Path) -> VideoInfo:
    """Describe a video after decoding its first frame and finding its end.

    Raises InputError for a file that is absent, empty, cut off, damaged, or holds no moving picture.
    """
    with opened(path) as container:
        stream = _video_stream(path, container)
        frame = next(iter(container.decode(stream)), None)
        if frame is None:
            raise InputError(f"{path}: no frame can be decoded; download or export it again")
        width, height = _shown_size(frame, stream)
        rate = stream.average_rate or stream.guessed_rate or Fraction(FPS)
        if stream.duration is not None and stream.time_base is not None:
            seconds = float(stream.duration * stream.time_base)
        else:
            seconds = (container.duration or 0) / av.time_base
        info = VideoInfo(
            width=width,
            height=height,
            fps=float(rate),
            frames=stream.frames or max(1, round(seconds * rate)),
            seconds=seconds,
            has_audio=bool(container.streams.audio),
        )
        check_complete(container)
    return info


def is_steady(path: str | Path) -> bool:
    """Whether each frame of a video appears within half a frame of where its mean rate has it. Decodes nothing.

    Raises InputError when the file holds no video, or turns out damaged.
    """
    with opened(path) as container:
        stream = _video_stream(path, container)
        moments = sorted(packet.pts for packet in container.demux(stream) if packet.pts is not None)
        if stream.time_base is None or stream.average_rate is None or not moments:
            return True
        step = 1 / float(stream.average_rate * stream.time_base)
    return bool(np.abs(np.array(moments) - moments[0] - np.arange(len(moments)) * step).max() <= step / 2)


def read_frames(
    path: str | Path,
    fps: float | None = FPS,
    start: float | None = None,
    end: float | None = None,
    size: tuple[int, int] | None = None,
    part: tuple[int, int, int, int] | None = None,
) -> Iterator[np.ndarray]:
    """Yield the frames of a video, (H, W, 3) uint8 RGB, contiguous, upright, with square pixels, deinterlaced.

    Args:
        path: the video.
        fps: frames a second to yield: at each output time the frame then on screen (the latest one not after it),
            whatever the file's own timing. None yields every frame of the file once.
        start, end: the range in seconds from the first frame; `round((end - start) · fps)` frames when the video
            lasts that long.
        part: (x0, y0, x1, y1) pixels to yield instead of the whole frame; the rest is not even converted.
        size: (width, height) to scale to, frame or part; None keeps the file's.

    Raises InputError as `probe` does, before the first frame; or when the file turns out damaged on the way.
    """
    probe(path)
    with opened(path) as container:
        stream = _video_stream(path, container)
        convert = _Converter(stream, size, part)
        begin, stop = start or 0.0, math.inf if end is None else end
        if fps is None:
            for frame, since, _ in _timed_frames(container, stream, begin):
                if since >= stop:
                    return
                if since >= begin:
                    yield convert(frame)
            return

        # Output k shows the last frame that came before its time; timestamps rounded to a coarse clock
        # (milliseconds in Matroska) must not make a frame late, hence the tolerance.
        tolerance = 0.1 / fps
        count = 0

        def due(until: float) -> bool:
            moment = begin + count / fps
            return moment + tolerance < until and moment < stop - tolerance

        image: np.ndarray | None = None
        shown: VideoFrame | None = None
        finish = 0.0
        for frame, since, until in _timed_frames(container, stream, begin):
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


class VideoWriter:
    """Write frames, and sound if given, as an mp4 that players can start before it is whole: H.264 (yuv420p) and AAC.

    Use as a context manager. The file appears under its name only when the block ends without an exception. Equal
    frames and samples give equal bytes. Sound longer than the frames is cut.

    Args:
        path: the .mp4 file.
        size: (width, height) in pixels, both even, as the chroma of yuv420p has half the resolution.
        fps: frames a second.
        samples: sound, (N,) float in [-1, 1], whole or in pieces (`audio.stream_audio`), or None for a silent film.
        sample_rate: of `samples`, in Hz.
        crf: x264's constant rate factor, 0 (lossless) to 51; 18 is hard to tell from the original.
        codec: "h264", or "png": each frame a PNG picture, so that what is read is what was written. FFmpeg's tools and
            libraries read such an mp4, few players do.
        preset: of x264: "veryfast" takes a third of the time of "medium", loses 1.5 dB and writes a tenth more.
        threads: of x264. Another number gives other bytes, so it doesn't follow the machine's.
    """

    def __init__(
        self,
        path: str | Path,
        size: tuple[int, int],
        fps: float = FPS,
        samples: np.ndarray | Iterable[np.ndarray] | None = None,
        sample_rate: int = SAMPLE_RATE,
        crf: int = 18,
        codec: Codec = "h264",
        preset: str = "medium",
        threads: int = 1,
    ) -> None:
        if size[0] % 2 or size[1] % 2 or min(size) < 2:
            raise InputError(
                f"{path}: size {size[0]}x{size[1]} can't be written as video; width and height must be even"
            )
        self.path, self.size, self.fps = Path(path), size, Fraction(fps).limit_denominator(1001)
        self.sample_rate, self.crf, self.codec = sample_rate, crf, codec
        self.preset, self.threads = preset, threads
        self._sound = None if samples is None else iter([samples] if isinstance(samples, np.ndarray) else samples)
        self._unsent = np.zeros(0, np.float32)
        self.frames = 0

    def __enter__(self) -> "VideoWriter":
        with contextlib.ExitStack() as stack:
            temporary = stack.enter_context(files.atomic(self.path))
            self._container = av.open(str(temporary), "w", format="mp4", options={"movflags": "+faststart"})
            stack.callback(self._container.close)
            if self.codec == "png":
                self._video = self._container.add_stream("png", rate=self.fps)
                self._video.pix_fmt = "rgb24"
            else:
                # Equal bytes need a fixed number of threads (below) and no `mbtree`, whose AVX-512 code reads memory
                # that nobody set.
                options = {"crf": str(self.crf), "preset": self.preset, "mbtree": "0"}
                self._video = self._container.add_stream("libx264", rate=self.fps, options=options)
                self._video.pix_fmt = "yuv420p"
            self._video.width, self._video.height = self.size
            context = self._video.codec_context
            context.thread_count = self.threads
            context.time_base = 1 / self.fps
            if self.codec == "h264":
                context.colorspace = context.color_primaries = context.color_trc = BT601
                context.color_range = 1  # limited, 16…235
            self._reformatter = VideoReformatter()
            if self._sound is not None:
                self._audio = self._container.add_stream("aac", rate=self.sample_rate, layout="mono")
                self._audio.bit_rate = 96_000
                self._sent = 0
            self._stack = stack.pop_all()
        return self

    def write(self, frame: np.ndarray) -> None:
        """Append a frame, (height, width, 3) uint8 RGB."""
        assert frame.dtype == np.uint8 and frame.shape == (self.size[1], self.size[0], 3), (frame.dtype, frame.shape)
        picture = VideoFrame.from_ndarray(np.ascontiguousarray(frame), "rgb24")
        if self.codec == "h264":
            picture = self._reformatter.reformat(picture, format="yuv420p", dst_colorspace=Colorspace.ITU601, threads=1)
            picture.color_primaries = picture.color_trc = BT601
        picture.pts, picture.time_base = self.frames, 1 / self.fps
        self.frames += 1
        self._container.mux(self._video.encode(picture))
        self._write_audio(until=self.frames / self.fps)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
            if self.frames == 0:
                raise InputError(f"{self.path}: there is no frame to write")
            self._container.mux(self._video.encode(None))
            if self._sound is not None:
                self._container.mux(self._audio.encode(None))

    def _write_audio(self, until: Fraction) -> None:
        if self._sound is None:
            return
        due = int(until * self.sample_rate) - self._sent
        while len(self._unsent) < due:
            piece = next(self._sound, None)
            if piece is None:
                break
            self._unsent = np.concatenate([self._unsent, np.asarray(piece, np.float32)])
        now, self._unsent = np.clip(self._unsent[:due], -1, 1), self._unsent[due:]
        if len(now):
            sound = av.AudioFrame.from_ndarray(now[None], format="fltp", layout="mono")
            sound.sample_rate, sound.pts, sound.time_base = self.sample_rate, self._sent, Fraction(1, self.sample_rate)
            self._container.mux(self._audio.encode(sound))
            self._sent += len(now)


class _Converter:
    """Decoded frames to upright RGB arrays of one size, or a part of them, keeping the scaler between frames."""

    def __init__(
        self, stream: VideoStream, size: tuple[int, int] | None, part: tuple[int, int, int, int] | None
    ) -> None:
        self.stream, self.size, self.reformatter = stream, size, VideoReformatter()
        x0, y0, x1, y1 = self.part = part or (0, 0, 0, 0)
        self._inner = slice(y0, y1 or None), slice(x0, x1 or None)
        self._cutter: _Cutter | None = None

    def __call__(self, frame: VideoFrame) -> np.ndarray:
        if not any(self.part):
            return np.ascontiguousarray(self._whole(frame, self.size))
        as_it_is = not round(frame.rotation / 90) % 4 and _shown_size(frame, self.stream) == (frame.width, frame.height)
        if not as_it_is or frame.format.name not in _PLAIN:
            return self._scaled(self._whole(frame)[self._inner])
        if self._cutter is None or not self._cutter.fits(frame):
            self._cutter = _Cutter(frame, self.part)
        cut = self._cutter.cut(frame)
        if self._cutter.exact:
            return np.ascontiguousarray(self._whole(cut, self.size))
        return self._scaled(self._whole(cut)[self._cutter.inner])

    def _scaled(self, part: np.ndarray) -> np.ndarray:
        """A part that could not be scaled while it was converted."""
        height, width = part.shape[:2]
        if self.size in (None, (width, height)):
            return np.ascontiguousarray(part)
        shrinks = self.size[0] * self.size[1] < width * height
        return cv2.resize(part, self.size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)

    def _whole(self, frame: VideoFrame, size: tuple[int, int] | None = None) -> np.ndarray:
        quarters = round(frame.rotation / 90) % 4
        width, height = size or _shown_size(frame, self.stream)
        if quarters % 2:
            width, height = height, width
        shrinks = width * height < frame.width * frame.height
        picture = self.reformatter.reformat(
            frame,
            width,
            height,
            "rgb24",
            src_color_range=frame.color_range,
            interpolation=Interpolation.AREA if shrinks else Interpolation.BICUBIC,
            threads=1,
        )
        return np.rot90(picture.to_ndarray(), quarters)


_PLAIN = ("yuv420p", "yuvj420p")
"""Formats of which a pixel's RGB depends on its own square of 2×2 pixels alone: parts are converted as the whole is."""


class _Cutter:
    """Cuts a part out of decoded frames before they are converted, without copying it.

    part: (x0, y0, x1, y1). inner: the part within what `cut` returns, which begins and ends at even pixels as chroma
    does. exact: it is all of that.
    """

    def __init__(self, frame: VideoFrame, part: tuple[int, int, int, int]) -> None:
        self._form = frame.width, frame.height, frame.format.name
        left, top = part[0] // 2 * 2, part[1] // 2 * 2
        right, bottom = min(frame.width, -(-part[2] // 2) * 2), min(frame.height, -(-part[3] // 2) * 2)
        self.inner = slice(part[1] - top, part[3] - top), slice(part[0] - left, part[2] - left)
        self.exact = (left, top, right, bottom) == part
        self._graph = av.filter.Graph()
        source = self._graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 1000)
        )
        crop = self._graph.add("crop", f"w={right - left}:h={bottom - top}:x={left}:y={top}:exact=1")
        self._graph.link_nodes(source, crop, self._graph.add("buffersink")).configure()

    def fits(self, frame: VideoFrame) -> bool:
        return self._form == (frame.width, frame.height, frame.format.name)

    def cut(self, frame: VideoFrame) -> VideoFrame:
        self._graph.push(frame)
        return self._graph.vpull()


def _video_stream(path: str | Path, container: av.container.InputContainer) -> VideoStream:
    stream = video_stream(container)
    if stream is None:
        raise InputError(f"{path}: holds no video; give a video file")
    return stream


def _shown_size(frame: VideoFrame, stream: VideoStream) -> tuple[int, int]:
    """(width, height) of the upright picture with square pixels."""
    width, height = round(frame.width * (stream.sample_aspect_ratio or 1)), frame.height
    return (height, width) if round(frame.rotation / 90) % 2 else (width, height)


def _timed_frames(
    container: av.container.InputContainer, stream: VideoStream, begin: float
) -> Iterator[tuple[VideoFrame, float, float]]:
    """(frame, when it appears, when it ends) in seconds, from a key frame at or before `begin`."""
    assert stream.time_base is not None
    first = stream.start_time or 0
    step = float(1 / (stream.average_rate or FPS))  # the last frame lasts so long if the file says less
    end = float((stream.duration or 0) * stream.time_base)  # of frames that come unevenly, the last may claim more
    if begin > 0:
        container.seek(first + int(begin / stream.time_base), stream=stream, backward=True)
    until = 0.0
    for frame in _progressive(container.decode(stream), stream):
        since = until if frame.pts is None else float((frame.pts - first) * stream.time_base)
        until = since + max(step, float((frame.duration or 0) * stream.time_base))
        if end:
            until = min(until, max(end, since + step))
        yield frame, since, until


def _progressive(frames: Iterator[VideoFrame], stream: VideoStream) -> Iterator[VideoFrame]:
    """Frames as they are; from the first one that is marked as interlaced on, those marked become whole pictures.

    The lines of one field are kept, those of the other are made from the fields around them (FFmpeg's bwdif).
    """
    graph: av.filter.Graph | None = None
    for frame in frames:
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
    """What a graph has ready, timed by the stream's clock again."""
    with contextlib.suppress(BlockingIOError, EOFError):
        while True:
            frame = graph.vpull()
            assert stream.time_base is not None and frame.time_base is not None
            if frame.pts is not None:
                frame.pts = round(frame.pts * frame.time_base / stream.time_base)
            frame.duration = round(frame.duration * frame.time_base / stream.time_base)
            frame.time_base = stream.time_base
            yield frame
