"""Model folders: `model.safetensors`, and `config.json` with its architecture and origin."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from styleheat import files
from styleheat.errors import InputError
from styleheat.networks.config import NetworkConfig

WEIGHTS, CONFIG = "model.safetensors", "config.json"

M = TypeVar("M", bound=nn.Module)
State = dict[str, Tensor]


def save_model(folder: str | Path, module: nn.Module, config: NetworkConfig, facts: dict[str, Any]) -> None:
    """Write a module's state and its `config.json`: the architecture under `network`, beside any JSON-able `facts`.

    Weights come first, the config last, each atomically: a folder with a config is complete.
    """
    write_state(folder, module.state_dict(), config, facts)


def write_state(
    folder: str | Path, state: Mapping[str, Tensor], config: NetworkConfig, facts: Mapping[str, Any]
) -> None:
    """As `save_model`, of a state dict."""
    folder = Path(folder)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    with files.atomic(folder / WEIGHTS) as temporary:
        safetensors.torch.save_file(tensors, temporary)
    files.write_json(folder / CONFIG, {"network": config.to_dict(), **facts})


def read_config(folder: str | Path) -> tuple[NetworkConfig, dict[str, Any]]:
    """A model folder's architecture, and all of its config.json. Raises InputError when it can't be used."""
    path = Path(folder) / CONFIG
    if not path.is_file():
        raise InputError(f"{path}: missing; a model folder holds {WEIGHTS} and {CONFIG}")
    try:
        content = json.loads(path.read_text())
        return NetworkConfig.from_dict(content["network"]), content
    except (json.JSONDecodeError, KeyError, TypeError, AssertionError) as error:
        raise InputError(f"{path}: not a model's config ({error}); train the model again or restore the file") from None


def aligned_source(folder: str | Path) -> bool:
    """Whether a StyleHEAT folder's model was trained on sources in FFHQ's alignment (`train.aligned_source`), as the
    released one was."""
    config, content = read_config(folder)
    return bool(content.get("settings", {}).get("aligned_source", config.released))


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
        raise InputError(f"{path}: not a complete safetensors file ({error}); fetch or train it again") from None
    state = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
    check_state(path, module, state)
    on_meta = any(tensor.is_meta for tensor in module.state_dict().values())
    module.load_state_dict(state, assign=on_meta)


def open_model(folder: str | Path, kind: Callable[[NetworkConfig], M]) -> M:
    """The `kind` of module that a model folder holds, of the size its config says, in eval mode.

    Nothing is drawn at random or copied on the way, which for the full size saves seconds and gigabytes. Raises
    InputError as `read_config` and `load_model` do.
    """
    config, _ = read_config(folder)
    with torch.device("meta"):
        module = kind(config)
    load_model(folder, module)
    return module.eval()


def check_state(path: Path, module: nn.Module, state: Mapping[str, Any]) -> None:
    """Raise InputError naming the first tensor of `state`, from `path`, that does not fit the module."""
    wanted = module.state_dict()
    missing, unknown = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    if missing or unknown:
        fault = f"{len(missing)} tensors are missing ({missing[0]})" if missing else f"{unknown[0]} is unknown"
        raise InputError(f"{path}: does not fit {type(module).__name__}: {fault}; it is of another model or size")
    for name, tensor in wanted.items():
        given = state[name]
        if not isinstance(given, Tensor) or given.shape != tensor.shape:
            found = str(tuple(given.shape)) if isinstance(given, Tensor) else type(given).__name__
            raise InputError(
                f"{path}: {name} is {found}, but {tuple(tensor.shape)} is wanted; it is of a model of another size"
            )
