"""The networks that scores need, with random weights, made from files like the released ones."""

from pathlib import Path

import pytest
import torch
from torchvision.models import alexnet

from styleheat.networks.syncnet import SyncNet
from styleheat.releases import convert_released
from styleheat.releases.scores import ALEXNET, INCEPTION, SYNCNET


def scores_folder(folder: Path) -> Path:
    """Make a model folder, and the released files beside it."""
    pytest.importorskip("lpips")
    fidelity = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3").FeatureExtractorInceptionV3
    torch.manual_seed(0)
    released = folder.with_name(f"{folder.name}-released")
    released.mkdir(parents=True)
    torch.save({f"features.{n}": t for n, t in alexnet().features.state_dict().items()}, released / ALEXNET.name)
    torch.save(SyncNet().state_dict(), released / SYNCNET.name)
    torch.save({}, released / INCEPTION.name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fidelity, "load_state_dict", lambda self, state: None)
        inception = fidelity("inception", ["2048"], feature_extractor_weights_path=released / INCEPTION.name)
    torch.save(inception.state_dict(), released / INCEPTION.name)
    convert_released("scores", released, folder, {})
    return folder
