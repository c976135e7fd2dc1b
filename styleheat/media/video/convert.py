"""Decoded frames as upright RGB arrays of one size, full or cropped."""

from fractions import Fraction

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream


class Converter:
    """Decoded frames to upright RGB arrays of one size, or a part of them, keeping the scaler between frames.

    size: (width, height) wanted, None for that of the first frame. part: (x0, y0, x1, y1) pixels of it.
    """

    def __init__(
        self, stream: VideoStream, size: tuple[int, int] | None, part: tuple[int, int, int, int] | None
    ) -> None:
        self.stream, self.size, self.reformatter = stream, size, VideoReformatter()
        x0, y0, x1, y1 = self.part = part or (0, 0, 0, 0)
        self._inner = slice(y0, y1 or None), slice(x0, x1 or None)
        self._cutter: _Cutter | None = None
        self._shown: tuple[int, int] | None = None

    def __call__(self, frame: VideoFrame) -> np.ndarray:
        shown = shown_size(frame, self.stream)
        self._shown = self._shown or shown  # frames of another size show the same scene, larger or smaller
        if not any(self.part):
            return np.ascontiguousarray(self._full(frame, self.size or self._shown))
        as_it_is = not round(frame.rotation / 90) % 4 and self._shown == shown == (frame.width, frame.height)
        if not as_it_is or frame.format.name not in _PLAIN:
            return self._scaled(self._full(frame, self._shown)[self._inner])
        if self._cutter is None or not self._cutter.fits(frame):
            self._cutter = _Cutter(frame, self.part)
        cut = self._cutter.cut(frame)
        if self._cutter.exact:
            return np.ascontiguousarray(self._full(cut, self.size))
        return self._scaled(self._full(cut)[self._cutter.inner])

    def _scaled(self, part: np.ndarray) -> np.ndarray:
        """A part that could not be scaled while it was converted."""
        height, width = part.shape[:2]
        if self.size in (None, (width, height)):
            return np.ascontiguousarray(part)
        shrinks = self.size[0] * self.size[1] < width * height
        return cv2.resize(part, self.size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)

    def _full(self, frame: VideoFrame, size: tuple[int, int] | None = None) -> np.ndarray:
        quarters = round(frame.rotation / 90) % 4
        width, height = size or shown_size(frame, self.stream)
        if quarters % 2:
            width, height = height, width
        shrinks = width * height < frame.width * frame.height
        converted = self.reformatter.reformat(
            frame,
            width,
            height,
            "rgb24",
            src_color_range=frame.color_range,
            interpolation=Interpolation.AREA if shrinks else Interpolation.BICUBIC,
            threads=1,
        )
        return np.rot90(converted.to_ndarray(), quarters)


_PLAIN = ("yuv420p", "yuvj420p")
"""Formats in which the RGB of a pixel depends only on its square of 2×2 pixels: cropping before or after the
conversion gives the same bytes."""


class _Cutter:
    """Cuts a part out of decoded frames before they are converted, without copying it.

    part: (x0, y0, x1, y1). inner: the part within what `cut` returns, which starts and ends at even pixels, as chroma
    does. exact: the two are equal.
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


def shown_size(frame: VideoFrame, stream: VideoStream) -> tuple[int, int]:
    """(width, height) of the upright frame with square pixels."""
    width, height = round(frame.width * (stream.sample_aspect_ratio or 1)), frame.height
    return (height, width) if round(frame.rotation / 90) % 2 else (width, height)
