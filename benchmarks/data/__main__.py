"""What preparing data costs: `python -m benchmarks.data`, each part beside the usual way to do it, in one run.

    crop    frames a second of cutting listed windows out of 1080p videos with audio, two workers, against a loop of
            imageio and scikit-image's resize, as in video-preprocessing
    pack    frames a second of packing clips of twice the size into an LMDB, two workers, against Pillow frame by frame:
            bicubic and JPEG, one transaction a clip, as PIRenderer does it, and the aligned frames as FFHQ makes them
            with Pillow; then against the same loop without aligned frames, which is half of the work
    loader  samples a second by no worker and by two: pairs as train_warper and train read them, the latter with both
            aligned frames, against a data set that decodes source, target and one aligned frame of every pair with
            Pillow, to float32; and stretches of speech, against a data set that cuts them from the mel windows of
            complete clips of 1024 frames
    one     what one more clip takes where a thousand are done, for each stage, against that clip alone
    memory  the peak of a process that crops a long 1080p video, at a tenth of the length and at the full length
    index   seconds to plan, list and resume each stage of a set of 150,000 clips

The videos show scikit-image's astronaut. `--only NAME` runs one part. On a busy machine ratios hold, rates don't.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.data.common import table, working_in
from benchmarks.data.crop import measure_crop
from benchmarks.data.growth import measure_one
from benchmarks.data.index import measure_index
from benchmarks.data.loader import measure_loader
from benchmarks.data.memory import crop_once, measure_memory
from benchmarks.data.pack import measure_pack


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.data", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=list(PARTS), help="run this part alone")
    parser.add_argument("--frames", type=int, default=250, help="of each video of the parts crop and pack")
    parser.add_argument("--clips", type=int, default=1000, help="that are done when one more comes")
    parser.add_argument("--seconds", type=float, default=7200, help="length of the video of the part memory")
    parser.add_argument("--indexed", type=int, default=150_000, help="clips of the part index")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.add_argument("--cropped", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if min(args.frames, args.clips, args.seconds, args.indexed) < 1:
        parser.error("--frames, --clips, --seconds and --indexed must be 1 or more")
    if args.cropped:
        print(json.dumps(crop_once(args.cropped)))
        return
    names = [args.only] if args.only else list(PARTS)
    report = {}
    for name in names:
        with tempfile.TemporaryDirectory() as folder, working_in(folder):
            report[name] = PARTS[name](args)
    print(json.dumps(report, indent=2) if args.json else "\n\n".join(table(name, report[name]) for name in report))


PARTS: dict[str, Callable[[argparse.Namespace], Any]] = {
    "crop": measure_crop,
    "pack": measure_pack,
    "loader": measure_loader,
    "one": measure_one,
    "memory": measure_memory,
    "index": measure_index,
}


if __name__ == "__main__":
    main()
