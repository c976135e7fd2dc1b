"""How fast a portrait is animated: `python -m benchmarks.inference`, at the full and at the embedded size.

Three ways to paint the same frames run one after the other, each in a process of its own:

    reference   what the released code does on a CPU (benchmarks/reference.py)
    plain       StyleHEAT.forward, the specification
    engine      what inference uses (styleheat/inference/engine.py)

Weights are drawn from a seed; nothing needs to be downloaded. Printed are, for each: the seconds a frame takes (the
median), how many times as fast as the reference that is, peak memory, seconds from the start of loading to the first
frame (inversion included), the largest difference from the reference's frames, scaled so that these lie on [-1,1]; and
the share of the machine's peak. The peak is the best rate that torch's float32 3×3 convolutions reach here. Work is
counted as convolutions are defined, over what acts on the frame. Winograd's algorithm does with fewer multiplications,
so the engine may exceed its share of a machine that computes as defined; the last column counts those that it really
does.

`--device cuda` measures a GPU. There the engine paints in half precision, the peak is that of convolutions in half
precision, and the memory the GPU's.
"""

import argparse
import dataclasses
import functools
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import reference
from styleheat.checkpoints import open_model, save_model
from styleheat.inference.animate import load_styleheat
from styleheat.inference.engine import Engine
from styleheat.networks.config import NETWORKS
from styleheat.networks.inversion import Inversion
from styleheat.networks.styleheat import StyleHEAT

