"""The animation at the top of README.md: python -m docs.animation

The videos of `infer_video` and `infer_audio` side by side, each with its portrait in a corner, without audio.
Animated WebP, which browsers and code hosts show: smaller than a GIF, and its colours are not cut to 256.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from styleheat import files
from styleheat.media.image import read_image
from styleheat.media.video import read_frames
from styleheat.params import load_params

IMAGE = Path("docs/talking.webp")
VIDEOS = Path("data/infer/video.mp4"), Path("data/infer/audio.mp4")

SECONDS, FPS = 4.0, 12.5
SIDE, INSET = 320, 96
"""Pixels of a video's side, and of its portrait's width."""
GAP = 8
"""White pixels between the videos."""
QUALITY = 70
"""Of WebP, 0 to 100."""


def write_animation(videos: dict[Path, Path], path: Path) -> None:
    """Write videos, each with its portrait, side by side as a WebP that repeats; as long as the shortest.

    Raises InputError when a video or portrait can't be read.
    """
    gap = np.full((SIDE, GAP, 3), 255, np.uint8)
    frames = [
        Image.fromarray(np.concatenate([left, gap, right], axis=1))
        for left, right in zip(*(_frames(*pair) for pair in videos.items()), strict=False)
    ]
    with files.atomic(path) as temporary:
        first, others = frames[0], frames[1:]
        milliseconds = round(1000 / FPS)
        first.save(
            temporary, save_all=True, append_images=others, duration=milliseconds, loop=0, quality=QUALITY, method=6
        )


def _frames(video: Path, portrait: Path) -> Iterator[np.ndarray]:
    """Frames (SIDE,SIDE,3) of a video, with its portrait in the lower left corner."""
    still = read_image(portrait)
    height = round(INSET * still.shape[0] / still.shape[1])
    still = cv2.resize(still, (INSET, height), interpolation=cv2.INTER_AREA)
    for frame in islice(read_frames(video, fps=FPS), round(SECONDS * FPS)):
        frame = cv2.resize(frame, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        frame[SIDE - height - 2 :, : INSET + 2] = 255  # a white edge
        frame[SIDE - height :, :INSET] = still
        yield frame


if __name__ == "__main__":
    params = load_params()
    portraits = Path(params.infer_video.portrait), Path(params.infer_audio.portrait)
    write_animation(dict(zip(VIDEOS, portraits, strict=True)), IMAGE)
    print(f"{IMAGE}: {IMAGE.stat().st_size / 1e6:.1f} MB")
