"""The work of `evaluate` on one clip, for processes of their own: networks are loaded once in each."""

import functools
import json
from dataclasses import dataclass
from pathlib import Path

from styleheat import files
from styleheat.clips.store import ClipStore
from styleheat.clips.workers import Outcome, gpu_of_worker
from styleheat.evaluation import keypoints, learned
from styleheat.evaluation.protocols import Evaluator, Result, from_json, read_clip, to_json
from styleheat.inference import animate
from styleheat.inference.reader import face_reader
from styleheat.params import Infer

RESULT = "result.json"


@dataclass(frozen=True)
class Setup:
    """What is scored, and on what.

    infer: `params.Infer` as JSON. lmdb, size: of the data set. seconds: of each clip, at most. aligned: whether the
    model inverts FFHQ-aligned frames. scores: folder of networks for more scores (`learned.opened`). other:
    the estimator of AKD (`keypoints.backend`).
    """

    infer: str
    device: str
    lmdb: str
    size: int
    seconds: float
    aligned: bool
    seed: int
    scores: str
    other: keypoints.Backend | None


def evaluate_clip(name: str, driver: str | None, voice: str | None, setup: Setup, folder: Path) -> Outcome:
    """Leave `<folder>/<name>/` with the clip's results (`read_result`), videos and rows of frames."""
    evaluator, store = _evaluator(setup), ClipStore(setup.lmdb, setup.size)
    clip = read_clip(store, name, setup.seconds, setup.aligned, voice)
    other = None if driver is None else read_clip(store, driver, setup.seconds)
    with files.atomic(folder / name) as made:
        made.mkdir()
        results = evaluator(clip, other, made)
        files.write_json(made / RESULT, to_json(results))
    return Outcome(files=sorted((folder / name).iterdir()))


def read_result(folder: Path, name: str) -> dict[str, Result]:
    """By protocol."""
    return from_json(json.loads((folder / name / RESULT).read_text()))


@functools.lru_cache(maxsize=1)
def _evaluator(setup: Setup) -> Evaluator:
    infer, device = Infer.model_validate_json(setup.infer), gpu_of_worker(setup.device)
    model = animate.load_styleheat(infer.models, device)
    audio_model = animate.load_audio2motion(infer.audio_models, device)
    networks = learned.opened(setup.scores, device)
    other = keypoints.opened(setup.other, device)
    return Evaluator(model, audio_model, face_reader(infer, device), setup.seed, networks, other)