PATHS = ("reference", "plain", "engine")
SEED = 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inference", description=__doc__.partition("\n")[0])
    parser.add_argument("--network", choices=[*NETWORKS, "all"], default="all")
    parser.add_argument("--frames", type=int, default=5, help="how many each path paints, after a first one")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument("--path", nargs=2, metavar=("NAME", "FOLDER"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.frames < 1 or args.threads < 1:
        parser.error("--frames and --threads must be 1 or more")
    torch.set_num_threads(args.threads)
    torch.set_grad_enabled(False)
    if args.path:
        print(json.dumps(measure(args.path[0], Path(args.path[1]), args.frames, args.device)))
        return
    peak = convolution_peak(args.device)
    networks = list(NETWORKS) if args.network == "all" else [args.network]
    results = {name: compare(name, args, peak) for name in networks}
    report = {"device": args.device, "threads": args.threads, "peak_gflops": round(peak, 1), "networks": results}
    print(json.dumps(report, indent=2) if args.json else table(report))


def compare(network: str, args: argparse.Namespace, peak: float) -> dict[str, dict[str, Any]]:
    """Every path's figures for one network; peak: GFLOP a second."""
    results: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        draw_weights(network, Path(folder))
        for path in PATHS:
            command = ["--path", path, folder, "--frames", str(args.frames), "--threads", str(args.threads)]
            command += ["--device", args.device]
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.inference", *command], stdout=subprocess.PIPE, check=True, text=True
            )
            results[path] = json.loads(done.stdout)
        painted = {path: np.load(Path(folder, f"{path}.npy")) for path in PATHS}
    for path, result in results.items():
        result["ratio"] = results["reference"]["seconds_per_frame"] / result["seconds_per_frame"]
        largest = max(1.0, float(np.abs(painted["reference"]).max()))  # drawn weights paint beyond [-1,1]
        result["difference"] = float(np.abs(painted[path] - painted["reference"]).max()) / largest
        result["share_of_peak"] = result["gflop_of_definition"] / result["seconds_per_frame"] / peak
        result["share_computed"] = result["gflop_computed"] / result["seconds_per_frame"] / peak
    return results


def draw_weights(network: str, folder: Path) -> None:
    """A model folder with weights from a seed in which everything acts: fresh models neither move nor repair.

    Without geometry and detail, which the reference has not.
    """
    torch.manual_seed(SEED)
    config = dataclasses.replace(NETWORKS[network], geometry=False, detail=False)
    model = StyleHEAT(config)
    for parameter in model.parameters():
        if parameter.count_nonzero() == 0:
            parameter.normal_(0, 0.1)
    model.video_warper.warping_net.flow_out[-1].weight.normal_(0, 0.01)
    save_model(folder, model, config, {})


def measure(path: str, folder: Path, frames: int, device: str) -> dict[str, Any]:
    """One path's own figures; its frames stay in the folder."""
    begin = time.perf_counter()
    model = load_styleheat(folder, device) if path == "engine" else open_model(folder, StyleHEAT)
    model.requires_grad_(False).to(device)
    generator = torch.Generator().manual_seed(SEED)
    size = model.config.input_size
    portrait = F.interpolate(torch.rand(1, 3, 8, 8, generator=generator) * 2 - 1, (size, size), mode="bicubic")
    windows = torch.randn(frames + 1, 1, model.config.motions, 27, generator=generator).to(device)
    inversion = model.generator.invert(portrait.clamp(-1, 1).to(device))
    paint = frame_generator(path, model, inversion)
    seconds, painted = [], []
    for window in windows:
        start = time.perf_counter()
        image = paint(window).cpu()
        seconds.append(time.perf_counter() - start)
        painted.append(image)
        if len(painted) == 1:
            first = time.perf_counter() - begin
    np.save(folder / f"{path}.npy", torch.cat(painted).numpy())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # from kilobytes
    if device == "cuda":
        memory = torch.cuda.max_memory_allocated() / 2**30
    return {
        "seconds_per_frame": statistics.median(seconds[1:]),
        "seconds_to_first_frame": first,
        "peak_memory_gb": memory,
        "gflop_of_definition": definition(model, inversion),
        "gflop_computed": count(lambda: paint(windows[0])),
    }


def frame_generator(path: str, model: StyleHEAT, inversion: Inversion) -> Callable[[Tensor], Tensor]:
    if path == "engine":
        engine = Engine(model, inversion)
        return lambda window: engine.paint(window)[0]
    if path == "plain":
        return lambda window: model(inversion.image, window, inversion).image
    reference.as_released(model)
    return lambda window: reference.paint(model, inversion, window)


def definition(model: StyleHEAT, inversion: Inversion) -> float:
    """GFLOP of what acts on one frame: the warper but for its first layer, the calibrator but for the heads of other
    resolutions, the generator above F."""
    config = model.config
    with torch.device("meta"):
        plain = StyleHEAT(config).requires_grad_(False)
        image, codes, feature = (torch.empty(x.shape) for x in (inversion.image, inversion.codes, inversion.feature))
        base = torch.empty(1, 3, config.feature_size // 2, config.feature_size // 2)
        window, descriptor = torch.empty(1, config.motions, 27), torch.empty(1, config.descriptor)
        first = plain.video_warper.warping_net.hourglass.encoder.input_layer
        total = (
            count(lambda: plain.video_warper(image, window))
            - count(lambda: first(image))
            + count(lambda: plain.calibrator(feature, descriptor))
            + count(lambda: plain.generator.stylegan.above(codes, feature, base))
        )
        size = config.feature_size
        for head in range(config.calibrator_heads - 2, -1, -1):
            size //= 2
            seen = torch.empty(1, config.calibrator_width, size, size)
            total -= 2 * count(functools.partial(plain.calibrator.condition_scale[head], seen))
    return total


def count(run: Callable[[], Any]) -> float:
    """GFLOP of the convolutions and matrix products in a call."""
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops() / 1e9


def convolution_peak(device: str) -> float:
    """The best GFLOP a second of some large 3×3 convolutions."""
    best = 0.0
    for channels, size in ((512, 64), (256, 128), (128, 128), (64, 256)):
        precision = torch.float16 if device == "cuda" else torch.float32
        x = torch.randn(1, channels, size, size, dtype=precision, device=device)
        weight = torch.randn(channels, channels, 3, 3, dtype=precision, device=device)
        x, weight = (t.contiguous(memory_format=torch.channels_last) for t in (x, weight))
        flop = 2 * channels**2 * 9 * size**2
        for _ in range(4):
            start = time.perf_counter()
            F.conv2d(x, weight, padding=1)
            if device == "cuda":
                torch.cuda.synchronize()
            best = max(best, flop / (time.perf_counter() - start) / 1e9)
    return best


def table(report: dict[str, Any]) -> str:
    lines = [f"{report['device']}, {report['threads']} threads, convolutions reach {report['peak_gflops']:.0f} GFLOP/s"]
    for network, results in report["networks"].items():
        size = NETWORKS[network].image_size
        heads = ("s/frame", "ratio", "of peak", "memory", "first frame", "difference", "computed")
        lines.append("\n" + f"{network}, {size} px".ljust(18) + "".join(head.rjust(13) for head in heads))
        for path, result in results.items():
            cells = (
                f"{result['seconds_per_frame']:.3f}",
                f"{result['ratio']:.1f}x",
                f"{result['share_of_peak']:.0%}",
                f"{result['peak_memory_gb']:.2f} GB",
                f"{result['seconds_to_first_frame']:.1f} s",
                f"{result['difference']:.0e}",
                f"{result['share_computed']:.0%}",
            )
            lines.append(path.ljust(18) + "".join(cell.rjust(13) for cell in cells))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
