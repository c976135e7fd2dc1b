"""`params.yaml` as typed objects: the parameters of every stage, checked before any work starts.

`load_params` turns the file into a frozen `Params`. An unknown key, a wrong type or an impossible combination raises
`InputError` with one line that names the key as it is in the file: `params.yaml: sets.vox.crop.size: ...`.

Cross-checks that need a network's architecture are made where networks are built, not here.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from styleheat.errors import InputError
from styleheat.params.data import Crop, Landmarks, Pack, Quality, Sets, Source, SpeechSet, Weights
from styleheat.params.inference import NO_FILE, Drive, Evaluate, Infer, InferAudio, InferImage, InferVideo
from styleheat.params.machine import Runtime, Youtube
from styleheat.params.training import (
    AudioLosses,
    ImageTraining,
    Optimizer,
    PriorLosses,
    StyleHeatLosses,
    Train,
    TrainAudio,
    Training,
    TrainPrior,
    TrainWarper,
)
from styleheat.params.types import Amount, Impossible, Section

__all__ = [
    "NO_FILE",
    "PARAMS_FILE",
    "AudioLosses",
    "Crop",
    "Drive",
    "ImageTraining",
    "Infer",
    "Landmarks",
    "Optimizer",
    "Pack",
    "Params",
    "PriorLosses",
    "Quality",
    "Runtime",
    "Source",
    "StyleHeatLosses",
    "Train",
    "TrainAudio",
    "TrainPrior",
    "TrainWarper",
    "Training",
    "Youtube",
    "check_params",
    "load_params",
    "read_yaml",
]

PARAMS_FILE = "params.yaml"


class Params(Section):
    """All of `params.yaml`."""

    seed: Amount
    """Of everything random: weights, samples, held-out people, head motion and blinks from speech."""
    runtime: Runtime
    youtube: Youtube
    network: Literal["embedded", "full", "full_relative", "full_detail"]
    """Which architecture of `styleheat/networks/config.py` is trained."""
    sets: Sets
    speech: SpeechSet
    weights: Weights
    train_prior: TrainPrior
    train_warper: TrainWarper
    train: Train
    train_audio: TrainAudio
    evaluate: Evaluate
    infer: Infer
    infer_video: InferVideo
    infer_image: InferImage
    infer_audio: InferAudio

    @model_validator(mode="after")
    def _possible(self) -> "Params":
        for name in ("train_prior", "train_warper", "train", "train_audio"):
            init = getattr(self, name).init
            if self.network != "embedded" and init.startswith("models/embedded"):
                raise Impossible(f"{name}.init", f"{init} holds weights of network embedded, not of {self.network}")
        trained = self.sets.hdtf
        if self.speech.people and trained.coefficients.backend != "fit":
            raise Impossible(
                "speech.people",
                f"{self.speech.people} with coefficients of our own face model, but sets.hdtf.coefficients.backend is "
                f"{trained.coefficients.backend}; 0",
            )
        if self.infer.models == "models/styleheat":  # made by `train`, from this set's landmarks and coefficients
            if self.infer.landmarks != trained.landmarks.backend:
                raise Impossible("infer.landmarks", f"must be sets.hdtf.landmarks.backend, {trained.landmarks.backend}")
            if self.infer.coefficients != trained.coefficients.backend:
                raise Impossible(
                    "infer.coefficients", f"must be sets.hdtf.coefficients.backend, {trained.coefficients.backend}"
                )
        return self


def load_params(path: str | Path = PARAMS_FILE) -> Params:
    """Read and check a parameter file.

    Raises `InputError` when the file is missing, is not YAML, or holds an unknown key, a wrong type or an impossible
    combination: one line, naming the first wrong key and saying how many more there are.
    """
    return check_params(read_yaml(path), name=str(path))


def read_yaml(path: str | Path) -> dict[str, Any]:
    """A YAML 1.2 file as DVC reads it (`1e-4` is a number), as plain dicts; duplicate keys are refused.

    Raises `InputError` when it is missing, is not YAML, or is not a mapping.
    """
    try:
        content = YAML(typ="safe", pure=True).load(Path(path).read_text())
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run from the top of the repository") from None
    except YAMLError as error:
        raise InputError(f"{path}: not readable as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: must be a mapping of keys to values")
    return content


def check_params(content: dict[str, Any], name: str = PARAMS_FILE) -> Params:
    """Parameters from plain dicts; `name` is the file that errors speak of. Raises `InputError` as `load_params`."""
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        first, *others = error.errors(include_url=False)
        more = f" (and {len(others)} more wrong)" if others else ""
        raise InputError(f"{name}: {_describe(first)}{more}") from None


def _describe(fault: Any) -> str:
    """One fault of pydantic's as `key: what is wrong`."""
    key = ".".join(str(part) for part in fault["loc"] if not str(part).startswith("literal["))  # a union's branch
    match fault["type"]:
        case "extra_forbidden":
            return f"{key}: unknown key"
        case "missing":
            return f"{key}: this key is missing"
        case "model_type":
            return f"{key}: must be a mapping of keys to values, not {fault['input']!r}"
        case "value_error":
            error = fault["ctx"]["error"]
            if isinstance(error, Impossible):
                key = f"{key}.{error.key}" if key else error.key
            return f"{key}: {error}"
        case _:
            return f"{key}: {fault['msg'][0].lower()}{fault['msg'][1:]}, not {fault['input']!r}"
