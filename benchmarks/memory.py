"""How much more memory a long driver takes than a short one: `python -m benchmarks.memory`.

A portrait of the embedded size is animated by a video of 10 s and one of 10 minutes, and by speech of both lengths,
each video made in a process of its own, as `stages.animate` makes it. Printed are the peaks of the processes' memory.
The drivers are the example clip and the example speech, repeated. It takes twice as long as ten minutes of video
do.
"""

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from styleheat.constants import SAMPLE_RATE
from styleheat.inference.animator import Animator
from styleheat.inference.batch import animate_all
from styleheat.media.audio import read_audio, write_wav
from styleheat.media.video import VideoWriter, probe, read_frames
from styleheat.params import PARAMS_FILE, check_params, read_yaml

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "data" / "examples"
MODELS = ROOT / "models" / "embedded"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=600, help="length of the long driver; the short one has 10 s")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument("--driver", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.seconds < 1:
        parser.error("--seconds must be 1 or more")
    if args.driver:
        print(json.dumps(animated(args.driver)))
        return
    report = {kind: measure(kind, args.seconds) for kind in ("video", "speech")}
    print(json.dumps(report, indent=2) if args.json else table(report))


def measure(kind: str, seconds: int) -> dict[str, dict[str, float]]:
    """Frames and peak memory in MB of the short and the long video."""
    lengths = {"short": min(10, seconds), "long": seconds}
    report = {}
    for length in sorted(set(lengths.values())):
        with tempfile.TemporaryDirectory() as folder:
            driver = Path(folder, "driver.mp4" if kind == "video" else "driver.wav")
            (repeat_video if kind == "video" else repeat_audio)(driver, length)
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.memory", "--driver", driver],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                check=True,
                text=True,
            )
            report[length] = json.loads(done.stdout)
    return {name: report[length] for name, length in lengths.items()}


def animated(driver: Path) -> dict[str, float]:
    """Animate the example portrait by a driver; the video lies beside it."""
    tree = read_yaml(ROOT / PARAMS_FILE)
    tree["infer"] |= {"models": str(MODELS / "styleheat"), "audio_models": str(MODELS / "audio")}
    counts = animate_all(Animator(check_params(tree), "cpu"), [EXAMPLES / "portrait.png"], [driver], driver.parent)
    assert counts["made"] == 1, counts
    # Not getrusage's peak, which begins with that of the process that started this one.
    peak = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024  # from kilobytes
    return {"frames": probe(driver.parent / f"portrait--{driver.stem}.mp4").frames, "peak_memory_mb": round(peak, 1)}


def repeat_video(path: Path, seconds: int) -> None:
    """The example clip with its audio, again and again, for so long."""
    example = EXAMPLES / "driver.mp4"
    info = probe(example)
    audio = itertools.cycle([read_audio(example, SAMPLE_RATE)])

    def frames() -> Iterator[np.ndarray]:
        while True:
            yield from read_frames(example, fps=None)

    with VideoWriter(path, (info.width, info.height), info.fps, audio, SAMPLE_RATE) as writer:
        for frame in itertools.islice(frames(), round(seconds * info.fps)):
            writer.write(frame)


def repeat_audio(path: Path, seconds: int) -> None:
    write_wav(path, np.resize(read_audio(EXAMPLES / "speech.wav"), seconds * SAMPLE_RATE))


def table(report: dict[str, dict[str, dict[str, float]]]) -> str:
    heads = ("frames", "peak memory", "frames", "peak memory", "difference")
    lines = ["driver".ljust(8) + "".join(head.rjust(14) for head in heads)]
    for kind, lengths in report.items():
        short, long = lengths["short"], lengths["long"]
        cells = [
            f"{short['frames']}",
            f"{short['peak_memory_mb']:.0f} MB",
            f"{long['frames']}",
            f"{long['peak_memory_mb']:.0f} MB",
            f"{long['peak_memory_mb'] - short['peak_memory_mb']:.0f} MB",
        ]
        lines.append(kind.ljust(8) + "".join(cell.rjust(14) for cell in cells))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
