"""Model folders: `model.safetensors`, and `config.json` that says which architecture it fits and how it was made."""

import json
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import nn

from styleheat import files
from styleheat.errors import InputError
from styleheat.networks.config import NetworkConfig

WEIGHTS, CONFIG = "model.safetensors", "config.json"


def save_model(folder: str | Path, module: nn.Module, config: NetworkConfig, facts: dict[str, Any]) -> None:
    """Write a module's state and its `config.json`: the architecture under `network`, beside any JSON-able `facts`.

    Weights come first, the config last, each atomically: a folder with a config is whole.
    """
    folder = Path(folder)
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
    with files.atomic(folder / WEIGHTS) as temporary:
        safetensors.torch.save_file(state, temporary)
    files.write_json(folder / CONFIG, {"network": config.to_dict(), **facts})


def read_config(folder: str | Path) -> tuple[NetworkConfig, dict[str, Any]]:
    """A model folder's architecture, and the whole of its config.json. Raises InputError when it can't be used."""
    path = Path(folder) / CONFIG
    if not path.is_file():
        raise InputError(f"{path}: missing; a model folder holds {WEIGHTS} and {CONFIG}")
    try:
        content = json.loads(path.read_text())
        return NetworkConfig.from_dict(content["network"]), content
    except (json.JSONDecodeError, KeyError, TypeError, AssertionError) as error:
        raise InputError(f"{path}: not a model's config ({error}); train the model again or restore the file") from None


def load_model(folder: str | Path, module: nn.Module, prefix: str = "") -> None:
    """Fill a module with a model folder's weights, or with those under `prefix` ("generator." of a StyleHEAT folder).

    Raises InputError unless names and shapes fit exactly.
    """
    path = Path(folder) / WEIGHTS
    if not path.is_file():
        raise InputError(f"{path}: missing; a model folder holds {WEIGHTS} and {CONFIG}")
    try:
        state = safetensors.torch.load_file(path)
    except safetensors.SafetensorError as error:
        raise InputError(f"{path}: not a whole safetensors file ({error}); fetch or train it again") from None
    state = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
    check_state(path, module, state)
    module.load_state_dict(state)


def check_state(path: Path, module: nn.Module, state: dict[str, Any]) -> None:
    """Raise InputError naming the first tensor of `state`, from `path`, that does not fit the module."""
    wanted = module.state_dict()
    missing, unknown = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    if missing or unknown:
        told = f"{len(missing)} tensors are missing ({missing[0]})" if missing else f"{unknown[0]} is unknown"
        raise InputError(f"{path}: does not fit {type(module).__name__}: {told}; it is of another model or size")
    for name, tensor in wanted.items():
        if state[name].shape != tensor.shape:
            raise InputError(
                f"{path}: {name} is {tuple(state[name].shape)}, but {tuple(tensor.shape)} is wanted; "
                f"it is of a model of another size"
            )
