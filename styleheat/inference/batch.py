"""Every portrait with every driver: many videos by one command."""

import contextlib
import functools
import itertools
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from styleheat.errors import InputError
from styleheat.files import short_name
from styleheat.inference.animator import Animator
from styleheat.inference.drive import Driver
from styleheat.inference.speech import is_text

T = TypeVar("T")


def animate_all(
    animator: Animator, portraits: Sequence[Path], drivers: Sequence[Path], folder: Path, again: bool = False
) -> Counter[str]:
    """Make `<portrait>--<driver>.mp4` in a folder of each portrait and each driver, names that are too long shortened.
    How many were `made`, were `there` already and, unless `again`, left alone, or `failed`.

    Each file is opened once, before the first video is made; a text is first spoken to an audio file in the folder,
    words.txt to words.txt.wav. One that can't be used costs its own videos only, and is one line on stderr. A video
    that Ctrl-C ended early is `<portrait>--<driver>.part.mp4`, so that it is made another time. Raises InputError when
    two videos would have one name.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: not a folder; name one for the videos")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: can't be made ({error.strerror}); name a folder that can be written to") from error
    paths: dict[tuple[Path, Path], Path] = {}
    for pair in itertools.product(portraits, drivers):
        path = folder / f"{short_name(f'{pair[0].stem}--{pair[1].stem}')}.mp4"
        if path in paths.values():
            raise InputError(f"{path}: two videos would have this name; rename a portrait or a driver")
        paths[pair] = path
    wanted = {pair: path for pair, path in paths.items() if again or not path.exists()}
    faces = _open(animator.portrait, (portrait for portrait, _ in wanted))
    motions = _open(functools.partial(_driver, animator, folder), (driver for _, driver in wanted))
    made = 0
    for (portrait, driver), path in wanted.items():
        if portrait in faces and driver in motions:
            unfinished = path.with_suffix(".part.mp4")
            with _one_line(path):
                animator.write(unfinished, faces[portrait], motions[driver])
                unfinished.replace(path)
                if (clear := unfinished.with_suffix(".webm")).exists():
                    clear.replace(path.with_suffix(".webm"))
                made += 1
    return Counter(made=made, there=len(paths) - len(wanted), failed=len(wanted) - made)


def _driver(animator: Animator, folder: Path, path: Path) -> Driver:
    """The driver of a file; a text is spoken to an audio file first."""
    if not is_text(path):
        return animator.driver(path)
    folder.mkdir(parents=True, exist_ok=True)
    spoken = folder / f"{path.name}.wav"
    animator.read_aloud(path, spoken)
    return animator.audio(spoken)


def _open(how: Callable[[Path], T], paths: Iterable[Path]) -> dict[Path, T]:
    """What could be opened."""
    found = {}
    for path in dict.fromkeys(paths):
        with _one_line(path):
            found[path] = how(path)
    return found


@contextlib.contextmanager
def _one_line(path: Path) -> Iterator[None]:
    """An error of a file ends the block and is reported in one line; an unforeseen one with its type."""
    try:
        yield
    except InputError as error:
        tqdm.write(f"animate: {error}", file=sys.stderr)
    except Exception as error:
        tqdm.write(f"animate: {path}: {type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr)
