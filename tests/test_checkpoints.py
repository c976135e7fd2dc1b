"""Model folders survive a round trip; released files of every layout load, and wrong ones are refused in one line."""

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from styleheat import checkpoints, releases
from styleheat.errors import InputError
from styleheat.networks.audio2motion import Audio2Motion
from styleheat.networks.config import NETWORKS, NetworkConfig
from styleheat.networks.inversion import Inverter
from styleheat.networks.stylegan2 import Discriminator
from styleheat.networks.styleheat import StyleHEAT
from styleheat.networks.warper import VideoWarper
from styleheat.releases import inversion

ROOT = Path(__file__).parent.parent

TINY = dataclasses.replace(
    NETWORKS["embedded"],
    image_size=128,
    channels=(8, 8, 8, 8, 8, 8),
    geometry=False,
    detail=False,
    encoder_widths=(8, 8, 8, 8),
    style_dim=8,
    residual_hidden=8,
    warper_base=4,
    warper_max=8,
    calibrator_width=8,
    audio_widths=(4, 4, 4, 4, 8),
    audio_blocks=0,
    discriminator_channels=(8, 8, 8, 8, 8, 8),
    sees_source=False,
    released=True,
)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Iterator[NetworkConfig]:
    """The released files' loader, for a model small enough to write in a moment."""
    monkeypatch.setitem(NETWORKS, "full", TINY)  # type: ignore[attr-defined]
    torch.manual_seed(0)
    yield TINY


def same(a: nn.Module, b: nn.Module) -> bool:
    theirs = b.state_dict()
    return all(torch.equal(tensor, theirs[name]) for name, tensor in a.state_dict().items())


class TestModelFolders:
    def test_round_trip(self, tmp_path: Path) -> None:
        model = StyleHEAT(TINY)
        model.generator.e4e_encoder.latent_avg.normal_()
        checkpoints.save_model(tmp_path / "m", model, TINY, {"steps": 7})
        config, facts = checkpoints.read_config(tmp_path / "m")
        assert config == TINY and facts["steps"] == 7
        assert same(model, checkpoints.open_model(tmp_path / "m", StyleHEAT))
        assert sorted(p.name for p in (tmp_path / "m").iterdir()) == ["config.json", "model.safetensors"]

    def test_a_part_of_a_model(self, tmp_path: Path) -> None:
        model, prior = StyleHEAT(TINY), Inverter(TINY)
        checkpoints.save_model(tmp_path, model, TINY, {})
        assert not same(model.generator, prior)
        checkpoints.load_model(tmp_path, prior, prefix="generator.")
        assert same(model.generator, prior)

    def test_an_opened_model_runs_and_can_be_trained(self, tmp_path: Path) -> None:
        checkpoints.save_model(tmp_path, VideoWarper(TINY), TINY, {})
        warper = checkpoints.open_model(tmp_path, VideoWarper)
        warper(torch.rand(1, 3, 128, 128), torch.rand(1, 73, 27)).flow.sum().backward()
        assert all(parameter.requires_grad for parameter in warper.parameters())

    def test_opening_does_not_import_the_compiler(self) -> None:
        """torch imports it to compute with weights that are on no device, which takes as long as three seconds."""
        code = """
import sys
from styleheat.checkpoints import open_model
from styleheat.networks.audio2motion import Audio2Motion
from styleheat.networks.styleheat import StyleHEAT
open_model("models/embedded/styleheat", StyleHEAT)
open_model("models/embedded/audio", Audio2Motion)
assert "torch._dynamo" not in sys.modules
"""
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)

    def test_unusable_checkpoints_are_reported(self, tmp_path: Path) -> None:
        warper = VideoWarper(TINY)
        with pytest.raises(InputError, match=r"model\.safetensors: missing"):
            checkpoints.load_model(tmp_path, warper)
        with pytest.raises(InputError, match=r"config\.json: missing"):
            checkpoints.read_config(tmp_path)
        checkpoints.save_model(tmp_path, warper, TINY, {})
        other = dataclasses.replace(TINY, warper_max=16)
        with pytest.raises(InputError, match="another size"):
            checkpoints.load_model(tmp_path, VideoWarper(other))
        with pytest.raises(InputError, match="does not fit Inverter"):
            checkpoints.load_model(tmp_path, Inverter(TINY))
        weights = tmp_path / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:1000])
        with pytest.raises(InputError, match="not a complete safetensors file"):
            checkpoints.load_model(tmp_path, warper)
        for broken in ("{", "{}", '{"network": {"image_size": 3}}'):
            (tmp_path / "config.json").write_text(broken)
            with pytest.raises(InputError, match="not a model's config"):
                checkpoints.read_config(tmp_path)


