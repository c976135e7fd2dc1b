"""Generates frames from descriptors and writes them to a file; encoding runs in parallel with generation."""

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from styleheat.checkpoints import open_model
from styleheat.constants import SAMPLE_RATE
from styleheat.errors import InputError
from styleheat.face.landmarks import Landmarker
from styleheat.inference.compose import composer, unmixed
from styleheat.inference.drive import Motion
from styleheat.inference.engine import Engine
from styleheat.inference.finish import Finisher, plain, read_source
from styleheat.inference.portrait import Portrait, inverter, read_portrait
from styleheat.inference.reader import FaceReader
from styleheat.inference.retouch import Retouch
from styleheat.inference.teeth import teeth_of
from styleheat.media.track import MixedTrack
from styleheat.media.video import Codec, VideoWriter, probe, read_frames
from styleheat.morphable.coefficients import window
from styleheat.morphable.geometry import View
from styleheat.networks.audio2motion import Audio2Motion
from styleheat.networks.layers import channels_last
from styleheat.networks.styleheat import StyleHEAT
from styleheat.params import Infer

BATCH = 4
"""Frames in a batch. More frames take more memory for little gain in speed."""

BATCH_PIXELS = BATCH * 256 * 256
"""Pixels painted at once on CPUs, if a frame has no more: at 1024 pixels each further frame would take 0.6 GB."""

ENCODING = 4
"""Threads that encode a video: one takes 45 ms for a frame of 1024 pixels, three times as long as a GPU to paint it."""

PRESET, CRF = "superfast", 19
"""Of x264: half the time of "veryfast" at 18, 0.2 dB less, and a sixth more bytes."""


def load_styleheat(folder: str | Path, device: str) -> StyleHEAT:
    """The model of a folder, ready for inference. Raises InputError when the folder holds no such model."""
    model = open_model(folder, StyleHEAT)
    # The rest runs once, or its weights are copied by the engine: it stays in the mapped file, which spares a gigabyte.
    channels_last(model.video_warper)
    return model.requires_grad_(False).to(device)


def load_audio2motion(folder: str | Path, device: str) -> Audio2Motion:
    """As `load_styleheat`, for the networks that turn speech into motion."""
    return open_model(folder, Audio2Motion).requires_grad_(False).to(device)


def open_portrait(path: str | Path, infer: Infer, reader: FaceReader, device: str) -> Portrait:
    """The portrait of an image file, by the model and in the way that params.yaml names. Raises InputError, also for
    coefficients of another face model than the networks start from.

    The model is let go again: at full size its encoders, which run only here, take a gigabyte.
    """
    model = load_styleheat(infer.models, device)
    if model.config.geometry and not reader.own_face_model:
        raise InputError(
            f"params.yaml: infer.coefficients: {infer.coefficients}, but {infer.models} starts from the geometry of "
            "this project's own face model; fit"
        )
    return read_portrait(path, model, reader, inverter(infer, model), infer.face, infer.size, infer.portrait_time)


def animate(
    model: StyleHEAT,
    portrait: Portrait,
    descriptors: np.ndarray,
    size: int | None = None,
    transparent: bool = False,
    wide: bool = False,
    painters: int | None = None,
) -> Iterator[np.ndarray]:
    """Yield one (S,S,3) uint8 frame for each of the descriptors (T,73); memory does not grow with T.

    size: S, if not the portrait's, or the generator's own for a network that takes no detail from the portrait.
    transparent: with a fourth channel, how opaque the portrait is, moved as its detail is.
    wide: if the background stands still, frames (W,W,3) also show what is around the portrait's square, by as many
    pixels on each side.
    painters: on CPUs, so many threads paint, BATCH at most, each a batch by itself: within `one_thread`, frames are
    then the same for any number of them. None: as is fastest.
    """
    config = model.config
    engine = Engine(model, portrait.inversion)
    device = portrait.inversion.feature.device
    own = torch.from_numpy(portrait.descriptor)[None].to(device)
    geometry = portrait.geometry() if config.geometry else None
    workers, batch, threads = _division(config.image_size, device, painters)
    finish = retouch = None
    if config.detail:
        teeth = None if geometry is None else teeth_of(portrait, geometry, size)
        finish = Finisher(read_source(portrait, size), device, threads, wide, transparent, teeth)
        retouch = Retouch(portrait.image, geometry, config.image_size, device)
        still = torch.from_numpy(window(portrait.descriptor[None], 0))[None].to(device)
        place = None if geometry is None else torch.from_numpy(geometry(portrait.descriptor))[None].to(device)
        engine.settle(model.video_warper.conditioned(still, own), place)

    @torch.inference_mode()
    def paint(chosen: range) -> list[np.ndarray]:
        # Always as many: how many there are may change how convolutions round.
        frames = [min(frame, chosen[-1]) for frame in range(chosen[0], chosen[0] + batch)]
        windows = torch.from_numpy(np.stack([window(descriptors, frame) for frame in frames])).to(device)
        windows = model.video_warper.conditioned(windows, own.expand(batch, -1))
        moves, free, views = None, None, list[View]()
        if geometry is not None:
            views = [geometry.view(descriptors[frame]) for frame in chosen]
            fields, changes = (list(part) for part in zip(*map(geometry.freed, views), strict=True))
            moves = torch.from_numpy(np.stack(fields + fields[-1:] * (batch - len(chosen)))).to(device)
            free = moves[: len(chosen)], torch.from_numpy(np.stack(changes)).to(device)
        painted, displacement = engine.paint(windows, moves)
        painted, displacement = painted[: len(chosen)], displacement[: len(chosen)]
        if finish is None or retouch is None:
            return plain(painted, size)
        retouch(painted, displacement, views)
        return finish(painted, displacement, free, views)

    total = len(descriptors)
    batches = (range(start, min(start + batch, total)) for start in range(0, total, batch))
    for frames in map(paint, batches) if workers == 1 else _in_order(paint, batches, workers, threads):
        yield from frames


