"""Floors under what the committed weights do, well below what they were measured at."""

import importlib.util
import json
from pathlib import Path

from benchmarks import photographs
from styleheat.params import check_params, read_yaml

ROOT = Path(__file__).parent.parent.parent


def test_a_photograph_follows_a_real_video(tmp_path: Path) -> None:
    """The astronaut, and two seconds of carphone, whose head is never within 10° of hers, and of the example driver."""
    tree = read_yaml(ROOT / "params.yaml")
    tree["runtime"]["device"] = "cpu"
    tree["infer"]["models"] = str(ROOT / "models/embedded/styleheat")
    tree["infer"]["drive"]["seconds"] = [0, 2]
    portrait = photographs.default_portraits(tmp_path)[0]
    drivers = [photographs.carphone(), ROOT / "data/examples/driver.mp4"]
    report = photographs.measure(check_params(tree), [portrait], drivers, tmp_path)
    pair, other = report["pairs"]
    assert pair["frames"] == 60 and other["frames"] == 50 and pair["faces"] == other["faces"] == 1
    for name, correlation, slope in (
        ("mouth", 0.8, 0.4),
        ("pitch", 0.9, 0.65),
        ("yaw", 0.9, 0.6),
        ("roll", 0.9, 0.8),
    ):
        assert pair[name]["correlation"] > correlation and pair[name]["slope"] > slope, name
    assert other["mouth"]["correlation"] > 0.75 and other["eyes"]["correlation"] > 0.75
    # Not of carphone: its mouth's width hardly changes in two seconds, and is read from its own coarse copy with a
    # correlation of 0.8 only.
    assert other["width"]["correlation"] > 0.9 and other["width"]["slope"] > 0.5 and pair["width"]["correlation"] > 0.6
    assert other["sharpness"] > 0.9
    for each in (pair, other):
        assert each["likeness"] > 0.95 and each["jitter"] < 1
        # Measured: 0.02 and 0.03, and where the background moves with the head, 0.27 and 0.31. NaN without mediapipe.
        assert each["background"] < 0.15 or importlib.util.find_spec("mediapipe") is None
    ceiling = report["ceiling"]["carphone_pristine"]
    assert min(ceiling[name]["correlation"] for name in ("mouth", "pitch", "yaw", "roll")) > 0.85


def test_scores_of_the_default_run() -> None:
    """Of held-out people in metrics/evaluate.json."""
    scores = json.loads((ROOT / "metrics/evaluate.json").read_text())
    same, repeated = scores["same_identity"], scores["same_identity"]["trivial"]
    # Drawn teeth and freely moving heads are like photographs, not like rendered people: 0.1 to 0.4 dB less here.
    assert same["psnr_face"] > repeated["psnr_face"] + 3
    assert same["psnr_mouth"] > repeated["psnr_mouth"] + 3
    assert same["ssim_mouth"] > repeated["ssim_mouth"] + 0.15
    assert same["landmarks"] < 0.15 * repeated["landmarks"]
    assert same["mouth_correlation"] > 0.45 and scores["cross_identity"]["mouth_correlation"] > 0.7
    assert same["faces"] == 1
