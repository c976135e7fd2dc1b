"""The profile `full` beside the reference: every value of its trainings, and where the reference has it.

SH: OpenTalker/StyleHEAT at 9cb0c7c; ST: OpenTalker/SadTalker at cd4c046. `../shared/parity/training-facts.md` has more.
"""

from pathlib import Path
from typing import Any

import pytest

from stages import profile
from styleheat.params import load_params
from styleheat.pipeline import flatten

ROOT = Path(__file__).parent.parent.parent

WARPER = "SH configs/video_warper_trainer.yaml"
STYLEHEAT = "SH configs/video_styleheat_trainer.yaml"
STEP = "SH trainers/video_styleheat_trainer.py"
GPUS = 4
"""SH bash/train_video_warper.sh:4, bash/train_video_styleheat.sh:4."""
EPOCH = 100 * 424 // (16 * GPUS)
"""Steps of an epoch of the warper: each person 100 times (SH data/vox_dataset.py:48), in batches of 16 a GPU. 424
people have clips of partition `train` in video-preprocessing's vox-metadata.csv."""


def adam(group: str, config: str, decay: str) -> dict[str, tuple[Any, str]]:
    """Constants of the optimiser, which both stages of SH share."""
    return {
        f"{group}.lr": (1e-4, f"{config}:15"),
        f"{group}.optimizer.beta1": (0.5, f"{config}:16"),
        f"{group}.optimizer.beta2": (0.999, f"{config}:17"),
        f"{group}.optimizer.eps": (1e-8, "SH utils/trainer.py:95-99 (torch.optim.Adam's default)"),
        f"{group}.lr_every": (300_000, f"{config}:21"),
        f"{group}.optimizer.lr_gamma": (0.2, f"{config}:22"),
        f"{group}.optimizer.ema_decay": (pytest.approx(0.5 ** (32 / 10_000), abs=1e-7), decay),
        f"{group}.optimizer.max_grad_norm": (None, f"{STEP}:171-175 (nothing between backward and step)"),
        f"{group}.equalised": (1.0, "SH utils/trainer.py:75-88 (groups by module only)"),
        f"{group}.sample_every": (1000, f"{config}:7"),
        f"{group}.perceptual": ("vgg19", f"{config}:{31 if config == WARPER else 34}"),
        f"{group}.perceptual_weights": ("models/official/vgg19", "SH loss/perceptual.py:204 (torchvision's)"),
        f"{group}.init": ("models/scratch", f"{config}:{44 if config == WARPER else 56}"),
        f"{group}.precision": ("tf32", "SH README.md:28 (PyTorch 1.7.1: TF32 by default on GPUs that have it)"),
    }


REFERENCE: dict[str, tuple[Any, str]] = {
    "sets.vox.pack.size": (256, f"{WARPER}:51"),
    "sets.hdtf.pack.size": (512, f"{STYLEHEAT}:63"),
    "sets.hdtf.pack.align_size": (512, f"{STEP}:98"),
    # stage one
    **adam("train_warper", WARPER, "SH trainers/video_warper_trainer.py:35"),
    "train_warper.batch": (16 * GPUS, f"{WARPER}:54"),
    "train_warper.steps": (200 * EPOCH, f"{WARPER}:8"),
    "train_warper.mirrored": (0.5, "SH trainers/video_warper_trainer.py:77-81"),
    # stage two
    **adam("train", STYLEHEAT, f"{STEP}:34"),
    "train.batch": (4 * GPUS, f"{STYLEHEAT}:66"),
    "train.steps": (23_000, "SH at 7a102cf, configs/inference.yaml:6 (the authors' own checkpoint)"),
    "train.discriminator": ("models/official/discriminator", "SH loss/gan_loss.py:19-21"),
    "train.aligned_source": (True, f"{STEP}:98-101"),
    "train.tune_prior": (False, f"{STYLEHEAT}:55"),
    "train.mask_outside": ([[0, 0.2], [500, 0.05], [2000, 0.005]], f"{STEP}:113-118"),
    "train.losses.warped": (0.02, f"{STYLEHEAT}:28"),
    "train.losses.masked": (0.2, f"{STYLEHEAT}:29"),
    "train.losses.style": (250.0, f"{STYLEHEAT}:43, {STEP}:56-77 (`masked` and `outside`)"),
    "train.losses.outside": (0.01, f"{STYLEHEAT}:30"),
    "train.losses.adversarial": (1.0 * 0.1, f"{STYLEHEAT}:31, SH loss/gan_loss.py:27"),
    "train.losses.mouth": (0.0, f"{STYLEHEAT}:27-32 (no such loss)"),
    "train.losses.local": (2.0, f"{STYLEHEAT}:32"),
    "train.losses.landmarks": (0.0, f"{STYLEHEAT}:27-32 (no such loss)"),
    "train.losses.painted": (0.0, f"{STYLEHEAT}:27-32 (no such loss)"),
    "train.losses.mask": (0.0, f"{STYLEHEAT}:27-32 (no such loss)"),
    # pose from speech
    "train_audio.losses.reconstruction": (1.0, "ST src/config/auido2pose.yaml:39"),
    "train_audio.losses.divergence": (1.0, "ST src/config/auido2pose.yaml:44"),
    "train_audio.losses.motion": (0.7, "ST src/config/auido2pose.yaml:42"),
}

