"""Trained models as one folder for others: weights, configs, a model card, the licence, and hashes of all of it.

published.json          size and sha256 of every other file
README.md, LICENSE      the model card, as Hugging Face shows it
styleheat/, audio/      model folders (`checkpoints`)
"""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from styleheat import files
from styleheat.checkpoints import CONFIG, WEIGHTS, read_config
from styleheat.errors import InputError

MANIFEST = "published.json"
MODELS = ("styleheat", "audio")
HUB = "hf://"
MISSING = "huggingface_hub: not installed; pip install 'styleheat[hub]'"

PROTOCOLS = {
    "same_identity": ("psnr", "ssim", "lpips", "fid", "aed", "apd", "identity", "mouth_correlation"),
    "cross_identity": ("aed", "apd", "identity", "mouth_correlation"),
    "speech": ("mouth_correlation", "opening_range", "closures_met"),
}
"""The scores that the card shows."""


def make(folder: Path, models: Mapping[str, Path], scores: Path, licence: Path, commit: str) -> None:
    """Make the folder of published files, atomically.

    models: folders by names of MODELS. scores: metrics/evaluate.json, which the card shows if it is there. Raises
    InputError when a model folder is incomplete, or `folder` exists.
    """
    if folder.exists():
        raise InputError(f"{folder}: exists; name a new folder, or remove it")
    configs = {name: read_config(path)[1] for name, path in models.items()}
    with files.atomic(folder) as made:
        made.mkdir()
        for name, path in models.items():
            if not (path / WEIGHTS).is_file():
                raise InputError(f"{path / WEIGHTS}: missing; train the model, or `dvc pull`")
            (made / name).mkdir()
            for file in (WEIGHTS, CONFIG):
                shutil.copy(path / file, made / name / file)
        shutil.copy(licence, made / "LICENSE")
        numbers = json.loads(scores.read_text()) if scores.is_file() else {}
        (made / "README.md").write_text(card(configs, numbers, commit), encoding="utf-8")
        contents = {
            path.relative_to(made).as_posix(): {"size": path.stat().st_size, "sha256": files.sha256(path)}
            for path in sorted(made.rglob("*"))
            if path.is_file()
        }
        files.write_json(made / MANIFEST, {"commit": commit, "files": contents})


def card(configs: Mapping[str, Mapping[str, Any]], numbers: Mapping[str, Any], commit: str) -> str:
    """The model card, Markdown with the header that Hugging Face reads."""
    header = "---\nlicense: mit\npipeline_tag: image-to-video\ntags: [talking-head, stylegan2, styleheat]\n---\n"
    side = configs[MODELS[0]]["network"]["image_size"] if MODELS[0] in configs else None
    lines = [header, "# Talking-head models", ""]
    if side:
        lines += [f"StyleHEAT (arXiv 2203.04036) with a generator of {side}×{side} pixels.", ""]
    lines += ["To use them, in a checkout of the pipeline:", "", "```sh"]
    names = ",".join(configs)
    lines += [f"dvc exp run -S weights.source=hf://USER/NAME -S 'weights.models=[{names}]' \\"]
    lines += [
        "  " + " ".join(f"-S {KEYS[name]}=models/official/{name}" for name in configs) + " infer_audio",
        "```",
        "",
    ]
    lines += ["| model | trained by | steps |", "|---|---|---|"]
    lines += [f"| `{name}` | `{one.get('stage', '')}` | {one.get('steps', '')} |" for name, one in configs.items()]
    lines += ["", f"Made at commit `{commit}`." if commit else ""]
    for protocol, keys in PROTOCOLS.items():
        scores = numbers.get(protocol, {})
        shown = [key for key in keys if key in scores]
        if shown:
            lines += ["", f"## {protocol}: {scores['clips']} clips of {scores['people']} people", ""]
            lines += ["| score | model | source repeated |", "|---|---|---|"]
            lines += [f"| {key} | {scores[key]:.3f} | {_number(scores['trivial'].get(key))} |" for key in shown]
    return "\n".join(lines) + "\n"


KEYS = {"styleheat": "infer.models", "audio": "infer.audio_models"}
"""The parameters that name the models."""


def upload(folder: Path, name: str) -> str:
    """Put a published folder into a repository of Hugging Face, `user/name`, new or not; returns its address.

    By the token of `hf auth login` or HF_TOKEN. Raises InputError when the package or the token is missing, or the
    server refuses.
    """
    try:
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError:
        raise InputError(MISSING) from None
    api = HfApi()
    try:
        address = str(api.create_repo(name, exist_ok=True))
        api.upload_folder(repo_id=name, folder_path=folder, commit_message="Published")
    except (HfHubHTTPError, OSError, ValueError) as error:
        said = " ".join(str(error).split())[:200]
        raise InputError(f"{HUB}{name}: not published: {said}; log in by `hf auth login`") from None
    return address


def address_of(source: str) -> str:
    """The address under which the files of a repository of Hugging Face lie; other sources as they are. Raises
    InputError for what names no repository."""
    if not source.startswith(HUB):
        return source
    name = source.removeprefix(HUB)
    if len(name.split("/")) != 2 or ".." in name:
        raise InputError(f"params.yaml: weights.source: {source}: not hf://user/name")
    return f"https://huggingface.co/{name}/resolve/main"


def fetch(source: str, folder: Path, models: Sequence[str], download: Callable[[str, Path], None]) -> bool:
    """Bring published models from a folder or an address into `folder`, complete files only; False where nothing is
    published there. Raises InputError when one isn't among them, or a file is not what the manifest says."""
    remote = source.startswith(("http://", "https://"))

    def brought(name: str) -> Path:
        if remote and not (folder / name).is_file():
            download(f"{source.rstrip('/')}/{name}", folder / name)
        return folder / name if remote else Path(source) / name

    try:
        manifest = brought(MANIFEST)
    except InputError:
        return False
    if not manifest.is_file():
        return False
    contents = json.loads(manifest.read_text())["files"]
    for model in models:
        for file in (f"{model}/{WEIGHTS}", f"{model}/{CONFIG}"):
            if file not in contents:
                raise InputError(f"{source}: {MANIFEST} has no {file}; it has models {', '.join(_models(contents))}")
            path, wanted = brought(file), contents[file]["sha256"]
            if not path.is_file() or files.sha256(path) != wanted:
                raise InputError(f"{path}: not the published file (sha256 {wanted}); remove it, and fetch it again")
            if not remote:
                (folder / model).mkdir(parents=True, exist_ok=True)
                shutil.copy(path, folder / file)
    return True


def _models(contents: Mapping[str, Any]) -> list[str]:
    return sorted({name.partition("/")[0] for name in contents if "/" in name})


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
