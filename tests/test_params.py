"""params.yaml: what is refused, and how the refusal reads."""

import copy
import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from styleheat.errors import InputError
from styleheat.networks.config import NETWORKS
from styleheat.params import Params, check_params, load_params, read_yaml
from tests.dvc.repository import merge

ROOT = Path(__file__).parent.parent
TRAINING = ROOT / "docs" / "training.md"


@pytest.fixture
def tree() -> dict[str, Any]:
    """The committed parameters, with known values where a refusal quotes them."""
    tree = copy.deepcopy(read_yaml(ROOT / "params.yaml"))
    tree["sets"]["vox"]["source"] |= {"size": 224, "seconds": 2.0}
    tree["sets"]["vox"]["crop"] |= {"size": 128, "min_size": 48, "min_frames": 25, "max_frames": 1024}
    tree["sets"]["vox"]["pack"] |= {"size": 128}
    return tree


def put(tree: dict[str, Any], key: str, value: Any) -> None:
    *groups, last = key.split(".")
    for group in groups:
        tree = tree[group]
    tree[last] = value


def test_the_committed_file_is_the_offline_default():
    params = load_params(ROOT / "params.yaml")
    assert params.network == "embedded"
    assert {params.sets[name].source.kind for name in ("vox", "hdtf")} == {"synthetic"}
    assert params.weights.source == "none"
    assert params.train.perceptual == "gradient"


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("train.foo", 1, "train.foo: unknown key"),
        ("sets.vox.crop.sise", 1, "sets.vox.crop.sise: unknown key"),
        ("sets.third", {}, "sets.third: unknown key"),
        ("sets.vox.crop.size", "128", "sets.vox.crop.size: input should be a valid integer, not '128'"),
        ("sets.vox.crop.size", 127, "sets.vox.crop.size: must be even: H.264 in yuv420p has no odd sizes"),
        ("sets.vox.crop.size", 8, "sets.vox.crop.size: input should be greater than or equal to 16, not 8"),
        ("sets.vox.crop.method", "oval", "sets.vox.crop.method: input should be 'tube', 'ffhq' or 'ratio', not 'oval'"),
        ("train.lr", 0, "train.lr: input should be greater than 0, not 0"),
        ("train.lr", float("inf"), "train.lr: input should be a finite number, not inf"),
        ("train.lr", True, "train.lr: input should be a valid number, not True"),
        ("train.steps", 1.5, "train.steps: input should be a valid integer, not 1.5"),
        ("train.init", "", "train.init: string should have at least 1 character, not ''"),
        ("train.micro_batch", 0, "train.micro_batch: input should be greater than or equal to 1, not 0"),
        ("train.optimizer.beta1", 1.0, "train.optimizer.beta1: input should be less than 1, not 1.0"),
        (
            "train.precision",
            "half",
            "train.precision: input should be 'float32', 'tf32', 'bf16' or 'fp16', not 'half'",
        ),
        ("train_warper.mirrored", 1.5, "train_warper.mirrored: input should be less than or equal to 1, not 1.5"),
        ("train", None, "train: must be a mapping of keys to values, not None"),
        ("sets.vox.pack.size", 256, "sets.vox.pack.size: 256 is more than crop.size, 128; at most as many pixels"),
        ("sets.vox.crop.min_frames", 2000, "sets.vox.crop.min_frames: 2000 is more than max_frames, 1024"),
        (
            "sets.vox.crop.min_frames",
            200,
            "sets.vox.crop.min_frames: 200 would lose every clip: source.seconds is 50 frames",
        ),
        ("sets.vox.source.size", 32, "sets.vox.crop.min_size: 48 would lose every face of images 32 wide"),
        (
            "sets.vox.source.people",
            None,
            "sets.vox.source.people: null, but synthetic people have to be made; at least 1",
        ),
        (
            "network",
            "full",
            "train_prior.init: models/embedded/styleheat holds weights of network embedded, not of full",
        ),
        (
            "infer.landmarks",
            "face_alignment",
            "infer.landmarks: must be sets.hdtf.landmarks.backend, mediapipe",
        ),
        (
            "train.mask_outside",
            [[500, 0.05], [0, 0.2]],
            "train.mask_outside: its steps are [500, 0]; they must rise from 0, where training begins",
        ),
        ("infer.edit.strength", 2.0, "infer.edit.strength: 2, but of no attribute; null, or an attribute"),
        (
            "infer.edit.attribute",
            "hat",
            "infer.edit.attribute: input should be 'none', 'young', 'old', 'pose', 'beard' or 'lip', not 'hat'",
        ),
        (
            "infer",
            {"inversion.method": "optimise", "edit.attribute": "old"},
            "infer.inversion.method: optimise can't be edited (edit.attribute); encoder can",
        ),
        (
            "infer",
            {"coefficients": "deep3d", "edit.sweep": "expression"},
            "infer.edit.sweep: expression is for coefficients of our own face model, fit, not deep3d",
        ),
        (
            "infer_audio",
            {"still": True, "reference_pose": "nods.mp4"},
            "infer_audio.still: true, but nods.mp4 moves the head (reference_pose); one of both",
        ),
        ("infer_audio.pose_style", 46, "infer_audio.pose_style: input should be less than or equal to 45, not 46"),
    ],
)
def test_one_line_names_the_key_and_the_fault(tree: dict[str, Any], key: str, value: Any, says: str):
    several = key in ("infer", "infer_audio")  # what is impossible together
    for one, changed in value.items() if several else [(key, value)]:
        put(tree, f"{key}.{one}" if several else one, changed)
    with pytest.raises(InputError) as refused:
        check_params(tree)
    assert str(refused.value) == f"params.yaml: {says}"