@contextlib.contextmanager
def one_thread() -> Iterator[int]:
    """Let torch compute in this thread alone, and give the number of threads it had before, as `animate` takes it.

    Float32 convolutions round otherwise for another number of threads, by a millionth of their values; where that is
    rounded on to bfloat16, frames differ by some shades, which scores show.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield before
    finally:
        torch.set_num_threads(before)


def _division(side: int, device: torch.device, painters: int | None = None) -> tuple[int, int, int]:
    """How frames of a side of pixels share the processor: (workers, frames at once, threads) of which each worker has.

    Small maps keep several workers with fewer threads busier than one with all. painters: as for `animate`.
    """
    if device.type == "cuda":
        return 1, BATCH, 1
    frames, threads = min(BATCH, max(1, BATCH_PIXELS // side**2)), torch.get_num_threads()
    if painters is not None:
        return min(painters, BATCH), frames, 1
    workers = min(frames, threads)
    return workers, frames, threads // workers


def _in_order(
    paint: Callable[[range], list[np.ndarray]], batches: Iterable[range], workers: int, threads: int
) -> Iterator[list[np.ndarray]]:
    """`map`, by several workers at once, each two batches ahead of what was taken."""
    everything = torch.get_num_threads()
    started = threading.Barrier(workers + 1)

    def start() -> None:
        torch.set_num_threads(threads)  # of this thread, and of those to come
        started.wait()

    waiting: deque[Future[list[np.ndarray]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for _ in range(workers):
            pool.submit(start)
        started.wait()
        torch.set_num_threads(everything)
        for chosen in batches:
            waiting.append(pool.submit(paint, chosen))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def write_video(
    path: str | Path,
    model: StyleHEAT,
    portrait: Portrait,
    motion: Motion,
    result: str = "aligned",
    driver: Iterable[np.ndarray] | None = None,
    longest: int | None = None,
    transparent: bool = False,
) -> None:
    """Animate, and encode the frames as they come, with the motion's rate and audio. result, driver, longest: as for
    `composer`. transparent: of a `pasted` portrait that is not opaque everywhere, write a WebM beside the video, too,
    that is as it is.

    A bar shows frames a second and the time that is left. Ctrl-C ends the video early: it is then a valid file of the
    frames painted so far, and the KeyboardInterrupt goes on.
    """
    transparent = transparent and result == "pasted" and portrait.opaque is not None
    frames = animate(model, portrait, motion.descriptors, transparent=transparent, wide=result == "pasted")
    total = len(motion.descriptors)
    size, show = composer(result, portrait, driver, longest)
    audio = None if motion.audio is None else motion.audio.mixed()
    writing: Future[None] | None = None
    interrupt: KeyboardInterrupt | None = None
    beside = Path(path).with_suffix(".webm")
    with (
        _writer(path, size, motion.fps, audio) as writer,
        _writer(beside, size, motion.fps, audio, "vp9") if transparent else contextlib.nullcontext() as clear,
        ThreadPoolExecutor(1) as encoder,
    ):

        def write(painted: np.ndarray) -> None:
            shown = show(painted)
            writer.write(np.ascontiguousarray(shown[..., :3]))
            if clear is not None:
                clear.write(unmixed(shown))

        try:
            for frame in tqdm(frames, total=total, desc=Path(path).name, unit="frame", mininterval=1.0):
                if writing is not None:
                    writing.result()
                writing = encoder.submit(write, frame)
        except KeyboardInterrupt as stop:
            if writing is None:
                raise
            interrupt = stop
        if writing is not None:
            writing.result()
    if interrupt is not None:
        tqdm.write(f"{path}: stopped after {writer.frames} of {total} frames")
        raise interrupt


def _writer(
    path: str | Path, size: tuple[int, int], fps: float, audio: MixedTrack | None, codec: Codec = "h264"
) -> VideoWriter:
    return VideoWriter(
        path,
        size,
        fps,
        None if audio is None else audio.pieces(),
        SAMPLE_RATE if audio is None else audio.rate,
        crf=CRF,
        codec=codec,
        preset=PRESET,
        threads=ENCODING,
        channels=1 if audio is None else audio.channels,
    )


def inspect(path: str | Path, finder: Landmarker) -> dict[str, float | int]:
    """Measure a video: frames, seconds, whether it has audio (0 or 1), share of frames with a face."""
    info = probe(path)
    faces = [points is not None for points in finder.track(read_frames(path, fps=None))]
    return {
        "frames": len(faces),
        "seconds": round(len(faces) / info.fps, 3),
        "audio": int(info.has_audio),
        "faces": round(sum(faces) / len(faces), 4),
    }
