"""Writing videos."""

import contextlib
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Literal

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, VideoReformatter

from styleheat import files
from styleheat.constants import FPS, SAMPLE_RATE
from styleheat.errors import InputError

Codec = Literal["h264", "png", "vp9"]
"""Codecs of `VideoWriter`."""

BT601 = 6
"""H.273 code of the SMPTE 170M colours, which is written into our files; readers that ignore it assume the same."""


VP9 = {"crf": "18", "b:v": "0", "auto-alt-ref": "0", "deadline": "realtime", "cpu-used": "6", "row-mt": "1"}
"""libvpx's options: constant quality, and no hidden frames, which can't be transparent."""

OPUS_RATE = 48_000
"""Sample rate of audio in WebM."""

BITS = {"mono": 96_000, "stereo": 160_000}
"""Bits a second of audio."""


class VideoWriter:
    """Write frames, and audio if given, as an mp4 that can be played while it loads: H.264 (yuv420p) and AAC.

    Use as a context manager. The file appears under its name only when the block ends without an exception. Equal
    frames and samples give equal bytes. Audio longer than the frames is cut.

    Args:
        path: the .mp4 file.
        size: (width, height) in pixels, both even, as the chroma of yuv420p has half the resolution.
        fps: frames a second.
        samples: audio, (N,) float in [-1, 1], or (2,N) for two channels; an array, an iterable of chunks
            (`audio.stream_audio`), or None for a video without audio.
        sample_rate: of `samples`, in Hz.
        channels: of `samples`, 1 or 2.
        crf: x264's constant rate factor, 0 (lossless) to 51; 18 is hard to distinguish from the original.
        codec: "h264", or "png": each frame a PNG image, which is lossless. FFmpeg's tools and libraries read such an
            mp4, most video players don't. Or "vp9": a .webm that may be transparent, with Opus audio; its frames have a
            fourth channel, 0 where they are transparent.
        preset: of x264: "veryfast" takes a third of the time of "medium", loses 1.5 dB and writes a tenth more.
        threads: of x264. Another number gives other bytes, so it doesn't depend on the machine's cores.
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
        channels: int = 1,
    ) -> None:
        if size[0] % 2 or size[1] % 2 or min(size) < 2:
            raise InputError(
                f"{path}: size {size[0]}x{size[1]} can't be written as video; width and height must be even"
            )
        self.path, self.size, self.fps = Path(path), size, Fraction(fps).limit_denominator(1001)
        self.sample_rate, self.crf, self.codec = sample_rate, crf, codec
        self.preset, self.threads = preset, threads
        self._samples = None if samples is None else iter([samples] if isinstance(samples, np.ndarray) else samples)
        self.layout = {1: "mono", 2: "stereo"}[channels]
        self._unsent = np.zeros((channels, 0), np.float32)
        self.frames = 0

    def __enter__(self) -> "VideoWriter":
        with contextlib.ExitStack() as stack:
            temporary = stack.enter_context(files.atomic(self.path))
            webm = self.codec == "vp9"
            options = {} if webm else {"movflags": "+faststart"}
            self._container = av.open(str(temporary), "w", format="webm" if webm else "mp4", options=options)
            stack.callback(self._container.close)
            if webm:
                self._video = self._container.add_stream("libvpx-vp9", rate=self.fps, options=VP9)
                self._video.pix_fmt = "yuva420p"
            elif self.codec == "png":
                self._video = self._container.add_stream("png", rate=self.fps)
                self._video.pix_fmt = "rgb24"
            else:
                # Equal bytes need a fixed number of threads (below) and no `mbtree`, whose AVX-512 code reads
                # uninitialised memory.
                options = {"crf": str(self.crf), "preset": self.preset, "mbtree": "0"}
                self._video = self._container.add_stream("libx264", rate=self.fps, options=options)
                self._video.pix_fmt = "yuv420p"
            self._video.width, self._video.height = self.size
            context = self._video.codec_context
            context.thread_count = self.threads
            context.time_base = 1 / self.fps
            if self.codec != "png":
                context.colorspace = context.color_primaries = context.color_trc = BT601
                context.color_range = 1  # limited, 16…235
            self._reformatter = VideoReformatter()
            if self._samples is not None:
                if webm:
                    self._audio = self._container.add_stream("libopus", rate=OPUS_RATE, layout=self.layout)
                else:
                    self._audio = self._container.add_stream("aac", rate=self.sample_rate, layout=self.layout)
                self._audio.bit_rate = BITS[self.layout]
                self._sent = 0
            self._stack = stack.pop_all()
        return self

    def write(self, frame: np.ndarray) -> None:
        """Append a frame, (height, width, 3) uint8 RGB, or with a fourth channel for "vp9"."""
        channels = 4 if self.codec == "vp9" else 3
        shape = (self.size[1], self.size[0], channels)
        assert frame.dtype == np.uint8 and frame.shape == shape, (frame.dtype, frame.shape)
        av_frame = VideoFrame.from_ndarray(np.ascontiguousarray(frame), "rgba" if channels == 4 else "rgb24")
        if self.codec != "png":
            pix_fmt = self._video.pix_fmt
            av_frame = self._reformatter.reformat(av_frame, format=pix_fmt, dst_colorspace=Colorspace.ITU601, threads=1)
            av_frame.color_primaries = av_frame.color_trc = BT601
        av_frame.pts, av_frame.time_base = self.frames, 1 / self.fps
        self.frames += 1
        self._container.mux(self._video.encode(av_frame))
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
            if self._samples is not None:
                self._container.mux(self._audio.encode(None))

    def _write_audio(self, until: Fraction) -> None:
        if self._samples is None:
            return
        due = int(until * self.sample_rate) - self._sent
        while self._unsent.shape[1] < due:
            piece = next(self._samples, None)
            if piece is None:
                break
            self._unsent = np.concatenate([self._unsent, np.atleast_2d(np.asarray(piece, np.float32))], axis=1)
        now, self._unsent = np.clip(self._unsent[:, :due], -1, 1), self._unsent[:, due:]
        if now.shape[1]:
            block = av.AudioFrame.from_ndarray(np.ascontiguousarray(now), format="fltp", layout=self.layout)
            block.sample_rate, block.pts, block.time_base = self.sample_rate, self._sent, Fraction(1, self.sample_rate)
            self._container.mux(self._audio.encode(block))
            self._sent += now.shape[1]
