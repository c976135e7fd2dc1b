"""Files that others gave out, read without running anything that is pickled in them."""

import pickle
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from scipy.io import loadmat
from scipy.io.matlab import MatReadError
from torch import Tensor, nn

from styleheat.checkpoints import State, check_state
from styleheat.errors import InputError

# As in StyleHEAT's bash/download.sh, SadTalker's scripts/download_models.sh and torchvision's VGG19_Weights.
STYLEHEAT_RELEASE = "https://github.com/OpenTalker/StyleHEAT/releases/download/styleheat"
SADTALKER_RELEASE = "https://github.com/OpenTalker/SadTalker/releases/download/v0.0.2"
SADTALKER_FILES = (  # in its repository, at the commit that brought it
    "https://raw.githubusercontent.com/OpenTalker/SadTalker/1119361eec6a9807e4d737647a36325ed7e977c5/src/config"
)
SADTALKER_RC_RELEASE = "https://github.com/OpenTalker/SadTalker/releases/download/v0.0.2-rc"
MIRRORS = {
    STYLEHEAT_RELEASE: ("https://github.com/FeiiYin/StyleHEAT/releases/download/styleheat",),
    SADTALKER_RELEASE: ("https://huggingface.co/vinthony/SadTalker/resolve/4aedd064359e623398a2d73eb8c253ebb2bd516c",),
}
"""Other places of what lies at an address."""

BARE = "tensor"
"""What `read_released` calls the tensor of a file that holds just one, without a name."""


@dataclass(frozen=True)
class Published:
    """What is known of a released file without having it."""

    size: int
    """Bytes."""
    sha256: str
    certain: bool
    """Whether it was published with the file's own address; else it is that of a copy which is likely the same."""


@dataclass(frozen=True)
class Released:
    """A file that others gave out."""

    name: str
    """Its path in the folder of released files."""
    holds: str
    """What it holds, in words."""
    release: str
    """Where it is given out: the address without the file's name."""
    archive: str | None = None
    """The archive there that it is part of, if it is not a file of its own."""
    published: Published | None = None
    """What is known of it."""
    gated: bool = False
    """Whether only who agreed to a licence may have it, so that `release` says where to ask."""

    @property
    def address(self) -> str:
        return self.release if self.gated else f"{self.release}/{self.archive or Path(self.name).name}"

    @property
    def addresses(self) -> tuple[str, ...]:
        """All places where it can be fetched, the authors' own first."""
        base, _, name = self.address.rpartition("/")
        return (self.address, *(f"{other}/{name}" for other in MIRRORS.get(base, ())))

    @property
    def wanted(self) -> str:
        """The end of every complaint about it."""
        return f"it should hold {self.holds}; get it from {self.address}"


def read_released(folder: Path, file: Released) -> dict[str, Any]:
    """The content of a released file, memory-mapped where its format allows; a single tensor under the name BARE.

    Raises InputError, naming the file, what it should hold and where to get it, when it is missing, is a web page, is
    cut short, or could only be read by running what is pickled in it.
    """
    path, wanted = folder / file.name, file.wanted
    if not path.is_file():
        raise InputError(f"{path}: missing; {wanted}")
    with path.open("rb") as stream:
        start = stream.read(256).lstrip().lower()
    if not start:
        raise InputError(f"{path}: empty; {wanted}")
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise InputError(f"{path}: a web page, not weights; {wanted}")
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                return {name: torch.from_numpy(arrays[name]) for name in arrays}
        if path.suffix == ".mat":
            return {name: array for name, array in loadmat(str(path)).items() if not name.startswith("__")}
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        if "weights_only" not in str(error).lower():
            raise InputError(f"{path}: not weights, or cut short; {wanted}") from None
        reason = str(error).splitlines()[0]
        fault = f"{path}: holds more than weights and would have to be run to be read: {reason}"
        raise InputError(f"{fault}; {wanted}") from None
    except (
        RuntimeError,
        EOFError,
        OSError,
        TypeError,  # arrays of what is no number
        AttributeError,  # a single array, not an archive of them
        ValueError,
        KeyError,
        zipfile.BadZipFile,
        NotImplementedError,  # of MATLAB 7.3
        MatReadError,
        IndexError,  # a .mat of a few bytes
        zlib.error,
        safetensors.SafetensorError,
    ):
        raise InputError(f"{path}: not weights, or cut short; {wanted}") from None
    if isinstance(content, Tensor):
        return {BARE: content}
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds a {type(content).__name__}, not named tensors; {wanted}")
    return content


def subsection(folder: Path, file: Released, content: Mapping[str, Any], key: str) -> State:
    """The tensors of a section of a file. Raises InputError where it has none of that name."""
    if not isinstance(content.get(key), Mapping):
        has = ", ".join(sorted(content)[:5])
        raise InputError(f"{folder / file.name}: has no section `{key}` but {has}: another file; {file.wanted}")
    return dict(content[key])


def check(folder: Path, file: Released, module: nn.Module, state: Mapping[str, Any]) -> None:
    """As `check_state`, which also says where to get the right file. Raises InputError."""
    try:
        check_state(folder / file.name, module, state)
    except InputError as error:
        raise InputError(f"{error}; {file.wanted}") from None


def section(
    folder: Path, file: Released, content: Mapping[str, Any], key: str | None, module: nn.Module, prefix: str
) -> State:
    """One section of a released file (None: all of it), checked against its module and renamed to `prefix`."""
    state = dict(content) if key is None else subsection(folder, file, content, key)
    check(folder, file, module, state)
    return {prefix + name: tensor for name, tensor in state.items()}
