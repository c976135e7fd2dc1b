"""Scores by third-party networks: LPIPS, FID and KID, and SyncNet's LSE-D and LSE-C.

The networks are released files, converted by the stage `weights` (`weights.models: [scores]`). The code around them is
that of the packages lpips and torch-fidelity, and of SyncNet `styleheat.face.sync`.
"""

import importlib.util
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import safetensors
import safetensors.torch
import torch
from PIL import Image
from torch import Tensor, nn

from styleheat import checkpoints, clock
from styleheat.errors import InputError
from styleheat.evaluation.frames import Frames, LazyFrames
from styleheat.evaluation.measure import Measurements
from styleheat.face import sync

if TYPE_CHECKING:
    import lpips

PACKAGES = ("lpips", "torch_fidelity")
MISSING = "lpips, torch-fidelity: not installed; pip install 'styleheat[scores]'"

AT_ONCE = 8
"""Frames that go through a network together."""

INCEPTION_SIDE, FEATURES = 299, 2048
"""Pixels of Inception's square frames, and its pooled features."""

KID_SUBSETS, KID_SUBSET = 100, 1000
"""Subsets that KID is the mean of, and the images in each, where there are as many."""

NO_SYNC = {"lse_d": float("nan"), "lse_c": float("nan")}

LEFT_OUT = "lpips, fid, kid, lse_d and lse_c: need the networks of `weights.models: [scores]` (`evaluate.scores`)"


@dataclass(frozen=True)
class Learned:
    """The networks, on one device."""

    perceptual: "lpips.LPIPS"
    inception: nn.Module
    lips: sync.LipSync
    device: str

    @torch.inference_mode()
    def lpips(self, generated: Frames, target: Frames) -> float:
        """LPIPS with AlexNet, version 0.1 (arXiv 1801.03924), the mean over T frames (S,S,3) uint8, the first left out;
        0 where they are equal."""
        found: list[float] = []
        for numbers in _parts(len(target), first=1):
            pair = [self._images(_stack(frames, numbers)) for frames in (generated, target)]
            found += self.perceptual(*pair).flatten().tolist()
        return float(np.mean(found)) if found else float("nan")

    @torch.inference_mode()
    def features(self, frames: Frames) -> np.ndarray:
        """(T,2048) float32: Inception's of each frame (S,S,3) uint8, for `frechet` and `kernel`.

        Frames are resized by Pillow's antialiased bicubic filter (clean-fid, arXiv 2104.11222).
        """
        found = [np.zeros((0, FEATURES), np.float32)]
        for numbers in _parts(len(frames)):
            resized = np.stack([_resized(frames[number]) for number in numbers])
            (features,) = self.inception(torch.from_numpy(resized).permute(0, 3, 1, 2).to(self.device))
            found.append(features.float().cpu().numpy())
        return np.concatenate(found)

    def lip_sync(self, frames: Frames, landmarks: np.ndarray, audio: np.ndarray | None) -> dict[str, float]:
        """SyncNet's distance `lse_d` (lower is better) and confidence `lse_c` (higher is better) of a video; arguments
        as for `sync.LipSync.distances`. NaN where these are None."""
        found = self.lips.distances(frames, frames[0].shape[0], landmarks, audio) if len(frames) else None
        return NO_SYNC if found is None else sync.scores(found)

    def _images(self, frames: np.ndarray) -> Tensor:
        return torch.from_numpy(frames).permute(0, 3, 1, 2).to(self.device).float() / 127.5 - 1


def available(folder: str | Path) -> bool:
    """Whether a folder has networks; `models/none` has none."""
    return (Path(folder) / checkpoints.WEIGHTS).is_file()


