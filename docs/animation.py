"""The moving picture at the top of README.md: python -m docs.animation

Beside the portrait of `infer_audio` stands its film, without its sound. Animated WebP, which browsers and code hosts
show: smaller than a GIF, and its colours are not cut to 256.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from styleheat import files
from styleheat.media.image import read_image
from styleheat.media.video import probe, read_frames
from styleheat.params import load_params

FILM = Path("data/infer/audio.mp4")
PICTURE = Path("docs/talking.webp")

SECONDS = 6.0
"""Of the film, at most."""
GAP = 8
"""White pixels between portrait and film."""
QUALITY = 80
"""Of WebP, 0 to 100."""


def write_animation(film: Path, portrait: Path, path: Path) -> None:
    """Write the portrait beside the film, at the film's size and rate, as a WebP that repeats.

    Raises InputError when film or portrait can't be read.
    """
    info = probe(film)
    still = np.asarray(ImageOps.fit(Image.fromarray(read_image(portrait)), (info.width, info.height)))
    gap = np.full((info.height, GAP, 3), 255, np.uint8)
    first, *others = (
        Image.fromarray(np.concatenate([still, gap, frame], axis=1))
        for frame in read_frames(film, fps=None, end=SECONDS)
    )
    milliseconds = round(1000 / info.fps)
    with files.atomic(path) as temporary:
        first.save(temporary, save_all=True, append_images=others, duration=milliseconds, loop=0, quality=QUALITY)


if __name__ == "__main__":
    write_animation(FILM, Path(load_params().infer_audio.portrait), PICTURE)
    print(f"{PICTURE}: {PICTURE.stat().st_size / 1e6:.1f} MB")
