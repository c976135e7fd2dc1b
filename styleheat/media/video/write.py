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
"""What `VideoWriter` encodes pictures by."""

BT601 = 6
"""H.273 code of the SMPTE 170M colours, written into our files: readers that ignore the tag assume it anyway."""


VP9 = {"crf": "18", "b:v": "0", "auto-alt-ref": "0", "deadline": "realtime", "cpu-used": "6", "row-mt": "1"}
"""libvpx's options: constant quality; frames that are never shown are off, as they can't be transparent."""

OPUS_RATE = 48_000
"""Hz of all sound in WebM."""

BITS = {"mono": 96_000, "stereo": 160_000}
"""Bits a second of sound."""


class VideoWriter:
    """Write frames, and sound if given, as an mp4 that can be played while it loads: H.264 (yuv420p) and AAC.

    Use as a context manager. The file appears under its name only when the block ends without an exception. Equal
    frames and samples give equal bytes. Sound longer than the frames is cut.

    Args:
        path: the .mp4 file.
        size: (width, height) in pixels, both even, as the chroma of yuv420p has half the resolution.
        fps: frames a second.
        samples: sound, (N,) float in [-1, 1], whole or in pieces (`audio.stream_audio`), or None for a silent video; of
            two channels (2,N).
        sample_rate: of `samples`, in Hz.
        channels: of `samples`, 1 or 2.
        crf: x264's constant rate factor, 0 (lossless) to 51; 18 is hard to distinguish from the original.
        codec: "h264", or "png": each frame a PNG picture, so that what is read is what was written. FFmpeg's tools and
            libraries read such an mp4, few players do. Or "vp9": a .webm that may be transparent, with Opus sound; its
            frames have a fourth channel, 0 where nothing is.
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
        channels: int = 1,
    ) -> None:
        if size[0] % 2 or size[1] % 2 or min(size) < 2:
            raise InputError(
                f"{path}: size {size[0]}x{size[1]} can't be written as video; width and height must be even"
            )
        self.path, self.size, self.fps = Path(path), size, Fraction(fps).limit_denominator(1001)
        self.sample_rate, self.crf, self.codec = sample_rate, crf, codec
        self.preset, self.threads = preset, threads
        self._sound = None if samples is None else iter([samples] if isinstance(samples, np.ndarray) else samples)
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
                # Equal bytes need a fixed number of threads (below) and no `mbtree`, whose AVX-512 code reads memory
                # that nobody set.
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
            if self._sound is not None:
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
        picture = VideoFrame.from_ndarray(np.ascontiguousarray(frame), "rgba" if channels == 4 else "rgb24")
        if self.codec != "png":
            kept = self._video.pix_fmt
            picture = self._reformatter.reformat(picture, format=kept, dst_colorspace=Colorspace.ITU601, threads=1)
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
        while self._unsent.shape[1] < due:
            piece = next(self._sound, None)
            if piece is None:
                break
            self._unsent = np.concatenate([self._unsent, np.atleast_2d(np.asarray(piece, np.float32))], axis=1)
        now, self._unsent = np.clip(self._unsent[:, :due], -1, 1), self._unsent[:, due:]
        if now.shape[1]:
            sound = av.AudioFrame.from_ndarray(np.ascontiguousarray(now), format="fltp", layout=self.layout)
            sound.sample_rate, sound.pts, sound.time_base = self.sample_rate, self._sent, Fraction(1, self.sample_rate)
            self._container.mux(self._audio.encode(sound))
            self._sent += now.shape[1]