def opened(folder: str | Path, device: str) -> Learned | None:
    """The networks of a model folder that the stage `weights` made, or None where the folder has no model (see
    `models/none`). Raises InputError where a package is missing, or the folder holds another model."""
    path = Path(folder) / checkpoints.WEIGHTS
    if not available(folder):
        return None
    if any(importlib.util.find_spec(package) is None for package in PACKAGES):
        raise InputError(MISSING)
    import lpips

    fault = f"{path}: not the networks of scores; give a folder made by weights.models: [scores]"
    try:
        state = safetensors.torch.load_file(path)
    except safetensors.SafetensorError:
        raise InputError(fault) from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torchvision, whose network it makes in an old way
        perceptual = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)  # its linear layers come with the package
    alexnet, convolutions = _under(state, "alexnet."), perceptual.net.state_dict()
    try:
        # Their names have the slice of the network before those of torchvision.
        perceptual.net.load_state_dict({name: alexnet[name.partition(".")[2]] for name in convolutions})
        lips = sync.LipSync.of(_under(state, sync.PREFIX), device)
        inception = _inception(_under(state, "inception."))
    except (KeyError, RuntimeError):
        raise InputError(fault) from None
    return Learned(perceptual.to(device).eval(), inception.to(device).eval(), lips, device)


def frechet(generated: np.ndarray, real: np.ndarray) -> float:
    """Fréchet inception distance (arXiv 1706.08500) of two sets of features (N,2048), in float64."""
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric

    statistics = [fid_features_to_statistics(torch.from_numpy(part.astype(np.float64))) for part in (generated, real)]
    return float(fid_statistics_to_metric(*statistics, verbose=False)[KEY_METRIC_FID])


def kernel(generated: np.ndarray, real: np.ndarray) -> float:
    """Kernel inception distance (arXiv 1801.01401) of two sets of features (N,2048): the mean over KID_SUBSETS."""
    from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric

    size = min(KID_SUBSET, len(generated), len(real))
    both = [torch.from_numpy(part.astype(np.float64)) for part in (generated, real)]
    found = kid_features_to_metric(*both, kid_subsets=KID_SUBSETS, kid_subset_size=size, rng_seed=0, verbose=False)
    return float(found[KEY_METRIC_KID_MEAN])


def _under(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def _inception(state: dict[str, Tensor]) -> nn.Module:
    """torch-fidelity's network, which takes its weights from a file alone."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    with tempfile.NamedTemporaryFile(suffix=".pth") as file:
        torch.save(state, file.name)
        return FeatureExtractorInceptionV3("inception", [str(FEATURES)], feature_extractor_weights_path=file.name)


def _parts(length: int, first: int = 0) -> Iterator[range]:
    """Numbers of a few frames at a time; each part is a sign of progress for the time limit of a clip."""
    for start in range(first, length, AT_ONCE):
        clock.progress()
        yield range(start, min(start + AT_ONCE, length))


def _stack(frames: Frames, numbers: range) -> np.ndarray:
    return np.stack([frames[number] for number in numbers])


def _resized(frame: np.ndarray) -> np.ndarray:
    """A frame (S,S,3) uint8 at Inception's size; the colours are resized as floats, one by one."""
    size = (INCEPTION_SIDE, INCEPTION_SIDE)
    planes = [
        np.asarray(Image.fromarray(frame[..., k].astype(np.float32)).resize(size, Image.Resampling.BICUBIC))
        for k in range(3)
    ]
    return np.clip(np.round(np.stack(planes, axis=2)), 0, 255).astype(np.uint8)


def after_first(frames: Frames) -> LazyFrames:
    return LazyFrames(len(frames) - 1, lambda number: frames[number + 1])


def extended(
    score: Callable[..., dict[str, float]], learned: Learned | None, pixels: bool, audio: np.ndarray | None
) -> Callable[..., dict[str, float]]:
    """A `protocols.Score` that also has the scores of networks, if there are any: LPIPS against target frames with
    `pixels`, and SyncNet's with the audio (N,) of the frames from the second on, NaN without."""
    if learned is None:
        return score

    def total(
        generated: Measurements, target: Measurements, person: np.ndarray, frames: Frames, target_frames: Frames
    ) -> dict[str, float]:
        scores = score(generated, target, person, frames, target_frames)
        if pixels:
            scores["lpips"] = learned.lpips(frames, target_frames)
        return scores | learned.lip_sync(after_first(frames), generated.landmarks, audio)

    return total