DEVIATIONS: dict[str, tuple[Any, Any, str]] = {
    "train.lr_warper": (
        2e-5,
        0.0,
        "SH utils/trainer.py:88 has 2e-5, models/styleheat/styleheat.py:38-44 freezes the warper all the same: the "
        "loss of the warped image then has nothing to train",
    ),
    "train.losses.r1": (10.0, 0.0, "SH's discriminator never learns (loss/gan_loss.py); ours does"),
    "train_audio.lr": (
        1e-4,
        2e-5,
        "the pose's rate (ST src/config/auido2pose.yaml:35) for both networks: the expression's (auido2exp.yaml:39) is "
        "for an encoder that starts from Wav2Lip's weights, ours from nothing",
    ),
    "train_audio.batch": (64, 32, "the pose's (ST src/config/auido2pose.yaml:4) for both; auido2exp.yaml:4 has 32"),
    "train_audio.losses.expression": (
        1.0,
        2.0,
        "ST src/config/auido2exp.yaml:44, whose form is not public; ours is L1 beside L1 of velocity and lips",
    ),
    "train_audio.losses.lips": (
        1.0,
        0.01,
        "ST src/config/auido2exp.yaml:51 weighs a lip reader's loss, which is not public; ours is L1 on lip landmarks",
    ),
}
"""Key: (ours, the reference's, why)."""

NO_COUNTERPART = {
    "lr_fan_in",
    "micro_batch", "checkpointing", "compile", "validate_every", "validate_samples", "score", "export", "save_every",
}  # fmt: skip
"""What changes no update of the weights, and `lr_fan_in`, which is off."""


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("full") / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text())
    profile.overlay(ROOT / "profiles" / "full.yaml", path)
    return flatten(load_params(path).model_dump(mode="json"))


@pytest.mark.parametrize("key", REFERENCE)
def test_a_value_is_the_reference_s(key: str, full: dict[str, Any]):
    value, source = REFERENCE[key]
    assert full[key] == value, source


@pytest.mark.parametrize("key", DEVIATIONS)
def test_a_deviation_is_the_one_decided_on(key: str, full: dict[str, Any]):
    ours, reference, reason = DEVIATIONS[key]
    assert full[key] == ours != reference, reason


@pytest.mark.parametrize("group", ["train_warper", "train"])
def test_every_value_of_the_image_trainings_has_a_source_or_a_reason(group: str, full: dict[str, Any]):
    own = {key for key in full if key.startswith(f"{group}.")}
    known = {*REFERENCE, *DEVIATIONS, *(f"{group}.{key}" for key in NO_COUNTERPART)}
    assert own - known == set()
    assert not REFERENCE.keys() & DEVIATIONS.keys()