def write_released(folder: Path, model: StyleHEAT, visual: tuple[str, ...]) -> None:
    """Released files that hold `model`; of the prior, StyleHEAT_visual.pt holds the parts named in `visual`."""
    prior = model.generator
    encoder = prior.e4e_encoder
    torch.save({"encoder": encoder.encoder.state_dict(), "latent_avg": encoder.latent_avg}, folder / "Encoder_e4e.pth")
    sections = {"aligner": prior.hfgi_aligner.state_dict(), "encoder": prior.hfgi_encoder.state_dict()}
    torch.save(sections, folder / "hfgi.pth")
    # The oldest of the released files are in torch's format before 1.6, which can't be memory-mapped.
    torch.save(prior.stylegan.state_dict(), folder / "StyleGAN_e4e.pth", _use_new_zipfile_serialization=False)
    kept = ("video_warper.", "calibrator.", *(f"generator.{part}" for part in visual))
    complete = {name: tensor for name, tensor in model.state_dict().items() if name.startswith(kept)}
    complete["generator.iteration_loss.perceptual.model.network.0.weight"] = torch.zeros(64, 3, 3, 3)
    torch.save({"net_G_ema": complete}, folder / "StyleHEAT_visual.pt")


class TestReleasedFiles:
    @pytest.mark.parametrize("visual", [(), ("hfgi_aligner.",), ("e4e_encoder.encoder.", "hfgi_", "stylegan.")])
    def test_styleheat(self, tmp_path: Path, tiny: NetworkConfig, visual: tuple[str, ...]) -> None:
        model = StyleHEAT(tiny)
        model.generator.e4e_encoder.latent_avg.normal_()
        write_released(tmp_path, model, visual)
        releases.convert_released("styleheat", tmp_path, tmp_path / "made", {"source": "here"})
        assert same(model, checkpoints.open_model(tmp_path / "made", StyleHEAT))
        releases.convert_released("prior", tmp_path, tmp_path / "prior", {})
        assert same(model.generator, checkpoints.open_model(tmp_path / "prior", Inverter))

    def test_what_the_complete_models_file_repeats_wins(self, tmp_path: Path, tiny: NetworkConfig) -> None:
        model, other = StyleHEAT(tiny), StyleHEAT(tiny)
        write_released(tmp_path, other, ())
        (tmp_path / "visual").mkdir()
        write_released(tmp_path / "visual", model, ("stylegan.",))
        (tmp_path / "visual" / "StyleHEAT_visual.pt").replace(tmp_path / "StyleHEAT_visual.pt")
        state = releases.released_styleheat(tmp_path)
        name = "generator.stylegan.input.input"
        assert torch.equal(state[name], model.state_dict()[name])
        name = "generator.hfgi_encoder.conv_layer1.0.weight"
        assert torch.equal(state[name], other.state_dict()[name])

    @pytest.mark.parametrize("shape", [(1, -1), (-1,), (1, None, -1)])
    def test_mean_codes_of_any_shape_that_broadcasts(
        self, tmp_path: Path, tiny: NetworkConfig, shape: tuple[int | None, ...]
    ) -> None:
        write_released(tmp_path, StyleHEAT(tiny), ())
        file = torch.load(tmp_path / "Encoder_e4e.pth")
        full = file["latent_avg"]
        mean = torch.randn_like(full[0])
        file["latent_avg"] = full[None] if None in shape else mean.reshape(shape)
        torch.save(file, tmp_path / "Encoder_e4e.pth")
        made = releases.released_prior(tmp_path)["e4e_encoder.latent_avg"]
        assert torch.equal(made, full if None in shape else mean.expand_as(full))
        file["latent_avg"] = torch.zeros(3, 5, 7)
        torch.save(file, tmp_path / "Encoder_e4e.pth")
        with pytest.raises(InputError, match=r"`latent_avg` is \(3, 5, 7\), not"):
            releases.released_prior(tmp_path)

    def test_what_the_model_does_not_know_is_left_out(
        self, tmp_path: Path, tiny: NetworkConfig, capsys: pytest.CaptureFixture[str]
    ) -> None:
        write_released(tmp_path, StyleHEAT(tiny), ())
        file = torch.load(tmp_path / "StyleHEAT_visual.pt")
        file["net_G_ema"]["calibrator.extra"] = torch.zeros(1)
        torch.save(file, tmp_path / "StyleHEAT_visual.pt")
        assert "calibrator.extra" not in releases.released_styleheat(tmp_path)
        said = capsys.readouterr().err
        assert "1 tensors that the model doesn't have are left out (calibrator.extra" in said and said.count("\n") == 1

    def test_sadtalker_in_one_file_and_in_two(self, tmp_path: Path, tiny: NetworkConfig) -> None:
        model = Audio2Motion(tiny)
        extra = {"model": model.audio2exp.state_dict(), "optimizer": {"state": {}}, "epoch": 300}
        torch.save(extra, tmp_path / "auido2exp_00300-model.pth")
        torch.save({"model": model.audio2pose.state_dict(), "epoch": 1}, tmp_path / "auido2pose_00140-model.pth")
        two = releases.released_audio(tmp_path)
        flat = {**model.state_dict(), "generator.x": torch.zeros(1), "face_3drecon.y": torch.zeros(1)}
        safetensors.torch.save_file(flat, tmp_path / "SadTalker_V0.0.2_256.safetensors")
        one = releases.released_audio(tmp_path)
        assert one.keys() == two.keys() == model.state_dict().keys()
        assert all(torch.equal(one[name], two[name]) for name in one)

    def test_warper_and_discriminator(self, tmp_path: Path, tiny: NetworkConfig) -> None:
        warper, discriminator = VideoWarper(tiny), Discriminator(tiny)
        torch.save({"net_G_ema": warper.state_dict()}, tmp_path / "video_warper.pth")
        torch.save(discriminator.state_dict(), tmp_path / "stylegan2_d_256.pth")
        for name, kind, module in (("warper", VideoWarper, warper), ("discriminator", Discriminator, discriminator)):
            releases.convert_released(name, tmp_path, tmp_path / name, {})
            assert same(module, checkpoints.open_model(tmp_path / name, kind))

    def test_wrong_files_are_refused_in_one_line(self, tmp_path: Path, tiny: NetworkConfig) -> None:
        path = tmp_path / "hfgi.pth"

        def refusal() -> str:
            with pytest.raises(InputError) as caught:
                releases.released_prior(tmp_path)
            said = str(caught.value)
            assert "\n" not in said and str(path) in said and inversion.HFGI.wanted in said
            return said

        write_released(tmp_path, StyleHEAT(tiny), ())
        complete = path.read_bytes()
        path.write_bytes(complete[: len(complete) // 2])
        assert "cut short" in refusal() and "HFGI's aligner" in refusal() and "https://github.com" in refusal()
        path.write_bytes(b"")
        assert "empty" in refusal()
        path.write_text("<!DOCTYPE html><html><body>Quota exceeded</body></html>")
        assert "web page" in refusal()
        path.write_text("hello")
        assert "not weights" in refusal()
        path.write_bytes((tmp_path / "StyleGAN_e4e.pth").read_bytes())
        assert "another file" in refusal()
        torch.save({"aligner": {}, "encoder": {}}, path)
        assert "are missing" in refusal()
        torch.save({"aligner": {"x": 1}, "encoder": {}, "options": Path("run me")}, path)
        assert "would have to be run" in refusal()
        path.unlink()
        assert "missing" in refusal()
