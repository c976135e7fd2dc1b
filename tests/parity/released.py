"""Released files, filled by the fixtures' rule and laid out as the originals are."""

from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from scipy.io import savemat

from styleheat.releases import convert_released, released_files
from styleheat.releases.files import Released
from tests.parity import fill as rule

SEED = 20220704


def write(folder: Path, files: Iterable[Released], fill: ModuleType, seed: int) -> None:
    """Each file in the format that its manifest names."""
    for file in files:
        manifest = fill.load_manifest(file.name.replace("/", "__"))
        content = fill.build_checkpoint(manifest, seed)
        path = folder / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        match manifest["format"]:
            case "mat":
                savemat(path, content)
            case "npz":
                np.savez(path, **content)
            case _:
                torch.save(fill.to_torch(content), path)


def deep3d_folder(folder: Path) -> Path:
    """A model folder of the regressor without its face model, for tests that need one but no certain numbers."""
    write(folder / "released", released_files("deep3d", folder), rule, SEED)
    convert_released("deep3d", folder / "released", folder / "made", {})
    return folder / "made"