@pytest.mark.parametrize(("key", "value"), [("processes", 0), ("processes", "all"), ("loader_workers", -1)])
def test_numbers_of_processes_are_auto_or_numbers(tree: dict[str, Any], key: str, value: Any):
    for allowed in ("auto", 2):
        put(tree, f"runtime.{key}", allowed)
        assert getattr(check_params(tree).runtime, key) == allowed
    put(tree, f"runtime.{key}", value)
    with pytest.raises(InputError, match=rf"^params.yaml: runtime\.{key}\b"):
        check_params(tree)


def test_a_missing_key_is_named(tree: dict[str, Any]):
    del tree["train"]["lr"]
    with pytest.raises(InputError, match=r"^params.yaml: train.lr: this key is missing$"):
        check_params(tree)


def test_further_faults_are_counted(tree: dict[str, Any]):
    put(tree, "seed", -1)
    put(tree, "train.lr", "fast")
    with pytest.raises(InputError, match=r"^params.yaml: seed: .* \(and 1 more wrong\)$"):
        check_params(tree)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [1", "not readable as YAML"),
        ("seed: 0\nseed: 1", "not readable as YAML.*duplicate key"),
        ("- 1", "must be a mapping"),
        ("", "must be a mapping"),
    ],
)
def test_a_file_that_is_no_mapping(tmp_path: Path, text: str, says: str):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=says) as refused:
        read_yaml(path)
    assert "\n" not in str(refused.value)
    with pytest.raises(InputError, match="no such file"):
        load_params(tmp_path / "other.yaml")


def test_numbers_are_read_as_dvc_writes_them(tmp_path: Path):
    """DVC writes 0.00001 as 1e-05, which YAML 1.1 takes for text."""
    path = tmp_path / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text().replace("seconds: 2.0", "seconds: 5e-01"))
    with pytest.raises(InputError, match=r"source.seconds is 12 frames"):
        load_params(path)


def test_parameters_are_frozen(tree: dict[str, Any]):
    params: Params = check_params(tree)
    with pytest.raises(ValueError, match="frozen"):
        params.train.lr = 1.0  # type: ignore[misc]


def test_every_network_can_be_trained():
    assert set(get_args(Params.model_fields["network"].annotation)) == set(NETWORKS)


@pytest.mark.parametrize("network", ["full_relative", "full_detail"])
def test_the_networks_of_the_page_go_over_the_full_profile(tree: dict[str, Any], network: str):
    (block,) = re.findall(rf"^```yaml\n(network: {network}\n.*?)^```", TRAINING.read_text(), re.MULTILINE | re.DOTALL)
    merge(tree, read_yaml(ROOT / "profiles" / "full.yaml"))
    merge(tree, yaml.safe_load(block))
    params = check_params(tree)
    assert params.network == network
    if NETWORKS[network].geometry:
        assert {params.sets.vox.coefficients.backend, params.sets.hdtf.coefficients.backend} == {"fit"}
        assert not params.train.aligned_source and params.train_prior.steps
