"""Floors under what the committed weights do, well below what they were measured at."""

import json
from pathlib import Path

from benchmarks import photographs
from styleheat.params import check_params, read_yaml

ROOT = Path(__file__).parent.parent.parent


def test_a_photograph_follows_a_real_video(tmp_path: Path) -> None:
    """The astronaut, and two seconds of carphone, whose head is never within 10° of hers: no sharpness."""
    tree = read_yaml(ROOT / "params.yaml")
    tree["runtime"]["device"] = "cpu"
    tree["infer"]["models"] = str(ROOT / "models/embedded/styleheat")
    tree["infer"]["drive"]["seconds"] = [0, 2]
    portrait = photographs.default_portraits(tmp_path)[0]
    report = photographs.measure(check_params(tree), [portrait], [photographs.carphone()], tmp_path)
    (pair,) = report["pairs"]
    assert pair["frames"] == 60 and pair["faces"] == 1
    assert pair["mouth"]["correlation"] > 0.55 and pair["mouth"]["slope"] > 0.1
    assert pair["pitch"]["correlation"] > 0.75 and pair["pitch"]["slope"] > 0.4
    assert pair["yaw"]["correlation"] > 0.75 and pair["yaw"]["slope"] > 0.7
    assert pair["likeness"] > 0.95
    assert pair["jitter"] < 1 and pair["background"] < 2
    (ceiling,) = report["ceiling"].values()
    assert min(ceiling[name]["correlation"] for name in ("mouth", "pitch", "yaw", "roll")) > 0.85


def test_scores_of_the_default_run() -> None:
    """Of held-out people in metrics/evaluate.json."""
    scores = json.loads((ROOT / "metrics/evaluate.json").read_text())
    same, repeated = scores["same_identity"], scores["same_identity"]["trivial"]
    assert same["psnr_face"] > repeated["psnr_face"] + 5.5
    assert same["psnr_mouth"] > repeated["psnr_mouth"] + 5.5
    assert same["ssim_mouth"] > repeated["ssim_mouth"] + 0.35
    assert same["landmarks"] < 0.5 * repeated["landmarks"]
    assert same["mouth_correlation"] > 0.92 and scores["cross_identity"]["mouth_correlation"] > 0.9
    assert same["faces"] == 1
